"""The memory manager's state: every process's address space, the frames, the commit charge.

What a request does is in the modules beside this one, as functions of a ProcessSpace.

The TLB.  A request that takes rights from a valid PTE, or changes its frame, records the page
in `stale_pages` (or sets `flush_all` when it's many).  Before guest code of that address space
runs again its TLB must drop them: `take_stale` gives the pages and forgets them; whoever runs
the machine passes them to the guest (the FLUSH_PAGE and FLUSH_ALL replies) or, while the
machine stands, calls `Processor.flush_tlb`.  More rights need nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Protocol

from ntgate.cpu.mmu import ACCESSED, NO_EXECUTE, PRESENT, USER
from ntgate.cpu.processor import Processor
from ntgate.errors import NtError
from ntgate.executive.mm.pfn import PfnDatabase
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.mm.standby import StandbyList
from ntgate.executive.mm.view import delete_all
from ntgate.executive.pool import Pool
from ntgate.layout import machine
from ntgate.layout.ntstatus import (
    STATUS_COMMITMENT_LIMIT,
    STATUS_NO_MEMORY,
)
from ntgate.layout.ps import EPROCESS
from ntgate.memory.companions import Companions
from ntgate.memory.frames import FrameAllocator, OutOfFrames
from ntgate.memory.kernel import KernelMemory
from ntgate.memory.paging import DIRECTORIES, SYSTEM_DIRECTORY, AddressSpace, map_self

if TYPE_CHECKING:
    from ntgate.executive.mm.segment import Segment
    from ntgate.executive.mm.vad import Vad
    from ntgate.layout.mm import EPROCESS_VM

DEFAULT_COMMIT_LIMIT = 0x40000  # pages: 1 GB
MOST_STALE_PAGES = 8
DIRECTORY_BYTES = 0x1000


class JobLimits(Protocol):
    """What jobs have to say about the memory of their processes."""

    def charge(self, process: EPROCESS_VM, pages: int) -> None:
        """A process in a job commits pages, or gives them back; raises NtError."""

    def tell_refusal(self, process: EPROCESS_VM) -> None:
        """A process has asked for more than it may commit itself."""


class MemoryManager:
    """One for the machine.  `committed` and `commit_limit` count pages of the whole system."""

    def __init__(
        self,
        cpu: Processor,
        kernel: KernelMemory,
        frames: FrameAllocator,
        pool: Pool,
        system_space: AddressSpace,
        *,
        commit_limit: int = DEFAULT_COMMIT_LIMIT,
    ) -> None:
        self.cpu = cpu
        self.kernel = kernel
        self.frames = frames
        self.pool = pool
        self.system_space = system_space
        self.commit_limit = commit_limit
        self.committed = 0
        self.job_limits: JobLimits | None = None
        self.pfn = PfnDatabase(kernel, pool, frames)
        self.standby = StandbyList(frames, self.pfn)
        self.spaces: dict[int, ProcessSpace] = {}  # by the address of the EPROCESS
        self.segments: Companions[Segment] = Companions()  # by the address of the CONTROL_AREA
        self.file_segments: dict[tuple[Hashable, bool], Segment] = {}  # (identity, image)
        self.stale_pages: list[int] = []
        # Hears of a region that is no image, an address, and the MM_ code of its page.
        self.code_runs: Callable[[Vad, int, int], None] = lambda _vad, _address, _code: None
        self.flush_all = False

    # Address spaces.

    def create_space(self, process: EPROCESS) -> ProcessSpace:
        """An empty user half for a process; sets its DirectoryTableBase.  Raises NtError.

        SharedUserData is its one page, as in every process of XP, without a VAD.
        """
        tables = self._create_tables()
        process.Pcb.DirectoryTableBase = tables.pdpt
        space = ProcessSpace(self, process, tables)
        self.spaces[process.address] = space
        return space

    def delete_space(self, space: ProcessSpace) -> None:
        """Give back all that the process has.  No CR3 may hold its tables any more."""
        delete_all(space)
        space.tables.free_user_tables()
        self.frames.free(space.tables.pdpt >> 12)
        del self.spaces[space.process.address]

    def _create_tables(self) -> AddressSpace:
        qwords = self.kernel.ram.qwords
        # PDPT, directories, and the page table of SharedUserData, which set_entry makes.
        if self.frames.available < 1 + DIRECTORIES + 1:
            raise NtError(STATUS_NO_MEMORY)
        pdpt = self.frames.allocate() << 12
        directories = tuple(self.frames.allocate() << 12 for _ in range(DIRECTORIES))
        for i, directory in enumerate(directories):
            qwords[(pdpt >> 3) + i] = directory | PRESENT
        system = self.system_space.directories
        for i in range(SYSTEM_DIRECTORY, DIRECTORIES):
            to, of = directories[i] >> 3, system[i] >> 3
            qwords[to : to + DIRECTORY_BYTES // 8] = qwords[of : of + DIRECTORY_BYTES // 8]
        map_self(self.kernel.ram, directories)
        tables = AddressSpace(self.kernel.ram, self.frames, pdpt)
        shared = self.kernel.physical(machine.SHARED_USER_DATA_KERNEL)
        tables.set_entry(machine.SHARED_USER_DATA, shared | PRESENT | USER | ACCESSED | NO_EXECUTE)
        return tables

    # What is scarce.

    def frame(self) -> int:
        """A zeroed frame; raises NtError STATUS_NO_MEMORY."""
        try:
            return self.frames.allocate()
        except OutOfFrames:
            raise NtError(STATUS_NO_MEMORY) from None

    def pool_block(self, size: int, tag: bytes) -> int:
        """A zeroed block of pool; raises NtError STATUS_INSUFFICIENT_RESOURCES."""
        return self.pool.allocate(size, tag)

    def charge(self, pages: int, space: ProcessSpace | None = None) -> None:
        """Commit pages to a process, or to a section; raises NtError STATUS_COMMITMENT_LIMIT."""
        if self.committed + pages > self.commit_limit:
            raise NtError(STATUS_COMMITMENT_LIMIT)
        if space is not None:
            process = space.process
            charge = process.CommitCharge + pages
            limit = process.CommitChargeLimit
            if limit and charge > limit:
                if self.job_limits is not None:
                    self.job_limits.tell_refusal(process)
                raise NtError(STATUS_COMMITMENT_LIMIT)
            if process.Job and self.job_limits is not None:
                self.job_limits.charge(process, pages)
            process.CommitCharge = charge
            if charge > process.CommitChargePeak:
                process.CommitChargePeak = charge
        self.committed += pages

    def uncharge(self, pages: int, space: ProcessSpace | None = None) -> None:
        if space is not None:
            process = space.process
            process.CommitCharge -= pages
            if process.Job and self.job_limits is not None:
                self.job_limits.charge(process, -pages)
        self.committed -= pages

    # The TLB.

    def stale(self, vpn: int) -> None:
        """A valid page has lost rights, or its frame."""
        if len(self.stale_pages) < MOST_STALE_PAGES:
            self.stale_pages.append(vpn << 12)
        else:
            self.flush_all = True

    def take_stale(self) -> tuple[bool, list[int]]:
        """(whether to flush everything, else the addresses of the pages to flush), once."""
        taken = self.flush_all, self.stale_pages
        self.flush_all, self.stale_pages = False, []
        return taken
