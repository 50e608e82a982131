"""Frames that the clones of an address space share until one of them writes.

Such a page is the process's own for all else: its _MMPFN is no prototype PTE's, counts the
spaces that hold it, and has the protection of a page that is copied.
"""

from __future__ import annotations

from ntgate.executive.mm import pte
from ntgate.executive.mm.execute import make_entry
from ntgate.executive.mm.protection import after_copy
from ntgate.executive.mm.space import ProcessSpace


def is_shared_copy(space: ProcessSpace, entry: int) -> bool:
    """Whether another space holds the frame of this valid PTE of private memory, too."""
    return bool(entry & pte.VALID) and space.manager.pfn.share_count(pte.frame_of(entry)) > 1


def own(space: ProcessSpace, vpn: int, index: int) -> None:
    """Make a valid page that clones share, or have shared, this space's alone; raises NtError."""
    qwords, manager = space.tables.ram.qwords, space.manager
    pfn = manager.pfn
    entry = int(qwords[index])
    frame = pte.frame_of(entry)
    code = after_copy(pfn.protection(frame))
    if pfn.share_count(frame) == 1:
        pfn.set_protection(frame, code)
        pfn.move_pte(frame, pte.pte_address(vpn << 12), index >> 9)
    else:
        frame = copy_frame(space, vpn, index, frame, code)
        pfn.release(pte.frame_of(entry))
        manager.stale(vpn)
    qwords[index] = make_entry(space, frame, code, written=True)


def copy_frame(space: ProcessSpace, vpn: int, index: int, source: int, code: int) -> int:
    """A frame of the page's own, with the bytes of another; raises NtError."""
    manager = space.manager
    frame = manager.frame()
    ram = space.tables.ram.bytes
    ram[frame << 12 : (frame + 1) << 12] = ram[source << 12 : (source + 1) << 12]
    manager.pfn.describe(frame, pte.pte_address(vpn << 12), index >> 9, pte.demand_zero(code))
    return frame
