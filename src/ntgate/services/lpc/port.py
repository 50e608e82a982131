"""LPC ports: messages."""

from __future__ import annotations

import struct
from typing import Annotated, Any

from ntgate.dispatch.outcome import Outcome, Wait
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    HANDLE,
    LARGE_INTEGER,
    OBJECT_ATTRIBUTES,
    PVOID,
    ULONG,
    USHORT,
    In,
    InOpt,
    InOut,
    Out,
    OutOpt,
    Scalar,
    SizedBy,
    UserStruct,
)
from ntgate.errors import NtError
from ntgate.executive.ke.wait import WAIT_ANY
from ntgate.executive.lpc import messages as msg
from ntgate.executive.lpc.messages import HEADER, Message
from ntgate.executive.lpc.ports import (
    LARGEST_CONNECTION_INFORMATION,
    LARGEST_MESSAGE,
    SERVER_CONNECTION_PORT,
)
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.token import TokenImpersonation
from ntgate.layout import ntstatus
from ntgate.layout.access import PORT_ALL_ACCESS
from ntgate.layout.ke import WR_LPC_RECEIVE, WR_LPC_REPLY
from ntgate.layout.lpc import LPCP_MESSAGE
from ntgate.services.capture import object_attributes

MOST_DATA_ENTRIES = 0x20
DATA_ENTRY = struct.Struct("<2I")  # LPC_DATA_ENTRY: base and size

PORT_INFORMATION_CLASS = Annotated[int, Scalar("PORT_INFORMATION_CLASS")]
QueryBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("Length", "out")]
ReadBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("BufferSize", "out")]
WriteBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("Length")]


class PORT_MESSAGE(UserStruct, size=0x18):
    DataLength: USHORT
    TotalLength: USHORT
    Type: USHORT
    DataInfoOffset: USHORT
    UniqueProcess: HANDLE
    UniqueThread: HANDLE
    MessageId: ULONG
    CallbackId: ULONG


def port_of(caller: Thread, handle: int) -> int:
    """The port of a handle, waitable or not; raises NtError."""
    objects = caller.executive.objects
    port = caller.object(handle, None, 0)
    if objects.type_of(port).name not in ("Port", "WaitablePort"):
        raise NtError(ntstatus.STATUS_OBJECT_TYPE_MISMATCH)
    return port


def read_message(caller: Thread, address: int, port: int) -> Message:
    """A message of user memory; STATUS_INVALID_PARAMETER, STATUS_PORT_MESSAGE_TOO_LONG."""
    head = caller.memory.read(address, HEADER.size)
    length, total, _kind, data_info, *_rest = HEADER.unpack(head)
    if length + HEADER.size > total:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    if total > caller.executive.ports.view(port).MaxMessageLength:
        raise NtError(ntstatus.STATUS_PORT_MESSAGE_TOO_LONG)
    message = msg.unpack(head + caller.memory.read(address + HEADER.size, length))
    if data_info:
        data_entries(message)
    return message


def data_entries(message: Message) -> list[tuple[int, int]]:
    """Base and size of each piece of the client's memory that a message names."""
    at = message.data_info - HEADER.size
    if at < 0 or at + 4 > len(message.data):
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    (count,) = struct.unpack_from("<I", message.data, at)
    end = at + 4 + DATA_ENTRY.size * count
    if count > MOST_DATA_ENTRIES or end > len(message.data):
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    return list(DATA_ENTRY.iter_unpack(message.data[at + 4 : end]))


# Making ports


def _create(
    caller: Thread,
    handle: Out[HANDLE],
    pointer: InOpt[OBJECT_ATTRIBUTES],
    information: int,
    length: int,
    *,
    waitable: bool,
) -> int:
    handle.probe()
    if length > LARGEST_MESSAGE:
        return ntstatus.STATUS_INVALID_PARAMETER_4
    if information > LARGEST_CONNECTION_INFORMATION:
        return ntstatus.STATUS_INVALID_PARAMETER_3
    attributes = object_attributes(caller, pointer, creating=True)
    port = caller.executive.ports.create_connection_port(
        caller, attributes, information, length, waitable=waitable
    )
    inserted = caller.executive.objects.insert(
        caller.process.handles, port, PORT_ALL_ACCESS, attributes
    )
    handle.write(inserted.handle)
    return inserted.status


