"""Decommitting and releasing private memory: NtFreeVirtualMemory."""

from __future__ import annotations

from ntgate.errors import NtError
from ntgate.executive.mm import pte
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.mm.vad import (
    COMMIT_CHARGE_MASK,
    MEM_COMMIT_FLAG,
    NO_CHANGE,
    TAG_SPLIT,
    USER_PHYSICAL_PAGES,
    Vad,
)
from ntgate.layout.machine import MM_HIGHEST_USER_ADDRESS
from ntgate.layout.mm import MEM_DECOMMIT, MEM_RELEASE, MM_DECOMMIT, MMVAD_SHORT
from ntgate.layout.ntstatus import (
    STATUS_FREE_VM_NOT_AT_BASE,
    STATUS_INVALID_PAGE_PROTECTION,
    STATUS_INVALID_PARAMETER_2,
    STATUS_INVALID_PARAMETER_3,
    STATUS_INVALID_PARAMETER_4,
    STATUS_MEMORY_NOT_ALLOCATED,
    STATUS_UNABLE_TO_DELETE_SECTION,
    STATUS_UNABLE_TO_FREE_VM,
)


def free(space: ProcessSpace, base: int, size: int, free_type: int) -> tuple[int, int]:
    """NtFreeVirtualMemory: the base and size that it returns.

    Size 0 means the whole allocation, from its base.  A release of part of one splits it.
    Raises NtError.
    """
    if free_type not in (MEM_DECOMMIT, MEM_RELEASE):
        raise NtError(STATUS_INVALID_PARAMETER_4)
    if base > MM_HIGHEST_USER_ADDRESS:
        raise NtError(STATUS_INVALID_PARAMETER_2)
    if size > MM_HIGHEST_USER_ADDRESS - base:
        raise NtError(STATUS_INVALID_PARAMETER_3)
    first, last = base >> 12, (base + max(size, 1) - 1) >> 12
    vad = space.vad_at(first)
    if vad is None:
        raise NtError(STATUS_MEMORY_NOT_ALLOCATED)
    if last > vad.last:
        raise NtError(STATUS_UNABLE_TO_FREE_VM)
    if not vad.is_private:
        raise NtError(STATUS_UNABLE_TO_DELETE_SECTION)
    if vad.flags & NO_CHANGE:
        raise NtError(STATUS_INVALID_PAGE_PROTECTION)
    if vad.flags & USER_PHYSICAL_PAGES:
        _check_physical(vad, first, last, size, free_type)
    if not size:
        if first != vad.first:
            raise NtError(STATUS_FREE_VM_NOT_AT_BASE)
        last = vad.last
    if free_type == MEM_DECOMMIT:
        _decommit(space, vad, first, last)
    else:
        _release(space, vad, first, last)
    return first << 12, (last - first + 1) << 12


def _check_physical(vad: Vad, first: int, last: int, size: int, free_type: int) -> None:
    """A MEM_PHYSICAL allocation has nothing committed, and is released as a whole."""
    if free_type == MEM_DECOMMIT:
        raise NtError(STATUS_MEMORY_NOT_ALLOCATED)
    if size and (first, last) != (vad.first, vad.last):
        raise NtError(STATUS_FREE_VM_NOT_AT_BASE)


def _decommit(space: ProcessSpace, vad: Vad, first: int, last: int) -> None:
    view = MMVAD_SHORT(space.manager.kernel, vad.node)
    if (first, last) == (vad.first, vad.last):
        charged = vad.flags & COMMIT_CHARGE_MASK
        space.discard(first, last)
        view.LongFlags = vad.flags & ~(MEM_COMMIT_FLAG | COMMIT_CHARGE_MASK)
    else:
        charged = space.count_committed(vad, first, last)
        space.discard(first, last, pte.demand_zero(MM_DECOMMIT) if vad.is_committed else 0)
        view.LongFlags = vad.flags - charged
    space.manager.uncharge(charged, space)


def _release(space: ProcessSpace, vad: Vad, first: int, last: int) -> None:
    manager = space.manager
    if (first, last) == (vad.first, vad.last):
        delete_private(space, vad)
        return
    view = MMVAD_SHORT(manager.kernel, vad.node)
    charged = space.count_committed(vad, first, last)
    if vad.first < first and last < vad.last:
        above = space.count_committed(vad, last + 1, vad.last)
        view.EndingVpn = first - 1
        space.vads.shrunk(vad.node)
        upper = vad.flags & ~COMMIT_CHARGE_MASK | above
        try:
            space.add_vad(TAG_SPLIT, last + 1, vad.last, upper)
        except NtError:
            view.EndingVpn = vad.last
            raise
        view.LongFlags = vad.flags - charged - above
        space.count_virtual_size(-(vad.last - first + 1))  # add_vad has counted the upper part
    else:
        if first == vad.first:
            view.StartingVpn = last + 1
        else:
            view.EndingVpn = first - 1
        space.vads.shrunk(vad.node)
        view.LongFlags = vad.flags - charged
        space.count_virtual_size(-(last - first + 1))
    space.discard(first, last)
    manager.uncharge(charged, space)


def delete_private(space: ProcessSpace, vad: Vad) -> None:
    """Release a whole allocation."""
    space.discard(vad.first, vad.last)
    space.remove_vad(vad)
    space.manager.uncharge(vad.flags & COMMIT_CHARGE_MASK, space)
