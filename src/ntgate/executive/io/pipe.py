"""Pipes: instances with two ends, as NPFS has them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io import information_class as i
from ntgate.executive.io.held import HeldBytes
from ntgate.executive.io.open_file import Create, OpenFile
from ntgate.executive.io.pipe_client import DEFAULT, PipeClient
from ntgate.executive.io.pipe_queue import PipeQueue
from ntgate.layout import ntstatus as s
from ntgate.layout.access import MAXIMUM_ALLOWED
from ntgate.layout.io import FILE_OBJECT, FO_NAMED_PIPE

if TYPE_CHECKING:
    from ntgate.executive.io.manager import Device
    from ntgate.executive.io.request import Request
    from ntgate.executive.ps.thread import Thread

DISCONNECTED, LISTENING, CONNECTED, CLOSING = 1, 2, 3, 4
INBOUND, OUTBOUND, FULL_DUPLEX = range(3)
BYTE_STREAM, MESSAGE = 0, 1
QUEUE_OPERATION, COMPLETE_OPERATION = 0, 1
CLIENT, SERVER = 0, 1
UNLIMITED_INSTANCES = 255

FSCTL_PIPE_DISCONNECT  = 0x110004
FSCTL_PIPE_LISTEN      = 0x110008
FSCTL_PIPE_PEEK        = 0x11400C
FSCTL_PIPE_TRANSCEIVE  = 0x11C017
FSCTL_PIPE_WAIT        = 0x110018
FSCTL_PIPE_IMPERSONATE = 0x11001C
FSCTL_PIPE_GET_CONNECTION_ATTRIBUTE = 0x110030  # newer than XP
PEEK_HEADER = 16

# What an end answers in a state in which nothing can be read or written.
_READ_FAILS = {
    DISCONNECTED: s.STATUS_PIPE_DISCONNECTED,
    LISTENING: s.STATUS_PIPE_LISTENING,
    CLOSING: s.STATUS_PIPE_BROKEN,
}
_WRITE_FAILS = {
    DISCONNECTED: s.STATUS_PIPE_DISCONNECTED,
    LISTENING: s.STATUS_PIPE_LISTENING,
    CLOSING: s.STATUS_PIPE_CLOSING,
}


class Pipe:
    """What all instances of a name share; quotas in bytes, the timeout in NT's form."""

    def __init__(
        self, name: str, configuration: int, pipe_type: int, maximum: int, inbound: int,
        outbound: int, timeout: int, security: bytes, held: HeldBytes,
    ) -> None:  # fmt: skip
        self.name = name  # with its backslash; "" for one without a name
        self.configuration = configuration
        self.pipe_type = pipe_type
        self.maximum = maximum
        self.inbound = inbound
        self.outbound = outbound
        self.timeout = timeout
        self.security = security  # a self-relative descriptor
        self.held = held
        self.instances: list[Instance] = []
        self.listens: Callable[[], None] = lambda: None  # an instance has begun to
        self.ended: Callable[[], object] = lambda: None  # the last instance is closed

    def listening(self) -> Instance | None:
        """The instance that has listened for longest."""
        return next((one for one in self.instances if one.state == LISTENING), None)


