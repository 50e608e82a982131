"""Reserving and committing: NtAllocateVirtualMemory."""

from __future__ import annotations

from ntgate.errors import NtError
from ntgate.executive.mm import pte
from ntgate.executive.mm.pages import prototype_entry
from ntgate.executive.mm.protect import protect_view, write_private_code
from ntgate.executive.mm.protection import (
    PAGE_OF_CODE,
    is_compatible,
    private_protection_code,
    protection_code,
)
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.mm.vad import (
    MEM_COMMIT_FLAG,
    NO_CHANGE,
    PRIVATE_MEMORY,
    PROTECTION_SHIFT,
    TAG_LONG,
    TAG_SHORT,
    USER_PHYSICAL_PAGES,
    WRITE_WATCH,
    Vad,
)
from ntgate.executive.mm.vad_tree import GRANULARITY, HIGHEST_VPN, LOWEST_VPN
from ntgate.layout.mm import (
    MEM_COMMIT,
    MEM_PHYSICAL,
    MEM_RESERVE,
    MEM_RESET,
    MEM_TOP_DOWN,
    MEM_WRITE_WATCH,
    MM_READWRITE,
    MMVAD_LONG,
    MMVAD_SHORT,
    PAGE_READWRITE,
)
from ntgate.layout.ntstatus import (
    STATUS_ALREADY_COMMITTED,
    STATUS_CONFLICTING_ADDRESSES,
    STATUS_INVALID_PARAMETER_2,
    STATUS_INVALID_PARAMETER_3,
    STATUS_INVALID_PARAMETER_4,
    STATUS_INVALID_PARAMETER_5,
    STATUS_INVALID_PARAMETER_6,
    STATUS_NO_MEMORY,
    STATUS_SECTION_PROTECTION,
)
from ntgate.records import dataclass

_KNOWN_TYPES = (
    MEM_COMMIT | MEM_RESERVE | MEM_RESET | MEM_TOP_DOWN | MEM_WRITE_WATCH | MEM_PHYSICAL
)
HIGHEST_ADDRESS = HIGHEST_VPN << 12 | 0xFFF
MOST_ZERO_BITS = 21
VM_TOP_DOWN = 1 << 21  # EPROCESS.Flags


@dataclass(frozen=True, slots=True)
class Wish:
    """Where memory without a base is wanted, in page numbers; `alignment` in pages."""

    lowest: int = LOWEST_VPN
    highest: int = HIGHEST_VPN
    alignment: int = GRANULARITY


ANYWHERE = Wish()


def allocate(
    space: ProcessSpace,
    base: int,
    size: int,
    allocation_type: int,
    protect: int,
    *,
    zero_bits: int = 0,
    wish: Wish = ANYWHERE,
) -> tuple[int, int]:
    """NtAllocateVirtualMemory: the base and size that it returns, rounded to whole pages.

    Nothing is touched: a committed page gets its frame at the first access.  Raises NtError.
    """
    if zero_bits > MOST_ZERO_BITS:
        raise NtError(STATUS_INVALID_PARAMETER_3)
    _check_type(allocation_type, protect)
    protection_code(protect)
    if base > HIGHEST_ADDRESS:
        raise NtError(STATUS_INVALID_PARAMETER_2)
    if not 0 < size <= HIGHEST_ADDRESS + 1 - base:
        raise NtError(STATUS_INVALID_PARAMETER_4)
    if base and not allocation_type & MEM_RESERVE:
        first, last = base >> 12, (base + size - 1) >> 12
        if allocation_type & MEM_COMMIT:
            _commit(space, first, last, protect)
        else:
            vad = space.vad_at(first)
            if vad is None or last > vad.last:
                raise NtError(STATUS_CONFLICTING_ADDRESSES)
    elif allocation_type & MEM_RESET:
        raise NtError(STATUS_CONFLICTING_ADDRESSES)
    else:
        first, last = _choose(space, base, size, allocation_type, zero_bits, wish)
        code = private_protection_code(protect)
        _reserve(space, first, last, allocation_type, code)
    return first << 12, (last - first + 1) << 12


def _check_type(allocation_type: int, protect: int) -> None:
    actions = allocation_type & (MEM_COMMIT | MEM_RESERVE | MEM_RESET)
    physical = allocation_type & MEM_PHYSICAL
    if (
        allocation_type & ~_KNOWN_TYPES
        or not actions
        or (allocation_type & MEM_RESET and allocation_type != MEM_RESET)
        or (allocation_type & MEM_WRITE_WATCH and not allocation_type & MEM_RESERVE)
        or (physical and allocation_type & ~MEM_TOP_DOWN != MEM_RESERVE | MEM_PHYSICAL)
    ):
        raise NtError(STATUS_INVALID_PARAMETER_5)
    if physical and protect != PAGE_READWRITE:
        raise NtError(STATUS_INVALID_PARAMETER_6)


def _choose(
    space: ProcessSpace, base: int, size: int, allocation_type: int, zero_bits: int, wish: Wish
) -> tuple[int, int]:
    """First and last page of a reservation: the caller's, from a multiple of 64 KB, or free."""
    if base:
        first, last = base >> 16 << 4, (base + size - 1) >> 12
        if space.vads.overlaps(first, last):
            raise NtError(STATUS_CONFLICTING_ADDRESSES)
        return first, last
    pages = (size + 0xFFF) >> 12
    top_down = bool(allocation_type & MEM_TOP_DOWN)
    return find_free(space, pages, zero_bits=zero_bits, top_down=top_down, wish=wish)


