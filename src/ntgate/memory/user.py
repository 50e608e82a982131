"""User memory, as a service may touch it: every access probed, every fault resolved.

A user pointer is only a number (`UserPtr`) until it is opened here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NewType

from ntgate.cpu.mmu import FAULT_USER, FAULT_WRITE, PageFault, entries, translate
from ntgate.cpu.protocol import Cpu
from ntgate.cpu.ram import PAGE_SIZE

UserPtr = NewType("UserPtr", int)

MM_USER_PROBE_ADDRESS = 0x7FFF_0000
ADDRESS_SPACE = 1 << 32
MOST_WALKED = 64  # pages; a service touches the same few


class AccessViolation(Exception):
    """A service touched user memory that is not there: STATUS_ACCESS_VIOLATION.

    `status` is the NTSTATUS that the memory manager answered with; `address` is the byte.
    """

    def __init__(self, address: int, *, write: bool, status: int = 0xC0000005) -> None:
        super().__init__(f"{'write' if write else 'read'} of {address:08x}")
        self.address = address
        self.write = write
        self.status = status


class UserMemory:
    """The user half of one address space.

    resolve(address, error_code): asks the memory manager to bring the page in, as for a fault
    of the guest itself; returns 0 to try again, or the NTSTATUS of the failure.

    What a walk has found is kept with the two entries that it went through, and holds while
    they are as they were: to look costs a third of another walk.

    Every method raises AccessViolation.  `kernel` is set while a service runs for a caller in
    kernel mode, whose pointers may lie in system space.
    """

    def __init__(self, cpu: Cpu, cr3: int, resolve: Callable[[int, int], int]) -> None:
        self.cpu = cpu
        self.ram = cpu.ram
        self._bytes, self._dwords, self._qwords = cpu.ram.bytes, cpu.ram.dwords, cpu.ram.qwords
        self.cr3 = cr3
        self.resolve = resolve
        self.kernel = False
        # By page number: where its PDE and PTE are and what they were, the access that they
        # allow, and the page.
        self._walked: dict[int, tuple[int, int, int, int, int, int]] = {}

    def probe(self, address: int, size: int, *, write: bool = False) -> None:
        """The range check of ProbeForRead: nothing at or above 7fff0000, nothing wrapped."""
        end = ADDRESS_SPACE if self.kernel else MM_USER_PROBE_ADDRESS
        if size and not 0 <= address <= end - size:
            raise AccessViolation(max(address, end & 0xFFFFFFFF), write=write)

    def _physical(self, address: int, access: int) -> int:
        found = self._walked.get(address >> 12)
        if found is not None:
            pde_at, pde, pte_at, pte, allowed, page = found
            qwords = self._qwords
            if qwords[pde_at] == pde and qwords[pte_at] == pte and not access & ~allowed:
                return page | address & 0xFFF
        return self._walk(address, access)

    def _walk(self, address: int, access: int) -> int:
        if self.kernel:
            access &= ~FAULT_USER
        while True:
            try:
                place = translate(self._qwords, self.cr3, address, access)
                break
            except PageFault as fault:
                status = self.resolve(address, fault.error)
                if status:
                    write = bool(access & FAULT_WRITE)
                    raise AccessViolation(address, write=write, status=status) from None
        at = entries(self._qwords, self.cr3, address)
        if at is not None:
            if len(self._walked) == MOST_WALKED:
                self._walked.clear()
            pde, pte = self._qwords[at[0]], self._qwords[at[1]]
            allowed = pde & pte & (FAULT_USER | FAULT_WRITE)  # the bits of both stand there
            self._walked[address >> 12] = (at[0], pde, at[1], pte, allowed, place & ~0xFFF)
        return place

    def read(self, address: int, size: int) -> bytes:
        self.probe(address, size)
        if 0 < size <= PAGE_SIZE - (address & 0xFFF):
            start = self._physical(address, FAULT_USER)
            return bytes(self._bytes[start : start + size])
        parts = []
        while size:
            part = min(size, PAGE_SIZE - (address & 0xFFF))
            start = self._physical(address, FAULT_USER)
            parts.append(bytes(self._bytes[start : start + part]))
            address += part
            size -= part
        return b"".join(parts)

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Page after page: what lies before a page that faults has been written, as on NT."""
        size = len(data)
        self.probe(address, size, write=True)
        done = 0
        while done < size:
            part = min(size - done, PAGE_SIZE - (address & 0xFFF))
            start = self._physical(address, FAULT_USER | FAULT_WRITE)
            chunk = bytes(data[done : done + part])
            if start >> 12 in self.cpu.ran:
                self.cpu.write_physical(start, chunk)
            else:
                self._bytes[start : start + part] = chunk
            address += part
            done += part

    def probe_for_write(self, address: int, size: int) -> None:
        """Touch every page for writing before a service starts what it can't undo."""
        self.probe(address, size, write=True)
        page = address & ~0xFFF
        while page < address + size:
            self._physical(max(page, address), FAULT_USER | FAULT_WRITE)
            page += PAGE_SIZE

    def writable_dwords(self, address: int, count: int) -> int:
        """The index in RAM of `count` dwords that the caller may write as they are.

        0 where they are not aligned, in two pages, or in code, which `write` is for.
        """
        if address & 3 or (address & 0xFFF) + 4 * count > PAGE_SIZE:
            return 0
        self.probe(address, 4 * count, write=True)
        place = self._physical(address, FAULT_USER | FAULT_WRITE)
        return 0 if place >> 12 in self.cpu.ran else place >> 2

    def u16(self, address: int) -> int:
        return int.from_bytes(self.read(address, 2), "little")

    def u32(self, address: int) -> int:
        if not address & 3 and address < MM_USER_PROBE_ADDRESS:
            return self._dwords[self._physical(address, FAULT_USER) >> 2]
        return int.from_bytes(self.read(address, 4), "little")

    def u64(self, address: int) -> int:
        return int.from_bytes(self.read(address, 8), "little")

    def set_u16(self, address: int, value: int) -> None:
        self.write(address, (value & 0xFFFF).to_bytes(2, "little"))

    def set_u32(self, address: int, value: int) -> None:
        if not address & 3 and address < MM_USER_PROBE_ADDRESS:
            place = self._physical(address, FAULT_USER | FAULT_WRITE)
            if place >> 12 not in self.cpu.ran:
                self._dwords[place >> 2] = value & 0xFFFFFFFF
                return
        self.write(address, (value & 0xFFFFFFFF).to_bytes(4, "little"))

    def set_u64(self, address: int, value: int) -> None:
        self.write(address, (value & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little"))
