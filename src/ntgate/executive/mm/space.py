"""One process's user half: its page tables, its VADs, its pages and what they are charged."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from ntgate.cpu.mmu import FAULT_FETCH, FAULT_WRITE
from ntgate.errors import NtError
from ntgate.executive.mm import pte
from ntgate.executive.mm.protection import WRITABLE_CODES
from ntgate.executive.mm.vad import (
    MEM_COMMIT_FLAG,
    PRIVATE_MEMORY,
    PROTECTION_SHIFT,
    SIZES,
    WRITE_WATCH,
    Vad,
)
from ntgate.executive.mm.vad_tree import END, FLAGS, VadTree
from ntgate.layout.mm import EPROCESS_VM, MM_DECOMMIT, PTE_BASE, PTE_PROTOTYPE, PTE_TRANSITION
from ntgate.layout.ntstatus import STATUS_NO_MEMORY, STATUS_PROCESS_IS_TERMINATING
from ntgate.layout.ps import EPROCESS
from ntgate.memory.frames import OutOfFrames
from ntgate.memory.paging import AddressSpace
from ntgate.memory.structs import Member

if TYPE_CHECKING:
    from ntgate.executive.mm.manager import MemoryManager

TABLE_PAGES = 512
_EMPTY_TABLE = bytes(8 * TABLE_PAGES)

_COMMITTED = MEM_COMMIT_FLAG | PRIVATE_MEMORY
_TO_PTE = PROTECTION_SHIFT - pte.PROTECTION_SHIFT


def _zeros(codes: Collection[int]) -> tuple[int, ...]:
    """A page of zeros' valid PTE, without its frame, by code; 0 where a fault needs more."""
    return tuple(
        pte.valid_entry(0, code, ran=False, written=True)
        if code in codes and pte.accessible(code)
        else 0
        for code in range(32)
    )


_ZEROS_TO_READ = _zeros(range(32))
_ZEROS_TO_WRITE = _zeros([code for code in range(32) if code & 7 in WRITABLE_CODES])


