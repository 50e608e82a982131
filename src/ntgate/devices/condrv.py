r"""\Device\ConDrv: opening the console by name, as CON, CONIN$ and CONOUT$."""

from __future__ import annotations

from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io.device import StreamFile
from ntgate.executive.io.manager import Device, IoManager
from ntgate.executive.io.open_file import Create, OpenFile
from ntgate.executive.ob.names import upcase
from ntgate.layout import ntstatus as s
from ntgate.layout.io import FILE_OBJECT

LINKS = {
    "\\??\\CON": "\\Device\\ConDrv\\Console",
    "\\??\\CONIN$": "\\Device\\ConDrv\\CurrentIn",
    "\\??\\CONOUT$": "\\Device\\ConDrv\\CurrentOut",
}
INPUTS = ("\\CURRENTIN", "\\INPUT")
OUTPUTS = ("\\CURRENTOUT", "\\OUTPUT")


class ConsoleDriver:
    """The opener: of the machine's terminals, where it has some.

    A console of its own, which a program asks for with \\Connection, \\Server or \\ScreenBuffer,
    can't be had.
    """

    device: Device

    def __init__(self, io: IoManager) -> None:
        self._io = io

    def open(self, create: Create, file: FILE_OBJECT) -> OpenFile:
        """Raises STATUS_INVALID_HANDLE without a terminal, STATUS_NOT_SUPPORTED otherwise."""
        path = upcase(create.path)
        if path == "\\CONSOLE":
            path = OUTPUTS[0] if create.access & c.FILE_WRITE_DATA else INPUTS[0]
        if path not in INPUTS + OUTPUTS:
            raise NtError(s.STATUS_NOT_SUPPORTED)
        terminal = self._io.terminals.get(path in INPUTS)
        if terminal is None:
            raise NtError(s.STATUS_INVALID_HANDLE)
        create.take_maximum()
        return StreamFile(file, self.device, create.access, terminal)


def attach_console(io: IoManager) -> None:
    r"""\Device\ConDrv and the names that lead to it."""
    driver = ConsoleDriver(io)
    io.console = driver.device = io.create_device(
        io.create_driver("\\Driver\\condrv"), "\\Device\\ConDrv", c.FILE_DEVICE_CONSOLE, driver
    )
    for name, target in LINKS.items():
        io.create_link(name, target)

