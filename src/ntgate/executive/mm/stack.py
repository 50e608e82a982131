"""Growth of a thread's stack through its guard page: MiCheckForUserStackOverflow."""

from __future__ import annotations

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.errors import NtError
from ntgate.executive.mm.allocate import allocate
from ntgate.executive.mm.space import ProcessSpace
from ntgate.layout.mm import MEM_COMMIT, PAGE_GUARD, PAGE_READWRITE
from ntgate.layout.ntstatus import (
    STATUS_GUARD_PAGE_VIOLATION,
    STATUS_STACK_OVERFLOW,
    STATUS_SUCCESS,
)
from ntgate.memory.user import AccessViolation, UserMemory

LEAST_LEFT = 3 * PAGE_SIZE  # XP leaves one page; Wine's unhandled-exception filter needs more
STACK_BASE, STACK_LIMIT = 0x04, 0x08
DEALLOCATION_STACK = 0xE0C
GUARANTEED_STACK_BYTES = 0xF78  # Spare3 in XP's table; newer user-mode code keeps its wish here


def grow_stack(space: ProcessSpace, memory: UserMemory, address: int, teb: int) -> int:
    """After a guard page has lost its guard: the status of the touch.

    In the stack of the thread `teb` (0: of none) the next page becomes the guard and
    STATUS_SUCCESS is returned; with no page left for one, what was guaranteed to the handler
    is committed and STATUS_STACK_OVERFLOW returned.  Elsewhere STATUS_GUARD_PAGE_VIOLATION.
    `memory` is the space's own, to reach the TEB.
    """
    if not teb:
        return STATUS_GUARD_PAGE_VIOLATION
    page = address & ~(PAGE_SIZE - 1)
    try:
        bottom = memory.u32(teb + DEALLOCATION_STACK)
        if not bottom <= address < memory.u32(teb + STACK_BASE):
            return STATUS_GUARD_PAGE_VIOLATION
        wish = memory.u32(teb + GUARANTEED_STACK_BYTES)
        guaranteed = max(LEAST_LEFT, wish + PAGE_SIZE - 1 & -PAGE_SIZE)
        lowest = bottom + PAGE_SIZE
        if page >= lowest + guaranteed:
            allocate(space, page - PAGE_SIZE, PAGE_SIZE, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD)
            memory.set_u32(teb + STACK_LIMIT, page)
            return STATUS_SUCCESS
        if page >= lowest:
            allocate(space, lowest, page + PAGE_SIZE - lowest, MEM_COMMIT, PAGE_READWRITE)
            memory.set_u32(teb + STACK_LIMIT, lowest)
    except (AccessViolation, NtError):
        pass
    return STATUS_STACK_OVERFLOW
