"""A host stream as an open file: what a program's standard handles are."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io import information_class as i
from ntgate.executive.io.manager import IoManager
from ntgate.executive.io.open_file import STANDARD_OF_DEVICE, Create, OpenFile
from ntgate.executive.io.pipe import (
    BYTE_STREAM,
    COMPLETE_OPERATION,
    CONNECTED,
    FSCTL_PIPE_PEEK,
    FULL_DUPLEX,
    QUEUE_OPERATION,
    SERVER,
)
from ntgate.executive.io.request import Request
from ntgate.layout import ntstatus as s
from ntgate.layout.io import FILE_OBJECT

if TYPE_CHECKING:
    from ntgate.executive.ps.thread import Process

PEEK_HEADER = struct.Struct("<4I")  # FILE_PIPE_PEEK_BUFFER up to its data
PIPE_QUOTA = 0x1000


class ByteDevice(Protocol):
    """A device without positions: `devices/` has the kinds."""

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; b"" at the end."""
        ...

    def write(self, data: bytes) -> int:
        """How many bytes were taken."""
        ...

    def peek(self) -> bytes | None:
        """What a read would give without waiting, left where it is; None at the end."""
        ...

    def wait(self, seconds: float | None) -> bool:
        """Wait that long for something to read, with None for ever; whether a read would not."""
        ...


class Consoles(Protocol):
    """The driver of consoles, as processes begin and end with it."""

    def start(self, process: Process, streams: Sequence[ByteDevice]) -> tuple[int, list[int]]:
        """The ConsoleHandle and the standard handles of the run's first process."""
        ...

    def inherit(self, process: Process, parent: Process, handle: int) -> int:
        """The ConsoleHandle of a child that was given one of its parent's."""
        ...

    def process_ended(self, process: Process) -> None:
        """It has closed its handles."""
        ...


class StreamOpener:
    """Opens the one stream that it was made for."""

    def __init__(self, io: IoManager, stream: ByteDevice) -> None:
        self._io = io
        self._stream = stream

    def open(self, create: Create, file: FILE_OBJECT) -> OpenFile:
        return StreamFile(file, self._io, create.access, self._stream)


def open_stream(io: IoManager, stream: ByteDevice) -> int:
    """The body of a file object on a stream, as a program inherits it from its parent."""
    create = Create("", c.FILE_ALL_ACCESS, options=c.FILE_SYNCHRONOUS_IO_NONALERT)
    return io.attach(io.pipes, StreamOpener(io, stream), create)


class StreamFile(OpenFile):
    """One open file on a host stream."""

    def __init__(
        self, file: FILE_OBJECT, io: IoManager, access: int, stream: ByteDevice
    ) -> None:
        super().__init__(file, io.pipes, access)
        self.stream = stream
        self._reads = io.stream_reads
        self._completion_mode = QUEUE_OPERATION

    def read(self, request: Request, offset: int, size: int) -> bytes | None:
        if self._completion_mode == COMPLETE_OPERATION and self.stream.peek() == b"":
            raise NtError(s.STATUS_PIPE_EMPTY)
        return self._reads.read(self.stream, size, request)

    def write(self, request: Request, offset: int, data: bytes) -> int | None:
        return self.stream.write(data)

    def file_control(self, request: Request, code: int, data: bytes, room: int) -> bytes | None:
        if code != FSCTL_PIPE_PEEK:
            raise NtError(s.STATUS_INVALID_DEVICE_REQUEST)
        if room < PEEK_HEADER.size:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        found = self.stream.peek()
        if found is None:
            raise NtError(s.STATUS_PIPE_BROKEN)
        header = PEEK_HEADER.pack(CONNECTED, len(found), 0, 0)
        return header + found[: room - PEEK_HEADER.size]

    def query(self, information_class: int) -> bytes:
        if information_class == i.FileStandardInformation:
            return STANDARD_OF_DEVICE
        if information_class == i.FilePipeInformation:
            return struct.pack("<2I", BYTE_STREAM, self._completion_mode)
        if information_class == i.FilePipeLocalInformation:
            return struct.pack(
                "<10I", 0, FULL_DUPLEX, 1, 1, PIPE_QUOTA, 0, PIPE_QUOTA, PIPE_QUOTA,
                CONNECTED, SERVER,
            )  # fmt: skip
        raise NtError(s.STATUS_INVALID_PARAMETER)

    def set(self, information_class: int, data: bytes, other: OpenFile | None) -> None:
        if information_class != i.FilePipeInformation:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        read_mode, completion_mode = struct.unpack_from("<2I", data)
        if read_mode != BYTE_STREAM or completion_mode > COMPLETE_OPERATION:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        self._completion_mode = completion_mode
