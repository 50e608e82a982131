"""Keyed events."""

from __future__ import annotations

from typing import Any

from ntgate.dispatch.outcome import Outcome, Wait
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    ACCESS_MASK,
    BOOLEAN,
    HANDLE,
    LARGE_INTEGER,
    OBJECT_ATTRIBUTES,
    PVOID,
    ULONG,
    In,
    InOpt,
    Out,
)
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import KEYEDEVENT_WAIT, KEYEDEVENT_WAKE
from ntgate.services.capture import object_attributes
from ntgate.services.named import open_object


@service()
def NtCreateKeyedEvent(
    caller: Thread,
    KeyedEventHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: InOpt[OBJECT_ATTRIBUTES],
    Flags: ULONG,
) -> Outcome:
    """Make or open a keyed event."""
    if Flags:
        return ntstatus.STATUS_INVALID_PARAMETER_4
    KeyedEventHandle.probe()
    attributes = object_attributes(caller, ObjectAttributes, creating=True)
    body = caller.executive.keyed_events.create(attributes)
    objects = caller.executive.objects
    inserted = objects.insert(caller.process.handles, body, DesiredAccess, attributes)
    KeyedEventHandle.write(inserted.handle)
    return inserted.status


@service()
def NtOpenKeyedEvent(
    caller: Thread,
    KeyedEventHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
) -> Outcome:
    """Open a keyed event by name."""
    return open_object(
        caller, "KeyedEvent", DesiredAccess, ObjectAttributes, KeyedEventHandle,
        always_written=True,
    )  # fmt: skip


def _meet(
    caller: Thread,
    handle: int,
    key: int,
    alertable: int,
    timeout: InOpt[LARGE_INTEGER],
    *,
    releases: bool,
) -> Outcome:
    if key & 1:
        return ntstatus.STATUS_INVALID_PARAMETER_1
    limit = timeout.read() if timeout else None
    executive = caller.executive
    if handle:
        access = KEYEDEVENT_WAKE if releases else KEYEDEVENT_WAIT
        body = caller.object(handle, "KeyedEvent", access)
    else:
        body = executive.keyed_events.out_of_memory
    status = executive.keyed_events.meet(
        caller, body, key, limit, releases=releases, alertable=bool(alertable)
    )
    if status is not None:
        return status
    executive.waits.keep(caller, [body])
    return Wait(_met)


def _met(caller: Thread, status: int, _state: Any) -> Outcome:
    caller.executive.keyed_events.leave(caller)
    caller.executive.waits.release(caller)
    return status


@service()
def NtWaitForKeyedEvent(
    caller: Thread,
    KeyedEventHandle: HANDLE,
    Key: PVOID,
    Alertable: BOOLEAN,
    Timeout: InOpt[LARGE_INTEGER],
) -> Outcome:
    """Wait until a thread of the process releases the key."""
    return _meet(caller, KeyedEventHandle, Key, Alertable, Timeout, releases=False)


@service()
def NtReleaseKeyedEvent(
    caller: Thread,
    KeyedEventHandle: HANDLE,
    KeyValue: PVOID,
    Alertable: BOOLEAN,
    Timeout: InOpt[LARGE_INTEGER],
) -> Outcome:
    """Let one thread go that waits for the key, or wait until one comes."""
    return _meet(caller, KeyedEventHandle, KeyValue, Alertable, Timeout, releases=True)
