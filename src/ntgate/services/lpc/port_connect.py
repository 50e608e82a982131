"""LPC ports: connecting, accepting."""

from __future__ import annotations

from ntgate.dispatch.outcome import Outcome, Wait
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    BOOLEAN,
    HANDLE,
    PVOID,
    ULONG,
    UNICODE_STRING,
    In,
    InOutOpt,
    Out,
    OutOpt,
    UserStruct,
)
from ntgate.errors import NtError
from ntgate.executive.ke.wait import WAIT_ANY
from ntgate.executive.lpc import messages as msg
from ntgate.executive.lpc.connection import Connection, SharedView
from ntgate.executive.lpc.messages import Message
from ntgate.executive.lpc.ports import (
    CLIENT_COMMUNICATION_PORT,
    PORT_DESTROYED,
    SERVER_COMMUNICATION_PORT,
    SERVER_CONNECTION_PORT,
)
from ntgate.executive.mm.section import Section
from ntgate.executive.ob import ObjectAttributes
from ntgate.executive.ob.attributes import OBJ_CASE_INSENSITIVE
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.token import SecurityDelegation, TokenImpersonation
from ntgate.layout import ntstatus
from ntgate.layout.access import (
    PORT_ALL_ACCESS,
    PORT_CONNECT,
    SECTION_MAP_READ,
    SECTION_MAP_WRITE,
)
from ntgate.layout.ke import WR_LPC_REPLY
from ntgate.layout.ps import EPROCESS
from ntgate.services.capture import object_name
from ntgate.services.lpc.port import PORT_MESSAGE, port_of
from ntgate.services.se import security_capture as capture
from ntgate.services.se.security_capture import SECURITY_QUALITY_OF_SERVICE

STATIC_TRACKING = 0


class PORT_SECTION_WRITE(UserStruct, size=0x18):
    Length: ULONG
    SectionHandle: HANDLE
    SectionOffset: ULONG
    ViewSize: ULONG
    ViewBase: PVOID
    TargetViewBase: PVOID


class PORT_SECTION_READ(UserStruct, size=0x0C):
    Length: ULONG
    ViewSize: ULONG
    ViewBase: PVOID


def _offered(caller: Thread, pointer: InOutOpt[PORT_SECTION_WRITE]) -> SharedView | None:
    """The view that PORT_VIEW offers, mapped on this side; raises NtError."""
    if not pointer:
        return None
    pointer.probe()
    given = pointer.read()
    if given.Length != PORT_SECTION_WRITE.SIZE:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    body = caller.object(given.SectionHandle, "Section", SECTION_MAP_READ | SECTION_MAP_WRITE)
    section = caller.executive.objects.companion(body, Section)
    view = SharedView(body, section, given.SectionOffset, given.ViewSize)
    view.base = view.map_into(caller.process)
    return view


def _check_remote(
    pointer: OutOpt[PORT_SECTION_READ] | InOutOpt[PORT_SECTION_READ],
) -> None:
    if pointer:
        pointer.probe()
        if pointer.memory.u32(pointer.address) != PORT_SECTION_READ.SIZE:
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)


@service()
def NtConnectPort(
    caller: Thread,
    PortHandle: Out[HANDLE],
    PortName: In[UNICODE_STRING],
    SecurityQos: In[SECURITY_QUALITY_OF_SERVICE],
    ClientView: InOutOpt[PORT_SECTION_WRITE],
    ServerView: InOutOpt[PORT_SECTION_READ],
    MaxMessageLength: OutOpt[ULONG],
    ConnectionInformation: PVOID,
    ConnectionInformationLength: InOutOpt[ULONG],
) -> Outcome:
    """Connect to a server's port: wait until it accepts."""
    return _connect(
        caller, PortHandle, PortName, SecurityQos, ClientView, 0, ServerView,
        MaxMessageLength, ConnectionInformation, ConnectionInformationLength,
    )  # fmt: skip


@service()
def NtSecureConnectPort(
    caller: Thread,
    PortHandle: Out[HANDLE],
    PortName: In[UNICODE_STRING],
    SecurityQos: In[SECURITY_QUALITY_OF_SERVICE],
    ClientView: InOutOpt[PORT_SECTION_WRITE],
    RequiredServerSid: PVOID,
    ServerView: InOutOpt[PORT_SECTION_READ],
    MaxMessageLength: OutOpt[ULONG],
    ConnectionInformation: PVOID,
    ConnectionInformationLength: InOutOpt[ULONG],
) -> Outcome:
    """The same, to a server that must run as a user."""
    return _connect(
        caller, PortHandle, PortName, SecurityQos, ClientView, RequiredServerSid, ServerView,
        MaxMessageLength, ConnectionInformation, ConnectionInformationLength,
    )  # fmt: skip


