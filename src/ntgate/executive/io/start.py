r"""The I/O system as it is when the machine has booted: its drivers and devices, and C:.

C: begins with the folders that programs expect; what is in them comes from mounts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.executive.events import FileChange, PathDenied
from ntgate.executive.io import constants as c
from ntgate.executive.io.content import Space
from ntgate.executive.io.mailslot import MailslotDevice
from ntgate.executive.io.manager import IoManager
from ntgate.executive.io.pipe_device import PipeDevice
from ntgate.executive.io.tree import Tree
from ntgate.executive.io.volume import Volume
from ntgate.layout.io import (
    DEVICE_OBJECT,
    FILE_DEVICE_IS_MOUNTED,
    FILE_DEVICE_SECURE_OPEN,
    IO_TYPE_DEVICE,
    IO_TYPE_VPB,
    VPB,
    VPB_MOUNTED,
)
from ntgate.layout.paths import DRIVE, VOLUME

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive

PIPES = "\\Device\\NamedPipe"
MAILSLOTS = "\\Device\\Mailslot"
VOLUME_CLUSTERS = 0x40000  # 1 GB, of which only what is written takes memory of the host
TAG_VPB = b"Vpb "

LINKS = {
    "\\??\\C:": VOLUME,
    "\\??\\PIPE": PIPES,
    "\\??\\MAILSLOT": MAILSLOTS,
    "\\SystemRoot": VOLUME + "\\WINDOWS",
    "\\ArcName\\multi(0)disk(0)rdisk(0)partition(1)": VOLUME,
}
FOLDERS = (
    ("WINDOWS", "system32", "drivers"),
    ("WINDOWS", "system32", "config"),
    ("WINDOWS", "system"),
    ("WINDOWS", "Debug"),
    ("WINDOWS", "Fonts"),
    ("WINDOWS", "Help"),
    ("WINDOWS", "inf"),
    ("WINDOWS", "Installer"),
    ("WINDOWS", "Tasks"),
    ("WINDOWS", "Temp"),
    ("WINDOWS", "WinSxS", "Manifests"),
    ("Program Files", "Common Files"),
    ("Documents and Settings", "All Users", "Application Data"),
    ("Documents and Settings", "All Users", "Desktop"),
    ("Documents and Settings", "All Users", "Documents"),
    ("Documents and Settings", "All Users", "Start Menu", "Programs", "Startup"),
    ("Documents and Settings", "Administrator", "Application Data", "Microsoft"),
    ("Documents and Settings", "Administrator", "Cookies"),
    ("Documents and Settings", "Administrator", "Desktop"),
    ("Documents and Settings", "Administrator", "Favorites"),
    ("Documents and Settings", "Administrator", "Local Settings", "Application Data"),
    ("Documents and Settings", "Administrator", "Local Settings", "History"),
    ("Documents and Settings", "Administrator", "Local Settings", "Temp"),
    ("Documents and Settings", "Administrator", "Local Settings", "Temporary Internet Files"),
    ("Documents and Settings", "Administrator", "My Documents"),
    ("Documents and Settings", "Administrator", "NetHood"),
    ("Documents and Settings", "Administrator", "PrintHood"),
    ("Documents and Settings", "Administrator", "Recent"),
    ("Documents and Settings", "Administrator", "SendTo"),
    ("Documents and Settings", "Administrator", "Start Menu", "Programs", "Startup"),
    ("Documents and Settings", "Administrator", "Templates"),
)


class _Teller:
    """Makes events of what the volume tells, in the name of the thread that runs."""

    def __init__(self, executive: Executive) -> None:
        self._executive = executive

    def changed(self, action: str, path: str, previous: str = "", *, host: bool) -> None:
        caller = self._executive.processes.current
        before = DRIVE + previous if previous else ""
        self._executive.events.emit(
            FileChange(caller.pid, caller.tid, action, DRIVE + path, host, before)
        )

    def denied(self, path: str, reason: str) -> None:
        caller = self._executive.processes.current
        self._executive.events.emit(PathDenied(caller.pid, caller.tid, DRIVE + path, reason))


def start_io(executive: Executive) -> IoManager:
    """The I/O manager with C: and the named pipes."""
    io = IoManager(executive)
    _start_volume(io)
    pipes = PipeDevice(io)
    driver = io.create_driver("\\FileSystem\\Npfs")
    io.pipes = pipes.device = io.create_device(driver, PIPES, c.FILE_DEVICE_NAMED_PIPE, pipes, 0)
    slots = MailslotDevice(io)
    driver = io.create_driver("\\FileSystem\\Msfs")
    slots.device = io.create_device(driver, MAILSLOTS, c.FILE_DEVICE_MAILSLOT, slots, 0)
    for name, target in LINKS.items():
        io.create_link(name, target)
    return io


def _start_volume(io: IoManager) -> None:
    executive = io.executive
    clock = executive.clock
    tree = Tree(VOLUME, Space(VOLUME_CLUSTERS), lambda: clock.system_time)
    volume = Volume(tree, executive.mm, executive.objects, _Teller(executive))
    disk_driver = io.create_driver("\\Driver\\Ftdisk")
    volume.device = disk = io.create_device(
        disk_driver, VOLUME, c.FILE_DEVICE_DISK, volume, FILE_DEVICE_SECURE_OPEN
    )
    disk.view.Characteristics |= FILE_DEVICE_IS_MOUNTED
    ntfs = io.create_driver("\\FileSystem\\Ntfs")
    body = io.objects.create(io.objects.types["Device"], DEVICE_OBJECT.SIZE, kernel=True)
    mounted = DEVICE_OBJECT(io.kernel, body)
    mounted.Type, mounted.Size = IO_TYPE_DEVICE, DEVICE_OBJECT.SIZE
    mounted.DriverObject, mounted.DeviceType = ntfs.address, c.FILE_DEVICE_DISK_FILE_SYSTEM
    mounted.StackSize, mounted.SectorSize = 1, 512
    ntfs.DeviceObject = body
    vpb = VPB(io.kernel, io.objects.blocks.allocate(VPB.SIZE, TAG_VPB))
    vpb.Type, vpb.Size, vpb.Flags = IO_TYPE_VPB, VPB.SIZE, VPB_MOUNTED
    vpb.DeviceObject, vpb.RealDevice = body, disk.view.address
    vpb.SerialNumber, vpb.ReferenceCount = volume.serial, 1
    disk.view.Vpb, disk.view.SectorSize = vpb.address, 512
    io.volume = volume
    for names in FOLDERS:
        tree.make_directories(*names)
