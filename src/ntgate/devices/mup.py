r"""\Device\Mup: what \\SERVER\SHARE leads to.  No server can be reached."""

from __future__ import annotations

from ntgate.errors import NtError
from ntgate.executive.events import PathDenied
from ntgate.executive.io.manager import Device, IoManager
from ntgate.executive.io.open_file import Create, OpenFile
from ntgate.layout.io import FILE_OBJECT
from ntgate.layout.ntstatus import STATUS_BAD_NETWORK_PATH

NAME = "\\Device\\Mup"
FILE_DEVICE_MULTI_UNC_PROVIDER = 0x10


class NetworkDriver:
    """The opener; every attempt is told."""

    device: Device

    def __init__(self, io: IoManager) -> None:
        self._io = io

    def open(self, create: Create, file: FILE_OBJECT) -> OpenFile:
        """Raises STATUS_BAD_NETWORK_PATH."""
        executive = self._io.executive
        caller = executive.processes.current
        executive.events.emit(
            PathDenied(caller.pid, caller.tid, f"\\{create.path}", "there is no network")
        )
        raise NtError(STATUS_BAD_NETWORK_PATH)


def attach_network(io: IoManager) -> None:
    r"""The device and \??\UNC."""
    driver = NetworkDriver(io)
    driver.device = io.create_device(
        io.create_driver("\\FileSystem\\Mup"), NAME, FILE_DEVICE_MULTI_UNC_PROVIDER, driver
    )
    io.create_link("\\??\\UNC", NAME)
