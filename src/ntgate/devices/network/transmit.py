"""TransmitFile: something before a file, the file or a part of it, something behind it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ntgate.devices.network.socket import CONNECTED, SD_SEND, Socket
from ntgate.devices.network.transfer import send
from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.layout import ntstatus as s

if TYPE_CHECKING:
    from ntgate.executive.io.request import Request

# Offset, addresses of what comes before and behind, their sizes, the file, its size, ...
PARAMETERS = struct.Struct("<q2Q2I4I")
FILE_POINTER = -2  # an offset: go on where the file stands
TF_DISCONNECT = 0x01


def transmit(socket: Socket, request: Request, data: bytes) -> None:
    """The control, always answered later: how many bytes were sent."""
    if len(data) < PARAMETERS.size:
        raise NtError(s.STATUS_BUFFER_TOO_SMALL)
    if socket.state != CONNECTED:
        raise NtError(s.STATUS_INVALID_CONNECTION)
    offset, head, tail, head_size, tail_size, handle, size, _, flags = PARAMETERS.unpack_from(data)
    memory = request.thread.process.memory
    content = memory.read(head, head_size)
    if handle:
        content += _file(request, handle, offset, size)
    content += memory.read(tail, tail_size)
    answer = send(socket, request, content, None, 0, force=True)
    if flags & TF_DISCONNECT:
        socket.shut_down(SD_SEND)
    if answer is not None:
        request.pend(lambda: None)
        request.complete(s.STATUS_SUCCESS, answer)


def _file(request: Request, handle: int, offset: int, size: int) -> bytes:
    """A part of a file; size 0: up to its end."""
    file = request.io.file(request.thread.object(handle, "File", c.FILE_READ_DATA))
    if not file.positioned:
        raise NtError(s.STATUS_NOT_IMPLEMENTED)
    at = file.object.CurrentByteOffset if offset == FILE_POINTER else offset
    length = min(size or file.size, max(0, file.size - at))
    if not length:
        return b""
    found = file.read(request, at, length)
    if found is None:
        raise NtError(s.STATUS_NOT_IMPLEMENTED)
    if offset == FILE_POINTER:
        file.object.CurrentByteOffset = at + len(found)
    return found
