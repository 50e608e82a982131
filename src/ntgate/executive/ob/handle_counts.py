"""How many handles each process has to an object, for the types that keep that count.

OBJECT_HEADER_HANDLE_INFO, which the public type table lacks, is 8 bytes: with
OB_FLAG_SINGLE_HANDLE_ENTRY one entry {process, count}; without, a pointer to a database: the
number of entries, then the entries.  Known from public write-ups of XP's object header.
"""

from __future__ import annotations

from ntgate.executive.ob.blocks import Blocks
from ntgate.layout.ob import OBJECT_HEADER

INFO_SIZE = 8
ENTRY_SIZE = 8
FIRST_ENTRIES = 2
MORE_ENTRIES = 4
OB_FLAG_SINGLE_HANDLE_ENTRY = 0x40


class HandleCounts:
    """The counts in front of objects' headers; of no effect where a type keeps none."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._memory = blocks.memory

    def of(self, header: OBJECT_HEADER, process: int) -> int:
        """The handles of one process; 0 for a type that doesn't keep count."""
        for entry in self._entries(header):
            count = self._memory.u32(entry + 4)
            if count and self._memory.u32(entry) == process:
                return count
        return 0

    def change(self, header: OBJECT_HEADER, process: int, by: int) -> None:
        """Add to the count of one process; an entry with no handles is free for another."""
        if not header.HandleInfoOffset:
            return
        unused = 0
        for entry in self._entries(header):
            count = self._memory.u32(entry + 4)
            if count and self._memory.u32(entry) == process:
                self._set(entry, process if count + by else 0, count + by)
                return
            if not count:
                unused = unused or entry
        if by > 0:
            self._set(unused or self._grow(header), process, by)

    def release(self, header: OBJECT_HEADER) -> None:
        """The object goes: give its database back."""
        if header.HandleInfoOffset and not header.Flags & OB_FLAG_SINGLE_HANDLE_ENTRY:
            self._blocks.free(self._memory.u32(header.address - header.HandleInfoOffset))

    def _set(self, entry: int, process: int, count: int) -> None:
        self._memory.set_u32(entry, process)
        self._memory.set_u32(entry + 4, count)

    def _entries(self, header: OBJECT_HEADER) -> range:
        if not header.HandleInfoOffset:
            return range(0)
        info = header.address - header.HandleInfoOffset
        if header.Flags & OB_FLAG_SINGLE_HANDLE_ENTRY:
            return range(info, info + ENTRY_SIZE, ENTRY_SIZE)
        database = self._memory.u32(info)
        first = database + 4
        return range(first, first + self._memory.u32(database) * ENTRY_SIZE, ENTRY_SIZE)

    def _grow(self, header: OBJECT_HEADER) -> int:
        """Make a database with the entries so far and more; the first of the new ones."""
        old = self._entries(header)
        info = header.address - header.HandleInfoOffset
        single = bool(header.Flags & OB_FLAG_SINGLE_HANDLE_ENTRY)
        count = FIRST_ENTRIES if single else len(old) + MORE_ENTRIES
        database = self._blocks.allocate(4 + count * ENTRY_SIZE, b"ObHd")
        self._memory.set_u32(database, count)
        size = len(old) * ENTRY_SIZE
        self._memory.write(database + 4, self._memory.read(old.start, size))
        if single:
            header.Flags &= ~OB_FLAG_SINGLE_HANDLE_ENTRY
        else:
            self._blocks.free(self._memory.u32(info))
        self._set(info, database, 0)
        return database + 4 + size
