"""Events of programs for an event trace: no trace session is ever started here."""

from __future__ import annotations

from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, ULONG, Scalar, SizedBy
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus

TRACE_HEADER, TRACE_MESSAGE = 1, 2  # ETW_NT_FLAGS
EVENT_TRACE_HEADER, MESSAGE_HEADER = 0x30, 0x08

Event = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("FieldSize")]


@service()
def NtTraceEvent(
    caller: Thread, TraceHandle: HANDLE, Flags: ULONG, FieldSize: ULONG, Fields: Event
) -> Outcome:
    """Log an event to a trace session; the handle of none is valid, as no session runs."""
    least = {TRACE_HEADER: EVENT_TRACE_HEADER, TRACE_MESSAGE: MESSAGE_HEADER}.get(Flags & 3)
    if least is None:
        return ntstatus.STATUS_INVALID_PARAMETER
    caller.memory.read(Fields, least)
    return ntstatus.STATUS_INVALID_HANDLE
