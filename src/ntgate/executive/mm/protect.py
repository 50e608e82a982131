"""Changing protection: NtProtectVirtualMemory."""

from __future__ import annotations

from ntgate.cpu.mmu import NO_EXECUTE, WRITABLE
from ntgate.errors import NtError
from ntgate.executive.mm import pte
from ntgate.executive.mm.copies import is_shared_copy, own
from ntgate.executive.mm.execute import make_entry
from ntgate.executive.mm.pages import is_tracked, page_code, section_code
from ntgate.executive.mm.protection import (
    PAGE_OF_CODE,
    WRITABLE_CODES,
    after_copy,
    before_copy,
    is_compatible,
    private_protection_code,
    protection_code,
)
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.mm.vad import NO_CHANGE, USER_PHYSICAL_PAGES, Vad
from ntgate.layout.machine import MM_HIGHEST_USER_ADDRESS
from ntgate.layout.mm import PTE_PROTOTYPE, PTE_TRANSITION
from ntgate.layout.ntstatus import (
    STATUS_CONFLICTING_ADDRESSES,
    STATUS_INVALID_PAGE_PROTECTION,
    STATUS_INVALID_PARAMETER_2,
    STATUS_INVALID_PARAMETER_3,
    STATUS_NOT_COMMITTED,
    STATUS_SECTION_PROTECTION,
)


def protect(space: ProcessSpace, base: int, size: int, new: int) -> tuple[int, int, int]:
    """NtProtectVirtualMemory: base, size and the first page's old PAGE_* value.

    All pages must be committed and in one allocation.  Pages of an image that are asked to be
    writable become copy-on-write, but for those of shared sections.  Raises NtError.
    """
    code = protection_code(new)
    if base > MM_HIGHEST_USER_ADDRESS:
        raise NtError(STATUS_INVALID_PARAMETER_2)
    if not 0 < size <= MM_HIGHEST_USER_ADDRESS + 1 - base:
        raise NtError(STATUS_INVALID_PARAMETER_3)
    first, last = base >> 12, (base + size - 1) >> 12
    vad = space.vad_at(first)
    if vad is None or last > vad.last or vad.flags & USER_PHYSICAL_PAGES:
        raise NtError(STATUS_CONFLICTING_ADDRESSES)
    if vad.flags & NO_CHANGE:
        raise NtError(STATUS_INVALID_PAGE_PROTECTION)
    old = page_code(space, vad, first, space.tables.entry(first << 12))
    if old is None:
        raise NtError(STATUS_NOT_COMMITTED)
    if vad.is_private:
        private_protection_code(new)
        if space.count_committed(vad, first, last) != last - first + 1:
            raise NtError(STATUS_NOT_COMMITTED)
        write_private_code(space, vad, first, last, code)
    else:
        if not vad.is_image and not is_compatible(PAGE_OF_CODE[vad.code], new):
            raise NtError(STATUS_SECTION_PROTECTION)
        protect_view(space, vad, first, last, code)
    return first << 12, (last - first + 1) << 12, PAGE_OF_CODE[old]


def write_private_code(space: ProcessSpace, vad: Vad, first: int, last: int, code: int) -> None:
    """Give pages of private memory a protection; those that were not committed become so."""
    qwords = space.tables.ram.qwords
    is_default = vad.is_committed and code == vad.code
    if not is_default:
        space.make_tables(first, last)
    committed = pte.demand_zero(code)
    for vpn, count, index in space.chunks(first, last):
        if index is None:
            continue
        entries = qwords[index : index + count].tolist()
        if not any(entries):
            if not is_default:
                qwords[index : index + count] = pte.repeated(committed)[:count]
            continue
        for offset, entry in enumerate(entries):
            if entry & (pte.VALID | PTE_TRANSITION):
                _protect_private_page(space, vad, vpn + offset, index + offset, code)
            elif entry or not is_default:
                qwords[index + offset] = committed


def _protect_private_page(
    space: ProcessSpace, vad: Vad, vpn: int, index: int, code: int
) -> None:
    """A page with a frame of its own, valid or in transition."""
    pfn = space.manager.pfn
    entry = int(space.tables.ram.qwords[index])
    if is_shared_copy(space, entry):
        own(space, vpn, index)
        entry = int(space.tables.ram.qwords[index])
    frame = pte.frame_of(entry)
    pfn.set_protection(frame, code)
    if not entry & pte.VALID:
        space.tables.ram.qwords[index] = pte.with_protection(entry, code)
    elif pte.accessible(code):
        written = not (vad.is_private and vad.is_watched) or pfn.is_modified(frame)
        _replace(space, vpn, index, make_entry(space, frame, code, written=written))
    else:
        _replace(space, vpn, index, pte.transition_entry(frame, code))
        space.count_invalid()


def _replace(space: ProcessSpace, vpn: int, index: int, new: int) -> None:
    """Write over a valid PTE; the TLB hears of rights that are lost."""
    old = int(space.tables.ram.qwords[index])
    space.tables.ram.qwords[index] = new
    if (
        not new & pte.VALID
        or old & ~new & WRITABLE
        or new & ~old & NO_EXECUTE
    ):
        space.manager.stale(vpn)


def protect_view(space: ProcessSpace, vad: Vad, first: int, last: int, code: int) -> None:
    """Give pages of a view a protection; raises NtError STATUS_NOT_COMMITTED."""
    entries = [space.tables.entry(vpn << 12) for vpn in range(first, last + 1)]
    for offset, entry in enumerate(entries):
        if page_code(space, vad, first + offset, entry) is None:
            raise NtError(STATUS_NOT_COMMITTED)
    space.make_tables(first, last)
    for offset, entry in enumerate(entries):
        vpn = first + offset
        index = space.index(vpn)
        if _is_own(space, entry):
            _protect_private_page(space, vad, vpn, index, after_copy(code))
            continue
        shared = code
        if vad.is_image and (section_code(space, vad, vpn) or 0) & 7 not in WRITABLE_CODES:
            shared = before_copy(code)
        if entry & pte.VALID:
            _protect_shared_page(space, vad, vpn, index, shared)
        else:
            space.tables.ram.qwords[index] = pte.lookup_entry(shared)


def _is_own(space: ProcessSpace, entry: int) -> bool:
    """Whether a page of a view is the process's private copy."""
    if entry & pte.VALID:
        return not space.manager.pfn.is_prototype(pte.frame_of(entry))
    return entry & (PTE_TRANSITION | PTE_PROTOTYPE) == PTE_TRANSITION


def _protect_shared_page(space: ProcessSpace, vad: Vad, vpn: int, index: int, code: int) -> None:
    pfn = space.manager.pfn
    frame = pte.frame_of(int(space.tables.ram.qwords[index]))
    if pte.accessible(code):
        written = not is_tracked(space, vad) or pfn.is_modified(frame)
        _replace(space, vpn, index, make_entry(space, frame, code, written=written))
        space.shared_protection[vpn] = code
    else:
        _replace(space, vpn, index, pte.lookup_entry(code))
        space.shared_protection.pop(vpn, None)
        space.count_invalid()
        pfn.release(frame)
