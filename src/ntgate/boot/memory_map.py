"""Physical memory at boot, and the system half of every address space.

Frames below 1000000h physical hold what has a fixed place: the tables, the images, the page
tables of system space, then nonpaged pool up to 4000000h; all of that is mapped from 80000000
in order.  The frames above are handed out.
"""

from __future__ import annotations

from array import array

from ntgate.cpu.mmu import NO_EXECUTE
from ntgate.cpu.processor import Processor
from ntgate.layout import machine as m
from ntgate.memory.frames import FrameAllocator
from ntgate.memory.kernel import DIRECT_BASE, KernelMemory
from ntgate.memory.paging import TABLE_RIGHTS, AddressSpace, kernel_entry, map_self

KPCR_FRAME = 0x40
SHARED_USER_DATA_FRAME = 0x41
PAGE_TABLES = 0x100  # frames 100h to 4d7h: the page tables of system space
PAGE_TABLES_END = 0x4D8
LOW_FRAMES = 0x600  # nt ends below; the frames up to the pool belong to win32k and small things

# System space that has page tables from the start, so that directories of processes can be
# copies: (first address, end).
REGIONS = (
    (DIRECT_BASE, DIRECT_BASE + m.DIRECT_SIZE),
    (m.SESSION_SPACE, m.SESSION_SPACE_END),
    (m.PAGED_POOL, m.PAGED_POOL_END),
    (m.SYSTEM_PTES, m.SYSTEM_PTES_END),
    (0xFFC00000, 0x1_0000_0000),
)


class MemoryMap:
    """The system's address space, its frames, and a cursor for fixed frames."""

    def __init__(self, cpu: Processor) -> None:
        ram = cpu.ram
        above = range(m.DIRECT_SIZE >> 12, ram.pages)
        self.frames = FrameAllocator(ram, above[::-1], cpu.ran, cpu.flush_code)
        low = range((m.NONPAGED_POOL - DIRECT_BASE >> 12) - 1, LOW_FRAMES - 1, -1)
        self.low = FrameAllocator(ram, low, cpu.ran, cpu.flush_code)
        self.space = AddressSpace(ram, self.frames, m.SYSTEM_PDPT)
        self.kernel = KernelMemory(ram, m.SYSTEM_PDPT, m.DIRECT_SIZE)
        self.ram = ram
        self._build_tables()

    def _build_tables(self) -> None:
        qwords = self.ram.qwords
        directories = tuple(m.SYSTEM_PDPT + (i + 1) * 0x1000 for i in range(4))
        for i, directory in enumerate(directories):
            qwords[(m.SYSTEM_PDPT >> 3) + i] = directory | 1
        map_self(self.ram, directories)
        frame = PAGE_TABLES
        for first, end in REGIONS:
            for linear in range(first, end, 0x200000):
                qwords[self.space.directory_index(linear)] = frame << 12 | TABLE_RIGHTS
                frame += 1
        assert frame <= PAGE_TABLES_END
        first_entry = kernel_entry(0)
        for table in range(m.DIRECT_SIZE // 0x200000):
            place = (PAGE_TABLES + table) << 9
            start = first_entry + (table << 21)
            entries = array("Q", range(start, start + 0x200000, 0x1000))
            qwords[place : place + 512] = memoryview(entries)
        self.map(m.KPCR_ADDRESS, KPCR_FRAME)
        self.map(m.KPCR_ADDRESS + 0x1000, self.low.allocate())  # a KPCR ends in a second page's way
        self.map(m.SHARED_USER_DATA_KERNEL, SHARED_USER_DATA_FRAME)
        for page in range(1, 4):
            self.map(m.SYSENTER_STACK - 0x1000 * page, self.low.allocate())

    def map(self, linear: int, frame: int, *, write: bool = True, execute: bool = False) -> None:
        """Map a page of system space, in every address space at once."""
        self.space.set_entry(linear, kernel_entry(frame, write=write, execute=execute))

    def allow_execution(self, linear: int, size: int, ran: set[int]) -> None:
        """Clear NX on direct-mapped pages, which count as run from now on."""
        for page in range(linear & ~0xFFF, linear + size, 0x1000):
            index = self.space.make_index(page)
            self.ram.qwords[index] &= ~NO_EXECUTE
            ran.add(int(self.ram.qwords[index] >> 12 & 0xFFFFF))
