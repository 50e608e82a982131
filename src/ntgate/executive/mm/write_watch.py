"""Which pages of MEM_WRITE_WATCH memory have been written: NtGetWriteWatch, NtResetWriteWatch.

A page was written when its _MMPFN says Modified; until then its PTE has no write bit.
"""

from __future__ import annotations

from collections.abc import Iterator

from ntgate.cpu.mmu import DIRTY, WRITABLE
from ntgate.errors import NtError
from ntgate.executive.mm import pte
from ntgate.executive.mm.space import ProcessSpace
from ntgate.layout.machine import MM_HIGHEST_USER_ADDRESS
from ntgate.layout.mm import PTE_TRANSITION
from ntgate.layout.ntstatus import (
    STATUS_INVALID_PARAMETER_1,
    STATUS_INVALID_PARAMETER_3,
    STATUS_INVALID_PARAMETER_4,
)


def get_write_watch(
    space: ProcessSpace, base: int, size: int, count: int, *, reset: bool = False
) -> list[int]:
    """Addresses of up to `count` written pages, lowest first; `reset` forgets those.

    The range must lie in one allocation made with MEM_WRITE_WATCH.  Raises NtError.
    """
    found: list[int] = []
    for vpn, index in _written(space, base, size):
        if len(found) == count:
            break
        found.append(vpn << 12)
        if reset:
            _reset(space, vpn, index)
    return found


def reset_write_watch(space: ProcessSpace, base: int, size: int) -> None:
    """Forget the writes to the range; raises NtError."""
    for vpn, index in _written(space, base, size):
        _reset(space, vpn, index)


def _written(space: ProcessSpace, base: int, size: int) -> Iterator[tuple[int, int]]:
    """(page, index of its PTE)."""
    if base > MM_HIGHEST_USER_ADDRESS:
        raise NtError(STATUS_INVALID_PARAMETER_3)
    if not 0 < size <= MM_HIGHEST_USER_ADDRESS + 1 - base:
        raise NtError(STATUS_INVALID_PARAMETER_4)
    first, last = base >> 12, (base + size - 1) >> 12
    vad = space.vad_at(first)
    if vad is None or last > vad.last or not vad.is_watched:
        raise NtError(STATUS_INVALID_PARAMETER_1)
    qwords, pfn = space.tables.ram.qwords, space.manager.pfn
    for vpn, pages, index in space.chunks(first, last):
        if index is None:
            continue
        for offset, entry in enumerate(qwords[index : index + pages].tolist()):
            # A transition page's frame lies where a valid one's does.
            if entry & (pte.VALID | PTE_TRANSITION) and pfn.is_modified(pte.frame_of(entry)):
                yield vpn + offset, index + offset


def _reset(space: ProcessSpace, vpn: int, index: int) -> None:
    qwords = space.tables.ram.qwords
    entry = int(qwords[index])
    space.manager.pfn.set_modified(pte.frame_of(entry), False)
    if entry & pte.VALID:
        qwords[index] = entry & ~(WRITABLE | DIRTY)
        space.manager.stale(vpn)
