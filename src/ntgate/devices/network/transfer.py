"""Sending and receiving, on streams and of datagrams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.devices.network import addresses as a
from ntgate.devices.network import codes
from ntgate.devices.network.ancillary import control_data
from ntgate.devices.network.buffers import WSABUF, Buffers
from ntgate.devices.network.datagrams import LARGEST_DATAGRAM, Datagram
from ntgate.devices.network.socket import CONNECTED, Socket
from ntgate.devices.network.waiting import Waiting
from ntgate.errors import NtError
from ntgate.layout import ntstatus as s
from ntgate.layout.sockets import AF_INET, AF_INET6
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.executive.io.request import Request

MSG_OOB, MSG_PEEK, MSG_WAITALL, MSG_CTRUNC, MSG_PARTIAL = 0x1, 0x2, 0x8, 0x200, 0x8000

HOPS = {AF_INET: ("IP_TTL", "IP_TOS"), AF_INET6: ("IPV6_UNICAST_HOPS", "IP_TOS")}


@dataclass(frozen=True, slots=True)
class Wanted:
    """How to receive, and where to tell more, or 0: the sender's name and its size, what came
    beside the data (a WSABUF), the flags of the message.
    """

    flags: int = 0
    address: int = 0
    address_size: int = 0
    control: int = 0
    flags_at: int = 0


class Receive(Waiting):
    """A receive."""

    def __init__(
        self, socket: Socket, request: Request, buffers: Buffers, wanted: Wanted
    ) -> None:
        super().__init__(request)
        self._socket = socket
        self._buffers = buffers
        self._wanted = wanted
        self._peek = bool(wanted.flags & MSG_PEEK)
        self._got = 0  # bytes, of a MSG_WAITALL

    def attempt(self) -> int | None:
        socket = self._socket
        if not socket.is_stream:
            return self._datagram()
        if socket.state != CONNECTED:
            raise NtError(s.STATUS_INVALID_CONNECTION)
        return self._urgent() if self._wanted.flags & MSG_OOB else self._stream()

    def _stream(self) -> int | None:
        end = self._socket.end
        assert end is not None
        if end.reset:
            raise NtError(s.STATUS_CONNECTION_RESET)
        left = self._buffers.size - self._got
        data = end.take(left, peek=self._peek)
        self._buffers.scatter(data, self._got)
        self._got += len(data)
        if self._got == self._buffers.size and (self._got or end.available):
            return self._got
        if self._got and not self._wanted.flags & MSG_WAITALL:
            return self._got
        return self._got if end.ended else None

    def _urgent(self) -> int | None:
        end = self._socket.end
        assert end is not None
        if end.urgent_inline:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        if end.reset:
            raise NtError(s.STATUS_CONNECTION_RESET)
        data = end.take_urgent(peek=self._peek)[: self._buffers.size]
        self._buffers.scatter(data)
        return len(data) or None

    def _datagram(self) -> int | None:
        socket = self._socket
        queue = socket.datagrams
        if queue.refused:
            queue.refused = False
            raise NtError(s.STATUS_PORT_UNREACHABLE)
        if not len(queue):
            return None
        datagram = queue.take(peek=self._peek)
        data = datagram.data[: self._buffers.size]
        self._buffers.scatter(data)
        if self._wanted.address:
            self._name(datagram.source.seen_by(socket.family))
        if len(datagram.data) > len(data) or not self._beside(datagram):
            self.status = s.STATUS_BUFFER_OVERFLOW
        return len(data)

    def _beside(self, datagram: Datagram) -> bool:
        """Whether there was room for what the socket wants to know of it."""
        if not self._wanted.control:
            return True
        memory = self.request.thread.process.memory
        size, buffer = WSABUF.unpack(memory.read(self._wanted.control, WSABUF.size))
        content = control_data(self._socket, datagram)
        fits = len(content) <= int(size)
        if fits:
            memory.write(buffer, content)
        else:
            flags = memory.u32(self._wanted.flags_at)
            memory.set_u32(self._wanted.flags_at, flags | MSG_CTRUNC)
        memory.set_u32(self._wanted.control, len(content) if fits else 0)
        return fits

    def _name(self, source: a.Endpoint) -> None:
        memory = self.request.thread.process.memory
        name = source.pack()
        room = memory.u32(self._wanted.address_size)
        if room < len(name):
            raise NtError(s.STATUS_BUFFER_TOO_SMALL)
        memory.write(self._wanted.address, name)
        memory.set_u32(self._wanted.address_size, len(name))


class Send(Waiting):
    """A send on a stream: all of it, as soon as the sender's buffer takes more.

    Without such a buffer (SO_SNDBUF 0) it waits until the receiver's has taken it; not so where
    nothing may wait.
    """

    def __init__(
        self, socket: Socket, request: Request, data: bytes, *, urgent: bool, may_wait: bool
    ) -> None:
        super().__init__(request)
        self._socket = socket
        self._data = data
        self._urgent = urgent
        self._unbuffered = may_wait and not socket.options.value("SO_SNDBUF")
        self._is_sent = False

    def attempt(self) -> int | None:
        end = self._socket.end
        if end is None:
            raise NtError(s.STATUS_INVALID_CONNECTION)
        if end.reset:
            raise NtError(s.STATUS_CONNECTION_RESET)
        if end.unsent >= self._socket.send_room:
            return None
        if not self._is_sent:
            self._is_sent = True
            if self._urgent and self._data:
                end.send_urgent(self._data)
            else:
                end.send(self._data)
        return None if self._unbuffered and end.unsent else len(self._data)

    def withdrawn(self) -> None:
        self._socket.touch()


def receive(
    socket: Socket, request: Request, buffers: Buffers, wanted: Wanted, *, force: bool
) -> int | None:
    """Receive now or later; `force`: it may wait on a socket that doesn't block, and for ever."""
    if not socket.is_stream and not socket.is_bound:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    if socket.receive_shut:
        raise NtError(s.STATUS_PIPE_DISCONNECTED)
    if wanted.flags & MSG_PEEK and wanted.flags & MSG_WAITALL:
        raise NtError(s.STATUS_NOT_SUPPORTED)
    buffers.probe_for_write()
    urgent = wanted.flags & MSG_OOB
    socket.events.again(codes.OOB if urgent else codes.READ)
    queue = socket.urgent_receives if urgent else socket.receives
    timeout = 0 if force else socket.options.value("SO_RCVTIMEO")
    try:
        one = Receive(socket, request, buffers, wanted)
        return one.run(queue, timeout, may_wait=force or not socket.nonblocking)
    finally:
        socket.touch()


