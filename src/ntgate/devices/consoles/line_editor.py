"""A line as it is typed: keys move, insert and delete, and what they change is echoed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ntgate.devices.consoles import codes as c
from ntgate.devices.consoles.cells import ScreenBuffer
from ntgate.layout.user import (
    VK_BACK,
    VK_DELETE,
    VK_DOWN,
    VK_END,
    VK_ESCAPE,
    VK_F8,
    VK_HOME,
    VK_INSERT,
    VK_LEFT,
    VK_RETURN,
    VK_RIGHT,
    VK_UP,
)

# Alt, Ctrl and Shift: the state of keys beside these doesn't matter.
MODIFIERS = c.ALT_PRESSED | c.CTRL_PRESSED | c.SHIFT_PRESSED


class LineEditor:
    """`done` when the line is complete; `end` is the control character that completed it, if one
    of `ends` did, and the state of the control keys is in `keys` then.
    """

    def __init__(
        self, buffer: ScreenBuffer, history: Sequence[str], *, echo: bool, overwrites: bool,
        text: str = "", ends: int = 0,
    ) -> None:  # fmt: skip
        self._buffer = buffer
        self._history = history
        self._at = len(history)  # what up and down move in
        self._saved = ""
        self._echo, self._overwrites = echo, overwrites
        self._ends = ends
        self.text, self.cursor = text, len(text)
        self.done, self.end, self.keys = False, "", 0
        shown = len(_shown(text))
        # The text is on the screen already, with the cursor behind it.
        start = max(buffer.y * buffer.width + buffer.column - shown, 0)
        self._x, self._y = start % buffer.width, start // buffer.width
        self._drawn = _shown(text)

    def key(self, key: int, char: str, state: int) -> None:
        """A key that goes down, with its character (NUL for none)."""
        if "\0" < char < " " and self._ends & 1 << ord(char):
            self.done, self.end, self.keys = True, char, state
            return
        action = self._actions().get((key, state & MODIFIERS & ~c.SHIFT_PRESSED))
        if action is not None:
            action()
        elif char != "\0" and not (char == "\n" and self._ends):
            self._insert(char)
        if not self.done:
            self.show()

    def _actions(self) -> dict[tuple[int, int], Callable[[], None]]:
        found: dict[tuple[int, int], Callable[[], None]] = {
            (VK_RETURN, 0): self._complete, (VK_BACK, 0): self._back, (VK_DELETE, 0): self._delete,
            (VK_ESCAPE, 0): lambda: self._replace(""),
            (VK_LEFT, 0): lambda: self._go(self.cursor - 1),
            (VK_RIGHT, 0): lambda: self._go(self.cursor + 1),
            (VK_HOME, 0): lambda: self._go(0), (VK_END, 0): lambda: self._go(len(self.text)),
            (VK_UP, 0): lambda: self._recall(self._at - 1),
            (VK_DOWN, 0): lambda: self._recall(self._at + 1),
            (VK_INSERT, 0): self._toggle, (VK_F8, 0): self._find,
        }  # fmt: skip
        for ctrl in (c.LEFT_CTRL_PRESSED, c.CTRL_PRESSED & ~c.LEFT_CTRL_PRESSED):
            found[VK_LEFT, ctrl] = lambda: self._go(self._word_before())
            found[VK_RIGHT, ctrl] = lambda: self._go(self._word_behind())
            found[VK_HOME, ctrl] = self._delete_before
            found[VK_END, ctrl] = lambda: self._replace(self.text[: self.cursor])
            found[ord("M"), ctrl] = self._complete
        return found

    def _complete(self) -> None:
        self.done = True

    def _insert(self, char: str) -> None:
        behind = self.cursor + self._overwrites
        self.text = self.text[: self.cursor] + char + self.text[behind:]
        self.cursor += 1

    def _back(self) -> None:
        if self.cursor:
            self.cursor -= 1
            self._delete()

    def _delete(self) -> None:
        self.text = self.text[: self.cursor] + self.text[self.cursor + 1 :]

    def _delete_before(self) -> None:
        self.text, self.cursor = self.text[self.cursor :], 0

    def _go(self, cursor: int) -> None:
        self.cursor = min(max(cursor, 0), len(self.text))

    def _toggle(self) -> None:
        self._overwrites = not self._overwrites

    def _replace(self, text: str) -> None:
        self.text, self.cursor = text, len(text)

    def _recall(self, at: int) -> None:
        if not 0 <= at <= len(self._history):
            return
        if self._at == len(self._history):
            self._saved = self.text
        self._at = at
        self._replace(self._history[at] if at < len(self._history) else self._saved)

    def _find(self) -> None:
        """The last line of the history before this one that begins as far as the cursor."""
        beginning, cursor = self.text[: self.cursor], self.cursor
        earlier = [*range(self._at - 1, -1, -1), *range(len(self._history) - 1, self._at - 1, -1)]
        for at in earlier:
            if self._history[at].startswith(beginning):
                self._at = at
                self._replace(self._history[at])
                self.cursor = cursor
                return

    def _word_before(self) -> int:
        at = self.cursor
        while at and not self.text[at - 1].isalnum():
            at -= 1
        while at and self.text[at - 1].isalnum():
            at -= 1
        return at

    def _word_behind(self) -> int:
        at, end = self.cursor, len(self.text)
        while at < end and self.text[at].isalnum():
            at += 1
        while at < end and not self.text[at].isalnum():
            at += 1
        return at

    # The echo.

    def show(self) -> None:
        """The line as it is, and the cursor where it is in it."""
        if not self._echo:
            return
        shown = _shown(self.text)
        same = 0
        while same < min(len(shown), len(self._drawn)) and shown[same] == self._drawn[same]:
            same += 1
        self._place(same, shown[same:] + " " * (len(self._drawn) - len(shown)))
        self._drawn = shown
        self._cursor_to(len(_shown(self.text[: self.cursor])))

    def finish(self) -> None:
        """The next line begins."""
        if self._echo:
            self.cursor = len(self.text)
            self.show()
            self._buffer.x = 0
            self._buffer.y += 1
            if self._buffer.y >= self._buffer.height:
                self._buffer.scroll_up()
            self._buffer.show_cursor()

    def _place(self, offset: int, text: str) -> None:
        """From a place in the line; what doesn't fit scrolls the screen."""
        buffer = self._buffer
        end = self._x + offset + len(text)
        while self._y and self._y + end // buffer.width >= buffer.height:
            buffer.scroll_up()
            self._y -= 1
        lines, x = divmod(self._x + offset, buffer.width)
        at, y = 0, self._y + lines
        while at < len(text) and y < buffer.height:
            run = text[at : at + buffer.width - x]
            buffer.place(x, y, run, buffer.attributes)
            at, x, y = at + len(run), 0, y + 1

    def _cursor_to(self, offset: int) -> None:
        buffer = self._buffer
        lines, buffer.x = divmod(self._x + offset, buffer.width)
        buffer.y = min(self._y + lines, buffer.height - 1)
        buffer.show_cursor()


def _shown(text: str) -> str:
    """Control characters as ^A."""
    return "".join(char if char >= " " else f"^{chr(ord(char) + 0x40)}" for char in text)
