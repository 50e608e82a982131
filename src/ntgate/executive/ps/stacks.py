"""Kernel stacks: three pages in system PTE space, which can grow down to sixty kilobytes.

The frames of a stack's first pages follow each other physically, so that the host reads arguments
from it by one subtraction.  Below the room of a large stack is an absent page.  Stacks of threads
that have ended are used again, as large as they are.
"""

from __future__ import annotations

from collections.abc import Callable

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.errors import NtError
from ntgate.layout import machine as m
from ntgate.layout.ntstatus import STATUS_INSUFFICIENT_RESOURCES, STATUS_STACK_OVERFLOW
from ntgate.memory.kernel import DIRECT_BASE

PAGES = m.KERNEL_STACK_SIZE // PAGE_SIZE
ROOM = m.KERNEL_LARGE_STACK_SIZE + PAGE_SIZE
NOT_FOR_STACKS = (m.SYSENTER_STACK - 0x10000, m.SYSENTER_STACK + 0x10000)


class KernelStacks:
    """take_pages(n): n consecutive pages of direct-mapped memory; map_page(linear, frame)."""

    def __init__(
        self,
        take_pages: Callable[[int], int],
        map_page: Callable[[int, int], None],
    ) -> None:
        self._take_pages = take_pages
        self._map_page = map_page
        self._next = m.SYSTEM_PTES
        self._free: list[tuple[int, int]] = []
        self._ends: dict[int, int] = {}  # the lowest byte of stacks that have grown

    def allocate(self) -> tuple[int, int]:
        """(lowest address, linear minus physical); the stack's base is m.KERNEL_STACK_SIZE up.

        Raises NtError STATUS_INSUFFICIENT_RESOURCES.
        """
        if self._free:
            return self._free.pop()
        room = self._next
        if NOT_FOR_STACKS[0] - ROOM < room < NOT_FOR_STACKS[1]:
            room = NOT_FOR_STACKS[1]
        if room + ROOM > m.SYSTEM_PTES_END:
            raise NtError(STATUS_INSUFFICIENT_RESOURCES)
        limit = room + ROOM - m.KERNEL_STACK_SIZE
        physical = self._map_pages(limit)
        self._next = room + ROOM
        return limit, limit - physical

    def _map_pages(self, limit: int) -> int:
        """As many pages as a new stack has, from `limit` up; their physical address."""
        physical = self._take_pages(PAGES) - DIRECT_BASE
        for page in range(PAGES):
            self._map_page(limit + PAGE_SIZE * page, (physical >> 12) + page)
        return physical

    def end(self, stack: tuple[int, int]) -> int:
        """The lowest byte of a stack, as it has grown."""
        return self._ends.get(stack[0], stack[0])

    def grow(self, stack: tuple[int, int]) -> int:
        """Three pages more, as XP does it for threads with windows; the lowest byte then.

        Raises STATUS_STACK_OVERFLOW for one that is as large as can be, and
        STATUS_INSUFFICIENT_RESOURCES.
        """
        limit, _delta = stack
        end = self.end(stack) - m.KERNEL_STACK_SIZE
        if end < limit + m.KERNEL_STACK_SIZE - m.KERNEL_LARGE_STACK_SIZE:
            raise NtError(STATUS_STACK_OVERFLOW)
        self._map_pages(end)
        self._ends[limit] = end
        return end

    def free(self, stack: tuple[int, int]) -> None:
        self._free.append(stack)