def _find(caller: Thread, name: In[UNICODE_STRING], required_sid: int) -> int:
    """A server's port by name, which the caller may connect to; raises NtError."""
    executive = caller.executive
    wanted = capture.sid(caller.memory, required_sid) if required_sid else b""
    attributes = ObjectAttributes(object_name(caller.memory, name.address))
    port, rest = executive.objects.lookup(attributes.name, OBJ_CASE_INSENSITIVE)
    if rest or executive.objects.type_of(port).name not in ("Port", "WaitablePort"):
        raise NtError(ntstatus.STATUS_OBJECT_TYPE_MISMATCH)
    if executive.ports.type_of(port) != SERVER_CONNECTION_PORT:
        raise NtError(ntstatus.STATUS_INVALID_PORT_HANDLE)
    executive.objects.check_access(port, PORT_CONNECT)
    view = executive.ports.view(port)
    if view.Flags & PORT_DESTROYED:
        raise NtError(ntstatus.STATUS_OBJECT_NAME_NOT_FOUND)
    server = EPROCESS(executive.kernel, view.ServerProcess)
    if wanted and executive.security.primary(server).user != wanted:
        raise NtError(ntstatus.STATUS_SERVER_SID_MISMATCH)
    return port


def _connect(
    caller: Thread,
    handle: Out[HANDLE],
    name: In[UNICODE_STRING],
    quality_at: In[SECURITY_QUALITY_OF_SERVICE],
    client_view: InOutOpt[PORT_SECTION_WRITE],
    required_sid: int,
    server_view: InOutOpt[PORT_SECTION_READ],
    max_length: OutOpt[ULONG],
    information: int,
    information_length: InOutOpt[ULONG],
) -> Outcome:
    executive, ports = caller.executive, caller.executive.ports
    handle.probe()
    max_length.probe()
    _check_remote(server_view)
    quality = capture.quality_of_service(caller.memory, quality_at.address)
    if quality.ImpersonationLevel > SecurityDelegation:
        return ntstatus.STATUS_BAD_IMPERSONATION_LEVEL
    room = 0
    if information_length:
        information_length.probe()
        room = information_length.read()
        caller.memory.probe(information, room, write=True)
    server = _find(caller, name, required_sid)
    size = min(room, ports.view(server).MaxConnectionInfoLength) if information else 0
    data = caller.memory.read(information, size)
    connection = Connection(client_view=_offered(caller, client_view))
    try:
        client = ports.create_communication_port(caller, CLIENT_COMMUNICATION_PORT, server)
    except NtError:
        connection.unmap()
        raise
    executive.objects.set_companion(client, connection)
    try:
        _remember_security(caller, client, quality)
    except NtError:
        connection.unmap()
        executive.objects.dereference(client)
        raise
    shared = connection.client_view
    number = ports.next_id()
    request = Message(
        msg.LPC_CONNECTION_REQUEST, data, (caller.pid, caller.tid), number,
        last=shared.size if shared is not None else 0,
    )  # fmt: skip
    ports.enqueue(server, request, client, 0)
    semaphore = ports.expect_reply(caller, server, number)
    ports.connecting[caller.ethread.address] = client
    places = (
        handle.address, client_view.address, server_view.address, max_length.address,
        information, information_length.address, room,
    )  # fmt: skip
    executive.waits.begin(caller, [semaphore], WAIT_ANY, None, reason=WR_LPC_REPLY)
    kept = [server, client] if shared is None else [server, client, shared.body]
    executive.waits.keep(caller, kept)
    executive.objects.dereference(client)  # the wait keeps it
    return Wait(_connected, places)


def _remember_security(
    caller: Thread, client: int, quality: SECURITY_QUALITY_OF_SERVICE
) -> None:
    """What the server may do in the client's name, and with which token."""
    view, security = caller.executive.ports.view(client), caller.executive.security
    view.SecurityQos.Length = SECURITY_QUALITY_OF_SERVICE.SIZE
    view.SecurityQos.ImpersonationLevel = quality.ImpersonationLevel
    view.SecurityQos.ContextTrackingMode = quality.ContextTrackingMode
    view.SecurityQos.EffectiveOnly = quality.EffectiveOnly
    if quality.ContextTrackingMode == STATIC_TRACKING:
        view.StaticSecurity.ClientToken = security.duplicate(
            security.effective(caller.ethread), TokenImpersonation, quality.ImpersonationLevel,
            effective_only=bool(quality.EffectiveOnly),
        )  # fmt: skip


def _connected(caller: Thread, status: int, places: tuple[int, ...]) -> Outcome:
    """The server has answered, or is gone."""
    executive, ports = caller.executive, caller.executive.ports
    handle, client_view, server_view, max_length, information, length_at, room = places
    client = ports.connecting.pop(caller.ethread.address)
    reply = ports.take_reply(caller)
    executive.objects.reference(client)
    executive.waits.release(caller)
    connection = executive.objects.companion(client, Connection)
    connected = False
    try:
        if status:
            return status
        memory = caller.memory
        if reply is not None and length_at:
            data = reply.data[:room]
            memory.write(information, data)
            memory.set_u32(length_at, len(data))
        if reply is None or not ports.view(client).ConnectedPort:
            return ntstatus.STATUS_PORT_CONNECTION_REFUSED
        _write_views(caller, client_view, server_view, connection)
        if max_length:
            memory.set_u32(max_length, ports.view(client).MaxMessageLength)
        opened = executive.objects.create_handle(
            caller.process.handles, client, PORT_ALL_ACCESS
        )
        memory.set_u32(handle, opened)
        connected = True
        return ntstatus.STATUS_SUCCESS
    finally:
        if not connected:
            connection.unmap()
        executive.objects.dereference(client)


