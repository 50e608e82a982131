"""What a console's screen looks like on the host: a terminal, lines of text, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ntgate.errors import NtError

if TYPE_CHECKING:
    from ntgate.devices.consoles.cells import Rect, ScreenBuffer

Write = Callable[[bytes], int]


class Display:
    """Nobody sees it; the others do something in these methods."""

    @property
    def size(self) -> tuple[int, int] | None:
        """Columns and lines, of one that has a size of its own."""
        return None

    def stream(self, text: str) -> None:
        """All that is written, as it is: one character for each unit of UTF-16."""

    def run(self, x: int, y: int, text: str, attributes: int) -> None:
        """Cells of one line have changed, by writing."""

    def cells(self, buffer: ScreenBuffer, rect: Rect, *, text: bool) -> None:
        """Cells have changed in another way; text: there may be something new to read."""

    def scroll(self) -> None:
        """Everything has moved up by one line."""

    def raw(self, sequence: str) -> None:
        """A control sequence for a terminal."""

    def sync(self, x: int, y: int) -> None:
        """The cursor is there, and whoever looks may see all."""

    def deactivate(self, buffer: ScreenBuffer) -> None:
        """A screen buffer is shown no more."""

    def activate(self, buffer: ScreenBuffer) -> None:
        """Another one is shown."""

    def finish(self) -> None:
        """The console goes."""


class LineDisplay(Display):
    """What programs write becomes a stream's text, in UTF-8.

    Text that has been put into cells is written as lines when its screen buffer goes.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._buffer: ScreenBuffer | None = None
        self._lines: set[int] = set()
        self._shown: list[ScreenBuffer] = []  # those that have been active

    def stream(self, text: str) -> None:
        self._tell(text)

    def cells(self, buffer: ScreenBuffer, rect: Rect, *, text: bool) -> None:
        if text:
            self._buffer = buffer
            self._lines.update(range(rect.top, rect.bottom + 1))

    def scroll(self) -> None:
        self._lines = {line - 1 for line in self._lines if line}

    def deactivate(self, buffer: ScreenBuffer) -> None:
        self.finish()
        if buffer not in self._shown:
            self._shown.append(buffer)

    def activate(self, buffer: ScreenBuffer) -> None:
        """What stands in one that was shown before has been told."""
        self._buffer = buffer
        if buffer not in self._shown:
            self._lines = {y for y in range(buffer.height) if buffer.row(y).strip()}

    def finish(self) -> None:
        if self._buffer is not None:
            texts = (self._buffer.row(y).rstrip() for y in sorted(self._lines))
            self._tell("".join(text + "\r\n" for text in texts if text))
        self._lines = set()

    def _tell(self, text: str) -> None:
        if not text:
            return
        data = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        try:
            self._write(data.encode("utf-8"))
        except NtError:
            self._write = len  # nobody reads any more
