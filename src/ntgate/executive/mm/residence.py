"""Pages held in memory, and views written back: NtLock-, NtUnlock-, NtFlushVirtualMemory."""

from __future__ import annotations

from ntgate.errors import NtError
from ntgate.executive.mm import pte
from ntgate.executive.mm.fault import access_fault
from ntgate.executive.mm.file_data import flush
from ntgate.executive.mm.space import ProcessSpace
from ntgate.layout.machine import MM_HIGHEST_USER_ADDRESS
from ntgate.layout.ntstatus import (
    STATUS_INVALID_PARAMETER_2,
    STATUS_INVALID_PARAMETER_3,
    STATUS_NOT_LOCKED,
    STATUS_NOT_MAPPED_DATA,
    STATUS_NOT_MAPPED_VIEW,
    STATUS_SUCCESS,
    STATUS_WAS_LOCKED,
)


def _range(base: int, size: int) -> tuple[int, int]:
    """First and last page; raises NtError."""
    if base > MM_HIGHEST_USER_ADDRESS:
        raise NtError(STATUS_INVALID_PARAMETER_2)
    if not 0 < size <= MM_HIGHEST_USER_ADDRESS + 1 - base:
        raise NtError(STATUS_INVALID_PARAMETER_3)
    return base >> 12, (base + size - 1) >> 12


def lock(space: ProcessSpace, base: int, size: int) -> tuple[int, int, int]:
    """(status, base, size) in whole pages, all brought in; STATUS_WAS_LOCKED if one was.

    Nothing is ever paged out, so that a lock only counts.  Raises NtError with the status of a
    page that can't be read.
    """
    first, last = _range(base, size)
    for vpn in range(first, last + 1):
        if not space.tables.entry(vpn << 12) & pte.VALID:
            status = access_fault(space, vpn << 12, 0)
            if status:
                raise NtError(status)
    pages = set(range(first, last + 1))
    status = STATUS_WAS_LOCKED if pages & space.locked else STATUS_SUCCESS
    space.locked |= pages
    return status, first << 12, (last - first + 1) << 12


def unlock(space: ProcessSpace, base: int, size: int) -> tuple[int, int]:
    """Base and size in whole pages; raises NtError STATUS_NOT_LOCKED if one of them isn't."""
    first, last = _range(base, size)
    pages = set(range(first, last + 1))
    if not pages <= space.locked:
        raise NtError(STATUS_NOT_LOCKED)
    space.locked -= pages
    return first << 12, (last - first + 1) << 12


def flush_view(space: ProcessSpace, base: int, size: int) -> tuple[int, int]:
    """Write a view's modified pages to its file: base and size of what was looked at.

    `size` 0: to the end of the view.  Raises NtError: STATUS_NOT_MAPPED_VIEW where no view is,
    STATUS_NOT_MAPPED_DATA for one that isn't of a data file.
    """
    if base > MM_HIGHEST_USER_ADDRESS:
        raise NtError(STATUS_INVALID_PARAMETER_2)
    first = base >> 12
    vad = space.vad_at(first)
    if vad is None or vad.is_private:
        raise NtError(STATUS_NOT_MAPPED_VIEW)
    last = (base + size - 1) >> 12 if size else vad.last
    if last > vad.last:
        raise NtError(STATUS_NOT_MAPPED_VIEW)
    segment = space.manager.segments[vad.control_area]
    if segment.file is None or segment.image is not None:
        raise NtError(STATUS_NOT_MAPPED_DATA)
    page = (vad.first_prototype - segment.prototypes) // 8 + first - vad.first
    flush(segment, page, page + last - first)
    return first << 12, (last - first + 1) << 12
