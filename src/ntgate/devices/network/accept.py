"""listen, accept and AcceptEx."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.devices.network import codes
from ntgate.devices.network.addresses import SIZES
from ntgate.devices.network.polls import socket_of
from ntgate.devices.network.socket import (
    CONNECTED,
    CONNECTIONLESS,
    LISTENING,
    Socket,
)
from ntgate.devices.network.stream import StreamEnd
from ntgate.devices.network.waiting import Waiting
from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.layout import ntstatus as s
from ntgate.memory.user import AccessViolation

if TYPE_CHECKING:
    from ntgate.executive.io.request import Request

SOMAXCONN = 200  # the longest backlog
HANDLE_SIZE = LENGTH_SIZE = 4
INTO_ACCESS = c.FILE_READ_DATA | c.FILE_READ_ATTRIBUTES | c.FILE_WRITE_ATTRIBUTES


def listen(socket: Socket, backlog: int) -> None:
    """Let others connect; raises NtError."""
    if not socket.is_bound or socket.state == CONNECTED:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    if socket.state == CONNECTIONLESS:
        raise NtError(s.STATUS_NOT_SUPPORTED)
    socket.state = LISTENING
    socket.backlog_size = min(max(backlog, 1), SOMAXCONN)
    socket.touch()


def next_end(listener: Socket) -> StreamEnd | None:
    """The connection that has waited for longest."""
    if not listener.backlog:
        return None
    listener.events.again(codes.ACCEPTABLE)
    return listener.backlog.popleft()


class AcceptNew(Waiting):
    """An accept that makes a socket, and answers its handle."""

    def __init__(self, listener: Socket, request: Request) -> None:
        super().__init__(request)
        self._listener = listener

    def attempt(self) -> int | None:
        end = next_end(self._listener)
        if end is None:
            return None
        handle = self._listener.network.adopt(self._listener, end, self.request.thread.process)
        memory = self.request.thread.process.memory
        memory.set_u32(self.request.buffer, handle)
        self._listener.touch()
        return HANDLE_SIZE


class Accept(Waiting):
    """An accept into a socket that is there, with the first data and both names."""

    def __init__(
        self, listener: Socket, into: Socket, request: Request, sizes: tuple[int, int, int]
    ) -> None:
        super().__init__(request)
        self._listener = listener
        self._into = into
        self._sizes = sizes  # of data, local name, remote name
        self._accepted = False

    def attempt(self) -> int | None:
        if self._listener.backlog and not self._names_fit():
            self._into.accepting = None
            raise NtError(s.STATUS_BUFFER_TOO_SMALL)
        end = next_end(self._listener)
        if end is None:
            return None
        self._into.connected(end)
        self._listener.touch()
        self._into.touch()
        if self._sizes[0]:
            self._listener.accepts.popleft()
            self.request.cancel_routine = self.withdrawn
            self._accepted = True
            return None
        self._into.accepting = None
        return self._answer()

    def _names_fit(self) -> bool:
        """The local name may be left out."""
        needed = LENGTH_SIZE + SIZES[self._listener.family]
        _, local, remote = self._sizes
        return remote >= needed and (not local or local >= needed)

    def data_came(self) -> None:
        """Complete it once there is something to receive."""
        end = self._into.end
        if not self._accepted or end is None:
            return
        if end.reset:
            self._end(s.STATUS_CONNECTION_RESET, 0)
        elif end.available or end.finished:
            try:
                self._end(s.STATUS_SUCCESS, self._answer())
            except AccessViolation as error:
                self._end(error.status, 0)

    def give_up(self) -> None:
        """The socket that is accepted into is closed."""
        if self.request.irp:
            self.request.cancel()

    def withdrawn(self) -> None:
        self._into.accepting = None

    def _end(self, status: int, information: int) -> None:
        self._into.accepting = None
        self.request.complete(status, information)

    def _answer(self) -> int:
        end = self._into.end
        assert end is not None and self._into.remote is not None
        size, local, remote = self._sizes
        memory, at = self.request.thread.process.memory, self.request.buffer
        data = end.take(size)
        memory.write(at, data)
        for name, place, room in (
            (self._into.local, at + size, local),
            (self._into.remote, at + size + local, remote),
        ):
            packed = name.pack()
            if room:
                memory.write(place, len(packed).to_bytes(LENGTH_SIZE, "little") + packed)
        return len(data)


def accept(listener: Socket, request: Request, room: int) -> int | None:
    """accept(): the handle of a new socket."""
    if room != HANDLE_SIZE:
        raise NtError(s.STATUS_BUFFER_TOO_SMALL)
    if listener.state != LISTENING:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    one = AcceptNew(listener, request)
    try:
        return one.run(listener.accepts, 0, may_wait=not listener.nonblocking)
    finally:
        listener.touch()


def accept_into(
    listener: Socket, request: Request, handle: int, sizes: tuple[int, int, int]
) -> None:
    """AcceptEx: always completed later; raises NtError."""
    into = socket_of(request, handle, INTO_ACCESS)
    if sizes[2] < LENGTH_SIZE or listener.state != LISTENING:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    if into.is_bound or into.accepting is not None or not into.is_stream:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    one = into.accepting = Accept(listener, into, request, sizes)
    one.wait(listener.accepts)
    listener.touch()


def defer(listener: Socket, request: Request, handle: int) -> None:
    """Put what was accepted as a socket back, to be accepted again."""
    end = socket_of(request, handle, 0).disconnect()
    if end is None:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    listener.backlog.appendleft(end)
    listener.touch()
