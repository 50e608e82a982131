"""A console: one input, screen buffers of which one is shown, and the processes attached to it."""

from __future__ import annotations

import codecs
from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING

from ntgate.devices.consoles import codes as c
from ntgate.devices.consoles.cells import GREY_ON_BLACK, Rect, ScreenBuffer, units
from ntgate.devices.consoles.display import Display
from ntgate.devices.consoles.input import ConsoleInput, Read
from ntgate.devices.consoles.output_control import ScreenOutput, need
from ntgate.devices.consoles.window import make_window
from ntgate.errors import NtError
from ntgate.executive.ps.control_event import CTRL_CLOSE_EVENT, send_control_event
from ntgate.layout import lists
from ntgate.layout import ntstatus as s
from ntgate.layout.ke import DISPATCHER_HEADER

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive
    from ntgate.executive.io.request import Request
    from ntgate.executive.ps.thread import Process
    from ntgate.executive.win32k.windows import Window

OEM_CODE_PAGE = 437
UTF_8 = 65001
BUFFER_LINES = 300  # XP's screen buffer, of which a window of 25 lines is seen
COLUMNS, LINES = 80, 25
LARGEST_WINDOW = (128, 60)  # on a screen of 1024 by 768, in cells of 8 by 12
MOST_CELLS = 0x7FFF  # in a line, and lines
TAG_EVENT = b"ConE"


def codec_of(code_page: int) -> str | None:
    """Python's name of a code page; None for one that there isn't."""
    name = "utf-8" if code_page == UTF_8 else f"cp{code_page}"
    try:
        return codecs.lookup(name).name
    except LookupError:
        return None


