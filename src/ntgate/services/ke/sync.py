"""Events, mutants, semaphores, and waiting."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from ntgate.dispatch.outcome import Outcome, Wait
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    ACCESS_MASK,
    BOOLEAN,
    HANDLE,
    LARGE_INTEGER,
    LONG,
    OBJECT_ATTRIBUTES,
    PVOID,
    ULONG,
    In,
    InOpt,
    Out,
    OutOpt,
)
from ntgate.errors import NtError
from ntgate.executive.ke.wait import WAIT_ALL, WAIT_ANY
from ntgate.executive.ps.thread import Thread
from ntgate.layout import lists, ntstatus
from ntgate.layout.access import (
    EVENT_MODIFY_STATE,
    EVENT_QUERY_STATE,
    MUTANT_QUERY_STATE,
    SEMAPHORE_MODIFY_STATE,
    SEMAPHORE_QUERY_STATE,
    SYNCHRONIZE,
)
from ntgate.layout.ke import (
    DISPATCHER_HEADER,
    KMUTANT,
    KSEMAPHORE,
    MUTANT_OBJECT,
    NOTIFICATION_EVENT,
    SEMAPHORE_OBJECT,
    SYNCHRONIZATION_EVENT,
)
from ntgate.services.named import create_object, open_object

MAXIMUM_WAIT_OBJECTS = 64
NotificationEvent, SynchronizationEvent = 0, 1
WaitAll, WaitAny = 0, 1


def _header(caller: Thread, body: int, kind: int, size: int, state: int) -> None:
    kernel = caller.executive.kernel
    header = DISPATCHER_HEADER(kernel, body)
    header.Type, header.Size, header.SignalState = kind, size // 4, state
    lists.initialize(kernel, body + DISPATCHER_HEADER.WaitListHead.offset)


@service()
def NtCreateEvent(
    caller: Thread,
    EventHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: InOpt[OBJECT_ATTRIBUTES],
    EventType: ULONG,
    InitialState: BOOLEAN,
) -> Outcome:
    """Make or open an event: 0 notification, 1 synchronization."""
    if EventType not in (NotificationEvent, SynchronizationEvent):
        return ntstatus.STATUS_INVALID_PARAMETER
    kind = SYNCHRONIZATION_EVENT if EventType else NOTIFICATION_EVENT

    def fill(body: int) -> None:
        _header(caller, body, kind, DISPATCHER_HEADER.SIZE, int(bool(InitialState)))

    return create_object(
        caller, "Event", DISPATCHER_HEADER.SIZE, DesiredAccess, ObjectAttributes, EventHandle, fill
    )


@service()
def NtOpenEvent(
    caller: Thread,
    EventHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
) -> Outcome:
    """Open an event by name."""
    return open_object(caller, "Event", DesiredAccess, ObjectAttributes, EventHandle)


@service()
def NtSetEvent(
    caller: Thread, EventHandle: HANDLE, PreviousState: OutOpt[LONG]
) -> Outcome:
    """Signal an event."""
    event = caller.object(EventHandle, "Event", EVENT_MODIFY_STATE)
    PreviousState.probe()
    PreviousState.write(caller.executive.waits.set_event(event))
    return ntstatus.STATUS_SUCCESS


@service()
def NtResetEvent(
    caller: Thread, EventHandle: HANDLE, PreviousState: OutOpt[LONG]
) -> Outcome:
    """Make an event not signalled."""
    event = caller.object(EventHandle, "Event", EVENT_MODIFY_STATE)
    PreviousState.probe()
    header = DISPATCHER_HEADER(caller.executive.kernel, event)
    before = header.SignalState
    header.SignalState = 0
    PreviousState.write(before)
    return ntstatus.STATUS_SUCCESS


@service()
def NtClearEvent(caller: Thread, EventHandle: HANDLE) -> Outcome:
    """Make an event not signalled."""
    event = caller.object(EventHandle, "Event", EVENT_MODIFY_STATE)
    DISPATCHER_HEADER(caller.executive.kernel, event).SignalState = 0
    return ntstatus.STATUS_SUCCESS


@service()
def NtPulseEvent(
    caller: Thread, EventHandle: HANDLE, PreviousState: OutOpt[LONG]
) -> Outcome:
    """Let those go that wait now, and leave the event not signalled."""
    event = caller.object(EventHandle, "Event", EVENT_MODIFY_STATE)
    PreviousState.probe()
    before = caller.executive.waits.set_event(event)
    DISPATCHER_HEADER(caller.executive.kernel, event).SignalState = 0
    PreviousState.write(before)
    return ntstatus.STATUS_SUCCESS


@service()
def NtQueryEvent(
    caller: Thread,
    EventHandle: HANDLE,
    EventInformationClass: ULONG,
    EventInformation: PVOID,
    EventInformationLength: ULONG,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """EVENT_BASIC_INFORMATION: type and state."""
    if EventInformationClass:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    event = caller.object(EventHandle, "Event", EVENT_QUERY_STATE)
    header = DISPATCHER_HEADER(caller.executive.kernel, event)
    return _answer(caller, struct.pack("<2I", header.Type, header.SignalState),
                   EventInformation, EventInformationLength, ReturnLength)  # fmt: skip


def _answer(
    caller: Thread, data: bytes, address: int, length: int, returned: OutOpt[ULONG]
) -> int:
    if length != len(data):
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    caller.memory.write(address, data)
    returned.write(len(data))
    return ntstatus.STATUS_SUCCESS


@service()
def NtCreateMutant(
    caller: Thread,
    MutantHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: InOpt[OBJECT_ATTRIBUTES],
    InitialOwner: BOOLEAN,
) -> Outcome:
    """Make or open a mutant, owned by the caller if it asks."""

    def fill(body: int) -> None:
        _header(caller, body, MUTANT_OBJECT, KMUTANT.SIZE, 1)
        if InitialOwner:
            caller.executive.waits.acquire(body, caller)

    return create_object(
        caller, "Mutant", KMUTANT.SIZE, DesiredAccess, ObjectAttributes, MutantHandle, fill
    )


@service()
def NtOpenMutant(
    caller: Thread,
    MutantHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
) -> Outcome:
    """Open a mutant by name."""
    return open_object(caller, "Mutant", DesiredAccess, ObjectAttributes, MutantHandle)


@service()
def NtReleaseMutant(
    caller: Thread, MutantHandle: HANDLE, PreviousCount: OutOpt[LONG]
) -> Outcome:
    """Give up a mutant that the caller owns."""
    PreviousCount.probe()
    kernel = caller.executive.kernel
    mutant = KMUTANT(kernel, caller.object(MutantHandle, "Mutant", 0))
    before = caller.executive.waits.release_mutant(mutant, caller)
    if before is None:
        return ntstatus.STATUS_MUTANT_NOT_OWNED
    PreviousCount.write(before)
    return ntstatus.STATUS_SUCCESS


@service()
def NtQueryMutant(
    caller: Thread,
    MutantHandle: HANDLE,
    MutantInformationClass: ULONG,
    MutantInformation: PVOID,
    MutantInformationLength: ULONG,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """MUTANT_BASIC_INFORMATION: count, owned by the caller, abandoned."""
    if MutantInformationClass:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    body = caller.object(MutantHandle, "Mutant", MUTANT_QUERY_STATE)
    mutant = KMUTANT(caller.executive.kernel, body)
    owned = mutant.OwnerThread == caller.ethread.address
    data = struct.pack("<IBBxx", mutant.Header.SignalState, owned, mutant.Abandoned)
    return _answer(caller, data, MutantInformation, MutantInformationLength, ReturnLength)


@service()
def NtCreateSemaphore(
    caller: Thread,
    SemaphoreHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: InOpt[OBJECT_ATTRIBUTES],
    InitialCount: LONG,
    MaximumCount: LONG,
) -> Outcome:
    """Make or open a semaphore."""
    if MaximumCount <= 0 or not 0 <= InitialCount <= MaximumCount:
        return ntstatus.STATUS_INVALID_PARAMETER

    def fill(body: int) -> None:
        _header(caller, body, SEMAPHORE_OBJECT, KSEMAPHORE.SIZE, InitialCount)
        KSEMAPHORE(caller.executive.kernel, body).Limit = MaximumCount

    return create_object(
        caller, "Semaphore", KSEMAPHORE.SIZE, DesiredAccess, ObjectAttributes, SemaphoreHandle,
        fill,
    )  # fmt: skip


@service()
def NtOpenSemaphore(
    caller: Thread,
    SemaphoreHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
) -> Outcome:
    """Open a semaphore by name."""
    return open_object(caller, "Semaphore", DesiredAccess, ObjectAttributes, SemaphoreHandle)


@service()
def NtReleaseSemaphore(
    caller: Thread, SemaphoreHandle: HANDLE, ReleaseCount: LONG, PreviousCount: OutOpt[LONG]
) -> Outcome:
    """Raise the count of a semaphore, at most to its limit."""
    if ReleaseCount <= 0:
        return ntstatus.STATUS_INVALID_PARAMETER
    PreviousCount.probe()
    body = caller.object(SemaphoreHandle, "Semaphore", SEMAPHORE_MODIFY_STATE)
    semaphore = KSEMAPHORE(caller.executive.kernel, body)
    PreviousCount.write(_release_semaphore(caller, semaphore, ReleaseCount))
    return ntstatus.STATUS_SUCCESS


def _release_semaphore(caller: Thread, semaphore: KSEMAPHORE, count: int) -> int:
    """The count before; raises STATUS_SEMAPHORE_LIMIT_EXCEEDED."""
    before: int = semaphore.Header.SignalState
    if before + count > semaphore.Limit:
        raise NtError(ntstatus.STATUS_SEMAPHORE_LIMIT_EXCEEDED)
    semaphore.Header.SignalState = before + count
    caller.executive.waits.signaled(semaphore.address)
    return before


@service()
def NtQuerySemaphore(
    caller: Thread,
    SemaphoreHandle: HANDLE,
    SemaphoreInformationClass: ULONG,
    SemaphoreInformation: PVOID,
    SemaphoreInformationLength: ULONG,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """SEMAPHORE_BASIC_INFORMATION: count and limit."""
    if SemaphoreInformationClass:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    body = caller.object(SemaphoreHandle, "Semaphore", SEMAPHORE_QUERY_STATE)
    semaphore = KSEMAPHORE(caller.executive.kernel, body)
    data = struct.pack("<2I", semaphore.Header.SignalState, semaphore.Limit)
    return _answer(caller, data, SemaphoreInformation, SemaphoreInformationLength, ReturnLength)


# Waiting.


def _begin(
    caller: Thread, handles: Sequence[int], wait_type: int, alertable: int, timeout: InOpt[Any]
) -> Outcome:
    """STATUS_OBJECT_TYPE_MISMATCH for a handle of an object that has no state to wait for."""
    executive = caller.executive
    bodies = [caller.object(handle, None, SYNCHRONIZE) for handle in handles]
    headers = [executive.objects.dispatcher_object(body) for body in bodies]
    if wait_type == WAIT_ALL and len(set(headers)) != len(headers):
        return ntstatus.STATUS_INVALID_PARAMETER_MIX
    limit = timeout.read() if timeout else None
    status = executive.waits.begin(
        caller, headers, wait_type, limit, alertable=bool(alertable)
    )
    if status is not None:
        return status
    executive.waits.keep(caller, bodies)
    return Wait(_done)


def _done(caller: Thread, status: int, _state: Any) -> Outcome:
    caller.executive.waits.release(caller)
    return status


@service()
def NtSetEventBoostPriority(caller: Thread, EventHandle: HANDLE) -> Outcome:
    """Signal a synchronization event; the boost of the thread that wakes is not this one's."""
    event = caller.object(EventHandle, "Event", EVENT_MODIFY_STATE)
    caller.executive.waits.set_event(event)
    return ntstatus.STATUS_SUCCESS


