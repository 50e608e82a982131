"""NtQueryInformationProcess: what a process is, class by class."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Annotated

from ntgate.cpu.ram import PAGE_SIZE
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
from ntgate.executive.io.counters import OPERATIONS
from ntgate.executive.ps.job import times
from ntgate.executive.ps.start import image_information
from ntgate.executive.ps.thread import Process, Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import MAXIMUM_ALLOWED, PROCESS_QUERY_INFORMATION
from ntgate.layout.mm import EPROCESS_VM, bytes_of
from ntgate.layout.ob import CURRENT_PROCESS, DEVICE_MAP, HANDLE_TABLE
from ntgate.services.ps import ldt
from ntgate.services.ps.ps_information import IO_COUNTERS_SIZE, answer, answer_string
from ntgate.services.ps.thread_create import process_of

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
VM_COUNTERS_EX = 0x30
QUOTA_USAGE = 0x90  # in an EPROCESS
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
    if process.runs_wine:
        priority = eprocess.PriorityClass
    return struct.pack(
        "<6I", eprocess.ExitStatus, eprocess.Peb, eprocess.Pcb.Affinity, priority,
        eprocess.UniqueProcessId, eprocess.InheritedFromUniqueProcessId,
    )  # fmt: skip


def _vm(process: Process) -> EPROCESS_VM:
    return EPROCESS_VM(process.executive.kernel, process.eprocess.address)


def _quota_limits(process: Process) -> bytes:
    vm = _vm(process)
    limit = bytes_of(vm.CommitChargeLimit) or UNLIMITED
    return QUOTA_LIMITS.pack(
        UNLIMITED, UNLIMITED, bytes_of(vm.Vm.MinimumWorkingSetSize),
        bytes_of(vm.Vm.MaximumWorkingSetSize), limit, 0, -1,
    )  # fmt: skip


def _pooled_usage(process: Process) -> bytes:
    """Peak, usage and limit of paged pool, of nonpaged pool and of the paging file."""
    usage = struct.unpack(
        "<6I", process.executive.kernel.read(process.eprocess.address + QUOTA_USAGE, 24)
    )
    vm = _vm(process)
    return struct.pack(
        "<9I", usage[4], usage[1], UNLIMITED, usage[3], usage[0], UNLIMITED,
        bytes_of(vm.CommitChargePeak), bytes_of(vm.CommitCharge),
        bytes_of(vm.CommitChargeLimit) or UNLIMITED,
    )  # fmt: skip


def _io_counters(process: Process) -> bytes:
    return process.executive.kernel.read(
        process.eprocess.address + OPERATIONS, IO_COUNTERS_SIZE
    )


def _vm_counters(process: Process) -> bytes:
    vm = _vm(process)
    usage = struct.unpack(
        "<6I", process.executive.kernel.read(process.eprocess.address + QUOTA_USAGE, 24)
    )
    return VM_COUNTERS.pack(
        vm.PeakVirtualSize, vm.VirtualSize, vm.Vm.PageFaultCount,
        bytes_of(vm.Vm.PeakWorkingSetSize), bytes_of(vm.Vm.WorkingSetSize),
        usage[4], usage[1], usage[3], usage[0],
        bytes_of(vm.CommitCharge), bytes_of(vm.CommitChargePeak),
    )  # fmt: skip


def _vm_counters_ex(process: Process) -> bytes:
    """VM_COUNTERS_EX has the private usage behind the others."""
    return _vm_counters(process) + struct.pack("<I", _vm(process).CommitCharge * PAGE_SIZE)


def _times(process: Process) -> bytes:
    eprocess = process.eprocess
    user, in_kernel = times(process)
    return struct.pack("<4Q", eprocess.CreateTime, eprocess.ExitTime, in_kernel, user)


def _handle_count(process: Process) -> int:
    table = process.handles
    return HANDLE_TABLE(process.executive.kernel, table).HandleCount if table else 0


def _device_map(process: Process) -> bytes:
    """PROCESS_DEVICEMAP_INFORMATION: a bit for each drive letter, and what each drive is."""
    drives = DEVICE_MAP(process.executive.kernel, process.eprocess.DeviceMap)
    return struct.pack("<I", drives.DriveMap) + drives.DriveType


def _debug_object(process: Process) -> bytes:
    """A new handle of the debugger's object, for who asks."""
    executive, port = process.executive, process.eprocess.DebugPort
    if not port:
        raise NtError(ntstatus.STATUS_PORT_NOT_SET)
    table = executive.processes.current.process.handles
    handle = executive.objects.open_by_pointer(table, port, MAXIMUM_ALLOWED)
    return struct.pack("<I", handle)