def _write_views(
    caller: Thread, own_at: int, other_at: int, connection: Connection
) -> None:
    """Tell a client where its view is, on both sides, and where the server's is."""
    memory, own, other = caller.memory, connection.client_view, connection.server_view
    if own_at and own is not None:
        memory.set_u32(own_at + 12, own.size)
        memory.set_u32(own_at + 16, own.base)
        memory.set_u32(own_at + 20, own.remote_base)
    if other_at:
        memory.set_u32(other_at + 4, other.size if other is not None else 0)
        memory.set_u32(other_at + 8, other.remote_base if other is not None else 0)


@service()
def NtAcceptConnectPort(
    caller: Thread,
    ServerPortHandle: Out[HANDLE],
    AlternativeReceivePortHandle: ULONG,
    ConnectionReply: In[PORT_MESSAGE],
    AcceptConnection: BOOLEAN,
    ServerSharedMemory: InOutOpt[PORT_SECTION_WRITE],
    ClientSharedMemory: OutOpt[PORT_SECTION_READ],
) -> Outcome:
    """Take or refuse a client that wants to connect.

    AlternativeReceivePortHandle, as some headers call it, is the context that messages of this
    client come with; the handle itself where it is 0.
    """
    executive, ports = caller.executive, caller.executive.ports
    ServerPortHandle.probe()
    _check_remote(ClientSharedMemory)
    head = caller.memory.read(ConnectionReply.address, msg.HEADER.size)
    given = msg.unpack(head)
    thread = ports.waiting_thread(given.client, given.id)
    client = ports.connecting.get(thread.ethread.address)
    if client is None or ports.view(client).ConnectedPort:
        return ntstatus.STATUS_REPLY_MESSAGE_MISMATCH
    view = ports.view(client)
    server = view.ConnectionPort
    length = min(
        int.from_bytes(head[:2], "little"), ports.view(server).MaxConnectionInfoLength
    )
    data = caller.memory.read(ConnectionReply.address + msg.HEADER.size, length)
    reply = Message(msg.LPC_REPLY, data, given.client, given.id)
    if not AcceptConnection:
        ports.answer(thread, reply)
        return ntstatus.STATUS_SUCCESS
    connection = executive.objects.companion(client, Connection)
    connection.server_view = _offered(caller, ServerSharedMemory)
    if connection.server_view is not None:
        offered = connection.server_view
        offered.remote_base = offered.map_into(thread.process)
    if connection.client_view is not None:
        wanted = connection.client_view
        wanted.remote_base = wanted.map_into(caller.process)
    connection.reply = reply
    port = ports.create_communication_port(caller, SERVER_COMMUNICATION_PORT, server)
    made = ports.view(port)
    handle = executive.objects.create_handle(caller.process.handles, port, PORT_ALL_ACCESS)
    executive.objects.dereference(port)
    made.PortContext = AlternativeReceivePortHandle or handle
    made.ConnectedPort, view.ConnectedPort = client, port
    made.ClientThread = thread.ethread.address
    executive.objects.reference(thread.ethread.address)
    _tell_server(caller, ServerSharedMemory, ClientSharedMemory, connection)
    ServerPortHandle.write(handle)
    return ntstatus.STATUS_SUCCESS


def _tell_server(
    caller: Thread,
    own: InOutOpt[PORT_SECTION_WRITE],
    other: OutOpt[PORT_SECTION_READ],
    connection: Connection,
) -> None:
    memory, offered, wanted = caller.memory, connection.server_view, connection.client_view
    if own and offered is not None:
        memory.set_u32(own.address + 12, offered.size)
        memory.set_u32(own.address + 16, offered.base)
        memory.set_u32(own.address + 20, offered.remote_base)
    if other:
        memory.set_u32(other.address + 4, wanted.size if wanted is not None else 0)
        memory.set_u32(other.address + 8, wanted.remote_base if wanted is not None else 0)


@service()
def NtCompleteConnectPort(caller: Thread, PortHandle: HANDLE) -> Outcome:
    """Let the client go that was accepted."""
    executive, ports = caller.executive, caller.executive.ports
    port = port_of(caller, PortHandle)
    view = ports.view(port)
    if ports.type_of(port) != SERVER_COMMUNICATION_PORT:
        return ntstatus.STATUS_INVALID_PORT_HANDLE
    body, client = view.ClientThread, view.ConnectedPort
    if not body:
        return ntstatus.STATUS_INVALID_PARAMETER
    view.ClientThread = 0
    thread = executive.processes.threads[body]
    if thread.lpc_wait and client:
        connection = executive.objects.companion(client, Connection)
        if connection.reply is not None:
            ports.answer(thread, connection.reply)
    executive.objects.dereference(body)
    return ntstatus.STATUS_SUCCESS
