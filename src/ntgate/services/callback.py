"""The end of what ring 3 does for a service: see UserCall."""

from __future__ import annotations

from typing import Annotated, Any

from ntgate.dispatch.outcome import CallbackReturn, Outcome, Wait
from ntgate.dispatch.service import service
from ntgate.dispatch.types import NTSTATUS, ULONG, Scalar, SizedBy
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus

Answer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("OutputLength")]


@service()
def NtCallbackReturn(
    caller: Thread, OutputBuffer: Answer, OutputLength: ULONG, Status: NTSTATUS
) -> Outcome:
    """Go on with the service that called ring 3; returns only when none did."""
    if not caller.callbacks:
        return ntstatus.STATUS_NO_CALLBACK_ACTIVE
    answer = caller.memory.read(OutputBuffer, OutputLength) if OutputBuffer else b""
    call, value = caller.callbacks.pop()
    caller.pending, caller.pending_id = Wait(_go_on, (call, Status, answer)), value
    return CallbackReturn()


def _go_on(caller: Thread, _status: int, state: Any) -> Outcome:
    call, status, answer = state
    outcome: Outcome = call.resume(caller, status, answer, call.state)
    return outcome