class Instance:
    """A server's end and, while it is connected, a client's.  `queues` by who reads.

    `processes` has the ids of the client's process, 0 while there was none, and the server's.
    """

    def __init__(self, pipe: Pipe, server_process: int) -> None:
        self.pipe = pipe
        self.state = LISTENING
        self.listeners: list[Request] = []
        self.ends: list[PipeEnd | None] = [None, None]
        self.queues: list[PipeQueue] = []
        self.processes = [0, server_process]
        self.client: PipeClient | None = None
        self._new_queues()
        pipe.instances.append(self)

    def _new_queues(self) -> None:
        messages = self.pipe.pipe_type == MESSAGE
        self.queues = [
            PipeQueue(self.pipe.outbound, self.pipe.held, messages=messages),
            PipeQueue(self.pipe.inbound, self.pipe.held, messages=messages),
        ]

    def connect(self, end: PipeEnd, thread: Thread, client: PipeClient | None) -> None:
        """A thread opens the other end; `client` is None for a pipe without a name."""
        self.ends[CLIENT] = end
        self.processes[CLIENT] = thread.pid
        self.client = client
        if client is not None:
            self.queues[SERVER].was_read = client.was_read
        self.state = CONNECTED
        self._answer_listeners(s.STATUS_SUCCESS)

    def impersonate(self, thread: Thread) -> None:
        """Let the server's thread act as the client; raises STATUS_CANNOT_IMPERSONATE."""
        if self.client is None:
            raise NtError(s.STATUS_CANNOT_IMPERSONATE)
        self.client.impersonate(thread)

    def _forget_client(self) -> None:
        if self.client is not None:
            self.client.release()
            self.client = None
            self.queues[SERVER].was_read = lambda _token: None

    def disconnect(self) -> None:
        """FSCTL_PIPE_DISCONNECT: what was not read is lost."""
        self._answer_listeners(s.STATUS_PIPE_DISCONNECTED)
        self._forget_client()
        self.processes[CLIENT] = 0
        self.state = DISCONNECTED
        for queue in self.queues:
            queue.break_readers(s.STATUS_PIPE_DISCONNECTED)
            queue.discard(s.STATUS_PIPE_DISCONNECTED)
        client = self.ends[CLIENT]
        if client is not None:
            client.state = DISCONNECTED
            self.ends[CLIENT] = None

    def _answer_listeners(self, status: int) -> None:
        listeners, self.listeners = self.listeners, []
        for request in listeners:
            request.complete(status)

    def listen(self) -> None:
        """After a disconnect: ready for the next client, behind those that are already."""
        self._new_queues()
        self.state = LISTENING
        self.pipe.instances.remove(self)
        self.pipe.instances.append(self)
        self.pipe.listens()

    def close(self, side: int) -> None:
        """An end is closed: the other one may read what there is, and no more."""
        self.ends[side] = None
        mine, others = self.queues[side], self.queues[1 - side]
        mine.break_readers(s.STATUS_PIPE_BROKEN)
        mine.discard(s.STATUS_PIPE_BROKEN)
        others.break_readers(s.STATUS_PIPE_BROKEN)
        if self.state == CONNECTED:
            self.state = CLOSING
        if side == SERVER:
            self._forget_client()
            self._answer_listeners(s.STATUS_PIPE_BROKEN)
            self.pipe.instances.remove(self)
            self.state = CLOSING
            if not self.pipe.instances:
                self.pipe.ended()


