"""Job objects: EJOBs in guest memory, with their processes in ProcessListHead.

A process keeps its job, and its place in the list, until its object goes; it counts as active
until it ends.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.atoms import AtomTable
from ntgate.executive.io.completion import Packet
from ntgate.executive.io.counters import OPERATIONS
from ntgate.executive.ps import job_security, job_set
from ntgate.executive.ps.suspend import CLASS_PRIORITIES, set_process_priority
from ntgate.layout import lists, ntstatus
from ntgate.layout.ke import NOTIFICATION_EVENT
from ntgate.layout.machine import TICK_100NS
from ntgate.layout.mm import EPROCESS_VM
from ntgate.layout.ps import EJOB, EPROCESS
from ntgate.layout.win32_errors import ERROR_NOT_ENOUGH_QUOTA
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive
    from ntgate.executive.ob import HandleClosing
    from ntgate.executive.ps.thread import Process

_IO_COUNTS = struct.Struct("<6Q")
UI_GLOBAL_ATOMS = 0x20  # of EJOB.UIRestrictionsClass
# EJOB.LimitFlags, JOB_OBJECT_LIMIT_*.
WORKINGSET                  = 0x0001
PROCESS_TIME                = 0x0002
JOB_TIME                    = 0x0004
ACTIVE_PROCESS              = 0x0008
AFFINITY                    = 0x0010
PRIORITY_CLASS              = 0x0020
PRESERVE_JOB_TIME           = 0x0040
SCHEDULING_CLASS            = 0x0080
PROCESS_MEMORY              = 0x0100
JOB_MEMORY                  = 0x0200
DIE_ON_UNHANDLED_EXCEPTION  = 0x0400
BREAKAWAY_OK                = 0x0800
SILENT_BREAKAWAY_OK         = 0x1000
KILL_ON_JOB_CLOSE           = 0x2000
BASIC_LIMITS                = 0x00FF
EXTENDED_LIMITS             = 0x3FFF

# What a job tells its completion port.
MESSAGE_END_OF_JOB_TIME      = 1
MESSAGE_END_OF_PROCESS_TIME  = 2
MESSAGE_ACTIVE_PROCESS_LIMIT = 3
MESSAGE_ACTIVE_PROCESS_ZERO  = 4
MESSAGE_NEW_PROCESS          = 6
MESSAGE_EXIT_PROCESS         = 7
MESSAGE_ABNORMAL_EXIT        = 8
MESSAGE_PROCESS_MEMORY_LIMIT = 9
MESSAGE_JOB_MEMORY_LIMIT     = 10

# The exit codes that make an exit abnormal, as the job object documentation lists them.
ABNORMAL_EXITS = frozenset((
    ntstatus.STATUS_GUARD_PAGE_VIOLATION, ntstatus.STATUS_DATATYPE_MISALIGNMENT,
    ntstatus.STATUS_BREAKPOINT, ntstatus.STATUS_SINGLE_STEP, ntstatus.STATUS_ACCESS_VIOLATION,
    ntstatus.STATUS_IN_PAGE_ERROR, ntstatus.STATUS_ILLEGAL_INSTRUCTION,
    ntstatus.STATUS_NONCONTINUABLE_EXCEPTION, ntstatus.STATUS_INVALID_DISPOSITION,
    ntstatus.STATUS_ARRAY_BOUNDS_EXCEEDED, ntstatus.STATUS_FLOAT_DENORMAL_OPERAND,
    ntstatus.STATUS_FLOAT_DIVIDE_BY_ZERO, ntstatus.STATUS_FLOAT_INEXACT_RESULT,
    ntstatus.STATUS_FLOAT_INVALID_OPERATION, ntstatus.STATUS_FLOAT_OVERFLOW,
    ntstatus.STATUS_FLOAT_STACK_CHECK, ntstatus.STATUS_FLOAT_UNDERFLOW,
    ntstatus.STATUS_INTEGER_DIVIDE_BY_ZERO, ntstatus.STATUS_INTEGER_OVERFLOW,
    ntstatus.STATUS_PRIVILEGED_INSTRUCTION, ntstatus.STATUS_STACK_OVERFLOW,
    ntstatus.STATUS_CONTROL_C_EXIT,
))  # fmt: skip


class Jobs:
    """The jobs of one machine."""

    def __init__(self, executive: Executive) -> None:
        self.executive = executive
        self._atoms: dict[int, AtomTable] = {}  # by the EJOB's address
        kind = executive.objects.types["Job"]
        kind.close = self._close
        kind.delete = self._delete
        executive.mm.job_limits = self
        executive.security.limit_token = self._limit_token

    def initialize(self, body: int) -> None:
        """Fill in a zeroed EJOB."""
        kernel, job = self.executive.kernel, EJOB(self.executive.kernel, body)
        job.Event.Header.Type = NOTIFICATION_EVENT
        job.Event.Header.Size = EJOB.Event.size // 4
        lists.initialize(kernel, job.Event.Header.WaitListHead.address)
        lists.initialize(kernel, job.ProcessListHead.address)
        lists.initialize(kernel, job.JobLinks.address)
        lists.initialize(kernel, job.JobSetLinks.address)
        job.SchedulingClass = 5

    def charge(self, process: EPROCESS_VM, pages: int) -> None:
        """The memory manager commits pages to a process in a job, or takes them back.

        Raises STATUS_COMMITMENT_LIMIT where the whole job has no room for them.
        """
        job = EJOB(self.executive.kernel, process.Job)
        used = job.CurrentJobMemoryUsed + pages
        if pages > 0 and job.LimitFlags & JOB_MEMORY and used > job.JobMemoryLimit:
            tell(self.executive, job, MESSAGE_JOB_MEMORY_LIMIT, process.UniqueProcessId)
            raise NtError(ntstatus.STATUS_COMMITMENT_LIMIT)
        job.CurrentJobMemoryUsed = used
        job.PeakJobMemoryUsed = max(job.PeakJobMemoryUsed, used)

    def tell_refusal(self, process: EPROCESS_VM) -> None:
        """A process has asked for more memory than it may have itself."""
        if process.Job:
            job = EJOB(self.executive.kernel, process.Job)
            tell(self.executive, job, MESSAGE_PROCESS_MEMORY_LIMIT, process.UniqueProcessId)

    def atoms(self, process: Process) -> AtomTable:
        """The atom table that a process sees as the global one: its job may have its own."""
        body = process.eprocess.Job
        if not body:
            return self.executive.atoms
        if not EJOB(self.executive.kernel, body).UIRestrictionsClass & UI_GLOBAL_ATOMS:
            return self.executive.atoms
        return self._atoms.setdefault(body, AtomTable())

    def _limit_token(self, eprocess: EPROCESS, body: int) -> int:
        security = self.executive.security
        return job_security.allowed_token(self.executive, eprocess, security.token(body))

    def _close(self, closing: HandleClosing) -> None:
        job = EJOB(self.executive.kernel, closing.body)
        if closing.system_handles > 1:
            return
        job_set.leave(job)
        if job.LimitFlags & KILL_ON_JOB_CLOSE:
            terminate(self.executive, job, ntstatus.STATUS_SUCCESS)

    def _delete(self, body: int) -> None:
        job = EJOB(self.executive.kernel, body)
        if job.CompletionPort:
            self.executive.objects.dereference(job.CompletionPort)
        job_security.release(self.executive, job)
        self._atoms.pop(body, None)


def processes_in(executive: Executive, job: EJOB) -> Iterator[Process]:
    """The processes that have not ended."""
    for entry in lists.entries(executive.kernel, job.ProcessListHead.address):
        process = executive.processes.processes.get(entry - EPROCESS.JobLinks.offset)
        if process is not None and not process.exited:
            yield process


def for_child(parent: Process, *, breakaway: bool, level: int = 0) -> int:
    """The body of the job that a new process is born into, 0 for none.

    `level`: which job of the set.  Raises STATUS_ACCESS_DENIED for a breakaway that the job does
    not allow, and a level that the set does not have.
    """
    body: int = parent.eprocess.Job
    if not body:
        return 0
    limits = EJOB(parent.executive.kernel, body).LimitFlags
    if limits & SILENT_BREAKAWAY_OK:
        return 0
    if breakaway and not limits & BREAKAWAY_OK:
        raise NtError(ntstatus.STATUS_ACCESS_DENIED)
    return 0 if breakaway else job_set.member(EJOB(parent.executive.kernel, body), level)


def assign(job: EJOB, process: Process) -> None:
    """Put a process into a job.

    Raises STATUS_ACCESS_DENIED for one that is in a job already, STATUS_PROCESS_IS_TERMINATING,
    what its security limits refuse with, and STATUS_QUOTA_EXCEEDED where the job is full: the
    process has to be ended then.
    """
    executive, eprocess = process.executive, process.eprocess
    if eprocess.Job:
        raise NtError(ntstatus.STATUS_ACCESS_DENIED)
    if process.exited:
        raise NtError(ntstatus.STATUS_PROCESS_IS_TERMINATING)
    if job.LimitFlags & ACTIVE_PROCESS and job.ActiveProcesses >= job.ActiveProcessLimit:
        job.TotalTerminatedProcesses += 1
        tell(executive, job, MESSAGE_ACTIVE_PROCESS_LIMIT, 0)
        raise NtError(ntstatus.STATUS_QUOTA_EXCEEDED)
    if job.SecurityLimitFlags:
        job_security.admit(job, process)
    executive.objects.reference(job.address)
    eprocess.Job = job.address
    lists.insert_tail(
        executive.kernel, job.ProcessListHead.address,
        eprocess.address + EPROCESS.JobLinks.offset,
    )  # fmt: skip
    job.TotalProcesses += 1
    job.ActiveProcesses += 1
    job.CurrentJobMemoryUsed += eprocess.CommitCharge
    job.PeakJobMemoryUsed = max(job.PeakJobMemoryUsed, job.CurrentJobMemoryUsed)
    apply_limits(job, process)
    tell(executive, job, MESSAGE_NEW_PROCESS, process.pid)


def apply_limits(job: EJOB, process: Process) -> None:
    """Make a process keep the limits that are a property of its own."""
    limits, eprocess = job.LimitFlags, process.eprocess
    if limits & AFFINITY:
        eprocess.Pcb.Affinity = job.Affinity
    if limits & PRIORITY_CLASS:
        eprocess.PriorityClass = job.PriorityClass
        set_process_priority(process, CLASS_PRIORITIES[job.PriorityClass])
    if limits & PROCESS_MEMORY:
        vm = EPROCESS_VM(process.executive.kernel, eprocess.address)
        vm.CommitChargeLimit = job.ProcessMemoryLimit


def terminate(executive: Executive, job: EJOB, status: int) -> None:
    """End every process of a job."""
    for process in list(processes_in(executive, job)):
        executive.processes.terminate_process(process, status)


@dataclass
class Totals:
    """What the processes of a job have used so far, in 100 ns units and faults."""

    user: int
    kernel: int
    period_user: int
    period_kernel: int
    page_faults: int


def totals(executive: Executive, job: EJOB) -> Totals:
    """Of the processes that have ended, and of those that run."""
    found = Totals(
        job.TotalUserTime, job.TotalKernelTime, job.ThisPeriodTotalUserTime,
        job.ThisPeriodTotalKernelTime, job.TotalPageFaultCount,
    )  # fmt: skip
    for process in processes_in(executive, job):
        user, in_kernel = times(process)
        found.user += user
        found.kernel += in_kernel
        found.period_user += user
        found.period_kernel += in_kernel
        vm = EPROCESS_VM(executive.kernel, process.eprocess.address)
        found.page_faults += vm.Vm.PageFaultCount
    return found


def times(process: Process) -> tuple[int, int]:
    """Time in ring 3 and in the kernel, of ended threads and of those that run; 100 ns units."""
    kprocess = process.eprocess.Pcb
    user, in_kernel = kprocess.UserTime, kprocess.KernelTime
    for thread in process.executive.processes.threads_of(process):
        if not thread.ethread.Terminated:
            user += thread.ethread.Tcb.UserTime
            in_kernel += thread.ethread.Tcb.KernelTime
    return user * TICK_100NS, in_kernel * TICK_100NS


def io_counts(process: Process) -> bytes:
    """IO_COUNTERS of a process."""
    at = process.eprocess.address + OPERATIONS
    return process.executive.kernel.read(at, _IO_COUNTS.size)


def io_counts_of_ended(job: EJOB) -> bytes:
    """IO_COUNTERS of the processes that have ended."""
    return job.memory.read(job.address + EJOB.ReadOperationCount.offset, _IO_COUNTS.size)


def add_io_counts(one: bytes, other: bytes) -> bytes:
    """The sum of two IO_COUNTERS."""
    sums = (a + b for a, b in zip(_IO_COUNTS.unpack(one), _IO_COUNTS.unpack(other), strict=True))
    return _IO_COUNTS.pack(*sums)


def charge_time(process: Process) -> None:
    """A tick of a process in a job: end what has used up its time."""
    executive = process.executive
    job = EJOB(executive.kernel, process.eprocess.Job)
    limits = job.LimitFlags
    if limits & PROCESS_TIME and times(process)[0] > job.PerProcessUserTimeLimit:
        tell(executive, job, MESSAGE_END_OF_PROCESS_TIME, process.pid)
        job.TotalTerminatedProcesses += 1
        executive.processes.terminate_process(process, ERROR_NOT_ENOUGH_QUOTA)
    elif limits & JOB_TIME and totals(executive, job).period_user > job.PerJobUserTimeLimit:
        if job.CompletionPort and job.EndOfJobTimeAction:
            job.LimitFlags = limits & ~JOB_TIME
            tell(executive, job, MESSAGE_END_OF_JOB_TIME, 0)
            return
        ending = list(processes_in(executive, job))
        job.TotalTerminatedProcesses += len(ending)
        job.Event.Header.SignalState = 1
        executive.waits.signaled(job.Event.Header.address)
        terminate(executive, job, ERROR_NOT_ENOUGH_QUOTA)


def process_ended(process: Process) -> None:
    """A process ends: its job counts one less, and says so."""
    body = process.eprocess.Job
    if not body:
        return
    executive = process.executive
    job = EJOB(executive.kernel, body)
    vm = EPROCESS_VM(executive.kernel, process.eprocess.address)
    user, in_kernel = times(process)
    job.TotalUserTime += user
    job.ThisPeriodTotalUserTime += user
    job.TotalKernelTime += in_kernel
    job.ThisPeriodTotalKernelTime += in_kernel
    job.TotalPageFaultCount += vm.Vm.PageFaultCount
    job.PeakProcessMemoryUsed = max(job.PeakProcessMemoryUsed, vm.CommitChargePeak)
    counts = add_io_counts(io_counts_of_ended(job), io_counts(process))
    executive.kernel.write(job.address + EJOB.ReadOperationCount.offset, counts)
    job.ActiveProcesses -= 1
    abnormal = process.exit_status in ABNORMAL_EXITS
    tell(executive, job, MESSAGE_ABNORMAL_EXIT if abnormal else MESSAGE_EXIT_PROCESS, process.pid)
    if not job.ActiveProcesses:
        tell(executive, job, MESSAGE_ACTIVE_PROCESS_ZERO, 0)


def release_process(executive: Executive, eprocess: EPROCESS) -> None:
    """The process object goes: out of the list, and the job is held no more."""
    body = eprocess.Job
    if body:
        EJOB(executive.kernel, body).CurrentJobMemoryUsed -= eprocess.CommitCharge
        eprocess.Job = 0
        lists.remove(executive.kernel, eprocess.address + EPROCESS.JobLinks.offset)
        executive.objects.dereference(body)


def tell(executive: Executive, job: EJOB, message: int, pid: int) -> None:
    """Queue a message on the job's port; APC context and bytes say which, and of which process."""
    if job.CompletionPort:
        packet = Packet(job.CompletionKey, pid, ntstatus.STATUS_SUCCESS, message)
        executive.io.ports.post(job.CompletionPort, packet)
