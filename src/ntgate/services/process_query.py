"""NtQueryInformationProcess: what a process is, class by class."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    HANDLE,
    PROCESSINFOCLASS,
    ULONG,
    OutOpt,
    Scalar,
    SizedBy,
)
from ntgate.errors import NtError
from ntgate.executive.ob.handles import CURRENT_PROCESS
from ntgate.executive.ps.job import times
from ntgate.executive.ps.start import image_information
from ntgate.executive.ps.thread import Process, Thread
from ntgate.layout import ntstatus
from ntgate.layout.mm import EPROCESS_VM
from ntgate.layout.ob import DEVICE_MAP, HANDLE_TABLE
from ntgate.services.ps_information import PAGE, answer, answer_string
from ntgate.services.thread_create import process_of

PROCESS_QUERY_INFORMATION = 0x0400
(
    ProcessBasicInformation, ProcessQuotaLimits, ProcessIoCounters, ProcessVmCounters,
    ProcessTimes, ProcessBasePriority, ProcessRaisePriority, ProcessDebugPort,
) = range(8)  # fmt: skip
ProcessDefaultHardErrorMode, ProcessPooledUsageAndLimits = 12, 14
ProcessPriorityClass, ProcessHandleCount, ProcessAffinityMask, ProcessPriorityBoost = 18, 20, 21, 22
ProcessDeviceMap, ProcessSessionInformation, ProcessWow64Information = 23, 24, 26
ProcessImageFileName, ProcessLUIDDeviceMapsEnabled, ProcessBreakOnTermination = 27, 28, 29
ProcessDebugObjectHandle, ProcessDebugFlags, ProcessExecuteFlags = 30, 31, 34
ProcessCookie, ProcessImageInformation, ProcessImageFileNameWin32 = 36, 37, 43

QUOTA_LIMITS = struct.Struct("<6Iq")
VM_COUNTERS = struct.Struct("<11I")
QUOTA_USAGE, IO_COUNTERS, IO_COUNTERS_SIZE = 0x90, 0x1B8, 0x30  # in an EPROCESS
UNLIMITED = 0xFFFFFFFF
MEM_EXECUTE_OPTION_ENABLE = 2
# EPROCESS has this bit of SetErrorMode the other way round: XP's kernel32 turns it before it
# asks the kernel, Wine's does not.
FAIL_CRITICAL_ERRORS = 1
Answer = Annotated[
    int, Scalar("PVOID", kind="pointer"), SizedBy("ProcessInformationLength", "out")
]


def _basic(process: Process) -> bytes:
    """PROCESS_BASIC_INFORMATION.

    Wine 8.0's GetPriorityClass reads BasePriority as the priority class.
    """
    eprocess = process.eprocess
    priority = eprocess.Pcb.BasePriority
    if process.wine_priorities:
        priority = eprocess.PriorityClass
    return struct.pack(
        "<6I", eprocess.ExitStatus, eprocess.Peb, eprocess.Pcb.Affinity, priority,
        eprocess.UniqueProcessId, eprocess.InheritedFromUniqueProcessId,
    )  # fmt: skip


def _vm(process: Process) -> EPROCESS_VM:
    return EPROCESS_VM(process.executive.kernel, process.eprocess.address)


def _quota_limits(process: Process) -> bytes:
    vm = _vm(process)
    limit = vm.CommitChargeLimit << 12 or UNLIMITED
    return QUOTA_LIMITS.pack(
        UNLIMITED, UNLIMITED, vm.Vm.MinimumWorkingSetSize * PAGE,
        vm.Vm.MaximumWorkingSetSize * PAGE, limit, 0, -1,
    )  # fmt: skip


def _pooled_usage(process: Process) -> bytes:
    """Peak, usage and limit of paged pool, of nonpaged pool and of the paging file."""
    usage = struct.unpack(
        "<6I", process.executive.kernel.read(process.eprocess.address + QUOTA_USAGE, 24)
    )
    vm = _vm(process)
    return struct.pack(
        "<9I", usage[4], usage[1], UNLIMITED, usage[3], usage[0], UNLIMITED,
        vm.CommitChargePeak * PAGE, vm.CommitCharge * PAGE,
        vm.CommitChargeLimit * PAGE or UNLIMITED,
    )  # fmt: skip


def _io_counters(process: Process) -> bytes:
    return process.executive.kernel.read(
        process.eprocess.address + IO_COUNTERS, IO_COUNTERS_SIZE
    )


def _vm_counters(process: Process) -> bytes:
    """VM_COUNTERS; VM_COUNTERS_EX has the private usage behind it."""
    vm = _vm(process)
    usage = struct.unpack(
        "<6I", process.executive.kernel.read(process.eprocess.address + QUOTA_USAGE, 24)
    )
    return VM_COUNTERS.pack(
        vm.PeakVirtualSize, vm.VirtualSize, vm.Vm.PageFaultCount,
        vm.Vm.PeakWorkingSetSize * PAGE, vm.Vm.WorkingSetSize * PAGE,
        usage[4], usage[1], usage[3], usage[0],
        vm.CommitCharge * PAGE, vm.CommitChargePeak * PAGE,
    )  # fmt: skip


def _times(process: Process) -> bytes:
    eprocess = process.eprocess
    user, in_kernel = times(process)
    return struct.pack("<4Q", eprocess.CreateTime, eprocess.ExitTime, in_kernel, user)


def _handle_count(process: Process) -> bytes:
    table = process.handles
    count = HANDLE_TABLE(process.executive.kernel, table).HandleCount if table else 0
    return struct.pack("<I", count)


def _device_map(process: Process) -> bytes:
    """PROCESS_DEVICEMAP_INFORMATION: a bit for each drive letter, and what each drive is."""
    drives = DEVICE_MAP(process.executive.kernel, process.eprocess.DeviceMap)
    return struct.pack("<I", drives.DriveMap) + drives.DriveType


def _execute_flags(process: Process) -> bytes:
    return struct.pack("<I", process.eprocess.Pcb.ExecuteOptions or MEM_EXECUTE_OPTION_ENABLE)


def _debug_object(process: Process) -> bytes:
    raise NtError(ntstatus.STATUS_PORT_NOT_SET)


def _ulong(value: Callable[[Process], int]) -> Callable[[Process], bytes]:
    return lambda process: struct.pack("<I", value(process))


ANSWERS: dict[int, Callable[[Process], bytes]] = {
    ProcessBasicInformation: _basic,
    ProcessQuotaLimits: _quota_limits,
    ProcessIoCounters: _io_counters,
    ProcessVmCounters: _vm_counters,
    ProcessTimes: _times,
    ProcessDebugPort: _ulong(lambda process: UNLIMITED if process.eprocess.DebugPort else 0),
    ProcessDefaultHardErrorMode: _ulong(
        lambda process: process.eprocess.DefaultHardErrorProcessing ^ FAIL_CRITICAL_ERRORS
    ),
    ProcessPooledUsageAndLimits: _pooled_usage,
    ProcessPriorityClass: lambda process: bytes((0, process.eprocess.PriorityClass)),
    ProcessHandleCount: _handle_count,
    ProcessAffinityMask: _ulong(lambda process: process.eprocess.Pcb.Affinity),
    ProcessPriorityBoost: _ulong(lambda process: process.eprocess.Pcb.DisableBoost),
    ProcessDeviceMap: _device_map,
    ProcessSessionInformation: _ulong(lambda _process: 0),
    ProcessWow64Information: _ulong(lambda _process: 0),
    ProcessLUIDDeviceMapsEnabled: _ulong(lambda _process: 1),
    ProcessBreakOnTermination: _ulong(lambda process: process.eprocess.BreakOnTermination),
    ProcessDebugObjectHandle: _debug_object,
    ProcessDebugFlags: _ulong(lambda process: process.eprocess.NoDebugInherit ^ 1),
    ProcessExecuteFlags: _execute_flags,
    ProcessImageInformation: image_information,
}
# XP asks for no right for what every process may know of another by its handle.
NO_RIGHT = {ProcessSessionInformation}


@service(partial="no working set watch, no handle tracing")
def NtQueryInformationProcess(
    caller: Thread,
    ProcessHandle: HANDLE,
    ProcessInformationClass: PROCESSINFOCLASS,
    ProcessInformation: Answer,
    ProcessInformationLength: ULONG,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """Identity, priorities, times, memory, handles, image and debugging of a process."""
    kind, length = ProcessInformationClass, ProcessInformationLength
    access = 0 if kind in NO_RIGHT else PROCESS_QUERY_INFORMATION
    process = process_of(caller, ProcessHandle, access)
    if kind == ProcessImageFileName:
        return answer_string(
            caller, process.image_path, ProcessInformation, length, ReturnLength
        )
    if kind == ProcessImageFileNameWin32:
        path = process.image_path
        path = caller.executive.objects.dos_name(path) or path
        return answer_string(caller, path, ProcessInformation, length, ReturnLength)
    if kind == ProcessCookie:
        if ProcessHandle != CURRENT_PROCESS:
            return ntstatus.STATUS_INVALID_PARAMETER
        data = struct.pack("<I", process_cookie(process))
    elif kind in ANSWERS:
        data = ANSWERS[kind](process)
    else:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    if kind == ProcessVmCounters and length == VM_COUNTERS.size + 4:
        data += struct.pack("<I", _vm(process).CommitCharge * PAGE)
    return answer(caller, data, ProcessInformation, length, ReturnLength)


def process_cookie(process: Process) -> int:
    """What EncodePointer mixes in: drawn at the first question, then always the same."""
    cookie: int = process.eprocess.Cookie
    while not cookie:
        cookie = process.executive.random.getrandbits(32)
        process.eprocess.Cookie = cookie
    return cookie
