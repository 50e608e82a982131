"""What one page is: its protection, and the prototype PTE behind a page of a section."""

from __future__ import annotations

from ntgate.executive.mm import pte
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.mm.vad import Vad
from ntgate.layout.mm import CONTROL_AREA, MM_DECOMMIT, PTE_PROTOTYPE

_FILE_DATA = 1 << 7   # CONTROL_AREA.u.Flags.File
_IMAGE = 1 << 5       # CONTROL_AREA.u.Flags.Image
_FLAGS = CONTROL_AREA.LongFlags.offset


def page_code(space: ProcessSpace, vad: Vad, vpn: int, entry: int) -> int | None:
    """The MM_ protection of a page with this PTE; None where it isn't committed."""
    if entry & pte.VALID:
        pfn = space.manager.pfn
        frame = pte.frame_of(entry)
        if not pfn.is_prototype(frame):
            return pfn.protection(frame)
        given = space.shared_protection.get(vpn)
        return section_code(space, vad, vpn) if given is None else given
    if not entry:
        if vad.is_private:
            return vad.code if vad.is_committed else None
        return section_code(space, vad, vpn)
    code = pte.protection_of(entry)
    if code == MM_DECOMMIT:
        return None
    if entry & PTE_PROTOTYPE and not prototype_entry(space, vad, vpn):
        return None
    return code


def section_code(space: ProcessSpace, vad: Vad, vpn: int) -> int | None:
    """The protection of a page of a view that nobody has changed; None: not committed."""
    entry = prototype_entry(space, vad, vpn)
    if not entry:
        return None
    if not vad.is_image:
        return vad.code
    if entry & pte.VALID:
        return space.manager.pfn.protection(pte.frame_of(entry))
    return pte.protection_of(entry)


def prototype_entry(space: ProcessSpace, vad: Vad, vpn: int) -> int:
    """The prototype PTE of a page; 0 where the section has no page."""
    address = vad.prototype(vpn)
    return space.manager.kernel.u64(address) if address else 0


def is_tracked(space: ProcessSpace, vad: Vad) -> bool:
    """Whether the first write to a page must be noticed: watched memory, data of a file."""
    if vad.is_private:
        return vad.is_watched
    flags = space.manager.kernel.u32(vad.control_area + _FLAGS)
    return flags & (_FILE_DATA | _IMAGE) == _FILE_DATA