def _signal(caller: Thread, handle: int) -> None:
    """Set an event, release a mutant or add one to a semaphore; raises NtError."""
    objects, waits = caller.executive.objects, caller.executive.waits
    body = caller.object(handle, None, 0)
    kind = objects.type_of(body).name
    if kind == "Event":
        waits.set_event(caller.object(handle, kind, EVENT_MODIFY_STATE))
    elif kind == "Mutant":
        mutant = KMUTANT(caller.executive.kernel, body)
        if waits.release_mutant(mutant, caller) is None:
            raise NtError(ntstatus.STATUS_MUTANT_NOT_OWNED)
    elif kind == "Semaphore":
        caller.object(handle, kind, SEMAPHORE_MODIFY_STATE)
        _release_semaphore(caller, KSEMAPHORE(caller.executive.kernel, body), 1)
    else:
        raise NtError(ntstatus.STATUS_OBJECT_TYPE_MISMATCH)


@service()
def NtSignalAndWaitForSingleObject(
    caller: Thread,
    hObjectToSignal: HANDLE,
    hObjectToWaitOn: HANDLE,
    bAlertable: BOOLEAN,
    dwMilliseconds: InOpt[LARGE_INTEGER],
) -> Outcome:
    """Signal one object and wait for another."""
    if dwMilliseconds:
        dwMilliseconds.read()
    caller.object(hObjectToWaitOn, None, SYNCHRONIZE)
    _signal(caller, hObjectToSignal)
    return _begin(caller, [hObjectToWaitOn], WAIT_ANY, bAlertable, dwMilliseconds)


@service()
def NtWaitForSingleObject(
    caller: Thread, ObjectHandle: HANDLE, Alertable: BOOLEAN, TimeOut: InOpt[LARGE_INTEGER]
) -> Outcome:
    """Wait until an object is signalled."""
    return _begin(caller, [ObjectHandle], WAIT_ANY, Alertable, TimeOut)


@service()
def NtWaitForMultipleObjects(
    caller: Thread,
    Count: ULONG,
    Handles: PVOID,
    WaitType: ULONG,
    Alertable: BOOLEAN,
    Timeout: InOpt[LARGE_INTEGER],
) -> Outcome:
    """Wait for one or all of up to 64 objects."""
    if not 0 < Count <= MAXIMUM_WAIT_OBJECTS:
        return ntstatus.STATUS_INVALID_PARAMETER_1
    if WaitType not in (WaitAll, WaitAny):
        return ntstatus.STATUS_INVALID_PARAMETER_3
    handles = struct.unpack(f"<{Count}I", caller.memory.read(Handles, 4 * Count))
    wait_type = WAIT_ANY if WaitType == WaitAny else WAIT_ALL
    return _begin(caller, handles, wait_type, Alertable, Timeout)
