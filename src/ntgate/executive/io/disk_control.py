"""File-system controls of the volume's files: object ids, reparse points, sparse ranges."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io.content import CLUSTER
from ntgate.layout import ntstatus as s

if TYPE_CHECKING:
    from ntgate.executive.io.disk_file import DiskFile

FSCTL_LOCK_VOLUME             = 0x090018
FSCTL_UNLOCK_VOLUME           = 0x09001C
FSCTL_IS_VOLUME_MOUNTED       = 0x090028
FSCTL_GET_COMPRESSION         = 0x09003C
FSCTL_SET_COMPRESSION         = 0x09C040
FSCTL_GET_OBJECT_ID           = 0x09009C
FSCTL_SET_REPARSE_POINT       = 0x0900A4
FSCTL_GET_REPARSE_POINT       = 0x0900A8
FSCTL_DELETE_REPARSE_POINT    = 0x0900AC
FSCTL_CREATE_OR_GET_OBJECT_ID = 0x0900C0
FSCTL_SET_SPARSE              = 0x0900C4
FSCTL_SET_ZERO_DATA           = 0x0980C8
FSCTL_QUERY_ALLOCATED_RANGES  = 0x0940CF

FILE_ATTRIBUTE_SPARSE_FILE = 0x200
OBJECT_ID_BUFFER = 0x40  # FILE_OBJECTID_BUFFER: the id and three birth ids of 16 bytes
RANGE = struct.Struct("<2q")  # FILE_ZERO_DATA_INFORMATION, FILE_ALLOCATED_RANGE_BUFFER
ZERO_CHUNK = 0x100000


def control(file: DiskFile, code: int, data: bytes, room: int) -> bytes:
    """NtFsControlFile; the answer fits into `room`.  Raises NtError."""
    if code in (FSCTL_GET_OBJECT_ID, FSCTL_CREATE_OR_GET_OBJECT_ID):
        return _object_id(file, room)
    if code == FSCTL_GET_REPARSE_POINT:
        raise NtError(s.STATUS_NOT_A_REPARSE_POINT if room else s.STATUS_INVALID_USER_BUFFER)
    if code == FSCTL_DELETE_REPARSE_POINT:
        raise NtError(s.STATUS_NOT_A_REPARSE_POINT)
    if code == FSCTL_SET_REPARSE_POINT:
        file.volume.tell.denied(file.name, "a reparse point can't be made")
        raise NtError(s.STATUS_ACCESS_DENIED)
    if code in (FSCTL_IS_VOLUME_MOUNTED, FSCTL_LOCK_VOLUME, FSCTL_UNLOCK_VOLUME):
        return b""
    if code == FSCTL_GET_COMPRESSION:
        if room < 2:
            raise NtError(s.STATUS_BUFFER_TOO_SMALL)
        return bytes(2)
    if code == FSCTL_SET_COMPRESSION:
        if len(data) < 2:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        return b""
    if file.is_directory:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    if code == FSCTL_SET_SPARSE:
        return _set_sparse(file, data)
    if code == FSCTL_SET_ZERO_DATA:
        return _zero(file, data)
    if code == FSCTL_QUERY_ALLOCATED_RANGES:
        return _ranges(file, data, room)
    raise NtError(s.STATUS_INVALID_DEVICE_REQUEST)


def _object_id(file: DiskFile, room: int) -> bytes:
    """The volume's serial number and the file's: two opens of one file agree."""
    if room < OBJECT_ID_BUFFER:
        raise NtError(s.STATUS_BUFFER_TOO_SMALL)
    return struct.pack("<2Q", file.node.file_id, file.volume.serial).ljust(
        OBJECT_ID_BUFFER, b"\0"
    )


def _check_writable(file: DiskFile) -> None:
    if not file.access & (c.FILE_WRITE_DATA | c.FILE_WRITE_ATTRIBUTES):
        raise NtError(s.STATUS_ACCESS_DENIED)


def _set_sparse(file: DiskFile, data: bytes) -> bytes:
    """Every file here takes memory for what was written alone; the attribute says who asked."""
    _check_writable(file)
    file.node.check_writable()
    metadata = file.node.metadata
    if not data or data[0]:
        metadata.attributes |= FILE_ATTRIBUTE_SPARSE_FILE
    else:
        metadata.attributes &= ~FILE_ATTRIBUTE_SPARSE_FILE
    return b""


def _zero(file: DiskFile, data: bytes) -> bytes:
    """Zeros from FileOffset to BeyondFinalZero, within the file."""
    _check_writable(file)
    if len(data) < RANGE.size:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    start, end = RANGE.unpack_from(data)
    if not 0 <= start <= end:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    end = min(end, file.stream.size)
    while start < end:
        part = min(end - start, ZERO_CHUNK)
        file.put(start, bytes(part))
        start += part
    return b""


def _ranges(file: DiskFile, data: bytes, room: int) -> bytes:
    """What is not known to be zeros between an offset and a length, cluster by cluster."""
    if len(data) < RANGE.size:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    start, length = RANGE.unpack_from(data)
    if start < 0 or length < 0:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    end = min(start + length, file.stream.size)
    if start >= end:
        return b""
    if not file.node.metadata.attributes & FILE_ATTRIBUTE_SPARSE_FILE:
        return _fit([(start, end)], room)
    found: list[tuple[int, int]] = []
    position = start
    while position < end:
        following = min((position // CLUSTER + 1) * CLUSTER, end)
        if any(file.stream.read(position, following - position)):
            if found and found[-1][1] == position:
                found[-1] = (found[-1][0], following)
            else:
                found.append((position, following))
        position = following
    return _fit(found, room)


def _fit(ranges: list[tuple[int, int]], room: int) -> bytes:
    if room < RANGE.size * len(ranges):
        raise NtError(s.STATUS_BUFFER_TOO_SMALL)
    return b"".join(RANGE.pack(start, end - start) for start, end in ranges)
