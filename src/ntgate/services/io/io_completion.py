"""I/O completion ports."""

from __future__ import annotations

import struct
from typing import Annotated, Any

from ntgate.dispatch.outcome import Outcome, Wait
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    ACCESS_MASK,
    BOOLEAN,
    HANDLE,
    IO_STATUS_BLOCK,
    LARGE_INTEGER,
    NTSTATUS,
    OBJECT_ATTRIBUTES,
    PVOID,
    ULONG,
    In,
    InOpt,
    Out,
    OutOpt,
    Scalar,
    SizedBy,
    UserStruct,
)
from ntgate.executive.io.completion import Packet
from ntgate.executive.ke.wait import WAIT_ANY
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import IO_COMPLETION_MODIFY_STATE, IO_COMPLETION_QUERY_STATE
from ntgate.layout.io import KQUEUE
from ntgate.services.capture import object_attributes
from ntgate.services.named import open_object

IoCompletionBasicInformation = 0
PACKET = struct.Struct("<4I")  # FILE_IO_COMPLETION_INFORMATION
MOST_PACKETS = 0x10000

IO_COMPLETION_INFORMATION_CLASS = Annotated[int, Scalar("IO_COMPLETION_INFORMATION_CLASS")]
QueryBuffer = Annotated[
    int, Scalar("PVOID", kind="pointer"), SizedBy("IoCompletionInformationLength", "out")
]


class FILE_IO_COMPLETION_INFORMATION(UserStruct, size=0x10):
    KeyContext: PVOID
    ApcContext: PVOID
    Status: NTSTATUS
    Information: ULONG


@service()
def NtCreateIoCompletion(
    caller: Thread,
    IoCompletionHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: InOpt[OBJECT_ATTRIBUTES],
    Count: ULONG,
) -> Outcome:
    """Make a port; Count threads may run with its packets at a time, 0: one per processor."""
    IoCompletionHandle.probe()
    attributes = object_attributes(caller, ObjectAttributes, creating=True)
    objects = caller.executive.objects
    body = objects.create(objects.types["IoCompletion"], KQUEUE.SIZE, attributes)
    caller.executive.io.ports.initialize(body, Count)
    inserted = objects.insert(caller.process.handles, body, DesiredAccess, attributes)
    IoCompletionHandle.write(inserted.handle)
    return inserted.status


@service()
def NtOpenIoCompletion(
    caller: Thread,
    IoCompletionHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
) -> Outcome:
    """Open a port by name."""
    return open_object(caller, "IoCompletion", DesiredAccess, ObjectAttributes, IoCompletionHandle)


@service()
def NtSetIoCompletion(
    caller: Thread,
    IoCompletionHandle: HANDLE,
    CompletionKey: ULONG,
    IoStatusBlock: PVOID,
    CompletionStatus: NTSTATUS,
    NumberOfBytesTransfered: ULONG,
) -> Outcome:
    """Queue a packet of the caller's own; IoStatusBlock is its APC context, never opened."""
    body = caller.object(IoCompletionHandle, "IoCompletion", IO_COMPLETION_MODIFY_STATE)
    packet = Packet(
        CompletionKey, IoStatusBlock, CompletionStatus & 0xFFFFFFFF, NumberOfBytesTransfered
    )
    caller.executive.io.ports.post(body, packet)
    return ntstatus.STATUS_SUCCESS


