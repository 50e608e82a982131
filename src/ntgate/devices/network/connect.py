"""connect and ConnectEx: on a stream at once, unless the listener's backlog is full."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ntgate.devices.network import addresses as a
from ntgate.devices.network import codes
from ntgate.devices.network.socket import (
    CONNECTED,
    CONNECTING,
    LISTENING,
    UNCONNECTED,
    Socket,
)
from ntgate.devices.network.stream import connection
from ntgate.errors import NtError
from ntgate.layout import ntstatus as s
from ntgate.layout.sockets import AF_UNSPEC
from ntgate.layout.times import MILLISECOND

if TYPE_CHECKING:
    from ntgate.executive.io.request import Request

PARAMETERS = struct.Struct("<2I")  # size of the address, synchronous
PATIENCE = 1500  # ms that a caller waits for room in a backlog: three tries, half a second apart


class Caller:
    """A connect on its way; `request` is None where nobody waits for its answer."""

    def __init__(
        self, socket: Socket, target: a.Endpoint, data: bytes, request: Request | None
    ) -> None:
        self._socket = socket
        self._target = target
        self._data = data
        self._request = request
        self._listener: Socket | None = None
        self._timer = 0

    def call(self) -> bool:
        """Whether it is over: connected, or refused with NtError."""
        socket = self._socket
        listener = _listener(socket, self._target)
        if len(listener.backlog) >= listener.backlog_size:
            self._listener = listener
            return False
        local = socket.bound_to.plain
        if local.is_any:
            local = a.Endpoint(
                self._target.family, a.LOOPBACK[self._target.family], local.port
            )
        near, far = connection(
            local, self._target,
            socket.options.value("SO_RCVBUF"), listener.options.value("SO_RCVBUF"),
        )  # fmt: skip
        socket.connected(near)
        _tell(socket, s.STATUS_SUCCESS)
        listener.backlog.append(far)
        if self._data:
            near.send(self._data)
        listener.touch()
        return True

    def wait(self) -> None:
        """For room, as long as a caller tries."""
        assert self._listener is not None
        self._socket.state = CONNECTING
        self._socket.caller = self
        self._listener.callers.append(self)
        clock = self._socket.network.io.executive.clock
        due = clock.interrupt_time + PATIENCE * MILLISECOND
        self._timer = clock.set_timer(due, self._refused)
        if self._request is not None:
            self._request.pend(self.give_up)

    def admitted(self) -> None:
        """There is room, or the listener is gone."""
        self.give_up()
        try:
            status = s.STATUS_SUCCESS if self.call() else s.STATUS_CONNECTION_REFUSED
        except NtError as error:
            status = error.status
        self._end(status)

    def give_up(self) -> None:
        """Nobody wants the connection any more."""
        self._leave()
        self._socket.network.io.executive.clock.cancel(self._timer)

    def abandon(self) -> None:
        """The socket is closed; a request that waits is taken back by the I/O manager."""
        if self._request is None:
            self.give_up()

    def _leave(self) -> None:
        assert self._listener is not None
        self._listener.callers.remove(self)
        self._socket.caller = None
        self._socket.state = UNCONNECTED

    def _refused(self) -> None:
        self._leave()
        self._end(s.STATUS_CONNECTION_REFUSED)

    def _end(self, status: int) -> None:
        if status:
            _tell(self._socket, status)
        if self._request is not None:
            self._request.complete(status, 0 if status else len(self._data))
        self._socket.touch()


def connect(socket: Socket, request: Request, data: bytes) -> bytes | None:
    """The control: connect() or ConnectEx, which may send data with it; raises NtError."""
    if len(data) < PARAMETERS.size:
        raise NtError(s.STATUS_BUFFER_TOO_SMALL)
    size, synchronous = PARAMETERS.unpack_from(data)
    if len(data) - PARAMETERS.size < size:
        raise NtError(s.STATUS_BUFFER_TOO_SMALL)
    name = data[PARAMETERS.size : PARAMETERS.size + size]
    rest = data[PARAMETERS.size + size :]
    if not socket.is_stream:
        _connect_datagrams(socket, name)
        socket.touch()
        return b""
    if not synchronous and not socket.is_bound:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    _check_state(socket, synchronous=bool(synchronous))
    target = socket.target(a.parse(name))
    silent = bool(synchronous) and socket.nonblocking
    caller = Caller(socket, target, rest, None if silent else request)
    socket.events.again(codes.CONNECTED | codes.CONNECT_FAILED)
    socket.events.failed(codes.CONNECT_FAILED, s.STATUS_SUCCESS)
    status = s.STATUS_SUCCESS
    try:
        socket.bind_somewhere()
        a.check_reachable(target)
        if not caller.call():
            caller.wait()
            if silent:
                raise NtError(s.STATUS_DEVICE_NOT_READY)
            return None
    except NtError as error:
        status = error.status
        if status != s.STATUS_CONNECTION_REFUSED:
            raise
    if not synchronous:
        request.pend(lambda: None)
        request.complete(status, 0 if status else len(rest))
        socket.touch()
        return None
    if status:
        _tell(socket, status)
    socket.touch()
    if silent or status:
        raise NtError(s.STATUS_DEVICE_NOT_READY if silent else status)
    return b""


def _listener(socket: Socket, target: a.Endpoint) -> Socket:
    for one in socket.network.ports[socket.kind].at(target):
        if one.state == LISTENING:
            return one
    raise NtError(s.STATUS_CONNECTION_REFUSED)


def _tell(socket: Socket, status: int) -> None:
    """What a socket that is asked about its connect says from now on."""
    bit = codes.CONNECT_FAILED if status else codes.CONNECTED
    socket.events.failed(codes.CONNECT_FAILED, status)
    socket.events.update(bit)


def _check_state(socket: Socket, *, synchronous: bool) -> None:
    if socket.accepting is not None or socket.state == LISTENING:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    if socket.state == CONNECTING:
        status = s.STATUS_ADDRESS_ALREADY_ASSOCIATED
        raise NtError(status if synchronous else s.STATUS_INVALID_PARAMETER)
    if socket.state == CONNECTED:
        raise NtError(s.STATUS_CONNECTION_ACTIVE)


def _connect_datagrams(socket: Socket, name: bytes) -> None:
    """Send to one, and receive from one only; to nobody again with AF_UNSPEC or no address."""
    if int.from_bytes(name[:2], "little") == AF_UNSPEC:
        socket.remote = None
        return
    address = a.parse(name)
    target = socket.target(address)
    if target.is_any and not target.port:
        socket.remote = None
        return
    if not target.is_loopback:
        raise NtError(s.STATUS_NETWORK_UNREACHABLE)
    socket.bind_somewhere()
    if socket.local.is_any:
        own = a.Endpoint(target.family, a.LOOPBACK[target.family], socket.local.port)
        socket.local = own.seen_by(socket.family)
    socket.remote = address
    socket.events.update(codes.CONNECTED)
    socket.datagrams.keep_from(target)
