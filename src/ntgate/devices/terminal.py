"""A terminal of the host: how large it is, and reading it key by key."""

from __future__ import annotations

import atexit
import io
import os
import sys
from contextlib import suppress
from typing import Any, BinaryIO

if sys.platform == "win32":
    from ntgate.devices import kernel32 as k

    def is_terminal(stream: BinaryIO) -> bool:
        """Whether it is a console; one for output must understand control sequences."""
        try:
            descriptor = stream.fileno()
            mode = k.console_mode(descriptor)
        except (OSError, io.UnsupportedOperation):
            return False
        if mode is None or stream.readable():
            return mode is not None
        wanted = mode | k.ENABLE_VIRTUAL_TERMINAL_PROCESSING | k.DISABLE_NEWLINE_AUTO_RETURN
        if wanted != mode:
            atexit.register(k.set_console_mode, descriptor, mode)
        return k.set_console_mode(descriptor, wanted)

    class KeyMode:
        """Puts a console into the mode in which each key counts, until the host's process ends."""

        def __init__(self, descriptor: int) -> None:
            self._descriptor = descriptor
            self._signals: bool | None = None  # as it is set; None: not yet

        def enter(self, *, signals: bool) -> bool:
            """False where that can't be done.  signals: Ctrl-C interrupts the host's process."""
            if signals == self._signals:
                return True
            mode = k.console_mode(self._descriptor)
            if mode is None:
                return False
            if self._signals is None:
                atexit.register(k.set_console_mode, self._descriptor, mode)
            wanted = mode & ~(k.ENABLE_LINE_INPUT | k.ENABLE_ECHO_INPUT | k.ENABLE_PROCESSED_INPUT)
            wanted |= k.ENABLE_VIRTUAL_TERMINAL_INPUT
            wanted |= k.ENABLE_PROCESSED_INPUT if signals else 0
            if not k.set_console_mode(self._descriptor, wanted):
                return False
            self._signals = signals
            return True

else:
    import termios

    def is_terminal(stream: BinaryIO) -> bool:
        """Whether a person sits there."""
        return stream.isatty()

    # What a console does itself: echo, lines, and the characters that edit them.
    _LOCAL = termios.ECHO | termios.ICANON | termios.IEXTEN
    _INPUT = termios.ICRNL | termios.IXON

    class KeyMode:
        """Puts a terminal into the mode in which each key counts, until the host's process ends."""

        def __init__(self, descriptor: int) -> None:
            self._descriptor = descriptor
            self._signals: bool | None = None  # as it is set; None: not yet

        def enter(self, *, signals: bool) -> bool:
            """False where that can't be done.  signals: Ctrl-C interrupts the host's process."""
            if signals == self._signals:
                return True
            try:
                mode = termios.tcgetattr(self._descriptor)
                if self._signals is None:
                    before = [*mode[:6], [*mode[6]]]
                    atexit.register(self._restore, before)
                mode[0] &= ~_INPUT
                mode[3] = mode[3] & ~(_LOCAL | termios.ISIG) | (termios.ISIG if signals else 0)
                mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
                # Ctrl-Z and Ctrl-\ are keys of a program's in any case.
                disabled = bytes([os.fpathconf(self._descriptor, "PC_VDISABLE") & 0xFF])
                mode[6][termios.VSUSP] = mode[6][termios.VQUIT] = disabled
                termios.tcsetattr(self._descriptor, termios.TCSANOW, mode)
            except (OSError, termios.error):
                return False
            self._signals = signals
            return True

        def _restore(self, mode: list[Any]) -> None:
            with suppress(termios.error):  # a terminal that is gone
                termios.tcsetattr(self._descriptor, termios.TCSADRAIN, mode)


def terminal_size(descriptor: int) -> tuple[int, int] | None:
    """Columns and lines of a host terminal; None for one that doesn't know."""
    try:
        size = os.get_terminal_size(descriptor)
    except OSError:
        return None
    return (size.columns, size.lines) if size.columns and size.lines else None