def send(
    socket: Socket, request: Request, data: bytes, to: a.Endpoint | None, flags: int, *,
    force: bool,
) -> int | None:  # fmt: skip
    """Send now or later."""
    if flags & ~(MSG_OOB | MSG_PARTIAL):
        raise NtError(s.STATUS_NOT_SUPPORTED)
    if socket.send_shut:
        raise NtError(s.STATUS_PIPE_DISCONNECTED)
    if not socket.is_stream:
        return send_datagram(socket, data, to)
    if socket.state != CONNECTED:
        raise NtError(s.STATUS_INVALID_CONNECTION)
    may_wait = force or not socket.nonblocking
    one = Send(socket, request, data, urgent=bool(flags & MSG_OOB), may_wait=may_wait)
    timeout = 0 if force else socket.options.value("SO_SNDTIMEO")
    try:
        return one.run(socket.sends, timeout, may_wait=may_wait)
    except NtError as error:
        if error.status == s.STATUS_DEVICE_NOT_READY:
            socket.events.again(codes.WRITE)
        raise


def send_datagram(socket: Socket, data: bytes, to: a.Endpoint | None) -> int:
    """To who has the port, if anybody has; raises NtError for an address that can't be."""
    if to is None and socket.remote is None:
        raise NtError(s.STATUS_INVALID_CONNECTION)
    named = socket.remote if to is None else to
    assert named is not None
    target = socket.target(named)
    if len(data) > LARGEST_DATAGRAM:
        raise NtError(s.STATUS_BUFFER_OVERFLOW)
    if target.is_broadcast and not socket.options.value("SO_BROADCAST"):
        raise NtError(s.STATUS_ACCESS_DENIED)
    a.check_reachable(target)
    socket.bind_somewhere()
    source = socket.bound_to.plain
    if source.is_any:
        source = a.Endpoint(target.family, a.LOOPBACK[target.family], source.port)
    for receiver in socket.network.ports[socket.kind].at(target):
        expected = receiver.remote.plain if receiver.remote is not None else source
        if expected == source and not receiver.receive_shut:
            room = receiver.options.value("SO_RCVBUF")
            hops, traffic_class = (socket.options.value(name) for name in HOPS[socket.family])
            receiver.datagrams.put(Datagram(source, target, data, hops, traffic_class), room)
            receiver.touch()
            break
    else:
        if socket.remote is not None and to is None:
            socket.datagrams.refused = True
            socket.touch()
    return len(data)
