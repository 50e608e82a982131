r"""\Device\ConDrv: how consoles are opened, by name, as CON, CONIN$ and CONOUT$, and relatively.

    \Input, \Output          those of the caller's console, whichever that is at each request
    \CurrentIn, \CurrentOut  those of the caller's console as it is now
    \Console                 one of the latter, by the access
    \ScreenBuffer            a new screen buffer
    \Server                  a console to be; Reference below it makes it one
    \Connection              attaches the caller: below a reference to its console, or to that of
                             another process (BIND_PID); Reference below it names the console
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic_ns
from typing import TYPE_CHECKING

from ntgate.devices.consoles.console import Console
from ntgate.devices.consoles.display import Display
from ntgate.devices.consoles.files import (
    BoundInput,
    BoundOutput,
    ConnectionFile,
    ConsoleFile,
    CurrentInput,
    CurrentOutput,
    ReferenceFile,
    ServerFile,
)
from ntgate.devices.consoles.output_control import ScreenOutput
from ntgate.devices.consoles.seat import Seat, terminal
from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io.device import ByteDevice, open_stream
from ntgate.executive.io.manager import Device, IoManager
from ntgate.executive.io.open_file import Create, OpenFile
from ntgate.executive.io.stream_reads import NS_OF_100NS
from ntgate.executive.ob.attributes import OBJ_INHERIT
from ntgate.executive.ob.names import upcase
from ntgate.executive.ps.environment import ProcessParameters
from ntgate.layout import machine as m
from ntgate.layout import ntstatus as s
from ntgate.layout.io import FILE_OBJECT
from ntgate.layout.machine import SYSTEM_PID
from ntgate.layout.pe import IMAGE_SUBSYSTEM_WINDOWS_GUI
from ntgate.layout.ps import PEB
from ntgate.layout.times import SECOND
from ntgate.memory.user import AccessViolation

if TYPE_CHECKING:
    from ntgate.executive.ps.thread import Process

LINKS = {
    "\\??\\CON": "\\Device\\ConDrv\\Console",
    "\\??\\CONIN$": "\\Device\\ConDrv\\CurrentIn",
    "\\??\\CONOUT$": "\\Device\\ConDrv\\CurrentOut",
}
NO_HANDLE, FIRST_PSEUDO_HANDLE = 0, 0x80000000
CONSOLE_HANDLE_ALLOC_NO_WINDOW = 0xFFFFFFFE  # Wine's, of CREATE_NO_WINDOW
STARTF_USESHOWWINDOW, STARTF_USECOUNTCHARS, STARTF_USEFILLATTRIBUTE = 0x01, 0x08, 0x10
SW_HIDE = 0


class _Standard:
    """Opens a standard handle of the run's first process."""

    def __init__(self, driver: ConsoleDriver, kind: type[ConsoleFile]) -> None:
        self._driver, self._kind = driver, kind

    def open(self, create: Create, file: FILE_OBJECT) -> OpenFile:
        return self._kind(file, self._driver, create.access)


class _Reference:
    """Opens the handle by which the run's first process names its console."""

    def __init__(self, driver: ConsoleDriver, console: Console) -> None:
        self._driver, self._console = driver, console

    def open(self, create: Create, file: FILE_OBJECT) -> OpenFile:
        return ReferenceFile(file, self._driver, create.access, self._console)


