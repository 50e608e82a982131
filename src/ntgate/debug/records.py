"""The kernel's records in guest memory, by the names that `dt` has for them."""

from __future__ import annotations

from collections.abc import Iterator

from ntgate.debug import peek
from ntgate.debug.errors import KdError
from ntgate.debug.target import Target, Unreadable
from ntgate.layout.type_table import Bitfield, TypeTable

LONGEST_LIST = 0x10000
_LONGEST_TEXT = 0x8000


class Record:
    """A structure at an address.  Every reader raises Unreadable."""

    def __init__(self, target: Target, types: TypeTable, name: str, address: int) -> None:
        self.target = target
        self.types = types
        self.name = name
        self.address = address & 0xFFFFFFFF

    def at(self, path: str) -> int:
        """The address of a member."""
        return self.address + self.types.offset(self.name, path) & 0xFFFFFFFF

    def __getitem__(self, path: str) -> int:
        """A member as an unsigned number: an integer, a pointer, an enumeration, a bit field."""
        offset, of = self.types.resolve(self.types.struct(self.name), path)
        number = peek.number(self.target, self.address + offset, of.size)
        return of.extract(number) if isinstance(of, Bitfield) else number

    def record(self, name: str, path: str) -> Record:
        """The structure that a member is, or the first of them."""
        return Record(self.target, self.types, name, self.at(path))

    def follow(self, name: str, path: str) -> Record | None:
        """The structure that a member points to; None for NULL."""
        address = self[path]
        return Record(self.target, self.types, name, address) if address else None

    def text(self, path: str) -> str:
        """A UNICODE_STRING's; what can't be read ends it."""
        return unicode_text(self.target, self.at(path))

    def list(self, name: str, head: str, link: str) -> Iterator[Record]:
        """The structures that a LIST_ENTRY heads; ends at a link that was seen before."""
        offset = self.types.offset(name, link)
        for entry in list_entries(self.target, self.at(head)):
            yield Record(self.target, self.types, name, entry - offset)


def unicode_text(target: Target, address: int) -> str:
    """The text of the UNICODE_STRING at an address."""
    length = peek.number(target, address, 2) & ~1
    buffer = peek.number(target, address + 4)
    raw = peek.readable(target, buffer, min(length, _LONGEST_TEXT)) if buffer else b""
    return raw[: len(raw) & ~1].decode("utf-16-le", "replace")


def list_entries(target: Target, head: int) -> Iterator[int]:
    """The addresses of the LIST_ENTRYs behind a head.

    Raises KdError for a list that leads nowhere, or round in a circle that leaves the head out.
    """
    seen = {head}
    entry = _link(target, head)
    while entry != head:
        if entry in seen or len(seen) > LONGEST_LIST:
            raise KdError(f"The list at {head:08x} does not come back: {entry:08x} is there twice")
        seen.add(entry)
        yield entry
        entry = _link(target, entry)


def _link(target: Target, entry: int) -> int:
    try:
        return peek.number(target, entry)
    except Unreadable:
        raise KdError(f"Can't read the list entry at {entry:08x}") from None
