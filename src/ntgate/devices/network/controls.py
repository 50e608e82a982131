"""What programs ask of \\Device\\Afd, by control code."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from ntgate.devices.network import accept, codes, connect, options
from ntgate.devices.network import addresses as a
from ntgate.devices.network.buffers import Buffers
from ntgate.devices.network.events import WSAE
from ntgate.devices.network.socket import CONNECTED, LISTENING, Socket
from ntgate.devices.network.transfer import (
    MSG_OOB,
    MSG_PEEK,
    MSG_WAITALL,
    Wanted,
    receive,
    send,
)
from ntgate.devices.network.transmit import transmit
from ntgate.errors import NtError
from ntgate.layout import ntstatus as s
from ntgate.layout.access import EVENT_MODIFY_STATE
from ntgate.layout.sockets import (
    AF_INET,
    SOCK_DGRAM,
    SOCK_RAW,
    SOCK_STREAM,
    WSAEACCES,
    WSAEAFNOSUPPORT,
    WSAEPROTONOSUPPORT,
    WSAESOCKTNOSUPPORT,
)
from ntgate.layout.times import SECOND

if TYPE_CHECKING:
    from ntgate.executive.io.request import Request

Answer = bytes | int | None
Control = Callable[[Socket, "Request", bytes, int], Answer]

CREATE_PARAMETERS = struct.Struct("<4i")  # family, type, protocol, flags
INFORMATION = struct.Struct("<3i")  # the first three of them
RECV_PARAMETERS = struct.Struct("<4I")  # buffers, count, flags, flags of the message
RECVMSG_PARAMETERS = struct.Struct("<4QiIQ")  # control, address, its size, flags, force, buffers
SENDMSG_PARAMETERS = struct.Struct("<Q2IiIQ")  # address, its size, flags, force, buffers
LISTEN_PARAMETERS = struct.Struct("<IiI")
ACCEPT_PARAMETERS = struct.Struct("<3I")  # handle, size of the data, of the local name
EVENT_PARAMETERS = struct.Struct("<2I")
MESSAGE_PARAMETERS = struct.Struct("<4I")  # handle, window, message, events
KEEPALIVE_PARAMETERS = struct.Struct("<3I")  # on, time, interval
AFD_RECV_FORCE_ASYNC = 0x2
AFD_MSG_NOT_OOB, AFD_MSG_OOB, AFD_MSG_PEEK, AFD_MSG_WAITALL = 0x20, 0x40, 0x80, 0x4000
TDI_SEND_EXPEDITED = 0x20
_AFD_FLAGS = {AFD_MSG_OOB: MSG_OOB, AFD_MSG_PEEK: MSG_PEEK, AFD_MSG_WAITALL: MSG_WAITALL}
_BIND_LATER = (
    s.STATUS_INVALID_ADDRESS_COMPONENT, s.STATUS_SHARING_VIOLATION, s.STATUS_ACCESS_DENIED
)  # fmt: skip
NEVER_CONNECTED = 0xFFFFFFFF
INTERFACE_INFO = struct.Struct("<I24s24s24s")  # flags, address, broadcast, mask
IFF_UP, IFF_LOOPBACK, IFF_MULTICAST = 0x01, 0x04, 0x10
LOOPBACK_MASK = b"\xff\0\0\0"

PROTOCOLS = {SOCK_STREAM: (0, 6), SOCK_DGRAM: (0, 17)}  # IPPROTO_TCP, IPPROTO_UDP
FACILITY_WIN32 = 0xC007_0000


def control(socket: Socket, request: Request, code: int, data: bytes, room: int) -> Answer:
    """Carry one out; raises NtError."""
    if code == codes.POLL:
        return socket.network.polls.poll(request, data, room)
    if code == codes.CREATE:
        return _create(socket, request, data)
    if not socket.kind:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    one = _CONTROLS.get(code)
    if one is not None:
        return one(socket, request, data, room)
    return _option(socket, code, data, room)


def _create(socket: Socket, request: Request, data: bytes) -> bytes:
    if len(data) != CREATE_PARAMETERS.size:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    family, kind, protocol, _flags = CREATE_PARAMETERS.unpack(data)
    if kind == SOCK_RAW:
        raise _win32(WSAEACCES)
    if family < 0:
        raise _win32(WSAEAFNOSUPPORT)
    if kind and kind not in PROTOCOLS:
        raise _win32(WSAESOCKTNOSUPPORT)
    if family and family not in a.SIZES:
        raise _win32(WSAEAFNOSUPPORT)
    if protocol not in PROTOCOLS.get(kind, ()):
        raise _win32(WSAEPROTONOSUPPORT)
    if not family:
        raise _win32(WSAEAFNOSUPPORT)
    socket.create(family, kind, protocol, request.thread.pid)
    return b""


def _win32(error: int) -> NtError:
    """The NTSTATUS that RtlNtStatusToDosError makes that error of."""
    return NtError(FACILITY_WIN32 | error)


# Names.


def _bind(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    """An int that nobody knows, then the address; the answer is the address that it has."""
    if len(data) < 6 or room < len(data) - 4:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    address = a.parse(data[4:])
    try:
        socket.bind(address)
    except NtError as error:
        if error.status not in _BIND_LATER:
            raise
        return _later(request, error.status)
    name = socket.local.pack()
    return _later(request, s.STATUS_SUCCESS, name)


def _name(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    if not socket.is_bound:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    return _fit(socket.local.pack(), room)


def _peer(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    if socket.remote is None:
        raise NtError(s.STATUS_INVALID_CONNECTION)
    return _fit(socket.remote.pack(), room)


def _information(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    return _fit(INFORMATION.pack(socket.family, socket.kind, socket.protocol), room)


def _interfaces(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    """SIO_GET_INTERFACE_LIST; always answered later, also when the room is too small."""
    own = a.Endpoint(AF_INET, a.LOOPBACK[AF_INET], 0).pack()
    mask = a.Endpoint(AF_INET, LOOPBACK_MASK, 0).pack()
    row = INTERFACE_INFO.pack(IFF_UP | IFF_LOOPBACK | IFF_MULTICAST, own, b"", mask)
    if room < len(row):
        return _later(request, s.STATUS_BUFFER_TOO_SMALL)
    return _later(request, s.STATUS_SUCCESS, row)


# Connections.


def _listen(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    _, backlog, _ = _unpack(LISTEN_PARAMETERS, data, s.STATUS_INVALID_PARAMETER)
    accept.listen(socket, backlog)
    return b""


def _accept(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    return accept.accept(socket, request, room)


def _accept_into(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    handle, size, local = _unpack(ACCEPT_PARAMETERS, data, s.STATUS_BUFFER_TOO_SMALL)
    if room < size + local:
        raise NtError(s.STATUS_BUFFER_TOO_SMALL)
    accept.accept_into(socket, request, handle, (size, local, room - size - local))
    return None


def _connect(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    return connect.connect(socket, request, data)


def _defer(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    (handle,) = _unpack(struct.Struct("<I"), data, s.STATUS_BUFFER_TOO_SMALL)
    accept.defer(socket, request, handle)
    return b""


def _shutdown(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    (how,) = _unpack(struct.Struct("<I"), data, s.STATUS_BUFFER_TOO_SMALL)
    socket.shut_down(how)
    return b""


# Data.


def _recv(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    """IOCTL_AFD_RECV; MSG flags of its own."""
    if socket.is_stream and socket.state != CONNECTED:
        raise NtError(s.STATUS_INVALID_CONNECTION)
    array, count, how, given = _unpack(RECV_PARAMETERS, data, s.STATUS_INVALID_PARAMETER)
    if bool(given & AFD_MSG_OOB) == bool(given & AFD_MSG_NOT_OOB):
        raise NtError(s.STATUS_INVALID_PARAMETER)
    flags = sum(flag for bit, flag in _AFD_FLAGS.items() if given & bit)
    force = bool(how & AFD_RECV_FORCE_ASYNC)
    return receive(socket, request, Buffers.of(request, array, count), Wanted(flags), force=force)


def _send(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    """IOCTL_AFD_SEND, with the structure of a receive; what Wine's ws2_32 never uses."""
    array, count, how, given = _unpack(RECV_PARAMETERS, data, s.STATUS_INVALID_PARAMETER)
    content = Buffers.of(request, array, count).gather()
    force = bool(how & AFD_RECV_FORCE_ASYNC)
    flags = MSG_OOB if given & TDI_SEND_EXPEDITED else 0
    return send(socket, request, content, None, flags, force=force)