class ConsoleDriver:
    """The opener, and what the executive tells of processes that come and go.

    `consoles` are those with a process, the newest last: it has what is typed.
    """

    device: Device

    def __init__(self, io: IoManager) -> None:
        self.io = io
        self.consoles: list[Console] = []
        self._seat: Seat | None = None
        self._first: Console | None = None  # the run's own
        self._without_window: set[Process] = set()  # those whose new console shall not be seen

    # Processes.

    def start(self, process: Process, streams: Sequence[ByteDevice]) -> tuple[int, list[int]]:
        """Give the first process of a run its console, and handles to its standard streams.

        A program with windows has no console, but may attach itself to this one.
        """
        self._seat = Seat(streams)
        console = self._first = self.new_console()
        console.begin(self._seat.display(first=True), "", None, None)
        image = process.image
        if image is not None and image.subsystem == IMAGE_SUBSYSTEM_WINDOWS_GUI:
            console.permanent = True
            return NO_HANDLE, [self._handle(process, open_stream(self.io, one)) for one in streams]
        self.attach(process, console)
        standard = [
            self._handle(process, self._standard(stream, output=number > 0))
            for number, stream in enumerate(streams)
        ]
        reference = self._attach(_Reference(self, console))
        return self._handle(process, reference, attributes=0), standard

    def _standard(self, stream: ByteDevice, *, output: bool) -> int:
        if terminal(stream) is None:
            return open_stream(self.io, stream)
        return self._attach(_Standard(self, CurrentOutput if output else CurrentInput))

    def _attach(self, opener: _Standard | _Reference) -> int:
        create = Create("", c.FILE_ALL_ACCESS, options=c.FILE_SYNCHRONOUS_IO_NONALERT)
        return self.io.attach(self.device, opener, create)

    def _handle(self, process: Process, body: int, attributes: int = OBJ_INHERIT) -> int:
        handle = self.io.objects.create_handle(
            process.handles, body, c.FILE_ALL_ACCESS, attributes
        )
        self.io.objects.dereference(body)
        return handle

    def inherit(self, process: Process, parent: Process, handle: int) -> int:
        """The ConsoleHandle of a new process, for that which its parent gave it.

        A handle is duplicated, and attaches it; what is none is kept, as ring 3 knows it.
        """
        if handle == CONSOLE_HANDLE_ALLOC_NO_WINDOW:
            self._without_window.add(process)
        if handle == NO_HANDLE or handle >= FIRST_PSEUDO_HANDLE:
            return handle
        objects = self.io.objects
        try:
            body = objects.query_handle(parent.handles, handle).body
            file = self.io.file(body)
            if not isinstance(file, ReferenceFile) or file.console.gone:
                return NO_HANDLE
            self.attach(process, file.console)
            return objects.duplicate(parent.handles, handle, process.handles, options=2)
        except NtError:
            return NO_HANDLE

    def process_ended(self, process: Process) -> None:
        """Its handles are closed already."""
        self._without_window.discard(process)
        console = self.console_of(process)
        if console is not None:
            console.detach(process)

    def console_of(self, process: Process) -> Console | None:
        address = process.eprocess.address
        return next((one for one in self.consoles if address in one.processes), None)

    def bind(self, process: Process, pid: int) -> None:
        """Attach it to the console of another process, or of its parent; raises NtError."""
        if self.console_of(process) is not None:
            raise NtError(s.STATUS_INVALID_HANDLE)
        objects = self.io.objects
        if pid == 0xFFFFFFFF:
            pid = process.eprocess.InheritedFromUniqueProcessId
            if pid == SYSTEM_PID:  # started from outside, where the run's own console is
                self._attach_to(process, self._first)
                return
        body = objects.reference_by_id(pid, objects.types["Process"])
        found = self.io.executive.processes.processes.get(body)
        objects.dereference(body)
        self._attach_to(process, self.console_of(found) if found is not None else None)

    def _attach_to(self, process: Process, console: Console | None) -> None:
        if console is None or console.gone:
            raise NtError(s.STATUS_ACCESS_DENIED)
        self.attach(process, console)

    def attach(self, process: Process, console: Console) -> None:
        """Raises STATUS_ACCESS_DENIED for one that has another console."""
        before = self.console_of(process)
        if console.gone or before not in (None, console):
            raise NtError(s.STATUS_ACCESS_DENIED)
        if console not in self.consoles:
            self.consoles.append(console)
        console.attach(process)

    def new_console(self) -> Console:
        """One without a process yet, seen by nobody until it has begun."""
        return Console(self.io.executive, self._console_ended)

    def _console_ended(self, console: Console) -> None:
        self.consoles.remove(console)

    def _begin(self, console: Console, process: Process) -> None:
        """A new console looks like what its first process was started with."""
        memory, peb = process.memory, process.eprocess.Peb
        try:
            address = memory.u32(peb + PEB.ProcessParameters.offset)
            parameters = ProcessParameters.read(memory, address)
        except AccessViolation:
            raise NtError(s.STATUS_ACCESS_VIOLATION) from None
        _x, _y, _width, _height, columns, lines, color, flags, show = parameters.window
        console.has_window = process not in self._without_window
        console.is_shown = not (flags & STARTF_USESHOWWINDOW and show == SW_HIDE)
        console.started = (process.pid, self.io.executive.processes.current.tid)
        hidden = not (console.has_window and console.is_shown)
        self._without_window.discard(process)
        display = Display()
        if self._seat is not None and not hidden:
            display = self._seat.display(first=False)
        console.begin(
            display, parameters.window_title or parameters.image_path,
            (columns, lines) if flags & STARTF_USECOUNTCHARS else None,
            color & 0xFF if flags & STARTF_USEFILLATTRIBUTE else None,
        )  # fmt: skip

    # Opening.

    def open(self, create: Create, file: FILE_OBJECT) -> OpenFile:
        """Raises NtError: STATUS_INVALID_HANDLE without a console."""
        create.take_maximum()
        if create.related is not None:
            return self._open_below(create, file)
        path, access = upcase(create.path), create.access
        process = self.io.executive.processes.current.process
        if path == "\\INPUT":
            return CurrentInput(file, self, access)
        if path == "\\OUTPUT":
            return CurrentOutput(file, self, access)
        if path == "\\SERVER":
            return ServerFile(file, self, access)
        if path == "\\CONNECTION":
            if self.console_of(process) is not None:
                raise NtError(s.STATUS_ACCESS_DENIED)
            return ConnectionFile(file, self, access, process)
        if path not in ("\\CURRENTIN", "\\CURRENTOUT", "\\CONSOLE", "\\SCREENBUFFER"):
            raise NtError(s.STATUS_OBJECT_NAME_NOT_FOUND)
        console = self.console_of(process)
        if console is None:
            raise NtError(s.STATUS_INVALID_HANDLE)
        if path == "\\CONSOLE":
            if access & c.FILE_WRITE_DATA and access & c.FILE_READ_DATA:
                raise NtError(s.STATUS_INVALID_PARAMETER)
            path = "\\CURRENTOUT" if access & c.FILE_WRITE_DATA else "\\CURRENTIN"
        if path == "\\CURRENTIN":
            return BoundInput(file, self, access, console)
        output: ScreenOutput = console.active
        if path == "\\SCREENBUFFER":
            output = console.new_output()
        return BoundOutput(file, self, access, output)

    def _open_below(self, create: Create, file: FILE_OBJECT) -> OpenFile:
        related, name, access = create.related, upcase(create.path), create.access
        process = self.io.executive.processes.current.process
        if name == "REFERENCE" and isinstance(related, ServerFile):
            return ReferenceFile(file, self, access, related.make())
        if name == "REFERENCE" and isinstance(related, ConnectionFile):
            console = self.console_of(process)
            if console is None:
                raise NtError(s.STATUS_INVALID_HANDLE)
            return ReferenceFile(file, self, access, console)
        if name == "CONNECTION" and isinstance(related, ReferenceFile):
            if not related.console.begun:
                self._begin(related.console, process)
            self.attach(process, related.console)
            return ConnectionFile(file, self, access, process)
        raise NtError(s.STATUS_OBJECT_NAME_NOT_FOUND)

    # What comes from outside.

    def _reader(self) -> Console | None:
        """The console that what is typed now goes to."""
        return next((one for one in reversed(self.consoles) if one.wants_input), None)

    def _poller(self) -> Console | None:
        """A console at whose keys a program has looked before it went to sleep."""
        return next((one for one in reversed(self.consoles) if one.polled), None)

    def wait_outside(self, limit: int | None) -> bool:
        """Nothing can run: wait for the host, at most that many 100 ns, as long as it takes.

        True when something has come; meanwhile time has gone by for the machine, too.
        """
        if self.io.stream_reads:
            return self.io.stream_reads.wait(limit)
        console = self._reader() or (self._poller() if limit is not None else None)
        if console is None:
            return False
        console.polled = False
        if self._seat is None or not self._seat.has_keyboard:
            return limit is None and console.input.end()
        began = monotonic_ns()
        seconds = None if limit is None else limit / SECOND
        came = self._look(console, seconds)
        ticks = (monotonic_ns() - began) // (NS_OF_100NS * m.TICK_100NS)
        if ticks and (limit is None or came):
            self.io.executive.clock.tick(ticks)
        return came

    def look_outside(self) -> None:
        """Take what has come for somebody who waits for it."""
        if self.io.stream_reads:
            self.io.stream_reads.look()
        console = self._reader()
        if console is not None and self._seat is not None and self._seat.has_keyboard:
            self._look(console, 0)

    def look_for(self, console: Console) -> None:
        """Take what has been typed for a program that looks at its keys."""
        console.polled = True
        if self._seat is not None and self._seat.has_keyboard:
            self._look(console, 0)

    def _look(self, console: Console, seconds: float | None) -> bool:
        assert self._seat is not None
        records = self._seat.look(seconds, signals=console.processes_ctrl_c)
        if records is None:
            return console.input.end()
        found = list(records)
        if found:
            console.input.put(found)
        return bool(found)


def attach_console(io: IoManager) -> None:
    r"""\Device\ConDrv and the names that lead to it."""
    driver = ConsoleDriver(io)
    io.consoles = driver
    driver.device = io.create_device(
        io.create_driver("\\Driver\\condrv"), "\\Device\\ConDrv", c.FILE_DEVICE_CONSOLE, driver
    )
    scheduler = io.executive.scheduler
    scheduler.wait_outside, scheduler.look_outside = driver.wait_outside, driver.look_outside
    for name, target in LINKS.items():
        io.create_link(name, target)
