"""Timer objects."""

from __future__ import annotations

import struct
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    ACCESS_MASK,
    BOOLEAN,
    HANDLE,
    LARGE_INTEGER,
    LONG,
    OBJECT_ATTRIBUTES,
    PVOID,
    ULONG,
    In,
    InOpt,
    Out,
    OutOpt,
    Scalar,
    SizedBy,
)
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import TIMER_MODIFY_STATE, TIMER_QUERY_STATE
from ntgate.layout.ke import DISPATCHER_HEADER, ETIMER
from ntgate.services.named import create_object, open_object

NotificationTimer, SynchronizationTimer = 0, 1
TimerBasicInformation = 0
BASIC = struct.Struct("<qB7x")  # TIMER_BASIC_INFORMATION

TIMER_TYPE = Annotated[int, Scalar("TIMER_TYPE")]
TIMER_INFORMATION_CLASS = Annotated[int, Scalar("TIMER_INFORMATION_CLASS")]
PTIMER_APC_ROUTINE = Annotated[int, Scalar("PTIMER_APC_ROUTINE", kind="pointer")]
QueryBuffer = Annotated[
    int, Scalar("PVOID", kind="pointer"), SizedBy("TimerInformationLength", "out")
]


@service()
def NtCreateTimer(
    caller: Thread,
    TimerHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: InOpt[OBJECT_ATTRIBUTES],
    TimerType: TIMER_TYPE,
) -> Outcome:
    """Make or open a timer: 0 notification, 1 synchronization."""
    if TimerType not in (NotificationTimer, SynchronizationTimer):
        return ntstatus.STATUS_INVALID_PARAMETER_4

    def fill(body: int) -> None:
        synchronization = TimerType == SynchronizationTimer
        caller.executive.timers.initialize(body, synchronization=synchronization)

    return create_object(
        caller, "Timer", ETIMER.SIZE, DesiredAccess, ObjectAttributes, TimerHandle, fill
    )


@service()
def NtOpenTimer(
    caller: Thread,
    TimerHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
) -> Outcome:
    """Open a timer by name."""
    return open_object(caller, "Timer", DesiredAccess, ObjectAttributes, TimerHandle)


def _is_signaled(caller: Thread, body: int) -> int:
    return int(bool(DISPATCHER_HEADER(caller.executive.kernel, body).SignalState))


@service()
def NtSetTimer(
    caller: Thread,
    TimerHandle: HANDLE,
    DueTime: In[LARGE_INTEGER],
    TimerApcRoutine: PTIMER_APC_ROUTINE,
    TimerContext: PVOID,
    ResumeTimer: BOOLEAN,
    Period: LONG,
    PreviousState: OutOpt[BOOLEAN],
) -> Outcome:
    """Start a timer, with a call of a routine when it is due.

    STATUS_TIMER_RESUME_IGNORED: it is set, but this machine never sleeps.
    """
    PreviousState.probe()
    due = DueTime.read()
    if Period < 0:
        return ntstatus.STATUS_INVALID_PARAMETER_6
    body = caller.object(TimerHandle, "Timer", TIMER_MODIFY_STATE)
    before = _is_signaled(caller, body)
    thread = caller if TimerApcRoutine else None
    caller.executive.timers.set(body, due, Period, thread, TimerApcRoutine, TimerContext)
    PreviousState.write(before)
    return ntstatus.STATUS_TIMER_RESUME_IGNORED if ResumeTimer else ntstatus.STATUS_SUCCESS


@service()
def NtCancelTimer(
    caller: Thread, TimerHandle: HANDLE, CurrentState: OutOpt[BOOLEAN]
) -> Outcome:
    """Stop a timer; its state stays."""
    CurrentState.probe()
    body = caller.object(TimerHandle, "Timer", TIMER_MODIFY_STATE)
    caller.executive.timers.cancel(body)
    CurrentState.write(_is_signaled(caller, body))
    return ntstatus.STATUS_SUCCESS


@service()
def NtQueryTimer(
    caller: Thread,
    TimerHandle: HANDLE,
    TimerInformationClass: TIMER_INFORMATION_CLASS,
    TimerInformation: QueryBuffer,
    TimerInformationLength: ULONG,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """TIMER_BASIC_INFORMATION: the time that is left, and the state."""
    if TimerInformationClass != TimerBasicInformation:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    if TimerInformationLength != BASIC.size:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    caller.memory.probe_for_write(TimerInformation, BASIC.size)
    ReturnLength.probe()
    body = caller.object(TimerHandle, "Timer", TIMER_QUERY_STATE)
    left = caller.executive.timers.remaining(body)
    left = max(-(1 << 63), min(left, (1 << 63) - 1))
    caller.memory.write(TimerInformation, BASIC.pack(left, _is_signaled(caller, body)))
    ReturnLength.write(BASIC.size)
    return ntstatus.STATUS_SUCCESS
