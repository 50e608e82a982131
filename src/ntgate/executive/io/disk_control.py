"""File-system controls of the volume's files: reparse points, compression, sparse ranges."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io import notify, object_ids, oplocks, reparse, volume_control
from ntgate.executive.io.disk_information import COMPRESSION_FORMAT_LZNT1
from ntgate.executive.io.request import Request
from ntgate.executive.io.source import Policy
from ntgate.executive.io.tree import Directory
from ntgate.layout import ntstatus as s

if TYPE_CHECKING:
    from ntgate.executive.io.disk_file import DiskFile

FSCTL_GET_COMPRESSION         = 0x09003C
FSCTL_SET_COMPRESSION         = 0x09C040
FSCTL_SET_REPARSE_POINT       = 0x0900A4
FSCTL_GET_REPARSE_POINT       = 0x0900A8
FSCTL_DELETE_REPARSE_POINT    = 0x0900AC
FSCTL_SET_SPARSE              = 0x0900C4
FSCTL_SET_ZERO_DATA           = 0x0980C8
FSCTL_QUERY_ALLOCATED_RANGES  = 0x0940CF

COMPRESSION_FORMAT_DEFAULT = 1
RANGE = struct.Struct("<2q")  # FILE_ZERO_DATA_INFORMATION, FILE_ALLOCATED_RANGE_BUFFER


def control(
    file: DiskFile, request: Request, code: int, data: bytes, room: int
) -> bytes | None:
    """NtFsControlFile; the answer fits into `room`.  Raises NtError."""
    if code in object_ids.CONTROLS:
        return object_ids.control(file, code, data, room)
    of_volume = volume_control.control(file.volume, file.entry, code, room)
    if of_volume is not None:
        return of_volume
    if code == FSCTL_GET_REPARSE_POINT:
        return _get_reparse(file, request, room)
    if code == FSCTL_SET_REPARSE_POINT:
        return _set_reparse(file, data)
    if code == FSCTL_DELETE_REPARSE_POINT:
        return _delete_reparse(file, data)
    if code == FSCTL_GET_COMPRESSION:
        return _get_compression(file, room)
    if code == FSCTL_SET_COMPRESSION:
        return _set_compression(file, data)
    if file.is_directory:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    if code in oplocks.CONTROLS:
        return _oplock(file, request, code)
    if code == FSCTL_SET_SPARSE:
        return _set_sparse(file, data)
    if code == FSCTL_SET_ZERO_DATA:
        return _zero(file, data)
    if code == FSCTL_QUERY_ALLOCATED_RANGES:
        return _ranges(file, data, request, room)
    raise NtError(s.STATUS_INVALID_DEVICE_REQUEST)


def _oplock(file: DiskFile, request: Request, code: int) -> bytes | None:
    stream = file.stream
    if stream.oplock is None:
        stream.oplock = oplocks.Oplock(stream)
    return stream.oplock.ask(file, request, code)


# Reparse points.


def _get_reparse(file: DiskFile, request: Request, room: int) -> bytes:
    if not room:
        raise NtError(s.STATUS_INVALID_USER_BUFFER)
    point = file.node.reparse
    if point is None:
        raise NtError(s.STATUS_NOT_A_REPARSE_POINT)
    if room < point.header_size:
        raise NtError(s.STATUS_BUFFER_TOO_SMALL)
    if room < len(point.buffer):
        request.status = s.STATUS_BUFFER_OVERFLOW
    return point.buffer[:room]


def _set_reparse(file: DiskFile, data: bytes) -> bytes:
    _check_writable(file)
    point = reparse.parse(data)
    node = file.node
    node.check_writable()
    if node.policy is Policy.WRITE_THROUGH:
        file.volume.tell.denied(file.name, "a folder of the host's takes no reparse points")
        raise NtError(s.STATUS_INVALID_DEVICE_REQUEST)
    if file.entry.directory is None:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    if point.tag == reparse.IO_REPARSE_TAG_MOUNT_POINT and not node.is_directory:
        raise NtError(s.STATUS_NOT_A_DIRECTORY)
    if isinstance(node, Directory) and node.children:
        raise NtError(s.STATUS_DIRECTORY_NOT_EMPTY)
    if node.eas:
        raise NtError(s.STATUS_EAS_NOT_SUPPORTED)
    if node.reparse is not None:
        node.reparse.check_same(point)
    node.reparse = point
    return _told(file)


def _delete_reparse(file: DiskFile, data: bytes) -> bytes:
    _check_writable(file)
    if file.node.reparse is None:
        raise NtError(s.STATUS_NOT_A_REPARSE_POINT)
    file.node.reparse.check_same(reparse.parse_deletion(data))
    file.node.check_writable()
    file.node.reparse = None
    return _told(file)


def _told(file: DiskFile) -> bytes:
    """An attribute of the file has changed."""
    file.node.metadata.change = file.volume.tree.now()
    file.volume.notifier.report(
        file.entry, notify.FILE_NOTIFY_CHANGE_ATTRIBUTES, notify.FILE_ACTION_MODIFIED
    )
    return b""


# Compression: the state is kept, and no data takes less room by it.


def _get_compression(file: DiskFile, room: int) -> bytes:
    if room < struct.calcsize("<H"):
        raise NtError(s.STATUS_BUFFER_TOO_SMALL)
    compressed = file.node.metadata.attributes & c.FILE_ATTRIBUTE_COMPRESSED
    return struct.pack("<H", COMPRESSION_FORMAT_LZNT1 if compressed else 0)


def _set_compression(file: DiskFile, data: bytes) -> bytes:
    if len(data) < struct.calcsize("<H"):
        raise NtError(s.STATUS_INVALID_PARAMETER)
    (wanted,) = struct.unpack_from("<H", data)
    if wanted not in (0, COMPRESSION_FORMAT_DEFAULT, COMPRESSION_FORMAT_LZNT1):
        raise NtError(s.STATUS_INVALID_PARAMETER)
    file.node.check_writable()
    if wanted:
        file.node.metadata.attributes |= c.FILE_ATTRIBUTE_COMPRESSED
    else:
        file.node.metadata.attributes &= ~c.FILE_ATTRIBUTE_COMPRESSED
    return _told(file)


# Sparse files.


def _check_writable(file: DiskFile) -> None:
    if not file.access & (c.FILE_WRITE_DATA | c.FILE_WRITE_ATTRIBUTES):
        raise NtError(s.STATUS_ACCESS_DENIED)


def _set_sparse(file: DiskFile, data: bytes) -> bytes:
    """Every file here takes memory for what was written alone; the attribute says who asked."""
    _check_writable(file)
    file.node.check_writable()
    metadata = file.node.metadata
    if not data or data[0]:
        metadata.attributes |= c.FILE_ATTRIBUTE_SPARSE_FILE
    else:
        metadata.attributes &= ~c.FILE_ATTRIBUTE_SPARSE_FILE
    return b""


def _zero(file: DiskFile, data: bytes) -> bytes:
    """Zeros from FileOffset to BeyondFinalZero, within the file."""
    _check_writable(file)
    if len(data) < RANGE.size:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    start, end = RANGE.unpack_from(data)
    if not 0 <= start <= end:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    file.zero(start, min(end, file.stream.size))
    return b""


def _ranges(file: DiskFile, data: bytes, request: Request, room: int) -> bytes:
    """What was written between an offset and a length, cluster by cluster."""
    if len(data) < RANGE.size:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    start, length = RANGE.unpack_from(data)
    if start < 0 or length < 0:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    end = min(start + length, file.stream.size)
    if start >= end:
        return b""
    if not file.node.metadata.attributes & c.FILE_ATTRIBUTE_SPARSE_FILE:
        return _fit([(start, end)], request, room)
    return _fit(file.stream.ranges(start, end), request, room)


def _fit(ranges: list[tuple[int, int]], request: Request, room: int) -> bytes:
    fitting = room // RANGE.size
    if ranges and not fitting:
        raise NtError(s.STATUS_BUFFER_TOO_SMALL)
    if len(ranges) > fitting:
        request.status = s.STATUS_BUFFER_OVERFLOW
    return b"".join(RANGE.pack(start, end - start) for start, end in ranges[:fitting])
