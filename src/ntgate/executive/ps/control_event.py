"""Control events of consoles: Ctrl-C and Ctrl-Break begin as a thread of ring 3."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.ps.user_thread import create_user_thread
from ntgate.layout.ntstatus import STATUS_CONTROL_C_EXIT

if TYPE_CHECKING:
    from ntgate.executive.ps.thread import Process

# In Wine's ntdll; it calls kernelbase's CtrlRoutine, as csrss does in XP's kernel32.
ROUTINE = "__wine_ctrl_routine"


def send_control_event(process: Process, event: int) -> None:
    """A thread for the handlers of the process; one that can have none is ended.

    event: CTRL_C_EVENT and so on, the thread's argument.
    """
    if process.exited or process.eprocess.ProcessExiting:
        return
    routine = process.images.entry(ROUTINE) if process.images is not None else 0
    if not routine:
        process.executive.processes.terminate_process(process, STATUS_CONTROL_C_EXIT)
        return
    with suppress(NtError):  # without memory for a thread there is no event
        create_user_thread(process, routine, event)
