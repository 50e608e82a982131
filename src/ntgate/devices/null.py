"""The null device."""

from __future__ import annotations

from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io.information_class import FileStandardInformation
from ntgate.executive.io.manager import Device, IoManager
from ntgate.executive.io.open_file import STANDARD_OF_DEVICE, Create, OpenFile
from ntgate.executive.io.request import Request
from ntgate.layout.io import FILE_OBJECT
from ntgate.layout.ntstatus import STATUS_END_OF_FILE, STATUS_INVALID_DEVICE_REQUEST


class NullFile(OpenFile):
    """Takes everything and has nothing."""

    def read(self, request: Request, offset: int, size: int) -> bytes | None:
        request.status = STATUS_END_OF_FILE
        return b""

    def write(self, request: Request, offset: int, data: bytes) -> int | None:
        return len(data)

    def query(self, information_class: int) -> bytes:
        if information_class == FileStandardInformation:
            return STANDARD_OF_DEVICE
        return super().query(information_class)


class NullDevice:
    """The opener."""

    device: Device

    def open(self, create: Create, file: FILE_OBJECT) -> OpenFile:
        if create.options & c.FILE_DELETE_ON_CLOSE:
            raise NtError(STATUS_INVALID_DEVICE_REQUEST)
        create.take_maximum()
        return NullFile(file, self.device, create.access)


def attach_null(io: IoManager) -> None:
    r"""\Device\Null and \??\NUL."""
    null = NullDevice()
    null.device = io.create_device(
        io.create_driver("\\Driver\\Null"), "\\Device\\Null", c.FILE_DEVICE_NULL, null
    )
    io.create_link("\\??\\NUL", "\\Device\\Null")
