"""NtSetInformationThread: what of a thread can be changed, class by class."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, THREADINFOCLASS, ULONG, Scalar, SizedBy
from ntgate.errors import NtError
from ntgate.executive.ps.suspend import (
    HIGH_PRIORITY,
    LOW_REALTIME_PRIORITY,
    SATURATION,
    set_base_priority,
)
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se import privileges as p
from ntgate.layout import ntstatus
from ntgate.layout.access import THREAD_SET_INFORMATION, THREAD_SET_THREAD_TOKEN, TOKEN_IMPERSONATE
from ntgate.layout.ob import UNICODE_STRING
from ntgate.memory.user import AccessViolation
from ntgate.services.ps import thread_query as query
from ntgate.services.ps.ps_information import (
    HIGHEST_PAGE_PRIORITY,
    POWER_THROTTLING,
    demand,
    given,
    u32,
)
from ntgate.services.ps.thread_create import thread_of

ThreadPowerThrottlingState = 49
MAXIMUM_PROCESSORS = 32
MOST_BASE_INCREMENT = 2
GROUP_AFFINITY = 0x0C
TLS_ARRAY = 0x24  # in a KTHREAD
TLS_SLOTS, TLS_SLOT_COUNT = 0xE10, 64  # in a TEB
TLS_EXPANSION_SLOTS, TLS_EXPANSION_COUNT = 0xF94, 1024
Given = Annotated[
    int, Scalar("PVOID", kind="pointer"), SizedBy("ThreadInformationLength")
]
Change = Callable[[Thread, Thread, bytes], None]


def _invalid(condition: bool) -> None:
    if condition:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)


def _priority(caller: Thread, thread: Thread, data: bytes) -> None:
    priority = u32(data)
    _invalid(not 0 < priority <= HIGH_PRIORITY)
    tcb = thread.ethread.Tcb
    if priority >= LOW_REALTIME_PRIORITY > tcb.Priority:
        demand(caller, p.SE_INC_BASE_PRIORITY)
    tcb.BasePriority, tcb.Saturation = priority, 0
    caller.executive.scheduler.set_priority(tcb, priority)


def _base_priority(caller: Thread, thread: Thread, data: bytes) -> None:
    """A distance from the process's priority: -2 to 2, or to an end of its class."""
    (increment,) = struct.unpack("<i", data)
    realtime = thread.process.eprocess.Pcb.BasePriority >= LOW_REALTIME_PRIORITY
    ends = abs(increment) in (SATURATION, SATURATION + 1)
    _invalid(not ends and not realtime and abs(increment) > MOST_BASE_INCREMENT)
    set_base_priority(thread, increment)


def _set_affinity(thread: Thread, mask: int) -> None:
    _invalid(not mask or bool(mask & ~thread.process.eprocess.Pcb.Affinity))
    thread.ethread.Tcb.Affinity = thread.ethread.Tcb.UserAffinity = mask


def _affinity(caller: Thread, thread: Thread, data: bytes) -> None:
    _set_affinity(thread, u32(data))


def _group(caller: Thread, thread: Thread, data: bytes) -> None:
    mask, *rest = struct.unpack("<I4H", data)
    _invalid(any(rest))
    _set_affinity(thread, mask)


def _impersonation_token(caller: Thread, thread: Thread, data: bytes) -> None:
    """The handle of an impersonation token; 0 ends the impersonation."""
    handle = u32(data)
    security = caller.executive.security
    if not handle:
        security.revert(thread.ethread)
        return
    body = caller.object(handle, "Token", TOKEN_IMPERSONATE)
    token = security.token(body)
    if token.is_primary:
        raise NtError(ntstatus.STATUS_BAD_TOKEN_TYPE)
    security.impersonate(thread.ethread, body, token.view.ImpersonationLevel)


def _alignment_fixup(caller: Thread, thread: Thread, data: bytes) -> None:
    thread.ethread.Tcb.AutoAlignment = int(data != b"\0")


def _start_address(caller: Thread, thread: Thread, data: bytes) -> None:
    thread.ethread.Win32StartAddress = u32(data)


def _zero_tls_cell(caller: Thread, thread: Thread, data: bytes) -> None:
    """Clear a TLS slot in every thread of the caller's process."""
    index = u32(data)
    _invalid(thread is not caller)
    if index < TLS_SLOT_COUNT:
        for other in caller.executive.processes.threads_of(caller.process):
            _clear(caller, other.teb and other.teb + TLS_SLOTS + 4 * index)
        return
    index -= TLS_SLOT_COUNT
    _invalid(index >= TLS_EXPANSION_COUNT)
    for other in caller.executive.processes.threads_of(caller.process):
        if not other.teb:
            continue
        try:
            slots = caller.memory.u32(other.teb + TLS_EXPANSION_SLOTS)
        except AccessViolation:
            continue
        _clear(caller, slots and slots + 4 * index)