@service()
def NtCreatePort(
    caller: Thread,
    PortHandle: Out[HANDLE],
    ObjectAttributes: InOpt[OBJECT_ATTRIBUTES],
    MaxConnectionInfoLength: ULONG,
    MaxMessageLength: ULONG,
    MaxPoolUsage: ULONG,
) -> Outcome:
    """Make a port that clients can connect to."""
    return _create(
        caller, PortHandle, ObjectAttributes, MaxConnectionInfoLength, MaxMessageLength,
        waitable=False,
    )  # fmt: skip


@service()
def NtCreateWaitablePort(
    caller: Thread,
    PortHandle: Out[HANDLE],
    ObjectAttributes: InOpt[OBJECT_ATTRIBUTES],
    MaxConnectionInfoLength: ULONG,
    MaxMessageLength: ULONG,
    MaxPoolUsage: ULONG,
) -> Outcome:
    """The same, and a wait on its handle ends while there is something to receive."""
    return _create(
        caller, PortHandle, ObjectAttributes, MaxConnectionInfoLength, MaxMessageLength,
        waitable=True,
    )  # fmt: skip


# Sending


@service()
def NtRequestPort(
    caller: Thread, PortHandle: HANDLE, RequestMessage: In[PORT_MESSAGE]
) -> Outcome:
    """Send a datagram, which nobody answers."""
    ports = caller.executive.ports
    port = port_of(caller, PortHandle)
    message = read_message(caller, RequestMessage.address, port)
    queue, _far, context = ports.destination(port)
    sent = Message(
        msg.LPC_DATAGRAM, message.data, (caller.pid, caller.tid), ports.next_id(),
        message.data_info,
    )  # fmt: skip
    ports.enqueue(queue, sent, port, context)
    return ntstatus.STATUS_SUCCESS


@service()
def NtRequestWaitReplyPort(
    caller: Thread,
    PortHandle: HANDLE,
    RequestMessage: In[PORT_MESSAGE],
    ReplyMessage: Out[PORT_MESSAGE],
) -> Outcome:
    """Send a request and wait for the answer.

    With a message of type LPC_REQUEST a server calls back the client that waits for it.
    """
    ports = caller.executive.ports
    ReplyMessage.probe()
    port = port_of(caller, PortHandle)
    message = read_message(caller, RequestMessage.address, port)
    me = (caller.pid, caller.tid)
    if message.type == msg.LPC_REQUEST:
        thread = ports.waiting_thread(message.client, message.id)
        callback = Message(
            msg.LPC_REQUEST, message.data, me, message.id, message.data_info, ports.next_id()
        )
        far, number = thread.lpc_wait, message.id
        ports.answer(thread, callback)
    else:
        kind = message.type or msg.LPC_REQUEST
        if kind == msg.LPC_REPLY or kind > msg.LPC_ERROR_EVENT:
            return ntstatus.STATUS_INVALID_PARAMETER
        queue, far, context = ports.destination(port)
        number = ports.next_id()
        request = Message(kind, message.data, me, number, message.data_info)
        ports.enqueue(queue, request, port, context)
    return _await_reply(caller, port, far, number, ReplyMessage.address)


def _await_reply(caller: Thread, port: int, far: int, number: int, place: int) -> Outcome:
    executive = caller.executive
    semaphore = executive.ports.expect_reply(caller, far, number)
    status = executive.waits.begin(caller, [semaphore], WAIT_ANY, None, reason=WR_LPC_REPLY)
    if status is not None:
        return _replied(caller, status, place)
    executive.waits.keep(caller, [port, far])
    return Wait(_replied, place)


def _replied(caller: Thread, status: int, place: int) -> Outcome:
    executive = caller.executive
    message = executive.ports.take_reply(caller)
    executive.waits.release(caller)
    if status:
        return status
    if message is None:
        return ntstatus.STATUS_PORT_DISCONNECTED
    caller.memory.write(place, message.pack())
    return ntstatus.STATUS_SUCCESS


def _reply(caller: Thread, port: int, address: int) -> None:
    """Answer the request that a message was; raises NtError."""
    ports = caller.executive.ports
    message = read_message(caller, address, port)
    thread = ports.waiting_thread(message.client, message.id)
    here = ports.receives_from(port)
    if ports.receives_from(thread.lpc_wait) != here:
        raise NtError(ntstatus.STATUS_REPLY_MESSAGE_MISMATCH)
    kept = ports.kept(here, message)
    if kept:
        ports.forget(kept)
    answer = Message(msg.LPC_REPLY, message.data, message.client, message.id)
    ports.answer(thread, answer)


