"""Handle tables: HANDLE_TABLE and its pages of entries, as XP's executive keeps them.

TableCode is the address of a page, with the number of levels above the entries in its low two
bits.  A page holds 512 entries of 8 bytes; the levels above hold pointers, 1024 in the middle
and 32 on top.  A handle is an entry's index times 4.  The first entry of every page is
reserved (its second dword is fffffffeh), so that 0, 800h, 1000h ... are never handles.

A free entry has Object 0 and the next free handle in its second dword.  FirstFree heads the
list that handles are taken from.  A table with StrictFIFO collects freed handles on LastFree
and turns that list over when FirstFree has run out, so that ids are reused late.

Both dwords of a used entry are its owner's; the first is not 0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.errors import NtError
from ntgate.executive.ob.blocks import Blocks
from ntgate.layout import lists, ntstatus
from ntgate.layout.ob import HANDLE_TABLE, HANDLE_TABLE_ENTRY_SIZE

ENTRIES = PAGE_SIZE // HANDLE_TABLE_ENTRY_SIZE
STRIDE = ENTRIES * 4  # handle values of a page
MIDDLE = 1024  # pointers
TOP = 32
LEVEL_MASK = 3
PAGE_FORMAT = struct.Struct(f"<{2 * ENTRIES}I")
NEXT_NEEDING_POOL = HANDLE_TABLE.NextHandleNeedingPool.offset
RESERVED = 0xFFFFFFFE  # EX_ADDITIONAL_INFO_SIGNATURE
HANDLE_LIMIT = STRIDE * MIDDLE * TOP
TAG = b"Obtb"


class HandleTables:
    """Makes and walks handle tables.  `head` is the LIST_ENTRY that links them all."""

    def __init__(self, blocks: Blocks, head: int) -> None:
        self._blocks = blocks
        self._memory = blocks.memory
        self._head = head
        lists.initialize(self._memory, head)

    def create(self, process: int = 0, pid: int = 0) -> int:
        """Address of an empty table of a process; raises STATUS_INSUFFICIENT_RESOURCES."""
        address = self._blocks.allocate(HANDLE_TABLE.SIZE, TAG)
        table = HANDLE_TABLE(self._memory, address)
        table.QuotaProcess = process
        table.UniqueProcessId = pid
        page = self._blocks.allocate(PAGE_SIZE, TAG)
        table.TableCode = page
        self._link_free(table, page)
        lists.insert_tail(self._memory, self._head, table.HandleTableList.address)
        return address

    def create_unlisted(self) -> int:
        """A table that isn't a process's and reuses its handles as late as it can."""
        address = self.create()
        table = HANDLE_TABLE(self._memory, address)
        table.StrictFIFO = 1
        lists.remove(self._memory, table.HandleTableList.address)
        lists.initialize(self._memory, table.HandleTableList.address)
        return address

    def destroy(self, address: int) -> None:
        """Free a table; whoever owns its entries has let go of what they refer to."""
        table = HANDLE_TABLE(self._memory, address)
        lists.remove(self._memory, table.HandleTableList.address)
        self._free_level(table.TableCode & ~LEVEL_MASK, table.TableCode & LEVEL_MASK)
        self._blocks.free(address)

    def all(self) -> Iterator[int]:
        """The addresses of the processes' tables."""
        offset = HANDLE_TABLE.HandleTableList.offset
        for entry in lists.entries(self._memory, self._head):
            yield entry - offset

    def entry(self, address: int, handle: int) -> int:
        """Address of a handle's entry, used or free; 0 where the table has none."""
        index = handle >> 2
        if handle >= self._memory.u32(address + NEXT_NEEDING_POOL) or not index % ENTRIES:
            return 0
        code = self._memory.u32(address)
        page = code & ~LEVEL_MASK
        if code & LEVEL_MASK == 2:
            page = self._memory.u32(page + index // (ENTRIES * MIDDLE) * 4)
        if code & LEVEL_MASK:
            page = self._memory.u32(page + index // ENTRIES % MIDDLE * 4)
        return page + index % ENTRIES * HANDLE_TABLE_ENTRY_SIZE

    def allocate(self, address: int) -> tuple[int, int]:
        """Take a handle off the free list: the handle and its entry's address.

        The caller fills the entry at once.  Raises STATUS_INSUFFICIENT_RESOURCES.
        """
        table = HANDLE_TABLE(self._memory, address)
        handle = table.FirstFree
        if not handle:
            handle = self._refill(table)
        entry = self.entry(address, handle)
        table.FirstFree = self._memory.u32(entry + 4)
        table.HandleCount += 1
        return handle, entry

    def free(self, address: int, handle: int) -> None:
        """Put a used handle back on the free list."""
        table = HANDLE_TABLE(self._memory, address)
        entry = self.entry(address, handle)
        if table.StrictFIFO:
            following, table.LastFree = table.LastFree, handle & ~3
        else:
            following, table.FirstFree = table.FirstFree, handle & ~3
        self._memory.set_u32(entry, 0)
        self._memory.set_u32(entry + 4, following)
        table.HandleCount -= 1

    def used(self, address: int) -> Iterator[tuple[int, int]]:
        """Handle and entry address of every used entry, in the order of the handles."""
        limit = HANDLE_TABLE(self._memory, address).NextHandleNeedingPool
        for first in range(0, limit, STRIDE):
            page = self.entry(address, first + 4) - HANDLE_TABLE_ENTRY_SIZE
            objects = PAGE_FORMAT.unpack(self._memory.read(page, PAGE_SIZE))[::2]
            for index in range(1, ENTRIES):
                if objects[index]:
                    yield first + index * 4, page + index * HANDLE_TABLE_ENTRY_SIZE

    def match_size(self, address: int, model: int) -> None:
        """Grow a new table until it has a place for every handle of another."""
        limit = HANDLE_TABLE(self._memory, model).NextHandleNeedingPool
        table = HANDLE_TABLE(self._memory, address)
        while table.NextHandleNeedingPool < limit:
            self._add_page(table)

    def occupy(self, address: int, handles: dict[int, tuple[int, int]]) -> None:
        """Fill a table that has no used entry: the two dwords of each handle's entry.

        The free list starts with the highest free handle, as XP leaves it when a process
        inherits handles.
        """
        table = HANDLE_TABLE(self._memory, address)
        following = 0
        for first in range(0, table.NextHandleNeedingPool, STRIDE):
            dwords = [0, RESERVED]
            for handle in range(first + 4, first + STRIDE, 4):
                held = handles.get(handle)
                dwords += held or (0, following)
                following = following if held else handle
            start = self.entry(address, first + 4) - HANDLE_TABLE_ENTRY_SIZE
            self._memory.write(start, PAGE_FORMAT.pack(*dwords))
        table.FirstFree = following
        table.HandleCount = len(handles)

    def _refill(self, table: HANDLE_TABLE) -> int:
        """The head of a free list that is no longer empty."""
        freed, table.LastFree = table.LastFree, 0
        if not freed:
            return self._add_page(table)
        turned = 0
        while freed:
            entry = self.entry(table.address, freed)
            following = self._memory.u32(entry + 4)
            self._memory.set_u32(entry + 4, turned)
            turned, freed = freed, following
        table.FirstFree = turned
        return turned

    def _add_page(self, table: HANDLE_TABLE) -> int:
        """Add a page of free entries; the first handle in it."""
        handle = table.NextHandleNeedingPool
        if handle >= HANDLE_LIMIT:
            raise NtError(ntstatus.STATUS_INSUFFICIENT_RESOURCES)
        number = handle // STRIDE
        code = table.TableCode
        level, above = code & LEVEL_MASK, code & ~LEVEL_MASK
        if level == 0:
            above = self._add_level(table, above, 1, MIDDLE * 4)
        elif level == 1 and number == MIDDLE:
            above = self._add_level(table, above, 2, TOP * 4)
        if table.TableCode & LEVEL_MASK == 2:
            slot = above + number // MIDDLE * 4
            if not self._memory.u32(slot):
                self._memory.set_u32(slot, self._blocks.allocate(MIDDLE * 4, TAG))
            above = self._memory.u32(slot)
        page = self._blocks.allocate(PAGE_SIZE, TAG)
        self._memory.set_u32(above + number % MIDDLE * 4, page)
        self._link_free(table, page)
        return handle + 4

    def _add_level(self, table: HANDLE_TABLE, below: int, level: int, size: int) -> int:
        above = self._blocks.allocate(size, TAG)
        self._memory.set_u32(above, below)
        table.TableCode = above | level
        return above

    def _link_free(self, table: HANDLE_TABLE, page: int) -> None:
        """Put a new page's handles in front of the free list."""
        first = table.NextHandleNeedingPool
        dwords = [0] * (2 * ENTRIES)
        dwords[1] = RESERVED
        dwords[3::2] = [*range(first + 8, first + STRIDE, 4), table.FirstFree]
        self._memory.write(page, PAGE_FORMAT.pack(*dwords))
        table.FirstFree = first + 4
        table.NextHandleNeedingPool = first + STRIDE

    def _free_level(self, page: int, level: int) -> None:
        if level:
            size = 4 * (TOP if level == 2 else MIDDLE)
            for (below,) in struct.iter_unpack("<I", self._memory.read(page, size)):
                if below:
                    self._free_level(below, level - 1)
        self._blocks.free(page)
