"""Object ids of files: sixteen bytes that no other file of the volume has, and where it was born.

FILE_OBJECTID_BUFFER is the id and 48 bytes that go with it: the ids of the volume, of the file
and of its domain when it got the first one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io.tree import OBJECT_ID_SIZE
from ntgate.layout import ntstatus as s

if TYPE_CHECKING:
    from ntgate.executive.io.disk_file import DiskFile

FSCTL_SET_OBJECT_ID           = 0x090098
FSCTL_GET_OBJECT_ID           = 0x09009C
FSCTL_DELETE_OBJECT_ID        = 0x0900A0
FSCTL_SET_OBJECT_ID_EXTENDED  = 0x0900BC
FSCTL_CREATE_OR_GET_OBJECT_ID = 0x0900C0

CONTROLS = frozenset({
    FSCTL_SET_OBJECT_ID, FSCTL_GET_OBJECT_ID, FSCTL_DELETE_OBJECT_ID,
    FSCTL_SET_OBJECT_ID_EXTENDED, FSCTL_CREATE_OR_GET_OBJECT_ID,
})  # fmt: skip
BUFFER_SIZE = 0x40
EXTENDED_SIZE = BUFFER_SIZE - OBJECT_ID_SIZE


def control(file: DiskFile, code: int, data: bytes, room: int) -> bytes:
    """One of CONTROLS; raises NtError."""
    node = file.node
    if code in (FSCTL_GET_OBJECT_ID, FSCTL_CREATE_OR_GET_OBJECT_ID):
        return _get(file, room)
    if not file.access & (c.FILE_WRITE_DATA | c.FILE_WRITE_ATTRIBUTES):
        raise NtError(s.STATUS_ACCESS_DENIED)
    node.check_writable()
    if code == FSCTL_DELETE_OBJECT_ID:
        file.volume.tree.object_ids.pop(node.object_id[:OBJECT_ID_SIZE], None)
        node.object_id = b""
    elif code == FSCTL_SET_OBJECT_ID_EXTENDED:
        if len(data) != EXTENDED_SIZE:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        if not node.object_id:
            raise NtError(s.STATUS_OBJECTID_NOT_FOUND)
        node.object_id = node.object_id[:OBJECT_ID_SIZE] + data
    else:
        _set(file, data)
    return b""


def _get(file: DiskFile, room: int) -> bytes:
    """The buffer of a file, made where there is none yet.

    NT's FSCTL_GET_OBJECT_ID finds none then.  Wine 8.0's CopyFile tells by it whether source
    and target are one file, and would destroy that.
    """
    if room < BUFFER_SIZE:
        raise NtError(s.STATUS_BUFFER_TOO_SMALL)
    if not file.node.object_id:
        made = file.volume.new_object_id()
        _give(file, made + bytes(OBJECT_ID_SIZE) + made + bytes(OBJECT_ID_SIZE))
    return file.node.object_id


def _set(file: DiskFile, data: bytes) -> None:
    """For programs that restore files, which must hold the privilege."""
    guard = file.volume.guard
    if guard is not None and not guard.restores_files():
        raise NtError(s.STATUS_ACCESS_DENIED)
    if len(data) != BUFFER_SIZE or not any(data[:OBJECT_ID_SIZE]):
        raise NtError(s.STATUS_INVALID_PARAMETER)
    if file.node.object_id:
        raise NtError(s.STATUS_OBJECT_NAME_COLLISION)
    if data[:OBJECT_ID_SIZE] in file.volume.tree.object_ids:
        raise NtError(s.STATUS_DUPLICATE_NAME)
    _give(file, data)


def _give(file: DiskFile, buffer: bytes) -> None:
    file.node.object_id = buffer
    file.volume.tree.object_ids[buffer[:OBJECT_ID_SIZE]] = file.node
