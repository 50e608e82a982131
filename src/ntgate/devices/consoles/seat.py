"""Who sits at the machine: the host's terminal as screen and keyboard, where there is one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from ntgate.devices.consoles.display import Display, LineDisplay
from ntgate.devices.consoles.keyboard import Keyboard
from ntgate.devices.consoles.terminal_display import TerminalDisplay
from ntgate.executive.io.device import ByteDevice


@runtime_checkable
class TerminalStream(ByteDevice, Protocol):
    """A stream of the host that may be a terminal."""

    @property
    def is_terminal(self) -> bool: ...
    @property
    def size(self) -> tuple[int, int] | None:
        """Columns and lines of a terminal that knows them."""
        ...

    def keys(self, seconds: float | None, *, signals: bool) -> bytes | None:
        """What is typed, key by key; waits for it that long, with None for ever.

        None when nothing was, b"" at the end.  signals: Ctrl-C interrupts, and is no key.
        """
        ...

    def is_ready(self) -> bool:
        """Whether a read would not wait."""
        ...


def terminal(stream: ByteDevice) -> TerminalStream | None:
    """The stream as a terminal, if it is one."""
    return stream if isinstance(stream, TerminalStream) and stream.is_terminal else None


class Seat:
    """streams: standard input, output and error of the run."""

    def __init__(self, streams: Sequence[ByteDevice]) -> None:
        self._output, self._errors = streams[1], streams[2]
        self._keys = terminal(streams[0])
        self._screen = terminal(streams[1]) or terminal(streams[2]) or self._keys
        self._keyboard = Keyboard()

    @property
    def has_keyboard(self) -> bool:
        return self._keys is not None

    def display(self, *, first: bool) -> Display:
        """For a new console: the terminal.

        Without one, lines: those of the run's own console go to standard error, as programs
        write there past a standard output that is redirected; those of another to standard
        output.
        """
        if self._screen is not None:
            screen = self._screen
            return TerminalDisplay(screen.write, lambda: screen.size)
        return LineDisplay((self._errors if first else self._output).write)

    def look(self, seconds: float | None, *, signals: bool) -> Iterable[bytes] | None:
        """INPUT_RECORDs that have been typed, after waiting for them that long.

        None at the end of all typing.
        """
        assert self._keys is not None
        data = self._keys.keys(seconds, signals=signals)
        if data == b"":
            self._keys = None
            return None
        return self._keyboard.records(data) if data else ()
