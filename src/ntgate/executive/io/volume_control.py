"""File-system controls of the volume as a whole, by whichever file: its size and journal."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.io.content import CLUSTER
from ntgate.executive.io.disk_information import text
from ntgate.executive.io.tree import Entry
from ntgate.layout import ntstatus as s
from ntgate.layout.io import SECTOR_SIZE

if TYPE_CHECKING:
    from ntgate.executive.io.volume import Volume

FSCTL_LOCK_VOLUME               = 0x090018
FSCTL_UNLOCK_VOLUME             = 0x09001C
FSCTL_IS_VOLUME_MOUNTED         = 0x090028
FSCTL_GET_NTFS_VOLUME_DATA      = 0x090064
FSCTL_READ_FILE_USN_DATA        = 0x0900EB
FSCTL_WRITE_USN_CLOSE_RECORD    = 0x0900EF
FSCTL_READ_USN_JOURNAL          = 0x0900BB
FSCTL_QUERY_USN_JOURNAL         = 0x0900F4

_NOTHING_TO_DO = frozenset({FSCTL_LOCK_VOLUME, FSCTL_UNLOCK_VOLUME, FSCTL_IS_VOLUME_MOUNTED})
_REFUSED = {
    FSCTL_QUERY_USN_JOURNAL: s.STATUS_JOURNAL_NOT_ACTIVE,
    FSCTL_READ_USN_JOURNAL: s.STATUS_JOURNAL_NOT_ACTIVE,
    FSCTL_WRITE_USN_CLOSE_RECORD: s.STATUS_JOURNAL_NOT_ACTIVE,
}
# NTFS_VOLUME_DATA_BUFFER: serial number, sectors, clusters in all and free and reserved; sizes
# of sector, cluster and file record, clusters of one; length and places of the MFT.
VOLUME_DATA = struct.Struct("<5Q4I5Q")
FILE_RECORD = 0x400
# USN_RECORD, version 2, up to the name: lengths and versions, the ids of file and folder, USN,
# time, reason, source, security id, attributes, and where the name is.
USN_RECORD = struct.Struct("<I2H2QqQ4I2H")


def control(volume: Volume, entry: Entry, code: int, room: int) -> bytes | None:
    """None for a control that is not of this kind; raises NtError."""
    if code in _NOTHING_TO_DO:
        return b""
    if code in _REFUSED:
        raise NtError(_REFUSED[code])
    if code == FSCTL_GET_NTFS_VOLUME_DATA:
        return _fit(_volume_data(volume), room)
    if code == FSCTL_READ_FILE_USN_DATA:
        return _fit(_usn_record(entry), room)
    return None


def _fit(data: bytes, room: int) -> bytes:
    if room < len(data):
        raise NtError(s.STATUS_BUFFER_TOO_SMALL)
    return data


def _volume_data(volume: Volume) -> bytes:
    """There is no master file table, and nothing is reserved for it."""
    space = volume.tree.space
    return VOLUME_DATA.pack(
        volume.serial, space.total * (CLUSTER // SECTOR_SIZE), space.total, space.free, 0,
        SECTOR_SIZE, CLUSTER, FILE_RECORD, 0, 0, 0, 0, 0, 0,
    )  # fmt: skip


def _usn_record(entry: Entry) -> bytes:
    """Of a file that the journal has never heard of."""
    name = text(entry.name)
    above = entry.directory.file_id if entry.directory is not None else entry.node.file_id
    length = USN_RECORD.size + len(name) + 7 & ~7
    record = USN_RECORD.pack(
        length, 2, 0, entry.node.file_id, above, 0, 0, 0, 0, 0, entry.node.attributes,
        len(name), USN_RECORD.size,
    )  # fmt: skip
    return (record + name).ljust(length, b"\0")
