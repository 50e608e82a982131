"""Nonpaged pool: where executive objects live, with the headers and tags that scanners look for.

Blocks are multiples of 8 bytes behind an 8-byte POOL_HEADER; a block of up to 508 such units
lies within one page, a larger one begins on a page and has no header, as on XP.  Free blocks
are kept by size on the host; their headers say free (PoolType 0).
"""

from __future__ import annotations

from ntgate.errors import NtError
from ntgate.layout.ntstatus import STATUS_INSUFFICIENT_RESOURCES
from ntgate.layout.ob import POOL_HEADER
from ntgate.memory.kernel import KernelMemory

UNIT = 8
PAGE = 0x1000
LARGEST_SMALL = PAGE - 2 * UNIT
NONPAGED = 2 << 9  # PoolType + 1, in the high 7 bits of the size word
ALLOCATED_BITS = 0x1FF


class Pool:
    """Allocates between two addresses of direct-mapped system space.

    `small_pages` are those that blocks with headers lie in.
    """

    def __init__(self, memory: KernelMemory, start: int, end: int) -> None:
        self.memory = memory
        self._next_page = start
        self._end = end
        self._free: dict[int, list[int]] = {}  # units of the block to addresses of its header
        self._free_pages: dict[int, list[int]] = {}
        self._big: dict[int, tuple[int, bytes]] = {}
        self.small_pages: list[int] = []
        self._page_cursor = 0  # the page being carved, and where
        self._previous_units = 0

    def allocate(self, size: int, tag: bytes) -> int:
        """Address of `size` zeroed bytes, on 8; `tag` is 4 bytes.  Raises NtError."""
        if size > LARGEST_SMALL:
            return self._allocate_pages(size, tag)
        units = (size + 2 * UNIT - 1) // UNIT
        free = self._free.get(units)
        header = free.pop() if free else self._carve(units)
        view = POOL_HEADER(self.memory, header)
        view.BlockSize = units | NONPAGED
        view.PoolTag = int.from_bytes(tag, "little")
        self.memory.write(header + UNIT, bytes((units - 1) * UNIT))
        return header + UNIT

    def free(self, address: int) -> None:
        """Give a block back; the address must be one that `allocate` returned."""
        if not address & PAGE - 1:
            pages, _tag = self._big.pop(address)
            self._free_pages.setdefault(pages, []).append(address)
            return
        view = POOL_HEADER(self.memory, address - UNIT)
        units = view.BlockSize & ALLOCATED_BITS
        if not view.BlockSize & ~ALLOCATED_BITS:
            raise AssertionError(f"pool block {address:08x} is freed twice")
        view.BlockSize = units
        self._free.setdefault(units, []).append(address - UNIT)

    def tag(self, address: int) -> bytes:
        """The tag of a block."""
        if address in self._big:
            return self._big[address][1]
        return POOL_HEADER(self.memory, address - UNIT).PoolTag.to_bytes(4, "little")

    def _carve(self, units: int) -> int:
        offset = self._page_cursor & PAGE - 1
        if not offset or offset + units * UNIT > PAGE:
            if offset:
                self._release_tail(PAGE - offset)
            self._page_cursor = self.take_pages(1)
            self.small_pages.append(self._page_cursor)
            self._previous_units = 0
        header = self._page_cursor
        POOL_HEADER(self.memory, header).PreviousSize = self._previous_units
        self._previous_units = units
        self._page_cursor += units * UNIT
        return header

    def _release_tail(self, size: int) -> None:
        units = size // UNIT
        view = POOL_HEADER(self.memory, self._page_cursor)
        view.PreviousSize, view.BlockSize = self._previous_units, units
        if units > 1:
            self._free.setdefault(units, []).append(self._page_cursor)

    def _allocate_pages(self, size: int, tag: bytes) -> int:
        pages = (size + PAGE - 1) // PAGE
        free = self._free_pages.get(pages)
        address = free.pop() if free else self.take_pages(pages)
        self.memory.write(address, bytes(pages * PAGE))
        self._big[address] = (pages, tag)
        return address

    def take_pages(self, pages: int) -> int:
        """Consecutive pages that stay in use; their contents are what they were.

        Raises NtError STATUS_INSUFFICIENT_RESOURCES.
        """
        address = self._next_page
        if address + pages * PAGE > self._end:
            raise NtError(STATUS_INSUFFICIENT_RESOURCES)
        self._next_page += pages * PAGE
        return address