class PipeEnd(OpenFile):
    """One end; `side` is CLIENT or SERVER.  A disconnected client keeps that state."""

    def __init__(
        self, file: FILE_OBJECT, device: Device, access: int, instance: Instance, side: int,
        read_mode: int = BYTE_STREAM, completion_mode: int = QUEUE_OPERATION,
    ) -> None:  # fmt: skip
        super().__init__(file, device, access)
        self.instance = instance
        self.side = side
        self.read_mode = read_mode
        self.completion_mode = completion_mode
        self.state: int | None = None
        file.Flags |= FO_NAMED_PIPE
        instance.ends[side] = self

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.instance.pipe.name

    @property
    def object_name(self) -> str:
        if not self.name:
            raise NtError(s.STATUS_OBJECT_PATH_INVALID)
        return super().object_name

    @property
    def security(self) -> bytes:
        """Of the pipe, whichever end is asked; a client that was disconnected has none."""
        self._check_connected()
        return self.instance.pipe.security

    @security.setter
    def security(self, descriptor: bytes) -> None:
        self._check_connected()
        self.instance.pipe.security = descriptor

    def _check_connected(self) -> None:
        if self.state is not None:
            raise NtError(s.STATUS_PIPE_DISCONNECTED)

    @property
    def pipe_state(self) -> int:
        return self.state or self.instance.state

    @property
    def _incoming(self) -> PipeQueue:
        return self.instance.queues[self.side]

    @property
    def _outgoing(self) -> PipeQueue:
        return self.instance.queues[1 - self.side]

    @property
    def _blocks(self) -> bool:
        return self.completion_mode == QUEUE_OPERATION

    # Bytes and messages.

    def read(self, request: Request, offset: int, size: int) -> bytes | None:
        return self._read(request, size, message=self.read_mode == MESSAGE)

    def _read(self, request: Request, size: int, *, message: bool) -> bytes | None:
        state = self.pipe_state
        if state not in (CONNECTED, CLOSING):
            raise NtError(_READ_FAILS[state])
        queue = self._incoming
        if not queue.is_empty:
            request.status, data = queue.read(size, message=message)
            return data
        if state == CLOSING:
            raise NtError(s.STATUS_PIPE_BROKEN)
        if not self._blocks:
            raise NtError(s.STATUS_PIPE_EMPTY)
        queue.wait(request, size, message=message)
        return None

    def write(self, request: Request, offset: int, data: bytes) -> int | None:
        if self.pipe_state != CONNECTED:
            raise NtError(_WRITE_FAILS[self.pipe_state])
        queue, token = self._outgoing, self._token(request)
        if queue.accepts(len(data)):
            queue.write(data, token)
            return len(data)
        if self._blocks:
            queue.write_waiting(data, request, token)
            return None
        # What waits for it takes its part; the rest would have to wait.
        if queue.messages:
            return 0
        part = data[: queue.wanted]
        queue.write(part, token)
        return len(part)

    def _token(self, request: Request) -> int:
        """What tells the server as whom a client writes."""
        client = self.instance.client if self.side == CLIENT else None
        return client.writes(request.thread) if client is not None else 0

    def flush(self, request: Request) -> int | None:
        """Waits until the other end has read."""
        self._check_connected()
        return self._outgoing.flush(request) if self.pipe_state == CONNECTED else 0

    # Control.

    def file_control(self, request: Request, code: int, data: bytes, room: int) -> bytes | None:
        if code == FSCTL_PIPE_PEEK:
            return self._peek(request, room)
        if code == FSCTL_PIPE_TRANSCEIVE:
            return self._transceive(request, data, room)
        if code == FSCTL_PIPE_IMPERSONATE and self.side == SERVER:
            self.instance.impersonate(request.thread)
            return b""
        if code == FSCTL_PIPE_LISTEN:
            return self._listen(request)
        if code == FSCTL_PIPE_GET_CONNECTION_ATTRIBUTE:
            return self._attribute(data, room)
        if code == FSCTL_PIPE_DISCONNECT:
            return self._disconnect()
        raise NtError(s.STATUS_INVALID_DEVICE_REQUEST)

    def _listen(self, request: Request) -> bytes | None:
        instance = self.instance
        if self.side != SERVER:
            raise NtError(s.STATUS_ILLEGAL_FUNCTION)
        if instance.state == CONNECTED:
            raise NtError(s.STATUS_PIPE_CONNECTED)
        if instance.state == CLOSING:
            raise NtError(s.STATUS_PIPE_CLOSING)
        if instance.state == DISCONNECTED:
            instance.listen()
        if not self._blocks:
            raise NtError(s.STATUS_PIPE_LISTENING)
        instance.listeners.append(request)
        request.pend(lambda: instance.listeners.remove(request))
        return None

    def _attribute(self, data: bytes, room: int) -> bytes:
        """The id of the process at one of the ends, as a DWORD."""
        self._check_connected()
        sides = {b"ClientProcessId": CLIENT, b"ServerProcessId": SERVER}
        side = sides.get(data.partition(b"\0")[0])
        if side is None or not self.instance.processes[side]:
            raise NtError(s.STATUS_NOT_FOUND)
        if room < struct.calcsize("<I"):
            raise NtError(s.STATUS_BUFFER_TOO_SMALL)
        return struct.pack("<I", self.instance.processes[side])

    def _disconnect(self) -> bytes:
        if self.side != SERVER:
            raise NtError(s.STATUS_ILLEGAL_FUNCTION)
        if self.instance.state == DISCONNECTED:
            raise NtError(s.STATUS_PIPE_DISCONNECTED)
        self.instance.disconnect()
        return b""

    def _peek(self, request: Request, room: int) -> bytes:
        if room < PEEK_HEADER:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        state, queue = self.pipe_state, self._incoming
        self._check_connected()
        if state in (DISCONNECTED, LISTENING):
            raise NtError(s.STATUS_INVALID_PIPE_STATE)
        if state == CLOSING and queue.is_empty:
            raise NtError(s.STATUS_PIPE_BROKEN)
        message = queue.messages
        data = queue.peek(room - PEEK_HEADER, message=message)
        count, length = (queue.count, queue.first_length) if queue.messages else (0, 0)
        if message and len(data) < length:
            request.status = s.STATUS_BUFFER_OVERFLOW
        return struct.pack("<4I", state, queue.available, count, length) + data

    def _transceive(self, request: Request, data: bytes, room: int) -> bytes | None:
        """Write a message and read the answer."""
        self._check_connected()
        if self.pipe_state != CONNECTED:
            raise NtError(s.STATUS_INVALID_PIPE_STATE)
        if self.read_mode != MESSAGE:
            raise NtError(s.STATUS_INVALID_READ_MODE)
        if not self._incoming.is_empty:
            raise NtError(s.STATUS_PIPE_BUSY)
        self._outgoing.write(data, self._token(request))
        return self._read(request, room, message=True)

    # Information.

    def query(self, information_class: int) -> bytes:
        self._check_connected()
        pipe = self.instance.pipe
        if information_class == i.FileNameInformation:
            name = pipe.name.encode("utf-16-le", "surrogatepass")
            return struct.pack("<I", len(name)) + name
        if information_class == i.FilePipeInformation:
            return struct.pack("<2I", self.read_mode, self.completion_mode)
        if information_class == i.FilePipeLocalInformation:
            return struct.pack(
                "<10I", pipe.pipe_type, pipe.configuration, pipe.maximum, len(pipe.instances),
                pipe.inbound, self._incoming.available, pipe.outbound, self._outgoing.room,
                self.pipe_state, self.side,
            )  # fmt: skip
        if information_class == i.FileStandardInformation:
            return struct.pack("<2QI2Bxx", pipe.inbound, self._incoming.available, 1, 0, 0)
        if information_class == i.FileBasicInformation:
            return struct.pack("<4QIxxxx", 0, 0, 0, 0, c.FILE_ATTRIBUTE_NORMAL)
        if information_class == i.FileInternalInformation:
            return struct.pack("<Q", self.object.address)
        if information_class == i.FileEaInformation:
            return bytes(4)
        raise NtError(s.STATUS_INVALID_PARAMETER)

    def set(self, information_class: int, data: bytes, other: OpenFile | None) -> None:
        if information_class != i.FilePipeInformation:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        self._check_connected()
        read_mode, completion_mode = struct.unpack_from("<2I", data)
        if read_mode > MESSAGE or completion_mode > COMPLETE_OPERATION:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        if read_mode == MESSAGE and self.instance.pipe.pipe_type != MESSAGE:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        self.read_mode, self.completion_mode = read_mode, completion_mode

    def cleanup(self) -> None:
        if self.state is None:
            self.instance.close(self.side)


def connect_client(
    instance: Instance, create: Create, file: FILE_OBJECT, device: Device, thread: Thread
) -> PipeEnd:
    """A client's end of an instance that listens, for a thread; raises STATUS_ACCESS_DENIED."""
    security = thread.executive.security
    pipe = instance.pipe
    configuration = pipe.configuration
    asked = create.access | (MAXIMUM_ALLOWED if create.maximum else 0)
    granted = security.check_file(pipe.security, asked) if asked else 0
    denied = {INBOUND: c.FILE_READ_DATA, OUTBOUND: c.FILE_WRITE_DATA}.get(configuration, 0)
    if create.access & denied:
        raise NtError(s.STATUS_ACCESS_DENIED)
    create.access = granted & ~denied
    client = PipeClient(security, create.quality or DEFAULT, thread) if pipe.name else None
    end = PipeEnd(file, device, create.access, instance, CLIENT)
    instance.connect(end, thread, client)
    return end
