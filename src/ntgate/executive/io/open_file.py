"""What is behind a FILE_OBJECT, and how one is opened."""

from __future__ import annotations

import struct
from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io.extended_attributes import Ea
from ntgate.executive.mm.files import SectionFile
from ntgate.executive.ob.attributes import Quality
from ntgate.layout.io import FILE_OBJECT, FO_SYNCHRONOUS_IO
from ntgate.layout.ntstatus import (
    STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_FILE_FOR_SECTION,
    STATUS_INVALID_INFO_CLASS,
    STATUS_INVALID_PARAMETER,
)
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.executive.io.manager import Device
    from ntgate.executive.io.request import Request


IO_PRIORITY_NORMAL = 2  # IO_PRIORITY_HINT
STANDARD_OF_DEVICE = struct.pack("<2QI4x", 0, 0, 1)  # FILE_STANDARD_INFORMATION: no size, one name
MOST_REPARSES = 32  # of one open: more is a circle


@dataclass(slots=True)
class Create:
    r"""What an open asks for.  `path` is what the object manager left of the name.

    `access` has no generic rights any more; `related` is the file that a relative path starts
    at.  A device tells in `information` what it did: FILE_OPENED and so on.
    """

    path: str
    access: int
    share: int = c.FILE_SHARE_ALL
    disposition: int = c.FILE_OPEN
    options: int = 0
    attributes: int = 0
    allocation: int = 0
    related: OpenFile | None = None
    extra: object = None  # of a named pipe or mailslot: what its creation says
    makes_on: int = 0  # the type of device that such a thing is made on
    information: int = c.FILE_OPENED
    status: int = 0  # of a success that is worth a word
    eas: list[Ea] = field(default_factory=list)  # for a new or overwritten file
    maximum: bool = False  # MAXIMUM_ALLOWED was asked for as well
    security: bytes = b""  # a self-relative descriptor for a new file
    quality: Quality | None = None  # how a server may act as who opens its pipe

    def take_maximum(self, denied: int = 0) -> None:
        """Add every right but the denied ones, where they were asked for."""
        if self.maximum:
            self.access |= c.FILE_ALL_ACCESS & ~denied


class FileGuard(Protocol):
    """Who may do what with files that have a descriptor of their own."""

    def check_file(self, descriptor: bytes, access: int) -> int:
        """The rights that the caller gets; raises STATUS_ACCESS_DENIED."""

    def restores_files(self) -> bool:
        """Whether the caller holds SeRestorePrivilege."""

    def manages_volumes(self) -> bool:
        """Whether the caller holds SeManageVolumePrivilege."""

    def new_file_security(self, explicit: bytes, parent: bytes, *, directory: bool) -> bytes:
        """The descriptor of a new file: given ones, and what its directory's hands down."""


class Opener(Protocol):
    """What a device does with an open."""

    def open(self, create: Create, file: FILE_OBJECT) -> OpenFile:
        """Raises NtError, and Reparse where the path goes on elsewhere; fills in the file
        object's Flags and sharing members.
        """


class OpenFile:
    """The companion of a FILE_OBJECT: what its device does for it, or refuses.

    A method that answers None has queued the request and completes it later.  A warning goes
    into request.status, an error is an NtError.
    """

    name = ""  # behind the device's name
    opened_name = ""  # the same by which it was opened, where that has 8.3 names
    positioned = False  # reads and writes have an offset
    fast = False  # synchronous and on a disk: services/io/file_fast.py
    is_directory = False
    security = b""  # a self-relative security descriptor; empty for the default
    priority = IO_PRIORITY_NORMAL
    next_quota = 0  # where a scan of the volume's quotas goes on

    def __init__(self, file: FILE_OBJECT, device: Device, access: int) -> None:
        self.object = file
        self.device = device
        self.access = access  # what was granted when it was opened

    @property
    def object_name(self) -> str:
        """The full NT path; raises NtError for a file that has none."""
        return self.device.name + self.name

    @property
    def synchronous(self) -> bool:
        return bool(self.object.Flags & FO_SYNCHRONOUS_IO)

    @property
    def waitable(self) -> int:
        """Address of the DISPATCHER_HEADER that a wait on the file waits for; raises NtError."""
        return self.object.Event.address

    @property
    def size(self) -> int:
        """Where an append goes."""
        return 0

    def read(self, request: Request, offset: int, size: int) -> bytes | None:
        raise NtError(STATUS_INVALID_DEVICE_REQUEST)

    def write(self, request: Request, offset: int, data: bytes) -> int | None:
        raise NtError(STATUS_INVALID_DEVICE_REQUEST)

    def flush(self, request: Request) -> int | None:
        """The Information of the answer."""
        return 0

    def device_control(
        self, request: Request, code: int, data: bytes, room: int
    ) -> bytes | int | None:
        """`room` is the size of the output buffer; the answer may not be longer.

        An int is the Information of what has written its answer itself.
        """
        raise NtError(STATUS_INVALID_DEVICE_REQUEST)

    def file_control(self, request: Request, code: int, data: bytes, room: int) -> bytes | None:
        raise NtError(STATUS_INVALID_DEVICE_REQUEST)

    def lock(
        self, request: Request, start: int, length: int, key: int, *,
        exclusive: bool, fail_immediately: bool,
    ) -> int | None:  # fmt: skip
        raise NtError(STATUS_INVALID_DEVICE_REQUEST)

    def unlock(self, process: int, start: int, length: int, key: int) -> None:
        raise NtError(STATUS_INVALID_DEVICE_REQUEST)

    def query(self, information_class: int) -> bytes:
        """An information class that the I/O manager doesn't answer itself."""
        raise NtError(STATUS_INVALID_PARAMETER)

    def set(self, information_class: int, data: bytes, other: OpenFile | None) -> None:
        """`other` is the file of the RootDirectory handle in a new name."""
        raise NtError(STATUS_INVALID_PARAMETER)

    def query_volume(self, information_class: int) -> bytes:
        raise NtError(STATUS_INVALID_INFO_CLASS)

    def section_file(self) -> SectionFile:
        """What a section of it is backed by; raises STATUS_INVALID_FILE_FOR_SECTION."""
        raise NtError(STATUS_INVALID_FILE_FOR_SECTION)

    def process_cleanup(self, process: int) -> None:
        """A process has closed its last handle."""

    def cleanup(self) -> None:
        """The last handle is closed."""

    def close(self) -> None:
        """The file object goes."""
