"""Job objects: making, opening, assigning, limits, accounting, termination."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Annotated

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.dispatch.outcome import ENDED, Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    ACCESS_MASK,
    HANDLE,
    NTSTATUS,
    OBJECT_ATTRIBUTES,
    ULONG,
    In,
    InOpt,
    Out,
    OutOpt,
    Scalar,
    SizedBy,
)
from ntgate.errors import NtError
from ntgate.executive.ps import job as jobs
from ntgate.executive.ps.suspend import CLASS_PRIORITIES
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import (
    IO_COMPLETION_MODIFY_STATE,
    JOB_OBJECT_ASSIGN_PROCESS,
    JOB_OBJECT_QUERY,
    JOB_OBJECT_SET_ATTRIBUTES,
    JOB_OBJECT_SET_SECURITY_ATTRIBUTES,
    JOB_OBJECT_TERMINATE,
    PROCESS_QUERY_INFORMATION,
    PROCESS_SET_QUOTA,
    PROCESS_TERMINATE,
)
from ntgate.layout.mm import EPROCESS_VM, bytes_of
from ntgate.layout.ps import EJOB
from ntgate.layout.win32_errors import ERROR_NOT_ENOUGH_QUOTA
from ntgate.services.capture import object_attributes
from ntgate.services.named import open_object
from ntgate.services.ps import job_security
from ntgate.services.ps.ps_information import IO_COUNTERS_SIZE, given, given_u32
from ntgate.services.ps.thread_create import process_of

(
    JobObjectBasicAccountingInformation, JobObjectBasicLimitInformation,
    JobObjectBasicProcessIdList, JobObjectBasicUIRestrictions,
    JobObjectSecurityLimitInformation, JobObjectEndOfJobTimeInformation,
    JobObjectAssociateCompletionPortInformation, JobObjectBasicAndIoAccountingInformation,
    JobObjectExtendedLimitInformation,
) = range(1, 10)  # fmt: skip
BASIC_LIMIT = struct.Struct("<2Q7I4x")
EXTENDED_TAIL = struct.Struct("<4I")
UI_RESTRICTIONS = 0xFF
MOST_SCHEDULING_CLASS = 9
# Wine's kernel32 passes CreateProcess's flags on, XP's turns them into the classes first.
WIN32_CLASSES = {1: 0x40, 2: 0x20, 3: 0x80, 4: 0x100, 5: 0x4000, 6: 0x8000}

JOBOBJECTINFOCLASS = Annotated[int, Scalar("JOBOBJECTINFOCLASS")]
Answer = Annotated[
    int, Scalar("PVOID", kind="pointer"), SizedBy("JobObjectInformationLength", "out")
]
Given = Annotated[
    int, Scalar("PVOID", kind="pointer"), SizedBy("JobObjectInformationLength")
]


@service()
def NtCreateJobObject(
    caller: Thread,
    JobHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: InOpt[OBJECT_ATTRIBUTES],
) -> Outcome:
    """Make or open a job."""
    JobHandle.probe()
    attributes = object_attributes(caller, ObjectAttributes, creating=True)
    objects = caller.executive.objects
    body = objects.create(objects.types["Job"], EJOB.SIZE, attributes)
    caller.executive.processes.jobs.initialize(body)
    inserted = objects.insert(caller.process.handles, body, DesiredAccess, attributes)
    JobHandle.write(inserted.handle)
    return inserted.status


@service()
def NtOpenJobObject(
    caller: Thread,
    JobHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
) -> Outcome:
    """Open a job by name."""
    return open_object(caller, "Job", DesiredAccess, ObjectAttributes, JobHandle)


def _job(caller: Thread, handle: int, access: int) -> EJOB:
    return EJOB(caller.executive.kernel, caller.object(handle, "Job", access))


@service()
def NtAssignProcessToJobObject(
    caller: Thread, JobHandle: HANDLE, ProcessHandle: HANDLE
) -> Outcome:
    """Put a process into a job, for good; where the job is full, the process is ended."""
    job = _job(caller, JobHandle, JOB_OBJECT_ASSIGN_PROCESS)
    process = process_of(caller, ProcessHandle, PROCESS_SET_QUOTA | PROCESS_TERMINATE)
    try:
        jobs.assign(job, process)
    except NtError as error:
        if error.status == ntstatus.STATUS_QUOTA_EXCEEDED:
            caller.executive.processes.terminate_process(process, ERROR_NOT_ENOUGH_QUOTA)
        return ENDED if caller.ethread.Terminated else error.status
    return ntstatus.STATUS_SUCCESS


@service()
def NtIsProcessInJob(caller: Thread, ProcessHandle: HANDLE, JobHandle: HANDLE) -> Outcome:
    """STATUS_PROCESS_IN_JOB where a process is in a job, or in any for handle 0."""
    process = process_of(caller, ProcessHandle, PROCESS_QUERY_INFORMATION)
    inside = process.eprocess.Job
    wanted = _job(caller, JobHandle, JOB_OBJECT_QUERY).address if JobHandle else inside
    if inside and inside == wanted:
        return ntstatus.STATUS_PROCESS_IN_JOB
    return ntstatus.STATUS_PROCESS_NOT_IN_JOB


@service()
def NtTerminateJobObject(caller: Thread, JobHandle: HANDLE, ExitStatus: NTSTATUS) -> Outcome:
    """End every process of a job."""
    job = _job(caller, JobHandle, JOB_OBJECT_TERMINATE)
    jobs.terminate(caller.executive, job, ExitStatus)
    return ENDED if caller.ethread.Terminated else ntstatus.STATUS_SUCCESS


# Asking.


def _accounting(caller: Thread, job: EJOB) -> bytes:
    """JOBOBJECT_BASIC_ACCOUNTING_INFORMATION: ended processes and those that run."""
    totals = jobs.totals(caller.executive, job)
    return struct.pack(
        "<4Q4I", totals.user, totals.kernel, totals.period_user, totals.period_kernel,
        totals.page_faults, job.TotalProcesses, job.ActiveProcesses,
        job.TotalTerminatedProcesses,
    )  # fmt: skip


def _io_accounting(caller: Thread, job: EJOB) -> bytes:
    counts = jobs.io_counts_of_ended(job)
    for process in jobs.processes_in(caller.executive, job):
        counts = jobs.add_io_counts(counts, jobs.io_counts(process))
    return _accounting(caller, job) + counts


def _basic_limit(_caller: Thread, job: EJOB) -> bytes:
    return BASIC_LIMIT.pack(
        job.PerProcessUserTimeLimit, job.PerJobUserTimeLimit,
        job.LimitFlags & jobs.BASIC_LIMITS, job.MinimumWorkingSetSize, job.MaximumWorkingSetSize,
        job.ActiveProcessLimit, job.Affinity, WIN32_CLASSES.get(job.PriorityClass, 0),
        job.SchedulingClass,
    )  # fmt: skip


def _extended_limit(caller: Thread, job: EJOB) -> bytes:
    """The basic limits with all flags, I/O counters that are not used, and memory."""
    basic = bytearray(_basic_limit(caller, job))
    struct.pack_into("<I", basic, 16, job.LimitFlags)
    peak = [job.PeakProcessMemoryUsed, job.PeakJobMemoryUsed]
    running = list(jobs.processes_in(caller.executive, job))
    for process in running:
        vm = EPROCESS_VM(caller.executive.kernel, process.eprocess.address)
        peak[0] = max(peak[0], vm.CommitChargePeak)
    tail = EXTENDED_TAIL.pack(
        bytes_of(job.ProcessMemoryLimit), bytes_of(job.JobMemoryLimit),
        bytes_of(peak[0]), bytes_of(peak[1]),
    )  # fmt: skip
    return bytes(basic) + bytes(IO_COUNTERS_SIZE) + tail


ANSWERS: dict[int, Callable[[Thread, EJOB], bytes]] = {
    JobObjectBasicAccountingInformation: _accounting,
    JobObjectBasicLimitInformation: _basic_limit,
    JobObjectBasicUIRestrictions: lambda _caller, job: struct.pack("<I", job.UIRestrictionsClass),
    JobObjectEndOfJobTimeInformation: lambda _caller, job: struct.pack(
        "<I", job.EndOfJobTimeAction
    ),
    JobObjectBasicAndIoAccountingInformation: _io_accounting,
    JobObjectExtendedLimitInformation: _extended_limit,
}


@service(partial="JOB_OBJECT_UILIMIT_HANDLES is kept and not enforced")
def NtQueryInformationJobObject(
    caller: Thread,
    JobHandle: HANDLE,
    JobObjectInformationClass: JOBOBJECTINFOCLASS,
    JobObjectInformation: Answer,
    JobObjectInformationLength: ULONG,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """Accounting, limits or process ids of a job; handle 0 is the caller's own."""
    ReturnLength.probe()
    if JobHandle:
        job = _job(caller, JobHandle, JOB_OBJECT_QUERY)
    elif caller.process.eprocess.Job:
        job = EJOB(caller.executive.kernel, caller.process.eprocess.Job)
    else:
        return ntstatus.STATUS_ACCESS_DENIED
    if JobObjectInformationClass == JobObjectBasicProcessIdList:
        return _process_ids(
            caller, job, JobObjectInformation, JobObjectInformationLength, ReturnLength
        )
    if JobObjectInformationClass == JobObjectSecurityLimitInformation:
        return job_security.query_limits(
            caller, job, JobObjectInformation, JobObjectInformationLength, ReturnLength
        )
    if JobObjectInformationClass not in ANSWERS:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    data = ANSWERS[JobObjectInformationClass](caller, job)
    if JobObjectInformationLength != len(data):
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    caller.memory.write(JobObjectInformation, data)
    ReturnLength.write(len(data))
    return ntstatus.STATUS_SUCCESS


