"""NtSetInformationProcess: what of a process can be changed, class by class."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Annotated

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, PROCESSINFOCLASS, ULONG, Scalar, SizedBy
from ntgate.errors import NtError
from ntgate.executive.lpc import exception_port
from ntgate.executive.mm import allocate
from ntgate.executive.ps.ldt import allow_io
from ntgate.executive.ps.suspend import CLASS_PRIORITIES, set_process_priority
from ntgate.executive.ps.thread import Process, Thread
from ntgate.executive.se import privileges as p
from ntgate.layout import ntstatus
from ntgate.layout.access import (
    PROCESS_SET_INFORMATION,
    PROCESS_SET_PORT,
    PROCESS_SET_QUOTA,
    SYNCHRONIZE,
    TOKEN_ASSIGN_PRIMARY,
)
from ntgate.layout.mm import EPROCESS_VM, MEM_RESERVE, PAGE_READWRITE
from ntgate.services.lpc.port import port_of
from ntgate.services.ps import ldt
from ntgate.services.ps import process_query as query
from ntgate.services.ps.ps_information import (
    HIGHEST_PAGE_PRIORITY,
    POWER_THROTTLING,
    THE_PROCESSOR,
    demand,
    given,
    u32,
)
from ntgate.services.ps.thread_create import process_of

ProcessExceptionPort, ProcessAccessToken, ProcessUserModeIOPL = 8, 9, 16
ProcessEnableAlignmentFaultFixup = 17
ProcessForegroundInformation, ProcessPagePriority = 25, 39
ProcessThreadStackAllocation, ProcessPowerThrottlingState = 41, 77
ProcessWineMakeProcessSystem = 1000
REALTIME_CLASS, HIGHEST_PRIORITY = 4, 31
DISABLE, ENABLE, PERMANENT = 1, 2, 8  # MEM_EXECUTE_OPTION_*
EXECUTE_OPTIONS = 0x3F
STACK_ALLOCATION, STACK_ALLOCATION_EX = 0x0C, 0x1C
Given = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("Length")]
Change = Callable[[Thread, Process, bytes], None]


def _quota_limits(caller: Thread, process: Process, data: bytes) -> None:
    """The working set's limits; pool quotas are not charged here."""
    limits = query.QUOTA_LIMITS.unpack(data)
    smallest, largest = limits[2], limits[3]
    if not smallest or not largest:
        return
    if smallest == largest == query.UNLIMITED:
        return  # empty the working set: pages here never leave RAM
    if smallest > largest:
        raise NtError(ntstatus.STATUS_BAD_WORKING_SET_LIMIT)
    vm = EPROCESS_VM(caller.executive.kernel, process.eprocess.address).Vm
    vm.MinimumWorkingSetSize, vm.MaximumWorkingSetSize = smallest // PAGE_SIZE, largest // PAGE_SIZE


def _base_priority(caller: Thread, process: Process, data: bytes) -> None:
    priority = u32(data)
    if not 0 < priority <= HIGHEST_PRIORITY:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    if priority > process.eprocess.Pcb.BasePriority:
        demand(caller, p.SE_INC_BASE_PRIORITY)
    set_process_priority(process, priority)


def _priority_class(caller: Thread, process: Process, data: bytes) -> None:
    """PROCESS_PRIORITY_CLASS: whether it is in the foreground, then the class."""
    kind = data[1]
    if kind not in CLASS_PRIORITIES:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    if kind == REALTIME_CLASS and process.eprocess.PriorityClass != kind:
        demand(caller, p.SE_INC_BASE_PRIORITY)
    process.eprocess.PriorityClass = kind
    set_process_priority(process, CLASS_PRIORITIES[kind])