@service()
def NtReplyPort(caller: Thread, PortHandle: HANDLE, ReplyMessage: In[PORT_MESSAGE]) -> Outcome:
    """Answer a request that was received."""
    _reply(caller, port_of(caller, PortHandle), ReplyMessage.address)
    return ntstatus.STATUS_SUCCESS


@service()
def NtReplyWaitReplyPort(
    caller: Thread, PortHandle: HANDLE, ReplyMessage: InOut[PORT_MESSAGE]
) -> Outcome:
    """Answer a callback and go on waiting for the answer to the own request."""
    ports = caller.executive.ports
    ReplyMessage.probe()
    port = port_of(caller, PortHandle)
    message = read_message(caller, ReplyMessage.address, port)
    thread = ports.waiting_thread(message.client, message.id)
    far = thread.lpc_wait
    ports.answer(thread, Message(msg.LPC_REPLY, message.data, message.client, message.id))
    return _await_reply(caller, port, far, message.id, ReplyMessage.address)


# Receiving


@service()
def NtReplyWaitReceivePort(
    caller: Thread,
    PortHandle: HANDLE,
    PortContext: OutOpt[PVOID],
    ReplyMessage: InOpt[PORT_MESSAGE],
    ReceiveMessage: Out[PORT_MESSAGE],
) -> Outcome:
    """Answer a request, if there is one to answer, and wait for the next message."""
    return _receive(caller, PortHandle, PortContext, ReplyMessage, ReceiveMessage, None)


@service()
def NtReplyWaitReceivePortEx(
    caller: Thread,
    PortHandle: HANDLE,
    PortContext: OutOpt[ULONG],
    ReplyMessage: InOpt[PORT_MESSAGE],
    ReceiveMessage: Out[PORT_MESSAGE],
    Timeout: InOpt[LARGE_INTEGER],
) -> Outcome:
    """The same, for a time."""
    limit = Timeout.read() if Timeout else None
    return _receive(caller, PortHandle, PortContext, ReplyMessage, ReceiveMessage, limit)


@service()
def NtListenPort(
    caller: Thread, PortHandle: HANDLE, ConnectionRequest: Out[PORT_MESSAGE]
) -> Outcome:
    """Wait for a client that wants to connect; other messages are dropped."""
    ConnectionRequest.probe()
    port = port_of(caller, PortHandle)
    return _wait_for_message(caller, (port, 0, ConnectionRequest.address, True), None)


def _receive(
    caller: Thread,
    handle: int,
    context: OutOpt[Any],
    reply: InOpt[PORT_MESSAGE],
    place: Out[PORT_MESSAGE],
    limit: int | None,
) -> Outcome:
    context.probe()
    place.probe()
    port = port_of(caller, handle)
    if reply:
        _reply(caller, port, reply.address)
    state = (port, context.address, place.address, False)
    return _wait_for_message(caller, state, limit)


def _wait_for_message(
    caller: Thread, state: tuple[int, int, int, bool], limit: int | None
) -> Outcome:
    """state: the port, where its context and the message go, and whether only connections."""
    executive = caller.executive
    ports = executive.ports
    queue = ports.receives_from(state[0])
    while True:
        semaphore = ports.view(queue).MsgQueue.Semaphore
        status = executive.waits.begin(
            caller, [semaphore], WAIT_ANY, limit, reason=WR_LPC_RECEIVE
        )
        if status is None:
            executive.waits.keep(caller, [state[0], queue])
            return Wait(_woken, state)
        if status:
            return status
        answer = _take(caller, state)
        if answer is not None:
            return answer


def _woken(caller: Thread, status: int, state: tuple[int, int, int, bool]) -> Outcome:
    answer = status or _take(caller, state)
    caller.executive.waits.release(caller)
    return _wait_for_message(caller, state, None) if answer is None else answer


def _take(caller: Thread, state: tuple[int, int, int, bool]) -> int | None:
    """Copy the first message out; None where it isn't one that is wanted."""
    port, context_place, place, connections_only = state
    ports = caller.executive.ports
    queue = ports.receives_from(port)
    at = ports.dequeue(queue)
    if not at:
        return ntstatus.STATUS_UNSUCCESSFUL
    message = msg.load(ports.blocks, at)
    view = LPCP_MESSAGE(caller.executive.kernel, at)
    if connections_only and message.type != msg.LPC_CONNECTION_REQUEST:
        ports.blocks.free(at)
        return None
    context = view.PortContext
    if message.data_info and message.type == msg.LPC_REQUEST:
        ports.keep_data(queue, at)
    else:
        ports.blocks.free(at)
    caller.memory.write(place, message.pack())
    if context_place and message.type != msg.LPC_CONNECTION_REQUEST:
        caller.memory.set_u32(context_place, context)
    return ntstatus.STATUS_SUCCESS


