"""The host's standard streams as those of a program."""

from __future__ import annotations

import errno
import io
import signal
from collections.abc import Callable
from functools import cached_property
from typing import BinaryIO

from ntgate.devices.host_errors import is_broken_pipe, nt_error
from ntgate.devices.host_input import has_input, read_keys, read_some, wait_for_input
from ntgate.devices.terminal import KeyMode, is_terminal, terminal_size
from ntgate.errors import NtError
from ntgate.layout.ntstatus import STATUS_PIPE_BROKEN, STATUS_UNSUCCESSFUL

READ_AHEAD = 0x1000
CAN_INTERRUPT_READS = hasattr(signal, "pthread_kill")  # on Windows, only what sleeps
MOST_KEYS = 0x10000  # bytes: more than a stream reads ahead, so that select knows of the rest


class StreamDevice:
    """A host stream: input or output.

    A terminal is a console to the program; a file or pipe of the host is a pipe.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.is_waiting = False  # for the host's input
        self._rest = b""  # read from the host: a terminal's with line ends made Windows's

    @cached_property
    def is_terminal(self) -> bool:
        return is_terminal(self._stream)

    @cached_property
    def is_input(self) -> bool:
        return self._stream.readable()

    @property
    def size(self) -> tuple[int, int] | None:
        """Columns and lines of a terminal; None for a stream that has no descriptor."""
        try:
            descriptor = self._stream.fileno()
        except io.UnsupportedOperation:
            return None
        return terminal_size(descriptor)

    @cached_property
    def _key_mode(self) -> KeyMode:
        return KeyMode(self._stream.fileno())

    def keys(self, seconds: float | None, *, signals: bool) -> bytes | None:
        """What is typed on a terminal, key by key; waits that long for it, with None for ever.

        None when nothing was, b"" at the end.  signals: Ctrl-C interrupts, and is no key.
        """
        by_keys = self._key_mode.enter(signals=signals)
        if not by_keys and seconds is not None:
            return None  # a terminal that gives whole lines alone, and doesn't tell of them
        if not self.wait(seconds):
            return None
        try:
            return self._read(MOST_KEYS, read_keys if by_keys else read_some)
        except NtError:
            return b""  # the terminal is gone

    def read(self, size: int) -> bytes:
        """As much as the host has at once, as a console gives a line."""
        if not self._rest and not self.is_terminal:
            return self._read(size)
        if not self._rest:
            self._rest = self._read(size).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def _read(self, size: int, reader: Callable[[BinaryIO, int], bytes] = read_some) -> bytes:
        self.is_waiting = True
        try:
            if not CAN_INTERRUPT_READS:
                wait_for_input(self._stream, None)
            return reader(self._stream, size)
        except OSError:
            raise NtError(STATUS_UNSUCCESSFUL) from None
        finally:
            self.is_waiting = False

    def write(self, data: bytes) -> int:
        """Raises STATUS_PIPE_BROKEN when nobody reads any more."""
        # Past the buffer of the stream, which would keep what has failed and write it at the end.
        raw = getattr(self._stream, "raw", self._stream)
        left = memoryview(data)
        try:
            self._stream.flush()
            while left:
                count = raw.write(left)
                if count is None:
                    raise BlockingIOError(errno.EAGAIN, "would wait")
                left = left[count:]
        except OSError as error:
            if is_broken_pipe(error):
                raise NtError(STATUS_PIPE_BROKEN) from None
            raise nt_error(error) from None
        return len(data)

    def peek(self) -> bytes | None:
        """Looking is reading ahead: the host says whether there is something, not what."""
        if not self._rest and self.is_input and self.is_ready():
            self._rest = self._read(READ_AHEAD)
            if not self._rest:
                return None
        return self._rest

    def is_ready(self) -> bool:
        """Whether a read would not wait."""
        return bool(self._rest) or has_input(self._stream)

    def wait(self, seconds: float | None) -> bool:
        """Wait that long for something to read, with None for ever; whether a read would not."""
        if self._rest:
            return True
        self.is_waiting = seconds != 0
        try:
            return wait_for_input(self._stream, seconds)
        finally:
            self.is_waiting = False


class MemoryDevice:
    """Input from bytes, output into bytes: for tests and for programs run by other programs."""

    def __init__(self, data: bytes = b"") -> None:
        self._input = data
        self.output = bytearray()

    def read(self, size: int) -> bytes:
        data, self._input = self._input[:size], self._input[size:]
        return data

    def write(self, data: bytes) -> int:
        self.output += data
        return len(data)

    def peek(self) -> bytes | None:
        return self._input or None

    def wait(self, _seconds: float | None) -> bool:
        return True