def _access_token(caller: Thread, process: Process, data: bytes) -> None:
    """PROCESS_ACCESS_TOKEN: handles of a primary token, and of the process's only thread."""
    token, _thread = struct.unpack("<2I", data)
    demand(caller, p.SE_ASSIGN_PRIMARY_TOKEN)
    security = caller.executive.security
    body = caller.object(token, "Token", TOKEN_ASSIGN_PRIMARY)
    if not security.token(body).is_primary:
        raise NtError(ntstatus.STATUS_BAD_TOKEN_TYPE)
    body = security.limit_token(process.eprocess, body)
    security.assign_primary(process.eprocess, body)
    caller.executive.objects.dereference(body)


def _exception_port(caller: Thread, process: Process, data: bytes) -> None:
    """The handle of a port, for good: it is told of exceptions that nothing handles."""
    demand(caller, p.SE_TCB)
    exception_port.assign(process, port_of(caller, u32(data)))


def _error_mode(caller: Thread, process: Process, data: bytes) -> None:
    mode = u32(data)
    process.eprocess.DefaultHardErrorProcessing = mode ^ query.FAIL_CRITICAL_ERRORS


def _alignment_fixup(caller: Thread, process: Process, data: bytes) -> None:
    process.eprocess.Pcb.AutoAlignment = int(data != b"\0")


def _affinity(caller: Thread, process: Process, data: bytes) -> None:
    mask = u32(data)
    if mask != THE_PROCESSOR:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    process.eprocess.Pcb.Affinity = mask


def _priority_boost(caller: Thread, process: Process, data: bytes) -> None:
    disabled = int(u32(data) != 0)
    process.eprocess.Pcb.DisableBoost = disabled
    for thread in process.executive.processes.threads_of(process):
        thread.ethread.Tcb.DisableBoost = disabled


def _foreground(caller: Thread, process: Process, data: bytes) -> None:
    """Foreground processes have longer quanta on XP only where the registry asks for it."""


def _break_on_termination(caller: Thread, process: Process, data: bytes) -> None:
    wanted = u32(data)
    demand(caller, p.SE_DEBUG)
    process.eprocess.BreakOnTermination = int(wanted != 0)


def _debug_flags(caller: Thread, process: Process, data: bytes) -> None:
    flags = u32(data)
    if flags & ~1:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    process.eprocess.NoDebugInherit = flags ^ 1


def _execute_flags(caller: Thread, process: Process, data: bytes) -> None:
    """Whether data may run from now on; pages that have run still do."""
    flags = u32(data)
    if process is not caller.process:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    if process.eprocess.Pcb.ExecuteOptions & PERMANENT:
        raise NtError(ntstatus.STATUS_ACCESS_DENIED)
    if flags & ~EXECUTE_OPTIONS or flags & (DISABLE | ENABLE) not in (DISABLE, ENABLE):
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    process.eprocess.Pcb.ExecuteOptions = flags


def _page_priority(caller: Thread, _process: Process, data: bytes) -> None:
    """How soon pages leave RAM: none ever does here."""
    if not 1 <= u32(data) <= HIGHEST_PAGE_PRIORITY:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)


def _power_throttling(caller: Thread, _process: Process, data: bytes) -> None:
    """Version, which throttles are controlled, which are on: the clock's speed is fixed here."""
    version, control, state = struct.unpack("<3I", data)
    if version != 1 or state & ~control:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)


def _allocate_stack(caller: Thread, handle: int, address: int, length: int) -> int:
    """PROCESS_STACK_ALLOCATION_INFORMATION: reserve size and zero bits in, the base out."""
    if length not in (STACK_ALLOCATION, STACK_ALLOCATION_EX):
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    place = address + length - STACK_ALLOCATION
    reserve, zero_bits, _base = struct.unpack(
        "<3I", caller.memory.read(place, STACK_ALLOCATION)
    )
    caller.memory.probe_for_write(place, STACK_ALLOCATION)
    process = process_of(caller, handle, PROCESS_SET_INFORMATION)
    base, _size = allocate.allocate(
        process.space, 0, reserve, MEM_RESERVE, PAGE_READWRITE, zero_bits=zero_bits
    )
    caller.memory.set_u32(place + 8, base)
    return ntstatus.STATUS_SUCCESS


