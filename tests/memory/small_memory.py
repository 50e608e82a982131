"""A little RAM with one address space, and the parts of memory/ on it."""

from __future__ import annotations

from ntgate.cpu.fake import FakeProcessor
from ntgate.cpu.mmu import PRESENT, USER, WRITABLE
from ntgate.cpu.ram import PAGE_SIZE, PhysicalMemory
from ntgate.memory.frames import FrameAllocator
from ntgate.memory.kernel import KernelMemory
from ntgate.memory.paging import AddressSpace, map_self

PDPT, DIRECTORIES = 0x1000, (0x2000, 0x3000, 0x4000, 0x5000)
DIRECT = 0x8000  # bytes of RAM at 80000000
FIRST_FREE, PAGES = 0x10, 0x80
ANYONE = PRESENT | WRITABLE | USER


class SmallMemory:
    def __init__(self) -> None:
        self.cpu = FakeProcessor(PhysicalMemory(PAGES))
        self.ram = self.cpu.ram
        for i, directory in enumerate(DIRECTORIES):
            self.ram.qwords[(PDPT >> 3) + i] = directory | PRESENT
        map_self(self.ram, DIRECTORIES)
        self.frames = FrameAllocator(
            self.ram, range(FIRST_FREE, PAGES)[::-1], self.cpu.ran, self.cpu.flush_code
        )
        self.space = AddressSpace(self.ram, self.frames, PDPT)
        self.kernel = KernelMemory(self.ram, PDPT, DIRECT)

    def map(self, linear: int, rights: int = ANYONE) -> int:
        """A new page; returns its frame."""
        frame = self.frames.allocate()
        self.space.set_entry(linear, frame << 12 | rights)
        return frame

    def peek(self, linear: int, size: int) -> bytes:
        """Bytes of any mapped pages, by the tables alone."""
        out = bytearray()
        for address in range(linear, linear + size):
            frame = self.space.entry(address) >> 12 & 0xFFFFF
            out.append(self.ram.bytes[frame * PAGE_SIZE + (address & 0xFFF)])
        return bytes(out)
