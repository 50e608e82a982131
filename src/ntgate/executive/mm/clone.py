"""A copy of an address space: NtCreateProcess without a section, which is NT's fork.

Private memory and the private copies in views are shared until one side writes: such a page is
valid with COPY_ON_WRITE in both, its _MMPFN counts the holders and has the protection of a page
that is copied.  Views of sections are mapped again where they were mapped with ViewShare; others,
and MEM_PHYSICAL allocations, are not there.  The pages of PEB and TEBs are private memory.
"""

from __future__ import annotations

from ntgate.errors import NtError
from ntgate.executive.mm import pte
from ntgate.executive.mm.copies import copy_frame
from ntgate.executive.mm.execute import make_entry
from ntgate.executive.mm.protection import COPY_CODES, after_copy, before_copy
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.mm.vad import (
    COMMIT_CHARGE_MASK,
    NO_CHANGE,
    TAG_LONG,
    TAG_MAPPED,
    TAG_SHORT,
    USER_PHYSICAL_PAGES,
    WRITE_WATCH,
    Vad,
)
from ntgate.layout.mm import MMVAD, MMVAD_LONG, PTE_PROTOTYPE, PTE_TRANSITION


def clone(space: ProcessSpace, parent: ProcessSpace) -> None:
    """Give an empty space what `parent` has; raises NtError, with a part of it done.

    Raises STATUS_PROCESS_IS_TERMINATING for a parent that has ended.
    """
    parent.require_alive()
    for node in parent.vads:
        vad = parent.vad(node)
        if vad.is_private:
            if not vad.flags & USER_PHYSICAL_PAGES:
                _add_private(space, parent, vad)
                _clone_pages(space, parent, vad)
        elif MMVAD(parent.manager.kernel, node).Inherit:
            _add_view(space, parent, vad)
            _clone_pages(space, parent, vad)


def _add_private(space: ProcessSpace, parent: ProcessSpace, vad: Vad) -> None:
    """The allocation, charged; its writes are watched no more."""
    tag = TAG_LONG if vad.flags & NO_CHANGE else TAG_SHORT
    node = _add(space, vad, tag, vad.flags & ~WRITE_WATCH)
    if tag == TAG_LONG:
        of = MMVAD_LONG(parent.manager.kernel, vad.node)
        view = MMVAD_LONG(parent.manager.kernel, node)
        view.LongFlags2 = of.LongFlags2
        view.Secured.StartVpn, view.Secured.EndVpn = of.Secured.StartVpn, of.Secured.EndVpn


def _add_view(space: ProcessSpace, parent: ProcessSpace, vad: Vad) -> None:
    kernel = parent.manager.kernel
    node = _add(space, vad, TAG_MAPPED, vad.flags)
    of, view = MMVAD(kernel, vad.node), MMVAD(kernel, node)
    view.ControlArea, view.LongFlags2 = of.ControlArea, of.LongFlags2
    view.FirstPrototypePte, view.LastContiguousPte = of.FirstPrototypePte, of.LastContiguousPte
    space.manager.segments[vad.control_area].add_view(space, node)


def _add(space: ProcessSpace, vad: Vad, tag: bytes, flags: int) -> int:
    charge = flags & COMMIT_CHARGE_MASK
    space.manager.charge(charge, space)
    try:
        return space.add_vad(tag, vad.first, vad.last, flags)
    except NtError:
        space.manager.uncharge(charge, space)
        raise


def _clone_pages(space: ProcessSpace, parent: ProcessSpace, vad: Vad) -> None:
    qwords, pfn = parent.tables.ram.qwords, parent.manager.pfn
    for first, count, index in parent.chunks(vad.first, vad.last):
        entries = [] if index is None else qwords[index : index + count].tolist()
        for offset, entry in enumerate(entries):
            if not entry:
                continue
            assert index is not None
            vpn, of = first + offset, index + offset
            if not entry & pte.VALID:
                _clone_invalid(space, vpn, entry)
            elif not pfn.is_prototype(pte.frame_of(entry)):
                _share(space, parent, vad, vpn, of)
            elif vpn in parent.shared_protection:
                code = parent.shared_protection[vpn]
                qwords[space.index(vpn)] = pte.lookup_entry(code)


def _clone_invalid(space: ProcessSpace, vpn: int, entry: int) -> None:
    """A page that has no frame, or whose frame can't be accessed: that is copied now."""
    index = space.index(vpn)
    if entry & (PTE_TRANSITION | PTE_PROTOTYPE) == PTE_TRANSITION:
        code = after_copy(pte.protection_of(entry))
        frame = copy_frame(space, vpn, index, pte.frame_of(entry), code)
        entry = pte.transition_entry(frame, code)
        space.count_private()
        space.count_invalid()
    space.tables.ram.qwords[index] = entry


def _share(
    space: ProcessSpace, parent: ProcessSpace, vad: Vad, vpn: int, of: int
) -> None:
    """One frame for both; where writes are watched the clone has its own at once."""
    qwords, manager = space.tables.ram.qwords, space.manager
    frame = pte.frame_of(int(qwords[of]))
    index = space.index(vpn)
    if vad.is_private and vad.is_watched:
        code = after_copy(manager.pfn.protection(frame))
        frame = copy_frame(space, vpn, index, frame, code)
        qwords[index] = make_entry(space, frame, code, written=True)
    else:
        code = before_copy(manager.pfn.protection(frame))
        manager.pfn.set_protection(frame, code)
        manager.pfn.share(frame)
        qwords[index] = make_entry(space, frame, code, written=True)
        if code & 7 in COPY_CODES:
            qwords[of] = make_entry(parent, frame, code, written=True)
            manager.stale(vpn)
    space.count_private()
