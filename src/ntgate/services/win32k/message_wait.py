"""Waits for objects and messages together: MsgWaitForMultipleObjectsEx."""

from __future__ import annotations

import struct
from typing import Any

from ntgate.dispatch.outcome import Outcome, Wait
from ntgate.dispatch.service import service
from ntgate.dispatch.types import PVOID, ULONG
from ntgate.errors import NtError
from ntgate.executive.ke.wait import WAIT_ALL, WAIT_ANY
from ntgate.executive.ps.thread import Thread
from ntgate.executive.win32k.windows import MessageQueue
from ntgate.layout import ntstatus
from ntgate.layout.access import SYNCHRONIZE
from ntgate.layout.times import MILLISECOND
from ntgate.layout.win32_errors import ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER
from ntgate.services.win32k.message import MILLISECONDS, QS_TIMER, queue_status, wait_for_queue
from ntgate.services.win32k.user_call import fail

MWMO_WAITALL, MWMO_ALERTABLE = 1, 2
FOREVER = WAIT_FAILED = 0xFFFFFFFF
MOST_HANDLES = 63  # the queue is the 64th object


@service()
def NtUserMsgWaitForMultipleObjectsEx(
    caller: Thread, count: ULONG, handles: PVOID, timeout: MILLISECONDS, mask: ULONG, flags: ULONG
) -> Outcome:
    """Wait for objects or messages of these kinds; count for a message.

    With MWMO_WAITALL for all of them at once, and a message too.
    """
    if count > MOST_HANDLES:
        fail(caller, ERROR_INVALID_PARAMETER)
        return WAIT_FAILED
    rows = struct.unpack(f"<{count}I", caller.memory.read(handles, 4 * count)) if count else ()
    try:
        bodies = [caller.object(handle, None, SYNCHRONIZE) for handle in rows]
    except NtError:
        fail(caller, ERROR_INVALID_HANDLE)
        return WAIT_FAILED
    now = caller.executive.clock.system_time
    due = None if timeout == FOREVER else now + timeout * MILLISECOND
    state = (bodies, due, mask, bool(flags & MWMO_ALERTABLE))
    if flags & MWMO_WAITALL:
        return _msg_wait_all(caller, None, (*state, False))
    return _msg_wait(caller, None, state)


def _msg_wait(caller: Thread, status: int | None, state: Any) -> Outcome:
    bodies, due, mask, alertable = state
    executive = caller.executive
    queue = executive.windows.queue(caller)
    while True:
        executive.waits.release(caller)
        if status is not None and status not in (len(bodies), ntstatus.STATUS_TIMEOUT):
            return status
        if status is None and bodies:
            headers = [executive.objects.dispatcher_object(body) for body in bodies]
            polled = executive.waits.begin(caller, headers, WAIT_ANY, 0)
            if polled != ntstatus.STATUS_TIMEOUT:
                return int(polled or 0)
        if queue_status(caller, queue) & mask:
            return len(bodies)
        if due is not None and due <= executive.clock.system_time:
            return ntstatus.STATUS_TIMEOUT
        headers = [executive.objects.dispatcher_object(body) for body in bodies]
        status = wait_for_queue(
            caller, queue, _until(queue, due, mask), headers, alertable=alertable
        )
        if status is None:
            executive.waits.keep(caller, bodies)
            return Wait(_msg_wait, state)


def _until(queue: MessageQueue, due: int | None, mask: int) -> int | None:
    """The system time at which there is something new: the end, or a timer that counts."""
    timer = queue.next_timer() if mask & QS_TIMER else None
    return min((time for time in (due, timer) if time is not None), default=None)


def _msg_wait_all(caller: Thread, status: int | None, state: Any) -> Outcome:
    """First for a message, which stays in the queue, then for the objects."""
    bodies, due, mask, alertable, for_objects = state
    executive = caller.executive
    queue = executive.windows.queue(caller)
    while True:
        executive.waits.release(caller)
        is_over = for_objects or status not in (ntstatus.STATUS_SUCCESS, ntstatus.STATUS_TIMEOUT)
        if status is not None and is_over:
            return status
        now = executive.clock.system_time
        for_objects = bool(queue_status(caller, queue) & mask)
        if for_objects:
            if not bodies:
                return ntstatus.STATUS_SUCCESS
            headers = [executive.objects.dispatcher_object(body) for body in bodies]
            timeout = None if due is None else min(0, now - due)
            status = executive.waits.begin(
                caller, headers, WAIT_ALL, timeout, alertable=alertable
            )
        elif due is not None and due <= now:
            return ntstatus.STATUS_TIMEOUT
        else:
            status = wait_for_queue(
                caller, queue, _until(queue, due, mask), alertable=alertable
            )
        if status is None:
            executive.waits.keep(caller, bodies)
            return Wait(_msg_wait_all, (bodies, due, mask, alertable, for_objects))
