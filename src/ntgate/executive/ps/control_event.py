"""Control events of consoles: Ctrl-C and Ctrl-Break begin as a thread of ring 3."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.ps.user_thread import create_user_thread
from ntgate.layout.ntstatus import STATUS_CONTROL_C_EXIT
from ntgate.layout.ps import PEB
from ntgate.memory.user import AccessViolation

if TYPE_CHECKING:
    from ntgate.executive.ps.thread import Process

CTRL_C_EVENT = 0
CTRL_CLOSE_EVENT = 2
# In Wine's ntdll; it calls kernelbase's CtrlRoutine, as csrss does in XP's kernel32.
ROUTINE = "__wine_ctrl_routine"
CONSOLE_FLAGS = 0x14  # in the process parameters
IGNORE_CTRL_C = 1


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
    with suppress(AccessViolation):  # parameters that are gone say nothing
        if _is_ignored(process, event):
            return
    with suppress(NtError):  # without memory for a thread there is no event
        create_user_thread(process, routine, event)


def _is_ignored(process: Process, event: int) -> bool:
    """Whether it is Ctrl-C, which the process doesn't want, as the leader of a new group.

    Wine's CtrlRoutine ignores every event then, Windows' only this one: the flag goes when
    another one comes, and is remembered.
    """
    memory = process.memory
    at = memory.u32(process.eprocess.Peb + PEB.ProcessParameters.offset) + CONSOLE_FLAGS
    flags = memory.u32(at)
    if event == CTRL_C_EVENT:
        return process.ignores_ctrl_c or bool(flags & IGNORE_CTRL_C)
    if flags & IGNORE_CTRL_C:
        process.ignores_ctrl_c = True
        memory.set_u32(at, flags & ~IGNORE_CTRL_C)
    return False