def find_free(
    space: ProcessSpace,
    pages: int,
    *,
    zero_bits: int = 0,
    top_down: bool = False,
    wish: Wish = ANYWHERE,
) -> tuple[int, int]:
    """First and last page of a free range that starts on 64 KB; STATUS_NO_MEMORY without one.

    `zero_bits` high bits of every address in it are zero.
    """
    highest = min(HIGHEST_VPN, wish.highest, 0xFFFFFFFF >> zero_bits >> 12)
    down = top_down or space.process.Flags & VM_TOP_DOWN
    find = space.vads.find_free_down if down else space.vads.find_free
    lowest = max(LOWEST_VPN, wish.lowest)
    first = find(pages, alignment=wish.alignment, lowest=lowest, highest=highest)
    if first is None:
        raise NtError(STATUS_NO_MEMORY)
    return first, first + pages - 1


def _reserve(space: ProcessSpace, first: int, last: int, allocation_type: int, code: int) -> None:
    pages = last - first + 1
    flags = PRIVATE_MEMORY | code << PROTECTION_SHIFT
    if allocation_type & MEM_WRITE_WATCH:
        flags |= WRITE_WATCH
    if allocation_type & MEM_PHYSICAL:
        flags |= USER_PHYSICAL_PAGES
    if not allocation_type & MEM_COMMIT:
        space.add_vad(TAG_SHORT, first, last, flags)
        return
    space.manager.charge(pages, space)
    try:
        space.add_vad(TAG_SHORT, first, last, flags | MEM_COMMIT_FLAG | pages)
    except NtError:
        space.manager.uncharge(pages, space)
        raise


def _commit(space: ProcessSpace, first: int, last: int, protect: int) -> None:
    vad = space.vad_at(first)
    if vad is None or last > vad.last or vad.flags & USER_PHYSICAL_PAGES:
        raise NtError(STATUS_CONFLICTING_ADDRESSES)
    if vad.is_private:
        _commit_private(space, vad, first, last, private_protection_code(protect))
    else:
        _commit_section(space, vad, first, last, protection_code(protect))


def _commit_private(space: ProcessSpace, vad: Vad, first: int, last: int, code: int) -> None:
    manager = space.manager
    new = last - first + 1 - space.count_committed(vad, first, last)
    manager.charge(new, space)
    view = MMVAD_SHORT(manager.kernel, vad.node)
    charged = view.CommitCharge
    if not charged and (first, last) == (vad.first, vad.last) and code == vad.code:
        space.discard(first, last)
        view.LongFlags |= MEM_COMMIT_FLAG | new
        return
    try:
        write_private_code(space, vad, first, last, code)
    except NtError:
        manager.uncharge(new, space)
        raise
    view.CommitCharge = charged + new


def _commit_section(space: ProcessSpace, vad: Vad, first: int, last: int, code: int) -> None:
    """Commit pages of a view of the paging file, for all who map it; a file's are already."""
    if space.manager.segments[vad.control_area].file is not None:
        raise NtError(STATUS_ALREADY_COMMITTED)
    if not is_compatible(PAGE_OF_CODE[vad.code], PAGE_OF_CODE[code]):
        raise NtError(STATUS_SECTION_PROTECTION)
    commit_view(space, first, last)
    protect_view(space, vad, first, last, code)


def commit_view(space: ProcessSpace, first: int, last: int) -> None:
    """Commit the section's pages that pages first..last of one view show; raises NtError."""
    manager = space.manager
    vad = space.vad_at(first)
    assert vad is not None
    missing = [
        vpn
        for vpn in range(first, last + 1)
        if vad.prototype(vpn) and not prototype_entry(space, vad, vpn)
    ]
    manager.charge(len(missing))
    segment = manager.segments[vad.control_area]
    for vpn in missing:
        manager.kernel.set_u64(vad.prototype(vpn), pte.demand_zero(segment.code))
    segment.count_committed(len(missing))


def create_peb_or_teb(space: ProcessSpace, size: int) -> int:
    """The highest free pages for a PEB or TEB, committed: the address.  Raises NtError.

    Its VAD is a secured one, as on XP: it can't be freed, or protected, by its process.
    """
    pages = (size + 0xFFF) >> 12
    first = space.vads.find_free_down(pages, alignment=1)
    if first is None:
        raise NtError(STATUS_NO_MEMORY)
    space.manager.charge(pages, space)
    flags = PRIVATE_MEMORY | MEM_COMMIT_FLAG | NO_CHANGE | MM_READWRITE << PROTECTION_SHIFT | pages
    try:
        node = space.add_vad(TAG_LONG, first, first + pages - 1, flags)
    except NtError:
        space.manager.uncharge(pages, space)
        raise
    view = MMVAD_LONG(space.manager.kernel, node)
    view.LongVad = view.OneSecured = 1
    view.Secured.StartVpn, view.Secured.EndVpn = first << 12, (first + pages << 12) - 1
    return first << 12
