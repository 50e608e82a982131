r"""The driver of \Device\Afd: one network for the machine, and its sockets."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ntgate.devices.network.buffers import Buffers
from ntgate.devices.network.controls import Answer, control
from ntgate.devices.network.nsi import attach_tables
from ntgate.devices.network.polls import Polls
from ntgate.devices.network.ports import Ports
from ntgate.devices.network.socket import Socket
from ntgate.devices.network.stream import StreamEnd
from ntgate.devices.network.transfer import Wanted, receive, send
from ntgate.executive.io import constants as c
from ntgate.executive.io.constants import FILE_DEVICE_NAMED_PIPE
from ntgate.executive.io.manager import Device, IoManager
from ntgate.executive.io.open_file import Create, OpenFile
from ntgate.executive.ob.attributes import OBJ_INHERIT
from ntgate.layout.io import FILE_OBJECT, FO_HANDLE_CREATED
from ntgate.layout.sockets import SOCK_DGRAM, SOCK_STREAM

if TYPE_CHECKING:
    from ntgate.executive.io.request import Request
    from ntgate.executive.ps.thread import Process

NAME = "\\Device\\Afd"


class Network:
    """The opener, and what all sockets share.

    A change of one socket often changes others: `touch` puts them in a queue, so that each is seen
    to after what is going on, in the order in which they were touched.
    """

    device: Device

    def __init__(self, io: IoManager) -> None:
        self.io = io
        self.ports = {SOCK_STREAM: Ports(), SOCK_DGRAM: Ports()}
        self.polls = Polls(io)
        self.sockets: dict[Socket, None] = {}  # the created ones, the oldest first
        self._touched: deque[Socket] = deque()
        self._settling = False

    def open(self, create: Create, file: FILE_OBJECT) -> OpenFile:
        create.take_maximum()
        return Socket(file, self, create.access)

    def touch(self, socket: Socket) -> None:
        """See what has become possible for a socket."""
        if socket not in self._touched:
            self._touched.append(socket)
        if self._settling:
            return
        self._settling = True
        try:
            while self._touched:
                self._touched.popleft().settle()
        finally:
            self._settling = False

    def adopt(self, listener: Socket, end: StreamEnd, process: Process) -> int:
        """A process's handle to a new socket with that end of a connection; raises NtError."""
        mode = c.FILE_SYNCHRONOUS_IO_NONALERT if listener.synchronous else 0
        create = Create("", listener.access, options=mode)
        body = self.io.attach(self.device, self, create)
        socket = self.io.objects.companion(body, Socket)
        socket.create(listener.family, listener.kind, listener.protocol, process.pid)
        socket.options = listener.options.copy()
        socket.nonblocking = listener.nonblocking
        handle = self.io.objects.create_handle(
            process.handles, body, create.access, OBJ_INHERIT
        )
        socket.object.Flags |= FO_HANDLE_CREATED
        self.io.objects.dereference(body)
        socket.connected(end)
        socket.events.inherit(listener.events, handle)
        socket.touch()
        return handle

    # What a socket does as a file.

    @staticmethod
    def read(socket: Socket, request: Request, size: int) -> int | None:
        return receive(socket, request, Buffers.single(request, size), Wanted(), force=True)

    @staticmethod
    def write(socket: Socket, request: Request, data: bytes) -> int | None:
        return send(socket, request, data, None, 0, force=True)

    @staticmethod
    def control(
        socket: Socket, request: Request, code: int, data: bytes, room: int
    ) -> Answer:
        return control(socket, request, code, data, room)


def attach_sockets(io: IoManager) -> None:
    network = Network(io)
    network.device = io.create_device(
        io.create_driver("\\Driver\\AFD"), NAME, FILE_DEVICE_NAMED_PIPE, network
    )
    attach_tables(io, network)
