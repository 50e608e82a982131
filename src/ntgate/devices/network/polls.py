"""IOCTL_AFD_POLL, which select and WSAPoll are made of: wait until a socket of several is ready."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ntgate.devices.network import codes
from ntgate.devices.network.socket import Socket
from ntgate.errors import NtError
from ntgate.layout import ntstatus as s
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.executive.io.manager import IoManager
    from ntgate.executive.io.request import Request

HEADER = struct.Struct("<qI?3x")  # timeout in NT's form, count, exclusive
ROW = struct.Struct("<3I")  # handle, events, status
FOR_EVER = 0x7FFF_FFFF_FFFF_FFFF


@dataclass(eq=False, slots=True)
class Poll:
    """One that waits; the rows are (socket, handle, events)."""

    request: Request
    timeout: int
    exclusive: bool
    rows: list[tuple[Socket, int, int]]
    timer: int | None = None


class Polls:
    """Those of a machine, by the sockets that they wait for.

    A socket's main poll is the one that began to wait when it had none.
    """

    def __init__(self, io: IoManager) -> None:
        self._io = io
        self._waiting: dict[Socket, list[Poll]] = {}
        self._main: dict[Socket, Poll] = {}

    def poll(self, request: Request, data: bytes, room: int) -> bytes | None:
        """The ready ones of the sockets, at once or later; raises NtError."""
        if len(data) < HEADER.size or room < len(data):
            raise NtError(s.STATUS_INVALID_PARAMETER)
        timeout, count, exclusive = HEADER.unpack_from(data)
        if not count or len(data) < HEADER.size + count * ROW.size:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        poll = Poll(request, timeout, exclusive, [])
        for number in range(count):
            handle, events, _ = ROW.unpack_from(data, HEADER.size + number * ROW.size)
            poll.rows.append((socket_of(request, handle, 0), handle, events))
        if exclusive:
            self._supersede(poll)
        answer = _ready(poll.rows)
        if answer or not timeout:
            return _pack(poll, answer)
        self._wait(poll)
        return None

    def update(self, socket: Socket) -> None:
        """Something may have changed for a socket."""
        for poll in list(self._waiting.get(socket, ())):
            answer = _ready([row for row in poll.rows if row[0] is socket])
            if answer:
                self._complete(poll, s.STATUS_SUCCESS, answer[:1])

    def closed(self, socket: Socket) -> None:
        """Its last handle is closed: whoever waits for it is told."""
        for poll in list(self._waiting.get(socket, ())):
            answer = [
                (handle, codes.CLOSE, 0) for other, handle, _ in poll.rows if other is socket
            ]
            self._complete(poll, s.STATUS_SUCCESS, answer)

    def _supersede(self, poll: Poll) -> None:
        """An exclusive poll ends the exclusive one that is a socket's main one."""
        for socket, _, _ in poll.rows:
            main = self._main.get(socket)
            if main is not None and main.exclusive:
                self._complete(main, s.STATUS_SUCCESS, [])

    def _wait(self, poll: Poll) -> None:
        for socket in {row[0]: None for row in poll.rows}:
            self._waiting.setdefault(socket, []).append(poll)
            self._main.setdefault(socket, poll)
        poll.request.pend(lambda: self._forget(poll))
        if poll.timeout != FOR_EVER:
            clock = self._io.executive.clock
            due = clock.due_time(poll.timeout)
            poll.timer = clock.set_timer(due, lambda: self._expired(poll))

    def _expired(self, poll: Poll) -> None:
        poll.timer = None
        self._complete(poll, s.STATUS_TIMEOUT, [])

    def _forget(self, poll: Poll) -> None:
        if poll.timer is not None:
            self._io.executive.clock.cancel(poll.timer)
        for socket in {row[0]: None for row in poll.rows}:
            polls = self._waiting[socket]
            polls.remove(poll)
            if self._main.get(socket) is poll:
                del self._main[socket]
            if not polls:
                del self._waiting[socket]

    def _complete(self, poll: Poll, status: int, answer: list[tuple[int, int, int]]) -> None:
        self._forget(poll)
        data = _pack(poll, answer)
        poll.request.complete(status, len(data), data)


def _ready(rows: list[tuple[Socket, int, int]]) -> list[tuple[int, int, int]]:
    """Handle, events and status of those in which something holds that is waited for."""
    found = []
    for socket, handle, events in rows:
        ready = socket.ready() & events
        if ready:
            status = socket.events.errors.get(codes.CONNECT_FAILED, 0)
            found.append((handle, ready, status if ready & codes.CONNECT_FAILED else 0))
    return found


def socket_of(request: Request, handle: int, access: int) -> Socket:
    """The socket that a handle of the requester's names; raises NtError."""
    file = request.io.file(request.thread.object(handle, "File", access))
    if not isinstance(file, Socket):
        raise NtError(s.STATUS_OBJECT_TYPE_MISMATCH)
    return file


def _pack(poll: Poll, answer: list[tuple[int, int, int]]) -> bytes:
    head = HEADER.pack(poll.timeout, len(answer), poll.exclusive)
    return head + b"".join(ROW.pack(*row) for row in answer)
