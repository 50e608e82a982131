"""Event pairs: two events that one side sets while it waits for the other."""

from __future__ import annotations

from typing import Any

from ntgate.dispatch.outcome import Outcome, Wait
from ntgate.dispatch.service import service
from ntgate.dispatch.types import ACCESS_MASK, HANDLE, OBJECT_ATTRIBUTES, In, InOpt, Out
from ntgate.executive.ke.wait import WAIT_ANY
from ntgate.executive.ps.thread import Thread
from ntgate.layout import lists, ntstatus
from ntgate.layout.access import SYNCHRONIZE
from ntgate.layout.ke import DISPATCHER_HEADER, SYNCHRONIZATION_EVENT, WR_EVENT_PAIR
from ntgate.services.named import create_object, open_object

EVENT_PAIR_OBJECT = 0x15  # KOBJECTS of later systems' headers
# KEVENT_PAIR, which the public type table lacks: Type and Size, then two KEVENTs.
SIZE, LOW, HIGH = 0x24, 0x04, 0x14


@service()
def NtCreateEventPair(
    caller: Thread,
    EventPairHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: InOpt[OBJECT_ATTRIBUTES],
) -> Outcome:
    """Make or open a pair of events, neither of them signalled."""
    kernel = caller.executive.kernel

    def fill(body: int) -> None:
        kernel.set_u16(body, EVENT_PAIR_OBJECT)
        kernel.set_u16(body + 2, SIZE)
        for offset in (LOW, HIGH):
            header = DISPATCHER_HEADER(kernel, body + offset)
            header.Type, header.Size = SYNCHRONIZATION_EVENT, DISPATCHER_HEADER.SIZE // 4
            lists.initialize(kernel, header.WaitListHead.address)

    return create_object(
        caller, "EventPair", SIZE, DesiredAccess, ObjectAttributes, EventPairHandle, fill
    )


@service()
def NtOpenEventPair(
    caller: Thread,
    EventPairHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
) -> Outcome:
    """Open a pair by name."""
    return open_object(caller, "EventPair", DesiredAccess, ObjectAttributes, EventPairHandle)


def _exchange(caller: Thread, handle: int, sets: int, waits_for: int) -> Outcome:
    """Set one event and wait for the other; 0 for either leaves that out."""
    body = caller.object(handle, "EventPair", SYNCHRONIZE)
    waits = caller.executive.waits
    if sets:
        waits.set_event(body + sets)
    if not waits_for:
        return ntstatus.STATUS_SUCCESS
    status = waits.begin(caller, [body + waits_for], WAIT_ANY, None, reason=WR_EVENT_PAIR)
    if status is not None:
        return status
    waits.keep(caller, [body])
    return Wait(_done)


def _done(caller: Thread, status: int, _state: Any) -> Outcome:
    caller.executive.waits.release(caller)
    return status


@service()
def NtSetHighEventPair(caller: Thread, EventPairHandle: HANDLE) -> Outcome:
    """Set the high event."""
    return _exchange(caller, EventPairHandle, HIGH, 0)


@service()
def NtSetLowEventPair(caller: Thread, EventPairHandle: HANDLE) -> Outcome:
    """Set the low event."""
    return _exchange(caller, EventPairHandle, LOW, 0)


@service()
def NtWaitHighEventPair(caller: Thread, EventHandle: HANDLE) -> Outcome:
    """Wait for the high event."""
    return _exchange(caller, EventHandle, 0, HIGH)


@service()
def NtWaitLowEventPair(caller: Thread, EventHandle: HANDLE) -> Outcome:
    """Wait for the low event."""
    return _exchange(caller, EventHandle, 0, LOW)


@service()
def NtSetHighWaitLowEventPair(caller: Thread, EventPairHandle: HANDLE) -> Outcome:
    """Set the high event and wait for the low one."""
    return _exchange(caller, EventPairHandle, HIGH, LOW)


@service()
def NtSetLowWaitHighEventPair(caller: Thread, EventPairHandle: HANDLE) -> Outcome:
    """Set the low event and wait for the high one."""
    return _exchange(caller, EventPairHandle, LOW, HIGH)
