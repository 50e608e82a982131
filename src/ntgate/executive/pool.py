"""Nonpaged pool: where executive objects live, with the headers and tags that scanners look for.

Blocks are multiples of 8 bytes behind an 8-byte POOL_HEADER, whose PreviousSize and BlockSize
link the blocks of a page; a larger block begins on a page and has no header, as on XP.  A freed
block becomes one with the free ones beside it (PoolType 0), and a page that is all free can
hold anything again.  Which blocks and pages are free is kept by size on the host.
"""

from __future__ import annotations

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.errors import GuestBugCheck, NtError
from ntgate.layout.ntstatus import STATUS_INSUFFICIENT_RESOURCES
from ntgate.layout.ob import POOL_HEADER
from ntgate.memory.kernel import KernelMemory

UNIT = 8
PAGE_UNITS = PAGE_SIZE // UNIT
LARGEST_SMALL = PAGE_SIZE - 2 * UNIT
SIZE_MASK = 0x1FF  # of PreviousSize and BlockSize; the 7 bits above are PoolIndex and PoolType
NONPAGED = 2 << 9  # PoolType + 1
BAD_POOL_HEADER = 0x19
BAD_POOL_CALLER, ALREADY_FREED = 0xC2, 7

_BLOCK_SIZE = POOL_HEADER.BlockSize.offset
_TAG = POOL_HEADER.PoolTag.offset


