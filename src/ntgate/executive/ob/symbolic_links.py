"""Symbolic link objects, and the drive letters that some of them are."""

from __future__ import annotations

from string import ascii_uppercase

from ntgate.executive.ob.attributes import UNNAMED, ObjectAttributes
from ntgate.executive.ob.directories import Directories
from ntgate.executive.pool import Pool
from ntgate.layout import machine as m
from ntgate.layout.ke import KUSER_SHARED_DATA
from ntgate.layout.ob import DEVICE_MAP, OBJECT_DIRECTORY, OBJECT_SYMBOLIC_LINK
from ntgate.memory.kernel import KernelMemory

DOSDEVICE_DRIVE_UNKNOWN = 0
DOSDEVICE_DRIVE_CALCULATE = 1  # by asking the device


class SymbolicLinks(Directories):
    """Objects in directories, with links.

    A link named as a drive in a directory with a DEVICE_MAP is in that map while it has the
    name; its DosDeviceDriveIndex counts from 1.
    """

    def __init__(self, memory: KernelMemory, pool: Pool, symbols: dict[str, int]) -> None:
        super().__init__(memory, pool, symbols)
        kind = self.types["SymbolicLink"]
        kind.delete = self._free_target
        kind.link = self._add_drive
        kind.unlink = self._remove_drive

    def create_symbolic_link(
        self, target: str, attributes: ObjectAttributes = UNNAMED, *, kernel: bool = False
    ) -> int:
        """A link to `target` that isn't inserted yet."""
        kind = self.types["SymbolicLink"]
        body = self.create(kind, OBJECT_SYMBOLIC_LINK.SIZE, attributes, kernel=kernel)
        link = OBJECT_SYMBOLIC_LINK(self.memory, body)
        shared = KUSER_SHARED_DATA(self.memory, m.SHARED_USER_DATA_KERNEL)
        link.CreationTime = shared.SystemTime.get()
        self.blocks.set_string(link.LinkTarget, target, b"SymT")
        return body

    def link_target(self, body: int) -> str:
        return self.blocks.text(OBJECT_SYMBOLIC_LINK(self.memory, body).LinkTarget)

    def create_device_map(self, directory: int) -> int:
        """A DEVICE_MAP of the drives in a directory; its address."""
        address = self.blocks.allocate(DEVICE_MAP.SIZE, b"ObDm")
        device_map = DEVICE_MAP(self.memory, address)
        device_map.DosDevicesDirectory = directory
        device_map.GlobalDosDevicesDirectory = directory
        device_map.ReferenceCount = 1
        OBJECT_DIRECTORY(self.memory, directory).DeviceMap = address
        return address

    def _free_target(self, body: int) -> None:
        self.blocks.free_string(OBJECT_SYMBOLIC_LINK(self.memory, body).LinkTarget)

    def _add_drive(self, body: int, directory: int) -> None:
        address = OBJECT_DIRECTORY(self.memory, directory).DeviceMap
        name = self.name_in_directory(body).upper()
        if address and len(name) == 2 and name[0] in ascii_uppercase and name[1] == ":":
            drive = ascii_uppercase.index(name[0])
            OBJECT_SYMBOLIC_LINK(self.memory, body).DosDeviceDriveIndex = drive + 1
            self._set_drive(address, drive, DOSDEVICE_DRIVE_CALCULATE)

    def _remove_drive(self, body: int, directory: int) -> None:
        link = OBJECT_SYMBOLIC_LINK(self.memory, body)
        address = OBJECT_DIRECTORY(self.memory, directory).DeviceMap
        if link.DosDeviceDriveIndex and address:
            self._set_drive(address, link.DosDeviceDriveIndex - 1, DOSDEVICE_DRIVE_UNKNOWN)
        link.DosDeviceDriveIndex = 0

    def _set_drive(self, address: int, drive: int, drive_type: int) -> None:
        device_map = DEVICE_MAP(self.memory, address)
        bit = 1 << drive
        device_map.DriveMap = device_map.DriveMap & ~bit | (bit if drive_type else 0)
        self.memory.set_u8(address + DEVICE_MAP.DriveType.offset + drive, drive_type)
