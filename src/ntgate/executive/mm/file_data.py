"""Data files in memory: writing pages back, and the file's own reads and writes.

A page that was written through a view has Modified in its _MMPFN, and then alone the
processor's write bit in its PTEs: the first write after a flush is a fault that sets both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ntgate.cpu.mmu import DIRTY, WRITABLE
from ntgate.cpu.ram import PAGE_SIZE
from ntgate.executive.mm import pte

if TYPE_CHECKING:
    from ntgate.executive.mm.segment import Segment


def resident(segment: Segment, first: int, last: int) -> Iterator[tuple[int, int]]:
    """(page, frame) of the pages first..last that are in memory."""
    last = min(last, segment.pages - 1)
    if last < first:
        return
    index = segment.prototype_index(first)
    entries = segment.manager.kernel.ram.qwords[index : index + last - first + 1].tolist()
    for page, entry in enumerate(entries, first):
        if entry & pte.VALID:
            yield page, pte.frame_of(entry)


def flush(segment: Segment, first: int, last: int) -> None:
    """Write the modified pages of first..last to the file, up to its size."""
    manager, file = segment.manager, segment.file
    assert file is not None
    size = min(segment.size, file.size)
    for page, frame in resident(segment, first, last):
        if not manager.pfn.is_modified(frame):
            continue
        start = frame * PAGE_SIZE
        length = min(PAGE_SIZE, size - page * PAGE_SIZE)
        if length > 0:
            data = bytes(manager.kernel.ram.bytes[start : start + length])
            file.write(page * PAGE_SIZE, data)
        _forget_write(segment, page, frame)


def _forget_write(segment: Segment, page: int, frame: int) -> None:
    manager = segment.manager
    manager.pfn.set_modified(frame, False)
    qwords = manager.kernel.ram.qwords
    for space, node in segment.views:
        view = space.vad(node)
        vpn = view.first + page - (view.first_prototype - segment.prototypes) // 8
        index = space.tables.index(vpn << 12) if view.first <= vpn <= view.last else None
        if index is None:
            continue
        entry = int(qwords[index])
        if entry & pte.VALID and pte.frame_of(entry) == frame and entry & WRITABLE:
            qwords[index] = entry & ~(WRITABLE | DIRTY)
            manager.stale(vpn)


def read_through(segment: Segment, offset: int, data: bytes) -> bytes:
    """Bytes read from the file at `offset`, as its pages in memory say."""
    result = bytearray(data)
    for _, start, position, length in _pieces(segment, offset, len(data)):
        result[position : position + length] = segment.manager.kernel.ram.bytes[
            start : start + length
        ]
    return bytes(result)


def write_through(segment: Segment, offset: int, data: bytes) -> None:
    """Bytes written to the file at `offset` reach its pages in memory."""
    cpu = segment.manager.cpu
    for frame, start, position, length in _pieces(segment, offset, len(data)):
        piece = data[position : position + length]
        if frame in cpu.ran:
            cpu.write_physical(start, piece)
        else:
            cpu.ram.bytes[start : start + length] = piece


def _pieces(segment: Segment, offset: int, size: int) -> Iterator[tuple[int, int, int, int]]:
    """(frame, physical address, position in the data, length) of what is in memory."""
    end = offset + size
    for page, frame in resident(segment, offset // PAGE_SIZE, (end - 1) // PAGE_SIZE):
        first = max(offset, page * PAGE_SIZE)
        length = min(end, (page + 1) * PAGE_SIZE) - first
        yield frame, frame * PAGE_SIZE + first % PAGE_SIZE, first - offset, length
