"""Waiting until a program with windows has nothing to do: NtUserWaitForInputIdle."""

from __future__ import annotations

from typing import Annotated

from ntgate.dispatch.outcome import Outcome, Wait
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, ULONG, Scalar
from ntgate.errors import NtError
from ntgate.executive.ke.wait import WAIT_ANY
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import PROCESS_QUERY_INFORMATION
from ntgate.layout.pe import IMAGE_SUBSYSTEM_WINDOWS_GUI
from ntgate.layout.times import MILLISECOND
from ntgate.layout.win32_errors import ERROR_INVALID_HANDLE, ERROR_NOT_GUI_PROCESS
from ntgate.services.ps.thread_create import process_of
from ntgate.services.win32k.message_wait import FOREVER, WAIT_FAILED
from ntgate.services.win32k.user_call import fail

MILLISECONDS = Annotated[int, Scalar("ULONG")]


@service(partial="messages that others send to the thread are not answered meanwhile")
def NtUserWaitForInputIdle(
    caller: Thread, process: HANDLE, timeout: MILLISECONDS, wow: ULONG
) -> Outcome:
    """Wait until a program with windows has come to wait for messages: 0, or WAIT_TIMEOUT.

    WAIT_FAILED for a console program, for one that has ended, and for the caller's own.
    """
    try:
        waited_for = process_of(caller, process, PROCESS_QUERY_INFORMATION)
    except NtError:
        fail(caller, ERROR_INVALID_HANDLE)
        return WAIT_FAILED
    image = waited_for.image
    has_windows = image is not None and image.subsystem == IMAGE_SUBSYSTEM_WINDOWS_GUI
    if not has_windows or waited_for.exited or waited_for is caller.process:
        fail(caller, ERROR_NOT_GUI_PROCESS)
        return WAIT_FAILED
    executive, body = caller.executive, waited_for.eprocess.address
    status = executive.waits.begin(
        caller, [body, executive.input_idle.event(waited_for)], WAIT_ANY,
        None if timeout == FOREVER else -timeout * MILLISECOND,
    )  # fmt: skip
    if status is not None:
        return _idle(caller, status, None)
    executive.waits.keep(caller, [body])
    return Wait(_idle)


def _idle(caller: Thread, status: int, _state: object) -> Outcome:
    caller.executive.waits.release(caller)
    return status if status == ntstatus.STATUS_TIMEOUT else 0
