"""The files of \\Device\\ConDrv: input, screen buffers, and those by which consoles are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.devices.consoles import codes as c
from ntgate.devices.consoles.console import Console
from ntgate.devices.consoles.output_control import ScreenOutput, need
from ntgate.errors import NtError
from ntgate.executive.io.information_class import FileStandardInformation
from ntgate.executive.io.open_file import STANDARD_OF_DEVICE, OpenFile
from ntgate.layout import ntstatus as s
from ntgate.layout.io import FILE_OBJECT

if TYPE_CHECKING:
    from ntgate.devices.consoles.driver import ConsoleDriver
    from ntgate.executive.io.request import Request
    from ntgate.executive.ps.thread import Process


class ConsoleFile(OpenFile):
    """A file whose console is that of whoever asks."""

    def __init__(self, file: FILE_OBJECT, driver: ConsoleDriver, access: int) -> None:
        super().__init__(file, driver.device, access)
        self.driver = driver

    def console_for(self, process: Process) -> Console:
        """Raises STATUS_INVALID_HANDLE where there is none."""
        console = self.driver.console_of(process)
        if console is None or console.gone:
            raise NtError(s.STATUS_INVALID_HANDLE)
        return console

    @property
    def waitable(self) -> int:
        """The event of the console that the running thread would wait for."""
        try:
            return self.console_for(self.driver.io.executive.processes.current.process).event
        except NtError:
            raise NtError(s.STATUS_ACCESS_DENIED) from None

    def read(self, request: Request, offset: int, size: int) -> bytes | None:
        raise NtError(s.STATUS_OBJECT_TYPE_MISMATCH)

    def write(self, request: Request, offset: int, data: bytes) -> int | None:
        raise NtError(s.STATUS_OBJECT_TYPE_MISMATCH)

    def flush(self, request: Request) -> int | None:
        raise NtError(s.STATUS_OBJECT_TYPE_MISMATCH)

    def query(self, information_class: int) -> bytes:
        if information_class == FileStandardInformation:
            return STANDARD_OF_DEVICE
        raise NtError(s.STATUS_INVALID_DEVICE_REQUEST)


class CurrentInput(ConsoleFile):
    r"""\Input."""

    def read(self, request: Request, offset: int, size: int) -> bytes | None:
        return self.device_control(request, c.READ_FILE, b"", size)

    def flush(self, request: Request) -> int | None:
        self.console_for(request.thread.process).input.flush()
        return 0

    def device_control(
        self, request: Request, code: int, data: bytes, room: int
    ) -> bytes | None:
        console = self.console_for(request.thread.process)
        if code in (c.PEEK, c.GET_INPUT_INFO):
            self.driver.look_for(console)
        return console.control(request, code, data, room)


class BoundInput(CurrentInput):
    r"""\CurrentIn: the console's that it was opened on."""

    def __init__(
        self, file: FILE_OBJECT, driver: ConsoleDriver, access: int, console: Console
    ) -> None:
        super().__init__(file, driver, access)
        self.console = console
        console.hold()

    def console_for(self, process: Process) -> Console:
        if self.console.gone:
            raise NtError(s.STATUS_INVALID_HANDLE)
        return self.console

    def close(self) -> None:
        self.console.release()


class ReferenceFile(BoundInput):
    """What a process names its console by, and hands on to its children."""


class CurrentOutput(ConsoleFile):
    r"""\Output: the screen buffer that is shown."""

    def output_for(self, process: Process) -> ScreenOutput:
        """Raises STATUS_INVALID_HANDLE where there is none."""
        return self.console_for(process).active

    def write(self, request: Request, offset: int, data: bytes) -> int | None:
        self.output_for(request.thread.process).write(data)
        return len(data)

    def device_control(
        self, request: Request, code: int, data: bytes, room: int
    ) -> bytes | None:
        output = self.output_for(request.thread.process)
        if code == c.ACTIVATE:
            output.console.activate(output)
            return b""
        if code == c.GET_OUTPUT_INFO:
            output.console.follow_size()
        return output.control(code, data, room)


class BoundOutput(CurrentOutput):
    r"""\CurrentOut, \ScreenBuffer."""

    def __init__(
        self, file: FILE_OBJECT, driver: ConsoleDriver, access: int, output: ScreenOutput
    ) -> None:
        super().__init__(file, driver, access)
        self._output = output
        output.files += 1
        output.console.hold()

    def console_for(self, process: Process) -> Console:
        if self._output.console.gone:
            raise NtError(s.STATUS_INVALID_HANDLE)
        return self._output.console

    def output_for(self, process: Process) -> ScreenOutput:
        self.console_for(process)
        return self._output

    def cleanup(self) -> None:
        self._output.files -= 1
        if not self._output.files:
            self._output.console.close_output(self._output)

    def close(self) -> None:
        self._output.console.release()


class ConnectionFile(ConsoleFile):
    r"""\Connection: its process is attached as long as it is open."""

    def __init__(
        self, file: FILE_OBJECT, driver: ConsoleDriver, access: int, process: Process
    ) -> None:
        super().__init__(file, driver, access)
        self._process = process

    def device_control(
        self, request: Request, code: int, data: bytes, room: int
    ) -> bytes | None:
        if code != c.BIND_PID:
            raise NtError(s.STATUS_INVALID_DEVICE_REQUEST)
        need(len(data) == c.ULONG.size)
        self.driver.bind(self._process, *c.ULONG.unpack(data))
        return b""

    def cleanup(self) -> None:
        console = self.driver.console_of(self._process)
        if console is not None:
            console.detach(self._process)


class ServerFile(ConsoleFile):
    r"""\Server: a console to be, until there is a reference to it."""

    def __init__(self, file: FILE_OBJECT, driver: ConsoleDriver, access: int) -> None:
        super().__init__(file, driver, access)
        self.console: Console | None = None

    def make(self) -> Console:
        """The console; raises STATUS_INVALID_HANDLE when it has been made already."""
        if self.console is not None:
            raise NtError(s.STATUS_INVALID_HANDLE)
        self.console = self.driver.new_console()
        self.console.hold()
        return self.console

    @property
    def waitable(self) -> int:
        raise NtError(s.STATUS_ACCESS_DENIED)

    def close(self) -> None:
        if self.console is not None:
            self.console.release()