class Pool:
    """Allocates between two addresses of direct-mapped system space.

    `small_pages` are those that blocks with headers lie in; `free_blocks` the addresses of the
    free ones' headers by size, in units.
    """

    def __init__(self, memory: KernelMemory, start: int, end: int) -> None:
        self.memory = memory
        self.end = end
        self.small_pages: dict[int, None] = {}
        self.free_blocks: dict[int, dict[int, None]] = {}
        self._sizes = 0  # bit n: there is a free block of n units
        self._next_page = start
        self._runs = _PageRuns()
        self._big: dict[int, tuple[int, bytes]] = {}

    def allocate(self, size: int, tag: bytes) -> int:
        """Address of `size` zeroed bytes, on 8; `tag` is 4 bytes.

        Raises NtError STATUS_INSUFFICIENT_RESOURCES.
        """
        if size > LARGEST_SMALL:
            return self._allocate_pages(size, tag)
        units = (size + 2 * UNIT - 1) // UNIT
        header = self._take_block(units)
        self.memory.set_u16(header + _BLOCK_SIZE, units | NONPAGED)
        self.memory.set_u32(header + _TAG, int.from_bytes(tag, "little"))
        self.memory.write(header + UNIT, bytes((units - 1) * UNIT))
        return header + UNIT

    def free(self, address: int) -> None:
        """Give a block back; the address must be one that `allocate` returned.

        Raises GuestBugCheck: BAD_POOL_HEADER where the headers beside it have been damaged,
        BAD_POOL_CALLER for what is no block, or no longer one.
        """
        if not address & PAGE_SIZE - 1:
            if address not in self._big:
                raise GuestBugCheck(BAD_POOL_CALLER, (ALREADY_FREED, 0, 0, address))
            pages, _tag = self._big.pop(address)
            self._runs.add(address, pages)
            return
        header = address - UNIT
        size = self.memory.u16(header + _BLOCK_SIZE)
        if not size & ~SIZE_MASK:
            raise GuestBugCheck(
                BAD_POOL_CALLER, (ALREADY_FREED, 0, self.memory.u32(header), address)
            )
        units = size & SIZE_MASK
        following = header + units * UNIT
        if following & PAGE_SIZE - 1 and (more := self._free_units(following)):
            self._forget(following, more)
            units += more
        before = self.memory.u16(header) & SIZE_MASK
        if before and self._free_units(header - before * UNIT):
            header -= before * UNIT
            self._forget(header, before)
            units += before
        if units == PAGE_UNITS:
            del self.small_pages[header]
            self._runs.add(header, 1)
        else:
            self._keep(header, units)

    def tag(self, address: int) -> bytes:
        """The tag of a block."""
        if address in self._big:
            return self._big[address][1]
        return self.memory.u32(address - UNIT + _TAG).to_bytes(4, "little")

    def take_pages(self, pages: int) -> int:
        """Consecutive pages that stay in use; their contents are what they were.

        Raises NtError STATUS_INSUFFICIENT_RESOURCES.
        """
        address = self._runs.take(pages)
        if not address:
            address = self._next_page
            if address + pages * PAGE_SIZE > self.end:
                raise NtError(STATUS_INSUFFICIENT_RESOURCES)
            self._next_page += pages * PAGE_SIZE
        return address

    # Small blocks.

    def _take_block(self, units: int) -> int:
        """The smallest free block that is large enough, cut to size."""
        larger = self._sizes >> units
        if larger:
            whole = units + (larger & -larger).bit_length() - 1
            header = next(reversed(self.free_blocks[whole]))
            self._forget(header, whole)
        else:
            whole = PAGE_UNITS
            header = self.take_pages(1)
            self.memory.set_u16(header, 0)
            self.small_pages[header] = None
        if whole > units:
            rest = header + units * UNIT
            self.memory.set_u16(rest, units)
            self._keep(rest, whole - units)
        return header

    def _free_units(self, header: int) -> int:
        """A free block's size; 0 for one in use."""
        size = self.memory.u16(header + _BLOCK_SIZE)
        return 0 if size & ~SIZE_MASK else size

    def _keep(self, header: int, units: int) -> None:
        """Make a block free, and tell the one behind it."""
        self.memory.set_u16(header + _BLOCK_SIZE, units)
        following = header + units * UNIT
        if following & PAGE_SIZE - 1:
            index = self.memory.u16(following) & ~SIZE_MASK
            self.memory.set_u16(following, index | units)
        self.free_blocks.setdefault(units, {})[header] = None
        self._sizes |= 1 << units

    def _forget(self, header: int, units: int) -> None:
        blocks = self.free_blocks.get(units, {})
        if header not in blocks:  # someone has written over a header
            word = self.memory.u32(header)
            raise GuestBugCheck(BAD_POOL_HEADER, (0x20, header, header + units * UNIT, word))
        del blocks[header]
        if not blocks:
            self._sizes &= ~(1 << units)

    # Large ones.

    def _allocate_pages(self, size: int, tag: bytes) -> int:
        pages = (size + PAGE_SIZE - 1) // PAGE_SIZE
        address = self.take_pages(pages)
        self.memory.write(address, bytes(pages * PAGE_SIZE))
        self._big[address] = (pages, tag)
        return address


class _PageRuns:
    """Free pages, as the longest runs that there are."""

    def __init__(self) -> None:
        self._pages: dict[int, int] = {}  # by the run's address
        self._starts: dict[int, int] = {}  # by the address behind the run
        self._by_length: dict[int, dict[int, None]] = {}

    def add(self, start: int, pages: int) -> None:
        end = start + pages * PAGE_SIZE
        if end in self._pages:
            pages += self._remove(end)
        if start in self._starts:
            start = self._starts[start]
            pages += self._remove(start)
        self._pages[start] = pages
        self._starts[start + pages * PAGE_SIZE] = start
        self._by_length.setdefault(pages, {})[start] = None

    def take(self, pages: int) -> int:
        """Out of the shortest run that is long enough; 0 where there is none."""
        length = min((length for length in self._by_length if length >= pages), default=0)
        if not length:
            return 0
        start = next(reversed(self._by_length[length]))
        self._remove(start)
        if length > pages:
            self.add(start + pages * PAGE_SIZE, length - pages)
        return start

    def _remove(self, start: int) -> int:
        pages = self._pages.pop(start)
        del self._starts[start + pages * PAGE_SIZE]
        runs = self._by_length[pages]
        del runs[start]
        if not runs:
            del self._by_length[pages]
        return pages
