"""What programs ask of a screen buffer with control codes: cells, cursor, sizes, colours."""

from __future__ import annotations

from array import array
from codecs import IncrementalDecoder, getincrementaldecoder
from typing import TYPE_CHECKING

from ntgate.devices.consoles import codes as c
from ntgate.devices.consoles.cells import BLANK, Rect, ScreenBuffer, units
from ntgate.errors import NtError
from ntgate.layout import ntstatus as s

if TYPE_CHECKING:
    from ntgate.devices.consoles.console import Console

COLORS = (
    0x000000, 0x800000, 0x008000, 0x808000, 0x000080, 0x800080, 0x008080, 0xC0C0C0,
    0x808080, 0xFF0000, 0x00FF00, 0xFFFF00, 0x0000FF, 0xFF00FF, 0x00FFFF, 0xFFFFFF,
)  # fmt: skip
POPUP_ATTRIBUTES = 0xF5
CURSOR_SIZE = 25  # percent
FW_NORMAL, FW_BOLD, FW_SEMIBOLD = 400, 700, 600
RASTER_FONT = (8, 12, FW_NORMAL, 0x30)  # width, height, weight, pitch and family
FACE_NAME = "Terminal"


def need(right: bool) -> None:
    """Raises STATUS_INVALID_PARAMETER."""
    if not right:
        raise NtError(s.STATUS_INVALID_PARAMETER)


