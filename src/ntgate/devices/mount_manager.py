r"""\Device\MountPointManager: which names lead to the volume.

    IOCTL_MOUNTMGR_QUERY_POINTS      the volume's links, unique id and device name
    IOCTL_MOUNTMGR_QUERY_UNIX_DRIVE  what Wine 8.0's kernelbase asks for a drive's type
    IOCTL_MOUNTMGR_READ_CREDENTIAL and its like: the keychain of a Mac, which there is none of;
                                     Wine's credentials are in the registry then
"""

from __future__ import annotations

import struct

from ntgate.errors import NtError
from ntgate.executive.io.disk_information import text
from ntgate.executive.io.manager import Device, IoManager
from ntgate.executive.io.open_file import Create, OpenFile
from ntgate.executive.io.request import Request
from ntgate.executive.ob.names import upcase
from ntgate.layout import ntstatus as s
from ntgate.layout.io import FILE_OBJECT

NAME = "\\Device\\MountPointManager"
FILE_DEVICE_MOUNTMGR = 0x6D
QUERY_POINTS     = 0x6D0008
QUERY_UNIX_DRIVE = 0x6D4084
KEYCHAIN = (0x6D40C0, 0x6D80C4, 0x6D80C8, 0x6D40CC)  # read, write, delete, enumerate

POINT = struct.Struct("<IHxxIHxxIHxx")  # offset and length of link, unique id, device name
POINTS = struct.Struct("<2I")  # MOUNTMGR_MOUNT_POINTS: Size and NumberOfMountPoints
# Wine's struct mountmgr_unix_drive: size, type, file system, serial, Unix device, letter, and
# the offsets of a mount point, a device and a label.
DRIVE = struct.Struct("<4IQ4H")
DRIVE_FIXED, FS_NTFS = 3, 0


def volume_link(serial: int) -> str:
    r"""\??\Volume{...}: made from the volume's serial number, as a GUID of this machine's."""
    return f"\\??\\Volume{{{serial:08x}-0000-11dd-8000-806d6172696f}}"


class MountManagerFile(OpenFile):
    def __init__(self, file: FILE_OBJECT, manager: MountManager, access: int) -> None:
        super().__init__(file, manager.device, access)
        self._io = manager.io

    def device_control(
        self, request: Request, code: int, data: bytes, room: int
    ) -> bytes | None:
        if code == QUERY_POINTS:
            return self._points(request, data, room)
        if code == QUERY_UNIX_DRIVE:
            return self._drive(data, room)
        if code in KEYCHAIN:
            raise NtError(s.STATUS_NOT_SUPPORTED)
        raise NtError(s.STATUS_INVALID_DEVICE_REQUEST)

    def _points(self, request: Request, data: bytes, room: int) -> bytes:
        """Those links of the volume that the MOUNTMGR_MOUNT_POINT in `data` doesn't rule out."""
        if len(data) < POINT.size or room < POINTS.size + POINT.size:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        link_at, link_length, id_at, id_length, device_at, device_length = POINT.unpack_from(data)
        link, device = _name(data, link_at, link_length), _name(data, device_at, device_length)
        volume = self._io.volume
        unique = struct.pack("<I8s", volume.serial, bytes(8))
        links = ["\\DosDevices\\C:", volume_link(volume.serial)]
        if link_at:
            links = [one for one in links if upcase(one) == upcase(link.rstrip("\\"))]
        wrong_id = id_at and data[id_at : id_at + id_length] != unique
        if wrong_id or (device_at and upcase(device) != upcase(volume.device.name)):
            links = []
        if not links:
            raise NtError(s.STATUS_OBJECT_NAME_NOT_FOUND)
        shared = unique + text(volume.device.name)
        position = POINTS.size + POINT.size * len(links)
        strings = shared + b"".join(map(text, links))
        rows, link_at = [], position + len(shared)
        for one in links:
            length = len(text(one))
            rows.append(
                POINT.pack(
                    link_at, length, position, len(unique), position + len(unique),
                    len(text(volume.device.name)),
                )
            )  # fmt: skip
            link_at += length
        answer = POINTS.pack(position + len(strings), len(links)) + b"".join(rows) + strings
        if len(answer) > room:
            request.status = s.STATUS_BUFFER_OVERFLOW
            return answer[: POINTS.size]
        return answer

    def _drive(self, data: bytes, room: int) -> bytes:
        if len(data) < DRIVE.size or room < DRIVE.size:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        letter = DRIVE.unpack_from(data)[5]
        if chr(letter).upper() != "C":
            raise NtError(s.STATUS_OBJECT_NAME_NOT_FOUND)
        serial = self._io.volume.serial
        return DRIVE.pack(DRIVE.size, DRIVE_FIXED, FS_NTFS, serial, 0, letter, 0, 0, 0)


class MountManager:
    """The opener."""

    device: Device

    def __init__(self, io: IoManager) -> None:
        self.io = io

    def open(self, create: Create, file: FILE_OBJECT) -> OpenFile:
        if create.path:
            raise NtError(s.STATUS_OBJECT_NAME_NOT_FOUND)
        create.take_maximum()
        return MountManagerFile(file, self, create.access)


def _name(data: bytes, offset: int, length: int) -> str:
    if offset + length > len(data) or length & 1:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    return data[offset : offset + length].decode("utf-16-le", "surrogatepass")


def attach_mount_manager(io: IoManager) -> None:
    """The device, its name for Win32, and the volume's own link."""
    manager = MountManager(io)
    manager.device = io.create_device(
        io.create_driver("\\Driver\\MountMgr"), NAME, FILE_DEVICE_MOUNTMGR, manager
    )
    io.create_link("\\??\\MountPointManager", NAME)
    io.create_link(volume_link(io.volume.serial), io.volume.device.name)