class ProcessSpace:
    """The address space of `process`: made by MemoryManager.create_space, one for each process.

    `shared_protection` has the protection of each valid page of a section that was given
    another one than its view (XP keeps it in the working set list); `locked` the pages that
    NtLockVirtualMemory holds.  All else is in the guest.
    """

    def __init__(self, manager: MemoryManager, process: EPROCESS, tables: AddressSpace) -> None:
        self.manager = manager
        self.process = EPROCESS_VM(process.memory, process.address)
        self.tables = tables
        self.vads = VadTree(manager.kernel, self.process)
        self.shared_protection: dict[int, int] = {}
        self.locked: set[int] = set()
        self._qwords = tables.ram.qwords
        self._dwords = tables.ram.dwords
        start = manager.kernel.physical(process.address)

        def index(*members: Member) -> int:
            return (start + sum(member.offset for member in members)) >> 2

        vm = EPROCESS_VM.Vm
        self._fault_count = index(vm, vm.struct.PageFaultCount)
        self._working_set = index(vm, vm.struct.WorkingSetSize)
        self._peak_working_set = index(vm, vm.struct.PeakWorkingSetSize)
        self._private_pages = index(EPROCESS_VM.NumberOfPrivatePages)
        self._virtual_size = index(EPROCESS_VM.VirtualSize)
        self._peak_virtual_size = index(EPROCESS_VM.PeakVirtualSize)

    # VADs.

    def vad(self, node: int) -> Vad:
        i = self.vads.index(node)
        first, last, flags = self._dwords[i], self._dwords[i + END], self._dwords[i + FLAGS]
        if flags >> 31:
            return Vad(node, first, last, flags)
        return Vad(
            node, first, last, flags,
            self._dwords[i + 6], self._dwords[i + 7], self._dwords[i + 8],
        )  # fmt: skip

    def vad_at(self, vpn: int) -> Vad | None:
        node = self.vads.find(vpn)
        return self.vad(node) if node else None

    def require_alive(self) -> None:
        """Raises NtError STATUS_PROCESS_IS_TERMINATING for a process that has ended."""
        if self.process.VmDeleted:
            raise NtError(STATUS_PROCESS_IS_TERMINATING)

    def add_vad(self, tag: bytes, first: int, last: int, flags: int) -> int:
        """Make and link a node; the rest of a mapped one is the caller's.

        Raises NtError: STATUS_PROCESS_IS_TERMINATING for a process that has ended.
        """
        self.require_alive()
        node = self.manager.pool_block(SIZES[tag], tag)
        i = self.vads.index(node)
        self._dwords[i], self._dwords[i + END], self._dwords[i + FLAGS] = first, last, flags
        self.vads.insert(node)
        self.count_virtual_size(last - first + 1)
        return node

    def remove_vad(self, vad: Vad) -> None:
        """Unlink and free a node and uncharge its size; its pages are gone already."""
        self.vads.remove(vad.node)
        self.manager.pool.free(vad.node)
        self.count_virtual_size(-vad.pages)

    def count_virtual_size(self, pages: int) -> None:
        dwords = self._dwords
        size = dwords[self._virtual_size] + (pages << 12) & 0xFFFFFFFF
        dwords[self._virtual_size] = size
        if size > dwords[self._peak_virtual_size]:
            dwords[self._peak_virtual_size] = size

    # Page tables.

    def chunks(self, first: int, last: int) -> Iterator[tuple[int, int, int | None]]:
        """Pages first..last by page table: (first page, count, index of its PTE or None)."""
        while first <= last:
            count = min(last + 1 - first, TABLE_PAGES - (first & TABLE_PAGES - 1))
            yield first, count, self.tables.index(first << 12)
            first += count

    def index(self, vpn: int) -> int:
        """Where the PTE of a page is, with a page table made for it; raises NtError."""
        try:
            return self.tables.make_index(vpn << 12)
        except OutOfFrames:
            raise NtError(STATUS_NO_MEMORY) from None

    def make_tables(self, first: int, last: int) -> None:
        """All page tables of these pages, so that what follows can't fail; raises NtError."""
        for vpn, _count, index in self.chunks(first, last):
            if index is None:
                self.index(vpn)

    def is_committed(self, vad: Vad, entry: int) -> bool:
        """Whether a page of private memory with this PTE is committed."""
        if not entry:
            return vad.is_committed
        return bool(entry & pte.VALID) or pte.protection_of(entry) != MM_DECOMMIT

    def count_committed(self, vad: Vad, first: int, last: int) -> int:
        """How many of these pages of a private VAD are committed."""
        total = 0
        for _vpn, count, index in self.chunks(first, last):
            entries = [] if index is None else self._qwords[index : index + count].tolist()
            if not any(entries):
                total += count if vad.is_committed else 0
            else:
                total += sum(self.is_committed(vad, entry) for entry in entries)
        return total

    # Pages.

    def bring_in_zeros(self, vpn: int, index: int, entry: int, error: int) -> bool:
        """Answer the commonest of faults: a read or write of private memory without a frame.

        `entry`: the PTE, 0 or demand zero.  False where it is another fault; raises NtError.
        """
        i = self.vads.index_at(vpn)
        if not i or error & FAULT_FETCH:
            return False
        flags = self._dwords[i + FLAGS]
        if entry:
            is_plain = flags & (PRIVATE_MEMORY | WRITE_WATCH) == PRIVATE_MEMORY
            original = entry
        else:
            is_plain = flags & (_COMMITTED | WRITE_WATCH) == _COMMITTED
            original = flags >> _TO_PTE & pte.PROTECTION_MASK
        templates = _ZEROS_TO_WRITE if error & FAULT_WRITE else _ZEROS_TO_READ
        template = templates[original >> pte.PROTECTION_SHIFT]
        if not is_plain or not template:
            return False
        manager = self.manager
        frame = manager.frame()
        manager.pfn.describe(frame, PTE_BASE + (vpn << 3), index >> 9, original)
        self._qwords[index] = template | frame << pte.FRAME_SHIFT
        self._dwords[self._private_pages] += 1
        self.count_valid()
        return True

    def map_private(self, vpn: int, index: int, frame: int, code: int, *, written: bool) -> None:
        """Make a new frame the page's own and its PTE valid."""
        manager = self.manager
        manager.pfn.describe(frame, pte.pte_address(vpn << 12), index >> 9, pte.demand_zero(code))
        self._qwords[index] = pte.valid_entry(frame, code, ran=False, written=written)
        self.count_private()

    def count_private(self) -> None:
        """A PTE has become valid, of a page that is the process's own."""
        self._dwords[self._private_pages] += 1
        self.count_valid()

    def count_valid(self) -> None:
        """A PTE has become valid by a fault."""
        dwords = self._dwords
        dwords[self._fault_count] = dwords[self._fault_count] + 1 & 0xFFFFFFFF
        self.count_mapped()

    def count_mapped(self) -> None:
        dwords = self._dwords
        size = dwords[self._working_set] + 1
        dwords[self._working_set] = size
        if size > dwords[self._peak_working_set]:
            dwords[self._peak_working_set] = size

    def count_invalid(self, pages: int = 1) -> None:
        held = self._dwords[self._working_set]
        self._dwords[self._working_set] = held - pages & 0xFFFFFFFF

    def discard(self, first: int, last: int, fill: int = 0) -> None:
        """Give up what pages first..last hold and leave `fill` in their PTEs.

        Page tables that become empty are given back; with a fill, the missing ones are made.
        """
        qwords = self._qwords
        filled = pte.repeated(fill)
        if fill:
            self.make_tables(first, last)
        for vpn, count, index in self.chunks(first, last):
            if index is None:
                continue
            self._release_entries(vpn, qwords[index : index + count].tolist())
            qwords[index : index + count] = filled[:count]
            if not fill:
                self._free_empty_table(vpn)
        if self.shared_protection:
            for vpn in [vpn for vpn in self.shared_protection if first <= vpn <= last]:
                del self.shared_protection[vpn]
        if self.locked:
            self.locked = {vpn for vpn in self.locked if not first <= vpn <= last}

    def _release_entries(self, vpn: int, entries: list[int]) -> None:
        pfn = self.manager.pfn
        valid = private = 0
        for offset, entry in enumerate(entries):
            if entry & pte.VALID:
                self.manager.stale(vpn + offset)
                valid += 1
            elif not entry & PTE_TRANSITION or entry & PTE_PROTOTYPE:
                continue
            frame = pte.frame_of(entry)
            private += not pfn.is_prototype(frame)
            pfn.release(frame)
        self.count_invalid(valid)
        held = self._dwords[self._private_pages]
        self._dwords[self._private_pages] = held - private & 0xFFFFFFFF

    def _free_empty_table(self, vpn: int) -> None:
        """Without its table a page is as with an empty one: what the VAD says."""
        ram = self.tables.ram
        place = self.tables.directory_index(vpn << 12)
        table = ram.qwords[place] & pte.TABLE_FRAME
        if bytes(ram.bytes[table : table + len(_EMPTY_TABLE)]) == _EMPTY_TABLE:
            ram.qwords[place] = 0
            self.tables.frames.free(table >> 12)
            self.manager.flush_all = True  # the table was mapped at c0000000, too