class ScreenOutput:
    """A screen buffer of a console, as the files on it see it."""

    def __init__(self, console: Console, buffer: ScreenBuffer) -> None:
        self.console = console
        self.buffer = buffer
        self.cursor_size, self.cursor_visible = CURSOR_SIZE, 1
        self.popup_attributes = POPUP_ATTRIBUTES
        self.colors = COLORS
        self.largest = (buffer.width, buffer.height)
        self.font, self.face = RASTER_FONT, FACE_NAME
        self._decoder: IncrementalDecoder | None = None
        self._code_page = ""
        self.files = 0  # open on it

    def like(self, other: ScreenOutput) -> None:
        """Look like a console's active one, as a new one does."""
        self.buffer.attributes = self.popup_attributes = other.buffer.attributes
        left, top, right, bottom = other.buffer.window
        self.buffer.window = Rect(0, 0, right - left, bottom - top)
        self.largest, self.font, self.face = other.largest, other.font, other.face
        self.colors = other.colors

    def control(self, code: int, data: bytes, room: int) -> bytes:
        """Raises NtError."""
        if code == c.GET_MODE:
            need(not data and room == c.ULONG.size)
            return c.ULONG.pack(self.buffer.mode)
        if code == c.SET_MODE:
            need(len(data) == c.ULONG.size and not room)
            (self.buffer.mode,) = c.ULONG.unpack(data)
            return b""
        if code == c.WRITE_CONSOLE:
            need(len(data) % 2 == 0 and not room)
            self.buffer.write(units(data))
            return b""
        if code == c.WRITE_FILE:
            self.write(data)
            return b""
        if code == c.WRITE_OUTPUT:
            return self._write_output(data, room)
        if code == c.READ_OUTPUT:
            return self._read_output(data, room)
        if code == c.GET_OUTPUT_INFO:
            need(not data and room >= c.OUTPUT_INFO.size)
            return self._information()[:room]
        if code == c.SET_OUTPUT_INFO:
            need(len(data) >= c.ULONG.size + c.OUTPUT_INFO.size and not room)
            self._set_information(data)
            return b""
        if code == c.FILL_OUTPUT:
            need(len(data) == c.FILL_DATA.size and room == c.ULONG.size)
            return self._fill(data)
        if code == c.SCROLL:
            need(len(data) == c.SCROLL_DATA.size and not room)
            self._scroll(data)
            return b""
        raise NtError(s.STATUS_INVALID_HANDLE)

    def write(self, data: bytes) -> None:
        """Bytes in the console's code page; a character may come in two parts."""
        name = self.console.output_codec
        if self._decoder is None or name != self._code_page:
            self._decoder, self._code_page = getincrementaldecoder(name)("replace"), name
        text = self._decoder.decode(data)
        self.buffer.write(units(text.encode("utf-16-le", "surrogatepass")))

    # Cells.

    def _changed(self, rect: Rect, *, text: bool) -> None:
        display = self.buffer.display
        if display is not None:
            display.cells(self.buffer, rect, text=text)
            display.sync(self.buffer.x, self.buffer.y)

    def _write_output(self, data: bytes, room: int) -> bytes:
        """An array of cells: on from line to line, or as a rectangle; tells how far it came."""
        buffer = self.buffer
        need(len(data) >= c.OUTPUT_DATA.size and room in (c.ULONG.size, c.REGION.size))
        x, y, what, width = c.OUTPUT_DATA.unpack_from(data)
        need(what in (c.TEXT, c.COLORS, c.CELLS) and (width > 0 or room != c.REGION.size))
        given = array("H", data[c.OUTPUT_DATA.size : len(data) & ~1])
        step = 2 if what == c.CELLS else 1
        count = len(given) // step
        if x >= buffer.width:
            return b""
        chars = given[0::step] if what != c.COLORS else None
        colors = given[1::2] if what == c.CELLS else given if what == c.COLORS else None
        if width:
            shown = min(width, buffer.width - x)
            lines = max(min(-(-count // width), buffer.height - y), 0)
            for line in range(lines):
                start = line * width
                self._store((y + line) * buffer.width + x, chars, colors, start, start + shown)
            done = min(count, lines * width)
            rect = Rect(x, y, x + shown - 1, y + lines - 1)
        else:
            start = y * buffer.width + x
            done = max(min(count, buffer.width * buffer.height - start), 0)
            self._store(start, chars, colors, 0, done)
            rect = self._lines(start, done)
        if done:
            visible = chars is not None and any(char != BLANK for char in chars)
            self._changed(rect, text=visible)
        if room == c.REGION.size:
            right, bottom = min(x + width, buffer.width), min(y + count // width, buffer.height)
            return c.REGION.pack(x, min(y, 0x7FFF), right - 1, bottom - 1)
        return c.ULONG.pack(done)

    def _store(
        self, at: int, chars: array[int] | None, colors: array[int] | None, start: int, end: int
    ) -> None:
        if chars is not None:
            part = chars[start:end]
            self.buffer.chars[at : at + len(part)] = part
        if colors is not None:
            part = colors[start:end]
            self.buffer.colors[at : at + len(part)] = part

    def _lines(self, start: int, count: int) -> Rect:
        """The rectangle around cells that go on from line to line."""
        width = self.buffer.width
        top, bottom = start // width, (start + max(count, 1) - 1) // width
        if top == bottom:
            return Rect(start % width, top, (start + max(count, 1) - 1) % width, top)
        return Rect(0, top, width - 1, bottom)

    def _read_output(self, data: bytes, room: int) -> bytes:
        need(len(data) == c.OUTPUT_DATA.size)
        buffer = self.buffer
        x, y, what, width = c.OUTPUT_DATA.unpack(data)
        need(what in (c.TEXT, c.COLORS, c.CELLS))
        outside = x >= buffer.width or y >= buffer.height
        if what != c.CELLS:
            start = y * buffer.width + x
            source = buffer.chars if what == c.TEXT else buffer.colors
            return b"" if outside else source[start : start + room // 2].tobytes()
        need(width > 0 and room >= c.REGION.size and not outside)
        lines = min((room - c.REGION.size) // (width * 4), buffer.height - y)
        width = min(width, buffer.width - x)
        cells = array("H", bytes(4 * width * lines))
        for line in range(lines):
            start, to = (y + line) * buffer.width + x, 2 * line * width
            cells[to : to + 2 * width : 2] = buffer.chars[start : start + width]
            cells[to + 1 : to + 2 * width : 2] = buffer.colors[start : start + width]
        return c.REGION.pack(x, y, x + width - 1, y + lines - 1) + cells.tobytes()

    def _fill(self, data: bytes) -> bytes:
        buffer = self.buffer
        x, y, what, count, _wrap, char, color = c.FILL_DATA.unpack(data)
        need(what in (c.TEXT, c.COLORS, c.CELLS))
        if not 0 <= y < buffer.height or x < 0:
            return c.ULONG.pack(0)
        start = min(y * buffer.width + x, len(buffer.chars))
        count = max(min(count & 0xFFFFFFFF, len(buffer.chars) - start), 0)
        if what != c.COLORS:
            buffer.chars[start : start + count] = array("H", [char]) * count
        if what != c.TEXT:
            buffer.colors[start : start + count] = array("H", [color]) * count
        if count:
            visible = what != c.COLORS and char != BLANK
            self._changed(self._lines(start, count), text=visible)
        return c.ULONG.pack(count)

    def _scroll(self, data: bytes) -> None:
        """Move a rectangle within a clip; what it leaves becomes the given cell."""
        buffer = self.buffer
        numbers = c.SCROLL_DATA.unpack(data)
        source, to_x, to_y = Rect(*numbers[:4]), numbers[4], numbers[5]
        char, color = numbers[10:]
        clip = Rect(
            max(numbers[6], 0), max(numbers[7], 0),
            min(numbers[8], buffer.width - 1), min(numbers[9], buffer.height - 1),
        )  # fmt: skip
        need(
            clip.left <= clip.right and clip.top <= clip.bottom
            and 0 <= source.left <= source.right < buffer.width
            and 0 <= source.top <= source.bottom < buffer.height
            and 0 <= to_x < buffer.width and 0 <= to_y < buffer.height
        )  # fmt: skip
        by_x, by_y = to_x - source.left, to_y - source.top
        chars, colors = buffer.chars[:], buffer.colors[:]
        self._blank(source, clip, char, color)
        left, right = max(to_x, clip.left), min(source.right + by_x, clip.right)
        top, bottom = max(to_y, clip.top), min(source.bottom + by_y, clip.bottom)
        if left <= right:
            for y in range(top, bottom + 1):
                to, start = y * buffer.width + left, (y - by_y) * buffer.width + left - by_x
                length = right - left + 1
                buffer.chars[to : to + length] = chars[start : start + length]
                buffer.colors[to : to + length] = colors[start : start + length]
        changed = Rect(
            min(max(source.left, clip.left), left), min(max(source.top, clip.top), top),
            max(min(source.right, clip.right), right), max(min(source.bottom, clip.bottom), bottom),
        )  # fmt: skip
        self._changed(changed, text=False)

    def _blank(self, source: Rect, clip: Rect, char: int, color: int) -> None:
        left, right = max(source.left, clip.left), min(source.right, clip.right)
        for y in range(max(source.top, clip.top), min(source.bottom, clip.bottom) + 1):
            at, count = y * self.buffer.width + left, max(right - left + 1, 0)
            self.buffer.chars[at : at + count] = array("H", [char]) * count
            self.buffer.colors[at : at + count] = array("H", [color]) * count

    # What it looks like.

    def _information(self) -> bytes:
        buffer = self.buffer
        shorts = (
            self.cursor_size, self.cursor_visible, buffer.column, buffer.y, buffer.width,
            buffer.height, buffer.attributes, self.popup_attributes, *buffer.window,
            *self.largest, *self.font,
        )  # fmt: skip
        fixed = c.OUTPUT_INFO.pack(*(_short(number) for number in shorts), *self.colors)
        return fixed + self.face.encode("utf-16-le")

    def _set_information(self, data: bytes) -> None:
        """Each part that the mask names; a wrong one leaves those before it changed."""
        (mask,) = c.ULONG.unpack_from(data)
        numbers = c.OUTPUT_INFO.unpack_from(data, c.ULONG.size)
        buffer = self.buffer
        if mask & c.CURSOR_SHAPE:
            need(1 <= numbers[0] <= 100)
            self.cursor_size, self.cursor_visible = numbers[0], int(numbers[1] != 0)
        if mask & c.CURSOR_POSITION:
            x, y = numbers[2:4]
            need(0 <= x < buffer.width and 0 <= y < buffer.height)
            buffer.x, buffer.y = x, y
            buffer.show_cursor()
        if mask & c.BUFFER_SIZE:
            self._resize(*numbers[4:6])
        if mask & c.ATTRIBUTES:
            buffer.attributes = numbers[6] & 0xFFFF
        if mask & c.POPUP_ATTRIBUTES:
            self.popup_attributes = numbers[7] & 0xFFFF
        if mask & c.WINDOW:
            window = Rect(*numbers[8:12])
            need(
                0 <= window.left <= window.right < buffer.width
                and 0 <= window.top <= window.bottom < buffer.height
            )
            buffer.window = window
        if mask & c.LARGEST_WINDOW:
            self.largest = (numbers[12], numbers[13])
        if mask & c.FONT:
            weight = FW_BOLD if numbers[16] >= FW_SEMIBOLD else FW_NORMAL
            height = numbers[15] or RASTER_FONT[1]
            self.font = (numbers[14] or height // 2, height, weight, numbers[17])
            name = data[c.ULONG.size + c.OUTPUT_INFO.size :]
            if name:
                self.face = name.decode("utf-16-le", "replace").rstrip("\0")

    def _resize(self, width: int, height: int) -> None:
        """Never smaller than the window, which a new size moves."""
        left, top, right, bottom = self.buffer.window
        need(width > right - left and height > bottom - top)
        self.buffer.resize(width, height)
        if self.buffer.display is not None:
            self.console.input.buffer_resized(width, height)


def _short(number: int) -> int:
    return (number + 0x8000 & 0xFFFF) - 0x8000
