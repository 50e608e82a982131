"""System-space memory from the host's side."""

from __future__ import annotations

from ntgate.cpu.mmu import FAULT_WRITE, translate
from ntgate.cpu.ram import PAGE_SIZE, PhysicalMemory

DIRECT_BASE = 0x8000_0000


class KernelMemory:
    """Addresses from 80000000 up, the same in every address space.

    The first `direct` bytes map physical memory from 0 in order (image, boot structures,
    nonpaged pool): there an access is an index into RAM.  The rest goes through the system's
    page tables at `pdpt`.  Raises mmu.PageFault where nothing is mapped.  Numbers lie at
    multiples of their size (64 bits: of 4), as NT aligns them.
    """

    def __init__(self, ram: PhysicalMemory, pdpt: int, direct: int) -> None:
        self.ram = ram
        self.pdpt = pdpt
        self.direct = direct
        self.bytes, self.words, self.dwords = ram.bytes, ram.words, ram.dwords

    def physical(self, address: int, *, write: bool = False) -> int:
        place = address - DIRECT_BASE
        if 0 <= place < self.direct:
            return place
        return translate(self.ram.qwords, self.pdpt, address, FAULT_WRITE if write else 0)

    # Every one looks for itself whether the address is a direct one: `physical` would double
    # what the most frequent call of a machine costs.

    def u8(self, address: int) -> int:
        place = address - DIRECT_BASE
        if 0 <= place < self.direct:
            return self.bytes[place]
        return self.bytes[self.physical(address)]

    def u16(self, address: int) -> int:
        place = address - DIRECT_BASE
        if 0 <= place < self.direct:
            return self.words[place >> 1]
        return self.words[self.physical(address) >> 1]

    def u32(self, address: int) -> int:
        place = address - DIRECT_BASE
        if 0 <= place < self.direct:
            return self.dwords[place >> 2]
        return self.dwords[self.physical(address) >> 2]

    def u64(self, address: int) -> int:
        index = self.physical(address) >> 2
        return self.dwords[index] | self.dwords[index + 1] << 32

    def set_u8(self, address: int, value: int) -> None:
        place = address - DIRECT_BASE
        if 0 <= place < self.direct:
            self.bytes[place] = value & 0xFF
        else:
            self.bytes[self.physical(address)] = value & 0xFF

    def set_u16(self, address: int, value: int) -> None:
        place = address - DIRECT_BASE
        if 0 <= place < self.direct:
            self.words[place >> 1] = value & 0xFFFF
        else:
            self.words[self.physical(address) >> 1] = value & 0xFFFF

    def set_u32(self, address: int, value: int) -> None:
        place = address - DIRECT_BASE
        if 0 <= place < self.direct:
            self.dwords[place >> 2] = value & 0xFFFFFFFF
        else:
            self.dwords[self.physical(address) >> 2] = value & 0xFFFFFFFF

    def set_u64(self, address: int, value: int) -> None:
        index = self.physical(address) >> 2
        self.dwords[index] = value & 0xFFFFFFFF
        self.dwords[index + 1] = value >> 32 & 0xFFFFFFFF

    def read(self, address: int, size: int) -> bytes:
        if 0 < size <= PAGE_SIZE - (address & 0xFFF):
            start = self.physical(address)
            return bytes(self.bytes[start : start + size])
        out = bytearray()
        while size:
            part = min(size, PAGE_SIZE - (address & 0xFFF))
            start = self.physical(address)
            out += self.bytes[start : start + part]
            address += part
            size -= part
        return bytes(out)

    def write(self, address: int, data: bytes) -> None:
        """Data, not code: a frame that has run goes through Processor.write_physical."""
        if 0 < len(data) <= PAGE_SIZE - (address & 0xFFF):
            start = self.physical(address)
            self.bytes[start : start + len(data)] = data
            return
        left = memoryview(data)
        while left:
            part = min(len(left), PAGE_SIZE - (address & 0xFFF))
            start = self.physical(address)
            self.bytes[start : start + part] = left[:part]
            address += part
            left = left[part:]