def _recvmsg(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    control_at, address, address_size, flags_at, force, count, array = _unpack(
        RECVMSG_PARAMETERS, data, s.STATUS_BUFFER_TOO_SMALL
    )
    if not count:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    flags = request.thread.process.memory.u32(flags_at)
    if address and not address_size:
        raise NtError(s.STATUS_ACCESS_VIOLATION)
    wanted = Wanted(flags, address, address_size, control_at, flags_at)
    return receive(
        socket, request, Buffers.of(request, array, count), wanted, force=bool(force)
    )


def _sendmsg(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    address, size, flags, force, count, array = _unpack(
        SENDMSG_PARAMETERS, data, s.STATUS_BUFFER_TOO_SMALL
    )
    to = None
    if address and not socket.is_stream:
        to = a.parse(request.thread.process.memory.read(address, min(size, a.LARGEST)))
    content = Buffers.of(request, array, count).gather()
    return send(socket, request, content, to, flags, force=bool(force))


def _transmit(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    transmit(socket, request, data)
    return None


def _readable(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    """FIONREAD: all that there is, also of datagrams."""
    count = socket.datagrams.available if socket.end is None else socket.end.available
    return _number(request, count, room)


def _at_mark(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    """SIOCATMARK, which on Windows tells whether no urgent data is there to read."""
    return _number(request, socket.end is None or not socket.end.urgent, room)


# Being told.


def _nonblocking(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    (on,) = _unpack(struct.Struct("<I"), data, s.STATUS_BUFFER_TOO_SMALL)
    if not on and socket.events.mask:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    socket.nonblocking = bool(on)
    return b""


def _event_select(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    handle, mask = _unpack(EVENT_PARAMETERS, data, s.STATUS_INVALID_PARAMETER)
    body = 0
    if handle or mask:
        try:
            body = request.thread.object(handle, "Event", EVENT_MODIFY_STATE)
        except NtError:
            raise NtError(s.STATUS_INVALID_PARAMETER) from None
    socket.nonblocking = True
    socket.events.select_event(body, mask)
    socket.touch()
    return b""


def _message_select(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    handle, window, message, mask = _unpack(
        MESSAGE_PARAMETERS, data, s.STATUS_BUFFER_TOO_SMALL
    )
    socket.nonblocking = True
    socket.events.select_message(window, message, handle, mask)
    socket.touch()
    return b""


def _get_events(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    if room < 4 + 4 * codes.EVENTS:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    return socket.events.fetch()


def _address_list_change(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    """The addresses of this machine never change."""
    (force,) = _unpack(struct.Struct("<I"), data, s.STATUS_BUFFER_TOO_SMALL)
    if socket.nonblocking and not force:
        raise NtError(s.STATUS_DEVICE_NOT_READY)
    request.pend(lambda: None)
    return None


def _complete(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    """End a request with a status that ring 3 has found: what it answers itself."""
    if len(data) != 4:
        raise NtError(s.STATUS_BUFFER_TOO_SMALL)
    status = int.from_bytes(data, "little")
    return _later(request, status) if status else 0


# Options.


def _option(socket: Socket, code: int, data: bytes, room: int) -> bytes:
    values = socket.options
    if code in options.GETS:
        return values.get(options.GETS[code], room)
    if code in options.SETS:
        option = options.SETS[code]
        if option.name == "IPV6_V6ONLY" and socket.is_bound:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        values.set(option, data)
        if option.name == "SO_OOBINLINE" and socket.end is not None:
            socket.end.take_inline(inline=bool(values.value("SO_OOBINLINE")))
        if option.name == "SO_RCVBUF" and socket.end is not None:
            socket.end.receive_room = values.value("SO_RCVBUF")
        return b""
    raise NtError(s.STATUS_NOT_SUPPORTED)


def _listening(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    return _fit(struct.pack("<I", socket.state == LISTENING), room)


def _error(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    """SO_ERROR, as a WSAE."""
    errors = socket.events.errors
    status = next((errors[bit] for bit in sorted(errors) if bit != codes.RESET), 0)
    return _fit(struct.pack("<I", WSAE.get(status, 0)), room)


def _connect_time(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    """Seconds since it was connected."""
    if socket.state != CONNECTED:
        return _fit(struct.pack("<I", NEVER_CONNECTED), room)
    passed = socket.network.io.executive.clock.interrupt_time - socket.connect_time
    return _fit(struct.pack("<I", passed // SECOND), room)


def _keep_alive(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    on, _, _ = _unpack(KEEPALIVE_PARAMETERS, data, s.STATUS_BUFFER_TOO_SMALL)
    socket.options.keep_alive(bool(on))
    return b""


def _get_ip_options(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    return socket.options.ip_options[:room]


def _set_ip_options(socket: Socket, request: Request, data: bytes, room: int) -> Answer:
    socket.options.ip_options = data
    return b""


def _fit(answer: bytes, room: int) -> bytes:
    if len(answer) > room:
        raise NtError(s.STATUS_BUFFER_TOO_SMALL)
    return answer


def _number(request: Request, value: int, room: int) -> int:
    """An answer that is not in the Information."""
    request.thread.process.memory.write(request.buffer, _fit(struct.pack("<I", value), room))
    return 0


def _later(request: Request, status: int, data: bytes = b"") -> Answer:
    """An answer for which the service returns STATUS_PENDING, although it is there."""
    request.pend(lambda: None)
    request.complete(status, len(data), data)
    return None


def _unpack(layout: struct.Struct, data: bytes, status: int) -> tuple[int, ...]:
    if len(data) < layout.size:
        raise NtError(status)
    return layout.unpack_from(data)


_CONTROLS: dict[int, Control] = {
    codes.BIND: _bind,
    codes.LISTEN: _listen,
    codes.RECV: _recv,
    codes.SEND: _send,
    codes.GETSOCKNAME: _name,
    codes.EVENT_SELECT: _event_select,
    codes.GET_EVENTS: _get_events,
    codes.ACCEPT: _accept,
    codes.ACCEPT_INTO: _accept_into,
    codes.CONNECT: _connect,
    codes.SHUTDOWN: _shutdown,
    codes.RECVMSG: _recvmsg,
    codes.SENDMSG: _sendmsg,
    codes.TRANSMIT: _transmit,
    codes.ADDRESS_LIST_CHANGE: _address_list_change,
    codes.FIONBIO: _nonblocking,
    codes.COMPLETE_ASYNC: _complete,
    codes.FIONREAD: _readable,
    codes.SIOCATMARK: _at_mark,
    codes.INTERFACE_LIST: _interfaces,
    codes.KEEPALIVE: _keep_alive,
    codes.MESSAGE_SELECT: _message_select,
    codes.GETPEERNAME: _peer,
    codes.DEFER: _defer,
    codes.GET_INFO: _information,
    codes.GET_ACCEPTCONN: _listening,
    codes.GET_ERROR: _error,
    codes.GET_CONNECT_TIME: _connect_time,
    options.GET_IP_OPTIONS: _get_ip_options,
    options.SET_IP_OPTIONS: _set_ip_options,
}
