"""Reading guest memory for display: numbers, strings, and ranges with holes."""

from __future__ import annotations

from collections.abc import Iterator

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.debug.target import Target, Unreadable
from ntgate.memory.user import ADDRESS_SPACE

_LONGEST_STRING = 0x10000


def number(target: Target, address: int, size: int = 4) -> int:
    """The little-endian number of `size` bytes at an address; raises Unreadable."""
    return int.from_bytes(target.read(address & 0xFFFFFFFF, size), "little")


def chunks(target: Target, address: int, size: int) -> Iterator[tuple[int, bytes]]:
    """The readable stretches of a range as (address, bytes), a page or less at a time."""
    end = min(address + size, ADDRESS_SPACE)
    while address < end:
        stop = min(end, (address | PAGE_SIZE - 1) + 1)
        try:
            yield address, target.read(address, stop - address)
        except Unreadable as hole:
            if address < hole.address < stop:
                yield address, target.read(address, hole.address - address)
        address = stop


def with_holes(target: Target, address: int, size: int) -> list[int | None]:
    """One entry for each byte; None where it can't be read, or lies beyond 4 GB.

    A page that is readable up to some byte counts as unreadable from there on.
    """
    found: list[int | None] = [None] * size
    for start, data in chunks(target, address, size):
        found[start - address : start - address + len(data)] = data
    return found


def readable(target: Target, address: int, size: int) -> bytes:
    """The bytes from an address on, up to the first that can't be read."""
    found = bytearray()
    for start, data in chunks(target, address, size):
        if start != address + len(found):
            break
        found += data
    return bytes(found)


def zero_terminated(
    target: Target, address: int, width: int, limit: int = _LONGEST_STRING
) -> bytes:
    """The characters of `width` bytes before a zero one, at most `limit` of them.

    Ends early at memory that can't be read; raises Unreadable where the first one can't.
    """
    target.read(address, width)
    found = bytearray()
    for start, data in chunks(target, address, limit * width):
        if start != address + len(found):
            break
        found += data
        for offset in range(0, len(found) - width + 1, width):
            if not any(found[offset : offset + width]):
                return bytes(found[:offset])
    return bytes(found[: len(found) // width * width])
