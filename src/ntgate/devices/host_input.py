"""Whether a stream of the host has something to read, waiting for it, and reading."""

from __future__ import annotations

import io
import sys
import time
from typing import BinaryIO

if sys.platform == "win32":
    from ntgate.devices import kernel32

    _POLL_SECONDS = 0.01

    def has_input(stream: BinaryIO) -> bool:
        """Whether a read would not wait; True where the host can't tell."""
        try:
            return kernel32.has_input(stream.fileno())
        except (OSError, io.UnsupportedOperation):
            return True

    def wait_for_input(stream: BinaryIO, seconds: float | None) -> bool:
        """Wait that long, with None for ever, in steps between which a signal is heard."""
        end = None if seconds is None else time.monotonic() + seconds
        while not has_input(stream):
            if end is not None and time.monotonic() >= end:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def read_keys(stream: BinaryIO, size: int) -> bytes:
        """What has been typed, at a console that gives single keys; waits for it."""
        return kernel32.read_console(stream.fileno(), size)

else:
    import select

    def has_input(stream: BinaryIO) -> bool:
        """Whether a read would not wait; True where the host can't tell."""
        return wait_for_input(stream, 0)

    def wait_for_input(stream: BinaryIO, seconds: float | None) -> bool:
        """Wait that long for something to read, with None for ever; a signal interrupts."""
        try:
            return bool(select.select([stream], [], [], seconds)[0])
        except (OSError, io.UnsupportedOperation):
            return True

    def read_keys(stream: BinaryIO, size: int) -> bytes:
        """What has been typed, at a terminal that gives single keys; waits for it."""
        return read_some(stream, size)


def read_some(stream: BinaryIO, size: int) -> bytes:
    """As much as there is at once; waits for it."""
    reader = getattr(stream, "read1", stream.read)
    data: bytes = reader(size)
    return data