# The client's memory


def _request_data(
    caller: Thread, handle: int, pointer: In[PORT_MESSAGE], index: int
) -> tuple[Thread, int, int]:
    """The client's thread, and base and size of a piece of its memory that it has named."""
    ports = caller.executive.ports
    port = port_of(caller, handle)
    given = pointer.read()
    wanted = Message(0, b"", (given.UniqueProcess, given.UniqueThread), given.MessageId)
    thread = ports.waiting_thread(wanted.client, wanted.id)
    kept = ports.kept(ports.receives_from(port), wanted)
    if not kept:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    entries = data_entries(msg.load(ports.blocks, kept))
    if index >= len(entries):
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    return thread, *entries[index]


@service()
def NtReadRequestData(
    caller: Thread,
    PortHandle: HANDLE,
    Message: In[PORT_MESSAGE],
    DataEntryIndex: ULONG,
    Buffer: ReadBuffer,
    BufferSize: ULONG,
    NumberOfBytesRead: OutOpt[ULONG],
) -> Outcome:
    """Read memory of the client that a request names."""
    NumberOfBytesRead.probe()
    thread, base, size = _request_data(caller, PortHandle, Message, DataEntryIndex)
    data = thread.process.memory.read(base, min(size, BufferSize))
    caller.memory.write(Buffer, data)
    NumberOfBytesRead.write(len(data))
    return ntstatus.STATUS_SUCCESS


@service()
def NtWriteRequestData(
    caller: Thread,
    PortHandle: HANDLE,
    Request: In[PORT_MESSAGE],
    DataIndex: ULONG,
    Buffer: WriteBuffer,
    Length: ULONG,
    ResultLength: OutOpt[ULONG],
) -> Outcome:
    """Write memory of the client that a request names."""
    ResultLength.probe()
    thread, base, size = _request_data(caller, PortHandle, Request, DataIndex)
    data = caller.memory.read(Buffer, min(size, Length))
    thread.process.memory.write(base, data)
    ResultLength.write(len(data))
    return ntstatus.STATUS_SUCCESS


# The rest


@service()
def NtImpersonateClientOfPort(
    caller: Thread, PortHandle: HANDLE, Message: In[PORT_MESSAGE]
) -> Outcome:
    """Act as the client whose request this is, as far as it has allowed when it connected."""
    ports, security = caller.executive.ports, caller.executive.security
    port = port_of(caller, PortHandle)
    given = Message.read()
    thread = ports.waiting_thread((given.UniqueProcess, given.UniqueThread), given.MessageId)
    if ports.type_of(port) == SERVER_CONNECTION_PORT:
        return ntstatus.STATUS_INVALID_PORT_HANDLE
    client = ports.view(port).ConnectedPort
    if not client:
        return ntstatus.STATUS_PORT_DISCONNECTED
    if thread.lpc_wait != port:
        return ntstatus.STATUS_REPLY_MESSAGE_MISMATCH
    quality = ports.view(client).SecurityQos
    level, effective_only = quality.ImpersonationLevel, bool(quality.EffectiveOnly)
    body = ports.view(client).StaticSecurity.ClientToken
    if body:
        caller.executive.objects.reference(body)
    else:
        source = security.effective(thread.ethread)
        body = security.duplicate(
            source, TokenImpersonation, level, effective_only=effective_only
        )
    security.impersonate(caller.ethread, body, level, effective_only=effective_only)
    caller.executive.objects.dereference(body)
    return ntstatus.STATUS_SUCCESS


@service()
def NtQueryInformationPort(
    caller: Thread,
    PortHandle: HANDLE,
    PortInformationClass: PORT_INFORMATION_CLASS,
    PortInformation: QueryBuffer,
    Length: ULONG,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """XP knows no class of information on ports."""
    caller.memory.probe(PortInformation, Length, write=True)
    ReturnLength.probe()
    port_of(caller, PortHandle)
    return ntstatus.STATUS_INVALID_INFO_CLASS


@service()
def NtRegisterThreadTerminatePort(caller: Thread, PortHandle: HANDLE) -> Outcome:
    """Have the far end of a port told when the calling thread ends."""
    caller.executive.ports.register_termination(caller, port_of(caller, PortHandle))
    return ntstatus.STATUS_SUCCESS
