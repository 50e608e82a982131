"""User memory as it is: a look brings no page in and changes nothing."""

from __future__ import annotations

from ntgate.cpu.mmu import FAULT_USER, NO_EXECUTE, PRESENT, PageFault, entries, translate
from ntgate.cpu.ram import PAGE_SIZE
from ntgate.layout.se import SID_MAX_SUB_AUTHORITIES
from ntgate.memory.user import MM_USER_PROBE_ADDRESS, UserMemory

LONGEST_STRING = 0x1000  # bytes of a UNICODE_STRING that are looked at


class Unreadable(Exception):
    """The memory is not the user's, or its page is not there now."""


class Peek:
    """Where each page is gets remembered with the PDE and the PTE that it was found by."""

    def __init__(self, memory: UserMemory) -> None:
        self._bytes = memory.ram.bytes
        self._dwords = memory.ram.dwords
        self._qwords = memory.ram.qwords
        self._cr3 = memory.cr3
        # By page: the physical address, the entries' places in qwords, and their values.
        self._pages: dict[int, tuple[int, int, int, int, int]] = {}

    def read(self, address: int, size: int) -> bytes:
        """Raises Unreadable."""
        offset = address & 0xFFF
        if offset + size > PAGE_SIZE:
            return self._read_pages(address, size)
        start = self.page(address - offset) + offset
        return self._bytes[start : start + size].tobytes()

    def available(self, address: int, size: int) -> bytes:
        """As much of the range as is there from its beginning."""
        parts = []
        while size > 0:
            part = min(size, PAGE_SIZE - (address & 0xFFF))
            try:
                parts.append(self.read(address, part))
            except Unreadable:
                break
            address += part
            size -= part
        return b"".join(parts)

    def u32(self, address: int) -> int:
        """Raises Unreadable."""
        if address & 3:
            return int.from_bytes(self.read(address, 4), "little")
        offset = address & 0xFFF
        return int(self._dwords[self.page(address - offset) + offset >> 2])

    def two(self, address: int) -> tuple[int, int]:
        """Two dwords.  Raises Unreadable."""
        offset = address & 0xFFF
        if offset > PAGE_SIZE - 8 or address & 3:
            return self.u32(address), self.u32(address + 4)
        index = self.page(address - offset) + offset >> 2
        return int(self._dwords[index]), int(self._dwords[index + 1])

    def unicode_string(self, address: int) -> str:
        """The text of a UNICODE_STRING.  Raises Unreadable."""
        descriptor = self.read(address, 8)
        length = int.from_bytes(descriptor[:2], "little")
        buffer = int.from_bytes(descriptor[4:], "little")
        return self.text(buffer, length)

    def text(self, address: int, length: int) -> str:
        """UTF-16 text of `length` bytes.  Raises Unreadable."""
        if not length:
            return ""
        data = self.read(address, min(length, LONGEST_STRING) & ~1)
        return data.decode("utf-16-le", "surrogatepass")

    def sid(self, address: int) -> str:
        """S-1-5-18.  Raises Unreadable."""
        head = self.read(address, 8)
        count = min(head[1], SID_MAX_SUB_AUTHORITIES)
        rest = self.read(address + 8, 4 * count)
        parts = [int.from_bytes(rest[i : i + 4], "little") for i in range(0, 4 * count, 4)]
        authority = int.from_bytes(head[2:8], "big")
        return "-".join(["S", str(head[0]), str(authority), *map(str, parts)])

    def has_run(self, address: int) -> bool:
        """Whether code of that page has run: until then a page is mapped with NX."""
        places = entries(self._qwords, self._cr3, address)
        return places is not None and self._qwords[places[1]] & (PRESENT | NO_EXECUTE) == PRESENT

    def _read_pages(self, address: int, size: int) -> bytes:
        data = self.available(address, size)
        if len(data) < size:
            raise Unreadable
        return data

    def page(self, page: int) -> int:
        """Physical address of a page.  Raises Unreadable."""
        qwords = self._qwords
        try:
            physical, pde_at, pde, pte_at, pte = self._pages[page]
            if qwords[pte_at] == pte and qwords[pde_at] == pde:
                return physical
        except KeyError:
            pass
        if page >= MM_USER_PROBE_ADDRESS:
            raise Unreadable
        try:
            found = translate(qwords, self._cr3, page, FAULT_USER)
        except PageFault:
            raise Unreadable from None
        places = entries(qwords, self._cr3, page)
        if places is not None:
            pde_at, pte_at = places
            self._pages[page] = found, pde_at, qwords[pde_at], pte_at, qwords[pte_at]
        return found
