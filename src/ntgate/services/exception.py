"""Contexts and exceptions."""

from __future__ import annotations

from ntgate.dispatch.outcome import Leave, Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import BOOLEAN, PVOID
from ntgate.entry.context import SIZE, TrapContext
from ntgate.executive.ps import apc, exceptions
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.layout.ke import KTRAP_FRAME

MAXIMUM_PARAMETERS = 15


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
    data = caller.memory.read(ExceptionRecord, 20 + 4 * count).ljust(exceptions.RECORD_SIZE, b"\0")
    context = caller.memory.read(ContextRecord, SIZE)
    kernel = caller.executive.kernel
    TrapContext(kernel, caller.ethread.Tcb, caller.frame).apply(context)
    exceptions.deliver(
        caller,
        exceptions.ExceptionRecord.unpack(data),
        context,
        KTRAP_FRAME(kernel, caller.frame),
        first_chance=bool(FirstChance),
    )
    return Leave(caller.frame)
