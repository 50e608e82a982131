"""A console's screen on a terminal of the host, by the control sequences of ECMA-48.

Where on the terminal the console begins is not known, so the cursor moves relatively: what is
merely written comes out as it would without a console in between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ntgate.devices.consoles.cells import GREY_ON_BLACK
from ntgate.devices.consoles.display import Display
from ntgate.errors import NtError

if TYPE_CHECKING:
    from ntgate.devices.consoles.cells import Rect, ScreenBuffer

DEFAULT_SIZE = (80, 25)
BRIGHT = 60
BLUE, GREEN, RED, INTENSITY = 1, 2, 4, 8


def _color(attributes: int, base: int) -> int:
    """The number of a colour in a control sequence: red and blue change their places."""
    return (
        base + bool(attributes & RED) + 2 * bool(attributes & GREEN)
        + 4 * bool(attributes & BLUE) + BRIGHT * bool(attributes & INTENSITY)
    )  # fmt: skip


def rendition(attributes: int) -> str:
    """The control sequence of a cell's attributes; grey on black is the terminal's own."""
    if attributes & 0xFF == GREY_ON_BLACK:
        return "\x1b[m"
    words = ["0"]
    if attributes & 0x0F != GREY_ON_BLACK:
        words.append(str(_color(attributes, 30)))
    if attributes & 0xF0:
        words.append(str(_color(attributes >> 4, 40)))
    return f"\x1b[{';'.join(words)}m"


class TerminalDisplay(Display):
    """`size_of`: what the terminal says of its columns and lines."""

    def __init__(
        self, write: Callable[[bytes], int], size_of: Callable[[], tuple[int, int] | None]
    ) -> None:
        self._write = write
        self._size_of = size_of
        self._out: list[str] = []
        self._x = self._y = 0  # of the terminal's cursor; x is the width behind a full line
        self._attributes = GREY_ON_BLACK
        self._cleared = False  # the console begins at the terminal's first line

    @property
    def size(self) -> tuple[int, int]:
        return self._size_of() or DEFAULT_SIZE

    def run(self, x: int, y: int, text: str, attributes: int) -> None:
        wrapped = x == 0 and y == self._y + 1 and self._x >= self.size[0]
        if wrapped:
            self._x, self._y = 0, y  # the terminal goes on by itself
        else:
            self._move(x, y)
        self._render(attributes)
        self._out.append(text)
        self._x += len(text)

    def cells(self, buffer: ScreenBuffer, rect: Rect, *, text: bool) -> None:
        whole = rect == (0, 0, buffer.width - 1, buffer.height - 1)
        if whole and not any(buffer.row(y).strip() for y in range(buffer.height)):
            self._clear()
            return
        for y in range(rect.top, rect.bottom + 1):
            self._cells_of_line(buffer, rect.left, rect.right + 1, y)

    def _cells_of_line(self, buffer: ScreenBuffer, left: int, right: int, y: int) -> None:
        start = y * buffer.width
        end = right
        if right == buffer.width:
            while end > left and (
                buffer.chars[start + end - 1] == ord(" ")
                and buffer.colors[start + end - 1] == GREY_ON_BLACK
            ):
                end -= 1
        x = left
        while x < end:
            color, first = buffer.colors[start + x], x
            while x < end and buffer.colors[start + x] == color:
                x += 1
            self.run(first, y, "".join(map(chr, buffer.chars[start + first : start + x])), color)
        if end < right:
            self._move(end, y)
            self._render(GREY_ON_BLACK)
            self._out.append("\x1b[K")

    def _clear(self) -> None:
        self._render(GREY_ON_BLACK)
        self._out.append("\x1b[2J\x1b[H")
        self._x = self._y = 0
        self._cleared = True

    def scroll(self) -> None:
        self._y -= 1

    def raw(self, sequence: str) -> None:
        self._out.append(sequence)

    def activate(self, buffer: ScreenBuffer) -> None:
        self._clear()
        for y in range(buffer.height):
            if buffer.row(y).strip():
                self._cells_of_line(buffer, 0, buffer.width, y)

    def sync(self, x: int, y: int) -> None:
        if not (x == 0 and y == self._y + 1 and self._x >= self.size[0]):
            self._move(x, y)
        self._flush()

    def finish(self) -> None:
        self._render(GREY_ON_BLACK)
        self._flush()

    def _render(self, attributes: int) -> None:
        if attributes & 0xFF != self._attributes:
            self._attributes = attributes & 0xFF
            self._out.append(rendition(attributes))

    def _move(self, x: int, y: int) -> None:
        """Down by line feeds, which scroll the terminal at its end."""
        if self._cleared and y != self._y and (x or y != self._y + 1):
            self._out.append(f"\x1b[{y + 1};{x + 1}H")
            self._x, self._y = x, y
            return
        if y > self._y:
            self._render(GREY_ON_BLACK)
            self._out.append("\r\n" * (y - self._y))
            self._x = 0
        elif y < self._y:
            self._out.append(f"\x1b[{self._y - y}A")
        self._y = y
        if self._x >= self.size[0] or (x == 0 and self._x):
            self._out.append("\r")
            self._x = 0
        if x == self._x - 1:
            self._out.append("\b")
        elif x < self._x:
            self._out.append(f"\x1b[{self._x - x}D")
        elif x > self._x:
            self._out.append(f"\x1b[{x - self._x}C")
        self._x = x

    def _flush(self) -> None:
        if not self._out:
            return
        text, self._out = "".join(self._out), []
        data = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        try:
            self._write(data.encode("utf-8"))
        except NtError:
            self._write = len  # the terminal is gone
