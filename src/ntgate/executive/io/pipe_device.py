"""The named pipe file system's device: no pipe can be made yet, so no name is found.

Standard streams that are pipes of the host have their file objects on this device.
"""

from __future__ import annotations

from ntgate.errors import NtError
from ntgate.executive.io.manager import Device
from ntgate.executive.io.open_file import Create, OpenFile
from ntgate.layout import ntstatus
from ntgate.layout.io import FILE_OBJECT


class PipeDevice:
    """The opener of the device of the name NamedPipe."""

    device: Device

    def open(self, create: Create, file: FILE_OBJECT) -> OpenFile:
        """Raises NtError for every name."""
        raise NtError(ntstatus.STATUS_OBJECT_NAME_NOT_FOUND)