class Console:
    """`ended(console)` is called when the last process has left it.

    The event that waits on its files wait for lives in the guest's pool until no file of the
    console is left.
    """

    def __init__(self, executive: Executive, ended: Callable[[Console], None]) -> None:
        self._executive = executive
        self._ended = ended
        self.display = Display()
        self.processes: dict[int, Process] = {}  # by EPROCESS, the oldest first
        self.gone = False
        self.title = ""
        self.has_window = self.is_shown = True
        self.started: tuple[int, int] | None = None  # the program whose it is, and its thread
        self._window: Window | None = None  # made when somebody first asks, or names it
        self.input_code_page = self.output_code_page = OEM_CODE_PAGE
        self.input_codec = self.output_codec = f"cp{OEM_CODE_PAGE}"
        self._files = 0
        self.polled = False  # somebody has looked for keys since the machine last waited for them
        self.permanent = False  # it stays when nobody is attached
        self.event = executive.pool.allocate(DISPATCHER_HEADER.SIZE, TAG_EVENT)
        header = DISPATCHER_HEADER(executive.kernel, self.event)
        header.Type, header.Size, header.SignalState = 0, DISPATCHER_HEADER.SIZE // 4, 0
        lists.initialize(executive.kernel, header.WaitListHead.address)
        self.input = ConsoleInput(self)
        self.begun = False
        self.active = ScreenOutput(self, ScreenBuffer(COLUMNS, BUFFER_LINES))
        self._outputs = [self.active]  # the newest last

    def begin(
        self, display: Display, title: str, size: tuple[int, int] | None, attributes: int | None
    ) -> None:
        """What it looks like: columns and lines, where the display has none of its own, and the
        attributes of its cells; None: the usual.
        """
        self.begun, self.display, self.title = True, display, title
        columns, lines = display.size or size or (COLUMNS, BUFFER_LINES)
        columns, lines = max(min(columns, MOST_CELLS), 1), max(min(lines, MOST_CELLS), 1)
        width, height = display.size or (min(columns, COLUMNS), min(lines, LINES))
        color = GREY_ON_BLACK if attributes is None else attributes
        buffer = ScreenBuffer(columns, lines, color)
        buffer.colors = array("H", [color]) * len(buffer.colors)
        buffer.window = Rect(0, 0, width - 1, height - 1)
        buffer.display = display
        self.active = ScreenOutput(self, buffer)
        self.active.largest = display.size or LARGEST_WINDOW
        self._outputs = [self.active]

    # Who is attached, and who has a file open.

    def attach(self, process: Process) -> None:
        self.processes[process.eprocess.address] = process

    def detach(self, process: Process) -> None:
        self.processes.pop(process.eprocess.address, None)
        if self.processes or self.gone:
            return
        self.gone = not self.permanent
        self._remove_window()
        self.input.disconnect()
        self.display.finish()
        self._ended(self)
        self._free_event()

    @property
    def window(self) -> Window | None:
        """None for a console without one."""
        if self._window is None and self.has_window:
            shown = self.active.buffer.window
            cells = (shown.right - shown.left + 1, shown.bottom - shown.top + 1)
            self._window = make_window(
                self._executive, self.title, cells, visible=self.is_shown,
                closing=lambda: self.send(CTRL_CLOSE_EVENT, 0),
            )  # fmt: skip
            self._window.started = self.started
        return self._window

    def _remove_window(self) -> None:
        if self._window is not None:
            self._executive.windows.remove(self._window)
            self._window = None

    def hold(self) -> None:
        self._files += 1

    def release(self) -> None:
        self._files -= 1
        if not self._files and not self.processes:
            self.gone = True  # nobody can attach to it any more
        self._free_event()

    def _free_event(self) -> None:
        if self.gone and not self._files:
            # Who waits by a handle that stands for whichever console it has, waits no longer.
            self._executive.waits.set_event(self.event)
            self._executive.pool.free(self.event)

    def send(self, event: int, group: int) -> None:
        """A control event to the processes of a group, 0 for all of them."""
        for process in reversed(list(self.processes.values())):
            if group in (0, process.group):
                send_control_event(process, event)

    # Input.

    @property
    def processes_ctrl_c(self) -> bool:
        """Whether Ctrl-C interrupts, and is no key."""
        return bool(self.input.mode & c.ENABLE_PROCESSED_INPUT)

    def tell_input(self) -> None:
        """Who waits for input goes on while there are records."""
        header = DISPATCHER_HEADER(self._executive.kernel, self.event)
        if not self.input.records:
            header.SignalState = 0
        elif not header.SignalState:
            self._executive.waits.set_event(self.event)

    @property
    def wants_input(self) -> bool:
        """Whether somebody reads, or waits for keys."""
        header = DISPATCHER_HEADER(self._executive.kernel, self.event)
        waiters = header.WaitListHead.address
        return bool(self.input.waiting) or not lists.is_empty(self._executive.kernel, waiters)

    # Screens.

    def new_output(self) -> ScreenOutput:
        """Another screen buffer, of the size of the one that is shown."""
        old = self.active.buffer
        output = ScreenOutput(self, ScreenBuffer(old.width, old.height, GREY_ON_BLACK))
        output.like(self.active)
        self._outputs.append(output)
        return output

    def close_output(self, output: ScreenOutput) -> None:
        """The last file of one is closed: another one is shown, if that was; the first one stays
        as long as the console.
        """
        if output in self._outputs[1:]:
            self._outputs.remove(output)
            if output is self.active and not self.gone:
                self.activate(self._outputs[-1])

    def activate(self, output: ScreenOutput) -> None:
        if output is not self.active:
            self.display.deactivate(self.active.buffer)
            self.active.buffer.display = None
            self.active = output
            output.buffer.display = self.display
            self.display.activate(output.buffer)
            self.display.sync(output.buffer.x, output.buffer.y)

    def follow_size(self) -> None:
        """The user may have made the terminal larger or smaller."""
        size, buffer = self.display.size, self.active.buffer
        if size is not None and size != (buffer.width, buffer.height):
            buffer.window = Rect(0, 0, 0, 0)
            buffer.resize(*size)
            buffer.window = Rect(0, 0, size[0] - 1, size[1] - 1)
            self.active.largest = size
            self.input.buffer_resized(*size)

    # Control codes of input files, and of what refers to the console.

    def control(self, request: Request, code: int, data: bytes, room: int) -> bytes | None:
        """Raises NtError."""
        if self.gone:
            raise NtError(s.STATUS_INVALID_HANDLE)
        if code in c.BLOCKING:
            return self.input.read(request, Read.decode(code, data, room))
        if code == c.CTRL_EVENT:
            need(len(data) == c.CONTROL_EVENT.size and not room)
            self.send(*c.CONTROL_EVENT.unpack(data))
        elif code == c.GET_PROCESS_LIST:
            return self._process_list(request, room)
        elif code == c.GET_INPUT_INFO:
            need(not data and room == c.INPUT_INFO.size)
            return c.INPUT_INFO.pack(
                self.input_code_page, self.output_code_page, len(self.input.records)
            )
        elif code == c.SET_INPUT_INFO:
            need(len(data) == c.SET_INPUT_INFO_DATA.size and not room)
            self._set_code_pages(*c.SET_INPUT_INFO_DATA.unpack(data)[:3])
        elif code == c.GET_TITLE:
            need(not data and room >= c.TITLE_SIZE)
            text = self.title.encode("utf-16-le", "surrogatepass")[: room - c.TITLE_SIZE & ~1]
            answer = c.ULONG.pack(len(self.title)) + text
            return answer.ljust(c.TITLE_SIZE + len(text), b"\0")
        elif code == c.SET_TITLE:
            need(len(data) % 2 == 0 and not room)
            self.title = units(data)
            if self.window is not None:
                self.window.text = self.title
        elif code == c.GET_WINDOW:
            need(not data and room == c.ULONG.size)
            return c.ULONG.pack(self.window.handle if self.window is not None else 0)
        elif code == c.BEEP:
            need(not data and not room)
        else:
            return self.input.control(code, data, room)
        return b""

    def _set_code_pages(self, mask: int, input_page: int, output_page: int) -> None:
        if mask & c.INPUT_CODE_PAGE:
            codec = codec_of(input_page)
            if codec is None:
                raise NtError(s.STATUS_INVALID_PARAMETER)
            self.input_code_page, self.input_codec = input_page, codec
        if mask & c.OUTPUT_CODE_PAGE:
            codec = codec_of(output_page)
            if codec is None:
                raise NtError(s.STATUS_INVALID_PARAMETER)
            self.output_code_page, self.output_codec = output_page, codec

    def _process_list(self, request: Request, room: int) -> bytes:
        """The ids, the newest first; how many there are when there is no room for them."""
        need(room >= c.ULONG.size)
        ids = [process.pid for process in reversed(self.processes.values())]
        if len(ids) * c.ULONG.size > room:
            request.status = s.STATUS_BUFFER_TOO_SMALL
            return c.ULONG.pack(len(ids))
        return b"".join(map(c.ULONG.pack, ids))