def _process_ids(
    caller: Thread, job: EJOB, address: int, length: int, returned: OutOpt[ULONG]
) -> int:
    """JOBOBJECT_BASIC_PROCESS_ID_LIST: how many there are, how many follow, their ids."""
    if length < 12:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    ids = [process.pid for process in jobs.processes_in(caller.executive, job)]
    shown = ids[: (length - 8) // 4]
    data = struct.pack(f"<2I{len(shown)}I", len(ids), len(shown), *shown)
    caller.memory.write(address, data)
    returned.write(len(data))
    return ntstatus.STATUS_SUCCESS if shown == ids else ntstatus.STATUS_BUFFER_OVERFLOW


# Changing.


def _set_limits(caller: Thread, job: EJOB, data: bytes, allowed: int) -> None:
    """JOBOBJECT_BASIC_LIMIT_INFORMATION, checked whole before any of it counts."""
    (
        process_time, job_time, flags, smallest, largest, active, affinity, priority, scheduling,
    ) = BASIC_LIMIT.unpack(data)  # fmt: skip
    classes = {value: kind for kind, value in WIN32_CLASSES.items()}
    classes.update({kind: kind for kind in CLASS_PRIORITIES})
    bad = (
        flags & ~allowed
        or (flags & jobs.JOB_TIME and flags & jobs.PRESERVE_JOB_TIME)
        or (flags & jobs.ACTIVE_PROCESS and not active)
        or (flags & jobs.AFFINITY and affinity != 1)
        or (flags & jobs.PRIORITY_CLASS and priority not in classes)
        or (flags & jobs.SCHEDULING_CLASS and scheduling > MOST_SCHEDULING_CLASS)
        or (flags & jobs.WORKINGSET and not 0 < smallest <= largest)
    )
    if bad:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    job.LimitFlags = flags
    job.PerProcessUserTimeLimit = process_time if flags & jobs.PROCESS_TIME else 0
    if flags & jobs.JOB_TIME:
        job.PerJobUserTimeLimit = job_time
        job.ThisPeriodTotalUserTime = job.ThisPeriodTotalKernelTime = 0
    elif not flags & jobs.PRESERVE_JOB_TIME:
        job.PerJobUserTimeLimit = 0
    job.ActiveProcessLimit = active if flags & jobs.ACTIVE_PROCESS else 0
    job.MinimumWorkingSetSize = smallest if flags & jobs.WORKINGSET else 0
    job.MaximumWorkingSetSize = largest if flags & jobs.WORKINGSET else 0
    job.Affinity = affinity if flags & jobs.AFFINITY else 0
    job.PriorityClass = classes[priority] if flags & jobs.PRIORITY_CLASS else 0
    if flags & jobs.SCHEDULING_CLASS:
        job.SchedulingClass = scheduling
    for process in jobs.processes_in(caller.executive, job):
        jobs.apply_limits(job, process)


def _basic(caller: Thread, job: EJOB, address: int, length: int) -> None:
    """The basic limits; the others stay."""
    others = job.LimitFlags & ~jobs.BASIC_LIMITS
    data = given(caller, address, length, BASIC_LIMIT.size)
    _set_limits(caller, job, data, jobs.BASIC_LIMITS)
    job.LimitFlags |= others


def _extended(caller: Thread, job: EJOB, address: int, length: int) -> None:
    size = BASIC_LIMIT.size + IO_COUNTERS_SIZE + EXTENDED_TAIL.size
    data = given(caller, address, length, size)
    process_memory, job_memory, _peak, _peak_of_job = EXTENDED_TAIL.unpack(
        data[-EXTENDED_TAIL.size :]
    )
    flags = struct.unpack_from("<I", data, 16)[0]
    for flag, size in ((jobs.PROCESS_MEMORY, process_memory), (jobs.JOB_MEMORY, job_memory)):
        if flags & flag and size < PAGE_SIZE:
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    if flags & jobs.PROCESS_MEMORY:
        job.ProcessMemoryLimit = process_memory // PAGE_SIZE
    if flags & jobs.JOB_MEMORY:
        job.JobMemoryLimit = job_memory // PAGE_SIZE
    _set_limits(caller, job, data[: BASIC_LIMIT.size], jobs.EXTENDED_LIMITS)


def _ui_restrictions(caller: Thread, job: EJOB, address: int, length: int) -> None:
    flags = given_u32(caller, address, length)
    if flags & ~UI_RESTRICTIONS:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    job.UIRestrictionsClass = flags


def _end_of_time(caller: Thread, job: EJOB, address: int, length: int) -> None:
    action = given_u32(caller, address, length)
    if action > 1:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    job.EndOfJobTimeAction = action


def _completion_port(caller: Thread, job: EJOB, address: int, length: int) -> None:
    """JOBOBJECT_ASSOCIATE_COMPLETION_PORT: a key and a port, which a job has once."""
    key, handle = struct.unpack("<2I", given(caller, address, length, 8))
    if job.CompletionPort or not handle:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    port = caller.object(handle, "IoCompletion", IO_COMPLETION_MODIFY_STATE)
    caller.executive.objects.reference(port)
    job.CompletionPort, job.CompletionKey = port, key
    for process in jobs.processes_in(caller.executive, job):
        jobs.tell(caller.executive, job, jobs.MESSAGE_NEW_PROCESS, process.pid)


CHANGES: dict[int, Callable[[Thread, EJOB, int, int], None]] = {
    JobObjectBasicLimitInformation: _basic,
    JobObjectBasicUIRestrictions: _ui_restrictions,
    JobObjectEndOfJobTimeInformation: _end_of_time,
    JobObjectAssociateCompletionPortInformation: _completion_port,
    JobObjectExtendedLimitInformation: _extended,
    JobObjectSecurityLimitInformation: job_security.set_limits,
}


@service(partial="JOB_OBJECT_UILIMIT_HANDLES is kept and not enforced")
def NtSetInformationJobObject(
    caller: Thread,
    JobHandle: HANDLE,
    JobObjectInformationClass: JOBOBJECTINFOCLASS,
    JobObjectInformation: Given,
    JobObjectInformationLength: ULONG,
) -> Outcome:
    """Change the limits of a job, or give it a completion port."""
    access = JOB_OBJECT_SET_ATTRIBUTES
    if JobObjectInformationClass == JobObjectSecurityLimitInformation:
        access = JOB_OBJECT_SET_SECURITY_ATTRIBUTES
    job = _job(caller, JobHandle, access)
    change = CHANGES.get(JobObjectInformationClass)
    if change is None:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    change(caller, job, JobObjectInformation, JobObjectInformationLength)
    return ntstatus.STATUS_SUCCESS