def _clear(caller: Thread, address: int) -> None:
    if address:
        try:
            caller.memory.set_u32(address, 0)
        except AccessViolation:
            return


def _ideal_processor(caller: Thread, thread: Thread, data: bytes) -> None:
    number = u32(data)
    _invalid(number > MAXIMUM_PROCESSORS)
    if number < 1:
        thread.ethread.Tcb.IdealProcessor = number


def _priority_boost(caller: Thread, thread: Thread, data: bytes) -> None:
    thread.ethread.Tcb.DisableBoost = int(u32(data) != 0)


def _tls_array(caller: Thread, thread: Thread, data: bytes) -> None:
    kernel = caller.executive.kernel
    kernel.set_u32(thread.ethread.Tcb.address + TLS_ARRAY, u32(data))


def _hide_from_debugger(caller: Thread, thread: Thread, data: bytes) -> None:
    thread.ethread.HideFromDebugger = 1


def _break_on_termination(caller: Thread, thread: Thread, data: bytes) -> None:
    wanted = u32(data)
    demand(caller, p.SE_DEBUG)
    thread.ethread.BreakOnTermination = int(wanted != 0)


def _page_priority(caller: Thread, _thread: Thread, data: bytes) -> None:
    """How soon pages that it touches leave RAM: none ever does here."""
    _invalid(not 1 <= u32(data) <= HIGHEST_PAGE_PRIORITY)


def _name(caller: Thread, thread: Thread, data: bytes) -> None:
    size, _room, buffer = struct.unpack("<HHI", data)
    text = caller.memory.read(buffer, size & ~1)
    thread.name = text.decode("utf-16-le", "surrogatepass")


def _power_throttling(caller: Thread, _thread: Thread, data: bytes) -> None:
    """Version, which throttles are controlled, which are on: the clock's speed is fixed here."""
    version, control, state = struct.unpack("<3I", data)
    _invalid(version != 1 or bool(state & ~control))


# The length of each class, and what it does.
CHANGES: dict[int, tuple[int, Change]] = {
    query.ThreadPriority: (4, _priority),
    query.ThreadBasePriority: (4, _base_priority),
    query.ThreadAffinityMask: (4, _affinity),
    query.ThreadImpersonationToken: (4, _impersonation_token),
    query.ThreadEnableAlignmentFaultFixup: (1, _alignment_fixup),
    query.ThreadQuerySetWin32StartAddress: (4, _start_address),
    query.ThreadZeroTlsCell: (4, _zero_tls_cell),
    query.ThreadIdealProcessor: (4, _ideal_processor),
    query.ThreadPriorityBoost: (4, _priority_boost),
    query.ThreadSetTlsArrayAddress: (4, _tls_array),
    query.ThreadHideFromDebugger: (0, _hide_from_debugger),
    query.ThreadBreakOnTermination: (4, _break_on_termination),
    query.ThreadPagePriority: (4, _page_priority),
    query.ThreadGroupInformation: (GROUP_AFFINITY, _group),
    query.ThreadNameInformation: (UNICODE_STRING.SIZE, _name),
    ThreadPowerThrottlingState: (POWER_THROTTLING, _power_throttling),
}
# Of a thread that has ended these can still be set, to no effect.
ANY_TIME = (query.ThreadPriority, query.ThreadBasePriority)


@service()
def NtSetInformationThread(
    caller: Thread,
    ThreadHandle: HANDLE,
    ThreadInformationClass: THREADINFOCLASS,
    ThreadInformation: Given,
    ThreadInformationLength: ULONG,
) -> Outcome:
    """Change priorities, affinity, impersonation, name, TLS cells or debugging of a thread."""
    if ThreadInformationClass not in CHANGES:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    size, change = CHANGES[ThreadInformationClass]
    data = given(caller, ThreadInformation, ThreadInformationLength, size)
    access = THREAD_SET_INFORMATION
    if ThreadInformationClass == query.ThreadImpersonationToken:
        access = THREAD_SET_THREAD_TOKEN
    thread = thread_of(caller, ThreadHandle, access)
    if thread.ethread.Terminated and ThreadInformationClass not in ANY_TIME:
        return ntstatus.STATUS_THREAD_IS_TERMINATING
    change(caller, thread, data)
    return ntstatus.STATUS_SUCCESS
