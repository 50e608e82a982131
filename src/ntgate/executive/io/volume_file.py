r"""The volume itself as an open file: what `\\.\C:` opens, without a backslash behind it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io import disk_information, volume_control
from ntgate.executive.io.content import CLUSTER
from ntgate.executive.io.open_file import OpenFile
from ntgate.executive.io.request import Request
from ntgate.layout import ntstatus as s
from ntgate.layout.io import FILE_OBJECT, SECTOR_SIZE

if TYPE_CHECKING:
    from ntgate.executive.io.volume import Volume

IOCTL_DISK_GET_DRIVE_GEOMETRY    = 0x070000
IOCTL_DISK_IS_WRITABLE           = 0x070024
IOCTL_DISK_GET_LENGTH_INFO       = 0x07405C
IOCTL_STORAGE_GET_HOTPLUG_INFO   = 0x2D0C14
IOCTL_STORAGE_GET_DEVICE_NUMBER  = 0x2D1080
IOCTL_VOLUME_GET_DISK_EXTENTS    = 0x560000
IOCTL_MOUNTDEV_QUERY_DEVICE_NAME = 0x4D0008
FIXED_MEDIA = 12  # MEDIA_TYPE
TRACKS_PER_CYLINDER, SECTORS_PER_TRACK = 255, 63


class VolumeFile(OpenFile):
    """Queries and controls; the sectors are nobody's to read."""

    def __init__(self, file: FILE_OBJECT, volume: Volume, access: int) -> None:
        super().__init__(file, volume.device, access)
        self.volume = volume

    def read(self, request: Request, offset: int, size: int) -> bytes | None:
        self.volume.tell.denied("", "the sectors of the volume can't be read")
        raise NtError(s.STATUS_ACCESS_DENIED)

    def write(self, request: Request, offset: int, data: bytes) -> int | None:
        self.volume.tell.denied("", "the sectors of the volume can't be written")
        raise NtError(s.STATUS_ACCESS_DENIED)

    def query_volume(self, information_class: int) -> bytes:
        return disk_information.query_volume(self.volume, information_class)

    def file_control(self, request: Request, code: int, data: bytes, room: int) -> bytes | None:
        answer = volume_control.control(self.volume, self.volume.tree.root.entries[0], code, room)
        if answer is None:
            raise NtError(s.STATUS_INVALID_DEVICE_REQUEST)
        return answer

    def device_control(
        self, request: Request, code: int, data: bytes, room: int
    ) -> bytes | None:
        sectors = self.volume.tree.space.total * CLUSTER // SECTOR_SIZE
        if code == IOCTL_DISK_GET_LENGTH_INFO:
            answer = struct.pack("<Q", sectors * SECTOR_SIZE)
        elif code == IOCTL_DISK_GET_DRIVE_GEOMETRY:
            cylinders = sectors // (TRACKS_PER_CYLINDER * SECTORS_PER_TRACK)
            answer = struct.pack(
                "<Q4I", cylinders, FIXED_MEDIA, TRACKS_PER_CYLINDER, SECTORS_PER_TRACK,
                SECTOR_SIZE,
            )  # fmt: skip
        elif code == IOCTL_DISK_IS_WRITABLE:
            answer = b""
        elif code == IOCTL_STORAGE_GET_HOTPLUG_INFO:
            answer = struct.pack("<I4B", 8, 0, 0, 0, 0)
        elif code == IOCTL_STORAGE_GET_DEVICE_NUMBER:
            answer = struct.pack("<3I", c.FILE_DEVICE_DISK, 0, 1)
        elif code == IOCTL_VOLUME_GET_DISK_EXTENTS:
            answer = struct.pack("<4I2Q", 1, 0, 0, 0, 0, sectors * SECTOR_SIZE)
        elif code == IOCTL_MOUNTDEV_QUERY_DEVICE_NAME:
            name = disk_information.text(self.device.name)
            answer = struct.pack("<H", len(name)) + name
        else:
            raise NtError(s.STATUS_INVALID_DEVICE_REQUEST)
        if len(answer) > room:
            raise NtError(s.STATUS_BUFFER_TOO_SMALL)
        return answer
