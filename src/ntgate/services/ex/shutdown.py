"""The end of the machine, and text on its boot screen."""

from __future__ import annotations

from typing import Annotated

from ntgate.dispatch.outcome import ENDED, Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import UNICODE_STRING, In, Scalar
from ntgate.executive.events import DebugPrint
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.privileges import SE_SHUTDOWN, SE_TCB
from ntgate.layout import ntstatus
from ntgate.services.capture import unicode_string
from ntgate.services.ps.ps_information import demand

SHUTDOWN_ACTION = Annotated[int, Scalar("SHUTDOWN_ACTION")]
ShutdownPowerOff = 2


@service()
def NtShutdownSystem(caller: Thread, Action: SHUTDOWN_ACTION) -> Outcome:
    """End every process; for the holder of SeShutdownPrivilege.  No action starts it again."""
    if Action > ShutdownPowerOff:
        return ntstatus.STATUS_INVALID_PARAMETER
    demand(caller, SE_SHUTDOWN)
    return shut_down(caller)


def shut_down(caller: Thread) -> Outcome:
    """End every process, the caller's last."""
    processes = caller.executive.processes
    others = [p for p in processes.active() if p is not caller.process and p.eprocess.Peb]
    for process in (*others, caller.process):
        processes.terminate_process(process, ntstatus.STATUS_SUCCESS)
    return ENDED


@service()
def NtDisplayString(caller: Thread, String: In[UNICODE_STRING]) -> Outcome:
    """Text for whoever watches the boot; for the holder of SeTcbPrivilege."""
    text = unicode_string(caller.memory, String.address)
    demand(caller, SE_TCB)
    caller.executive.events.emit(DebugPrint(caller.pid, caller.tid, text))
    return ntstatus.STATUS_SUCCESS