def _make_system(caller: Thread, handle: int, address: int, length: int) -> int:
    """A handle to the event that ends it when the programs that are waited for have ended."""
    if length != 4:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    process = process_of(caller, handle, PROCESS_SET_INFORMATION)
    caller.memory.probe_for_write(address, length)
    executive = caller.executive
    event = executive.system_processes.join(process)
    opened = executive.objects.create_handle(caller.process.handles, event, SYNCHRONIZE)
    caller.memory.set_u32(address, opened)
    return ntstatus.STATUS_SUCCESS


def _user_mode_iopl(caller: Thread, handle: int) -> int:
    """Ports and the interrupt flag for the calling thread, whatever process the handle names."""
    demand(caller, p.SE_TCB)
    process_of(caller, handle, PROCESS_SET_INFORMATION)
    allow_io(caller)
    return ntstatus.STATUS_SUCCESS


# The length of each class, and what it does.
CHANGES: dict[int, tuple[int, Change]] = {
    query.ProcessQuotaLimits: (query.QUOTA_LIMITS.size, _quota_limits),
    query.ProcessBasePriority: (4, _base_priority),
    ProcessExceptionPort: (4, _exception_port),
    ProcessAccessToken: (8, _access_token),
    query.ProcessDefaultHardErrorMode: (4, _error_mode),
    ProcessEnableAlignmentFaultFixup: (1, _alignment_fixup),
    query.ProcessPriorityClass: (2, _priority_class),
    query.ProcessAffinityMask: (4, _affinity),
    query.ProcessPriorityBoost: (4, _priority_boost),
    ProcessForegroundInformation: (1, _foreground),
    query.ProcessBreakOnTermination: (4, _break_on_termination),
    query.ProcessDebugFlags: (4, _debug_flags),
    query.ProcessExecuteFlags: (4, _execute_flags),
    ProcessPagePriority: (4, _page_priority),
    ProcessPowerThrottlingState: (POWER_THROTTLING, _power_throttling),
}


@service(partial="no device map or session of its own")
def NtSetInformationProcess(
    caller: Thread,
    DeviceHandle: HANDLE,
    ProcessInformationClass: PROCESSINFOCLASS,
    ProcessInformation: Given,
    Length: ULONG,
) -> Outcome:
    """Change priorities, affinity, limits, error mode, token or execution options."""
    if ProcessInformationClass == ProcessThreadStackAllocation:
        return _allocate_stack(caller, DeviceHandle, ProcessInformation, Length)
    if ProcessInformationClass == ProcessWineMakeProcessSystem:
        return _make_system(caller, DeviceHandle, ProcessInformation, Length)
    if ProcessInformationClass == ldt.ProcessLdtInformation:
        return ldt.set_information(caller, DeviceHandle, ProcessInformation, Length)
    if ProcessInformationClass == ldt.ProcessLdtSize:
        return ldt.set_size(caller, DeviceHandle, ProcessInformation, Length)
    if ProcessInformationClass == ProcessUserModeIOPL:
        return _user_mode_iopl(caller, DeviceHandle)
    if ProcessInformationClass not in CHANGES:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    size, change = CHANGES[ProcessInformationClass]
    data = given(caller, ProcessInformation, Length, size)
    access = PROCESS_SET_INFORMATION
    if ProcessInformationClass == query.ProcessQuotaLimits:
        access = PROCESS_SET_QUOTA
    elif ProcessInformationClass == ProcessExceptionPort:
        access = PROCESS_SET_PORT
    process = process_of(caller, DeviceHandle, access)
    if process.exited:
        return ntstatus.STATUS_PROCESS_IS_TERMINATING
    change(caller, process, data)
    return ntstatus.STATUS_SUCCESS