def process_cookie(process: Process) -> bytes:
    """What EncodePointer mixes in: drawn at the first question, then always the same."""
    cookie: int = process.eprocess.Cookie
    while not cookie:
        cookie = process.executive.random.getrandbits(32)
        process.eprocess.Cookie = cookie
    return struct.pack("<I", cookie)


def dos_path(process: Process) -> str:
    r"""The program's path with its drive: C:\... for \Device\HarddiskVolume1\..."""
    objects, path = process.executive.objects, process.image_path
    for letter in "CDEFGHIJKLMNOPQRSTUVWXYZAB":
        body = objects.find_entry(objects.dos_devices, f"{letter}:", case_insensitive=True)
        if not body or objects.type_of(body).name != "SymbolicLink":
            continue
        target = objects.link_target(body)
        if path.startswith(target + "\\"):
            return f"{letter}:{path[len(target) :]}"
    return path


def _ulong(value: Callable[[Process], int]) -> tuple[int, Callable[[Process], bytes]]:
    return 4, lambda process: struct.pack("<I", value(process))


# The length of each class's answer, and what makes it.
ANSWERS: dict[int, tuple[int, Callable[[Process], bytes]]] = {
    ProcessBasicInformation: (0x18, _basic),
    ProcessQuotaLimits: (QUOTA_LIMITS.size, _quota_limits),
    ProcessIoCounters: (IO_COUNTERS_SIZE, _io_counters),
    ProcessVmCounters: (VM_COUNTERS.size, _vm_counters),
    ProcessTimes: (0x20, _times),
    ProcessDebugPort: _ulong(lambda process: UNLIMITED if process.eprocess.DebugPort else 0),
    ProcessDefaultHardErrorMode: _ulong(
        lambda process: process.eprocess.DefaultHardErrorProcessing ^ FAIL_CRITICAL_ERRORS
    ),
    ProcessPooledUsageAndLimits: (0x24, _pooled_usage),
    ProcessPriorityClass: (2, lambda process: bytes((0, process.eprocess.PriorityClass))),
    ProcessHandleCount: _ulong(_handle_count),
    ProcessAffinityMask: _ulong(lambda process: process.eprocess.Pcb.Affinity),
    ProcessPriorityBoost: _ulong(lambda process: process.eprocess.Pcb.DisableBoost),
    ProcessDeviceMap: (0x24, _device_map),
    ProcessSessionInformation: _ulong(lambda _process: 0),
    ProcessWow64Information: _ulong(lambda _process: 0),
    ProcessLUIDDeviceMapsEnabled: _ulong(lambda _process: 1),
    ProcessBreakOnTermination: _ulong(lambda process: process.eprocess.BreakOnTermination),
    ProcessDebugObjectHandle: (4, _debug_object),
    ProcessDebugFlags: _ulong(lambda process: process.eprocess.NoDebugInherit ^ 1),
    ProcessExecuteFlags: _ulong(
        lambda process: process.eprocess.Pcb.ExecuteOptions or MEM_EXECUTE_OPTION_ENABLE
    ),
    ProcessCookie: (4, process_cookie),
    ProcessImageInformation: (0x30, image_information),
}
PATHS: dict[int, Callable[[Process], str]] = {
    ProcessImageFileName: lambda process: process.image_path,
    ProcessImageFileNameWin32: dos_path,
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
    if kind in PATHS:
        path = PATHS[kind](process_of(caller, ProcessHandle, PROCESS_QUERY_INFORMATION))
        return answer_string(caller, path, ProcessInformation, length, ReturnLength)
    if kind == ldt.ProcessLdtInformation:
        return ldt.query_information(
            caller, ProcessHandle, ProcessInformation, length, ReturnLength
        )
    if kind not in ANSWERS:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    wanted, make = ANSWERS[kind]
    if kind == ProcessVmCounters and length == VM_COUNTERS_EX:
        wanted, make = length, _vm_counters_ex
    if length != wanted:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    if kind == ProcessCookie and ProcessHandle != CURRENT_PROCESS:
        return ntstatus.STATUS_INVALID_PARAMETER
    caller.memory.probe_for_write(ProcessInformation, length)
    access = 0 if kind in NO_RIGHT else PROCESS_QUERY_INFORMATION
    data = make(process_of(caller, ProcessHandle, access))
    return answer(caller, data, ProcessInformation, length, ReturnLength)


@service()
def NtQueryPortInformationProcess(caller: Thread) -> Outcome:
    """Whether somebody hears of the thread's exceptions: TRUE as the status."""
    eprocess, hidden = caller.process.eprocess, caller.ethread.HideFromDebugger
    return int(bool((eprocess.DebugPort and not hidden) or eprocess.ExceptionPort))