@service()
def NtQueryIoCompletion(
    caller: Thread,
    IoCompletionHandle: HANDLE,
    IoCompletionInformationClass: IO_COMPLETION_INFORMATION_CLASS,
    IoCompletionInformation: QueryBuffer,
    IoCompletionInformationLength: ULONG,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """IO_COMPLETION_BASIC_INFORMATION: how many packets there are."""
    if IoCompletionInformationClass != IoCompletionBasicInformation:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    if IoCompletionInformationLength != 4:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    body = caller.object(IoCompletionHandle, "IoCompletion", IO_COMPLETION_QUERY_STATE)
    caller.memory.set_u32(IoCompletionInformation, caller.executive.io.ports.depth(body))
    ReturnLength.write(4)
    return ntstatus.STATUS_SUCCESS


def _deadline(caller: Thread, timeout: InOpt[LARGE_INTEGER]) -> int | None:
    """A timeout as a point in system time, so that a wait can begin again; 0 polls."""
    if not timeout:
        return None
    given = timeout.read()
    return caller.executive.clock.boot_time + caller.executive.clock.due_time(given) if given else 0


def _remove(caller: Thread, state: Any) -> Outcome:
    """state: the port, most packets, deadline, whether alertable, and where they go."""
    body, count, deadline, alertable, places = state
    ports = caller.executive.io.ports
    packets: list[Packet] = []
    while len(packets) < count and (packet := ports.take(body)) is not None:
        packets.append(packet)
    if packets:
        _write(caller, packets, places)
        caller.executive.objects.dereference(body)
        return ntstatus.STATUS_SUCCESS
    status = caller.executive.waits.begin(
        caller, [body], WAIT_ANY, deadline, alertable=alertable
    )
    if status is None:
        return Wait(_woken, state)
    caller.executive.objects.dereference(body)
    return status


def _woken(caller: Thread, status: int, state: Any) -> Outcome:
    """Somebody else may have taken the packet that ended the wait."""
    if status == ntstatus.STATUS_WAIT_0:
        return _remove(caller, state)
    caller.executive.objects.dereference(state[0])
    return status


def _write(caller: Thread, packets: list[Packet], places: tuple[int, ...]) -> None:
    """places: an array and a count, or key, APC context and status block."""
    memory = caller.memory
    if len(places) == 2:
        records = [PACKET.pack(p.key, p.context, p.status, p.information) for p in packets]
        memory.write(places[0], b"".join(records))
        memory.set_u32(places[1], len(packets))
    else:
        (packet,) = packets
        memory.set_u32(places[0], packet.key)
        memory.set_u32(places[1], packet.context)
        memory.write(places[2], struct.pack("<2I", packet.status, packet.information))


@service()
def NtRemoveIoCompletion(
    caller: Thread,
    IoCompletionHandle: HANDLE,
    KeyContext: Out[ULONG],
    ApcContext: Out[ULONG],
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    Timeout: InOpt[LARGE_INTEGER],
) -> Outcome:
    """Wait for a packet."""
    for pointer in (KeyContext, ApcContext, IoStatusBlock):
        pointer.probe()
    deadline = _deadline(caller, Timeout)
    body = caller.object(IoCompletionHandle, "IoCompletion", IO_COMPLETION_MODIFY_STATE)
    caller.executive.objects.reference(body)
    places = (KeyContext.address, ApcContext.address, IoStatusBlock.address)
    return _remove(caller, (body, 1, deadline, False, places))


@service()
def NtRemoveIoCompletionEx(
    caller: Thread,
    IoCompletionHandle: HANDLE,
    IoCompletionInformation: Out[FILE_IO_COMPLETION_INFORMATION],
    Count: ULONG,
    NumEntriesRemoved: Out[ULONG],
    Timeout: InOpt[LARGE_INTEGER],
    Alertable: BOOLEAN,
) -> Outcome:
    """Wait for packets, and take as many as there are, up to Count."""
    if not 0 < Count <= MOST_PACKETS:
        return ntstatus.STATUS_INVALID_PARAMETER
    caller.memory.probe_for_write(IoCompletionInformation.address, Count * PACKET.size)
    NumEntriesRemoved.probe()
    deadline = _deadline(caller, Timeout)
    body = caller.object(IoCompletionHandle, "IoCompletion", IO_COMPLETION_MODIFY_STATE)
    caller.executive.objects.reference(body)
    NumEntriesRemoved.write(1)  # what is left there when none comes
    places = (IoCompletionInformation.address, NumEntriesRemoved.address)
    return _remove(caller, (body, Count, deadline, bool(Alertable), places))
