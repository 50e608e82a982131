"""Address spaces: the PAE tables of one CR3, as the kernel writes them."""

from __future__ import annotations

from collections.abc import Iterator

from ntgate.cpu import mmu
from ntgate.cpu.mmu import FRAME_MASK, NO_EXECUTE, PRESENT, USER, WRITABLE
from ntgate.cpu.ram import PAGE_SIZE, PhysicalMemory
from ntgate.memory.frames import FrameAllocator

TABLE_RIGHTS = PRESENT | WRITABLE | mmu.ACCESSED | mmu.DIRTY
DIRECTORIES = 4
SYSTEM_DIRECTORY = 2  # 80000000 and up: the third and fourth directory


class AddressSpace:
    """The tables that CR3 = `pdpt` starts; all addresses are linear, all entries 64 bits.

    Entries that are not present belong to the memory manager, which keeps its own formats in
    them.  Whoever takes rights away from an entry that guest code may have used has the guest
    flush its TLB.
    """

    def __init__(self, ram: PhysicalMemory, frames: FrameAllocator, pdpt: int) -> None:
        self.ram = ram
        self.frames = frames
        self.pdpt = pdpt
        self._qwords = ram.qwords

    @property
    def directories(self) -> tuple[int, ...]:
        """Physical addresses of the four page directories."""
        first = self.pdpt >> 3
        return tuple(self.ram.qwords[first + i] & FRAME_MASK for i in range(DIRECTORIES))

    def directory_index(self, linear: int) -> int:
        """Where the PDE of `linear` is, as an index into ram.qwords."""
        pdpte = self.ram.qwords[(self.pdpt >> 3) + (linear >> 30)]
        return int(((pdpte & FRAME_MASK) >> 3) + (linear >> 21 & 0x1FF))

    def index(self, linear: int) -> int | None:
        """Where the PTE of `linear` is, as an index into ram.qwords; None without a table."""
        qwords = self._qwords
        pdpte = qwords[(self.pdpt >> 3) + (linear >> 30)]
        pde = qwords[((pdpte & FRAME_MASK) >> 3) + (linear >> 21 & 0x1FF)]
        if not pde & PRESENT:
            return None
        return int(((pde & FRAME_MASK) >> 3) + (linear >> 12 & 0x1FF))

    def make_index(self, linear: int) -> int:
        """The same, making the page table where there is none; raises OutOfFrames."""
        index = self.index(linear)
        if index is None:
            user = USER if linear < 0x8000_0000 else 0
            table = self.frames.allocate() << 12
            self.ram.qwords[self.directory_index(linear)] = table | TABLE_RIGHTS | user
            index = (table >> 3) + (linear >> 12 & 0x1FF)
        return index

    def entry(self, linear: int) -> int:
        """The PTE, 0 where there is no page table."""
        index = self.index(linear)
        return 0 if index is None else int(self.ram.qwords[index])

    def set_entry(self, linear: int, value: int) -> None:
        self.ram.qwords[self.make_index(linear)] = value

    def tables(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """(linear, index of its first PTE) of each page table present in first..last."""
        linear = first & ~0x1FFFFF
        while linear <= last:
            index = self.index(linear)
            if index is not None:
                yield linear, index
            linear += 0x200000

    def free_user_tables(self) -> None:
        """Give back the page tables below 80000000, the directories and nothing else."""
        for directory in self.directories[:SYSTEM_DIRECTORY]:
            for place in range(directory >> 3, (directory >> 3) + 512):
                pde = self.ram.qwords[place]
                if pde & PRESENT:
                    self.frames.free((pde & FRAME_MASK) >> 12)
        for directory in self.directories:
            self.frames.free(directory >> 12)


def kernel_entry(frame: int, *, write: bool = True, execute: bool = False) -> int:
    """A PTE of system space: `G-DA--KWV` or `G--A--KREV` in !pte's letters."""
    entry = frame << 12 | PRESENT | mmu.ACCESSED | mmu.GLOBAL
    if write:
        entry |= WRITABLE | mmu.DIRTY
    return entry if execute else entry | NO_EXECUTE


def map_self(ram: PhysicalMemory, directories: tuple[int, ...]) -> None:
    """The tables in their own address space: PTEs from c0000000, directories from c0600000."""
    for i, directory in enumerate(directories):
        ram.qwords[(directories[3] >> 3) + i] = directory | TABLE_RIGHTS | NO_EXECUTE


__all__ = ["PAGE_SIZE", "AddressSpace", "kernel_entry", "map_self"]
