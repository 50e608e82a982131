"""Kernel stacks: three pages in system PTE space with an absent page below.

A stack's frames follow each other physically, so that the host reads arguments from it by one
subtraction.  Stacks of threads that have ended are used again.
"""

from __future__ import annotations

from collections.abc import Callable

from ntgate.errors import NtError
from ntgate.layout import machine as m
from ntgate.layout.ntstatus import STATUS_INSUFFICIENT_RESOURCES
from ntgate.memory.kernel import DIRECT_BASE

PAGES = m.KERNEL_STACK_SIZE // 0x1000


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

    def allocate(self) -> tuple[int, int]:
        """(lowest address, linear minus physical); the stack's base is m.KERNEL_STACK_SIZE up.

        Raises NtError STATUS_INSUFFICIENT_RESOURCES.
        """
        if self._free:
            return self._free.pop()
        if self._next + (PAGES + 1) * 0x1000 > m.SYSENTER_STACK - 0x10000:
            raise NtError(STATUS_INSUFFICIENT_RESOURCES)
        physical = self._take_pages(PAGES) - DIRECT_BASE
        limit = self._next + 0x1000
        self._next += (PAGES + 1) * 0x1000
        for page in range(PAGES):
            self._map_page(limit + 0x1000 * page, (physical >> 12) + page)
        return limit, limit - physical

    def free(self, stack: tuple[int, int]) -> None:
        self._free.append(stack)
