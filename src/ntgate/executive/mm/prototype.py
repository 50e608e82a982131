"""Bringing in a page of a section, for all who map it."""

from __future__ import annotations

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.errors import NtError
from ntgate.executive.mm import pte
from ntgate.executive.mm.pfn import PROTOTYPE_PTE
from ntgate.executive.mm.segment import Segment
from ntgate.layout.mm import IMAGE_SECTOR, PTE_PROTOTYPE, SUBSECTION
from ntgate.layout.ntstatus import STATUS_IN_PAGE_ERROR, STATUS_SUCCESS


def page_in(segment: Segment, prototype: int, *, for_copy: bool = False) -> tuple[int, int]:
    """(frame, STATUS_SUCCESS) of the page whose prototype PTE is at that address.

    `for_copy`: the caller wants the bytes alone; the frame is 0 where they are zeros that
    nobody has.  (0, STATUS_IN_PAGE_ERROR) when the file is shorter than it was
    or can't be read.  Raises NtError
    without memory.
    """
    manager = segment.manager
    ram = manager.kernel.ram
    index = manager.kernel.physical(prototype) >> 3
    entry = int(ram.qwords[index])
    if entry & pte.VALID:
        return pte.frame_of(entry), STATUS_SUCCESS
    data = b""
    if entry & PTE_PROTOTYPE:
        found = _read(segment, entry >> 32, prototype)
        if found is None:
            return 0, STATUS_IN_PAGE_ERROR
        data = found
    elif for_copy:
        return 0, STATUS_SUCCESS
    frame = manager.frame()
    ram.bytes[frame * PAGE_SIZE : frame * PAGE_SIZE + len(data)] = data
    manager.pfn.describe(frame, prototype, index >> 9, entry, PROTOTYPE_PTE)
    code = pte.protection_of(entry)
    ram.qwords[index] = pte.valid_entry(frame, code, ran=False, written=False)
    return frame, STATUS_SUCCESS


def _read(segment: Segment, address: int, prototype: int) -> bytes | None:
    """A page's bytes in the file; None when it ends before the page, or can't be read."""
    assert segment.file is not None
    sub = SUBSECTION(segment.manager.kernel, address)
    unit = IMAGE_SECTOR if segment.image is not None else PAGE_SIZE
    offset = prototype - sub.SubsectionBase << 9  # 8 bytes of PTE to a page
    length = sub.NumberOfFullSectors * unit + sub.SectorEndOffset - offset
    try:
        data = segment.file.read(sub.StartingSector * unit + offset, min(length, PAGE_SIZE))
    except NtError:
        return None
    return data or None
