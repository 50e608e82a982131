"""A screen buffer: its cells, its cursor, and the text that programs write into it."""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Iterator
from typing import NamedTuple

from ntgate.devices.consoles import codes as c
from ntgate.devices.consoles.display import Display

GREY_ON_BLACK = 0x07
BLANK = ord(" ")
TAB = 8
SPECIAL = re.compile("[\a\b\t\n\r\x1b]")
# A control sequence or an operating-system command of a terminal; a text may end within one.
ESCAPE = re.compile(r"\x1b(?:\[([0-?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[^\[\]])")
LONGEST_ESCAPE = 256


class Rect(NamedTuple):
    """Cells from left and top to right and bottom, all of them inside."""

    left: int
    top: int
    right: int
    bottom: int


def units(data: bytes) -> str:
    """UTF-16 as one character for each unit, as cells have them; an odd byte is dropped."""
    found = array("H", data[: len(data) & ~1])
    if sys.byteorder == "big":
        found.byteswap()
    return "".join(map(chr, found))


def joined(text: str) -> str:
    """Units as real text, for the host; half a pair becomes the replacement character."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class ScreenBuffer:
    """`width` times `height` cells, characters and attributes apart."""

    def __init__(self, width: int, height: int, attributes: int = GREY_ON_BLACK) -> None:
        self.width, self.height = width, height
        self.chars = array("H", [BLANK]) * (width * height)
        self.colors = array("H", [GREY_ON_BLACK]) * (width * height)
        self.x = self.y = 0  # x is `width` behind a line's last cell
        self.attributes = attributes
        self.mode = c.OUTPUT_MODE
        self.display: Display | None = None  # while it is the active one
        self.window = Rect(0, 0, width - 1, height - 1)
        self._rest = ""  # the beginning of an escape sequence

    @property
    def column(self) -> int:
        return min(self.x, self.width - 1)

    def row(self, y: int) -> str:
        """The text of a line, to its last cell."""
        return "".join(map(chr, self.chars[y * self.width : (y + 1) * self.width]))

    def resize(self, width: int, height: int) -> None:
        """Lines are cut or made longer; their cells stay where they are."""
        old = ScreenBuffer(0, 0)
        old.chars, old.colors, old.width = self.chars, self.colors, self.width
        copied, lines = min(width, self.width), min(height, self.height)
        self.width, self.height = width, height
        self.chars = array("H", [BLANK]) * (width * height)
        self.colors = array("H", [GREY_ON_BLACK]) * (width * height)
        for y in range(lines):
            to, start = y * width, y * old.width
            self.chars[to : to + copied] = old.chars[start : start + copied]
            self.colors[to : to + copied] = old.colors[start : start + copied]
        self.x, self.y = min(self.x, width - 1), min(self.y, height - 1)
        left, top, right, bottom = self.window
        if right >= width:
            left, right = 0, min(right - left, width - 1)
        if bottom >= height:
            top, bottom = 0, min(bottom - top, height - 1)
        self.window = Rect(left, top, right, bottom)

    def show_cursor(self) -> None:
        """Move the window to where the cursor is, and the display's cursor."""
        left, top, right, bottom = self.window
        right, bottom = right - left, bottom - top
        left = max(min(left, self.column), self.column - right)
        top = max(min(top, self.y), self.y - bottom)
        self.window = Rect(left, top, left + right, top + bottom)
        if self.display is not None:
            self.display.sync(self.x, self.y)

    # Text.

    def write(self, text: str) -> None:
        """What WriteConsole does: text from the cursor on, control characters carried out."""
        if self.display is not None:
            self.display.stream(text)
        if not self.mode & c.ENABLE_PROCESSED_OUTPUT:
            self.put(text)
        else:
            for piece in self._pieces(self._rest + text):
                if len(piece) == 1 and piece < " ":
                    self._control(piece)
                elif piece[0] == "\x1b":
                    self._escape(piece)
                else:
                    self.put(piece)
        if self.x == self.width and self.mode & c.ENABLE_WRAP_AT_EOL_OUTPUT:
            self._next_line()
        self.show_cursor()

    def _pieces(self, text: str) -> Iterator[str]:
        """Printable text, single control characters, whole escape sequences."""
        self._rest, at = "", 0
        while at < len(text):
            found = SPECIAL.search(text, at)
            if found is None:
                yield text[at:]
                return
            if found.start() > at:
                yield text[at : found.start()]
            at = found.start()
            if text[at] != "\x1b":
                yield text[at]
                at += 1
                continue
            sequence = ESCAPE.match(text, at)
            if sequence is None and len(text) - at < LONGEST_ESCAPE:
                self._rest = text[at:]
                return
            end = sequence.end() if sequence is not None else at + 1
            if sequence is not None:
                yield text[at:end]
            at = end

    def _control(self, control: str) -> None:
        if control == "\n":
            self._next_line()
        elif control == "\r":
            self.x = 0
        elif control == "\b":
            self.x = max(self.column - 1, 0)
        elif control == "\t":
            self.put(" " * (TAB - self.x % TAB if self.x < self.width else TAB))
        elif control == "\a":
            if self.display is not None:
                self.display.raw("\a")
        else:
            self.put(control)

    def _escape(self, sequence: str) -> None:
        """Wine's console lets a terminal carry them out; moves of the cursor are followed."""
        match = ESCAPE.match(sequence)
        assert match is not None
        final = match[2]
        numbers = [int(text) if text.isdigit() else 0 for text in (match[1] or "").split(";")]
        count = max(numbers[0], 1)
        if final == "A":
            self.y = max(self.y - count, 0)
        elif final == "B":
            self.y = min(self.y + count, self.height - 1)
        elif final == "C":
            self.x = min(self.column + count, self.width - 1)
        elif final == "D":
            self.x = max(self.column - count, 0)
        elif final == "G":
            self.x = min(count, self.width) - 1
        elif final in ("H", "f"):
            column = numbers[1] if len(numbers) > 1 else 1
            self.y = min(self.window.top + count, self.height) - 1
            self.x = min(max(column, 1), self.width) - 1
        elif self.display is not None:
            self.display.sync(self.x, self.y)
            self.display.raw(sequence)

    def put(self, text: str) -> None:
        """Characters from the cursor on, over the line's end and over the last line's."""
        wraps = self.mode & c.ENABLE_WRAP_AT_EOL_OUTPUT
        start = self.x if self.x < self.width else 0
        at = 0
        while at < len(text):
            if self.x >= self.width:
                if wraps:
                    self._next_line()
                else:
                    self.x = start
            run = text[at : at + self.width - self.x]
            self.place(self.x, self.y, run, self.attributes)
            self.x += len(run)
            at += len(run)
        if self.x >= self.width and not wraps:
            self.x = start

    def place(self, x: int, y: int, run: str, attributes: int) -> None:
        """Text within one line, wherever the cursor is."""
        at = y * self.width + x
        self.chars[at : at + len(run)] = array("H", map(ord, run))
        self.colors[at : at + len(run)] = array("H", [attributes]) * len(run)
        if self.display is not None:
            self.display.run(x, y, run, attributes)

    def _next_line(self) -> None:
        self.x = 0
        self.y += 1
        if self.y == self.height:
            self.scroll_up()

    def scroll_up(self) -> None:
        """The first line goes, an empty one comes, and the cursor stays on the last."""
        self.y = self.height - 1
        del self.chars[: self.width], self.colors[: self.width]
        self.chars.extend(array("H", [BLANK]) * self.width)
        self.colors.extend(array("H", [GREY_ON_BLACK]) * self.width)
        if self.display is not None:
            self.display.scroll()
