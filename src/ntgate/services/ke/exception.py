"""Contexts and exceptions."""

from __future__ import annotations

from ntgate.dispatch.outcome import ENDED, Leave, Outcome, Wait
from ntgate.dispatch.service import service
from ntgate.dispatch.types import BOOLEAN, PVOID
from ntgate.entry.context import SIZE, TrapContext
from ntgate.executive.ps import apc, exceptions
from ntgate.executive.ps.exceptions import MAXIMUM_PARAMETERS
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus


@service()
def NtContinue(caller: Thread, ContextRecord: PVOID, TestAlert: BOOLEAN) -> Outcome:
    """Resume the thread with a CONTEXT; returns only when the CONTEXT can't be read."""
    record = caller.memory.read(ContextRecord, SIZE)
    context = TrapContext(caller.executive.kernel, caller.ethread.Tcb, caller.frame)
    context.apply(record)
    if TestAlert:
        apc.test_alert(caller)
    return Leave(caller.frame)


@service()
def NtRaiseException(
    caller: Thread, ExceptionRecord: PVOID, ContextRecord: PVOID, FirstChance: BOOLEAN
) -> Outcome:
    """Dispatch an exception as if it had happened at ContextRecord."""
    data = caller.memory.read(ExceptionRecord, 20)
    count = int.from_bytes(data[16:20], "little")
    if count > MAXIMUM_PARAMETERS:
        return ntstatus.STATUS_INVALID_PARAMETER
    data = caller.memory.read(ExceptionRecord, 20 + 4 * count)
    record = exceptions.ExceptionRecord.unpack(data)
    context = TrapContext(caller.executive.kernel, caller.ethread.Tcb, caller.frame)
    context.apply(caller.memory.read(ContextRecord, SIZE))
    if record.code == ntstatus.STATUS_BREAKPOINT:
        context.frame.Eip -= 1
    exceptions.deliver(caller, record, context, first_chance=bool(FirstChance))
    return after_exception(caller, Leave(caller.frame))


def after_exception(caller: Thread, answer: Outcome = 0) -> Outcome:
    """What a call answers that may have raised an exception: its debugger may come first."""
    if caller.ethread.Terminated:
        return ENDED
    if caller.raised is not None:
        return Wait(_debugger_replied, answer)
    return answer


def _debugger_replied(caller: Thread, _status: int, answer: Outcome) -> Outcome:
    exceptions.debugger_replied(caller)
    return after_exception(caller, answer)
