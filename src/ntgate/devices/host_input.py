"""Whether a stream of the host has something to read."""

from __future__ import annotations

import io
import sys
from typing import BinaryIO

if sys.platform == "win32":
    import ctypes
    import msvcrt

    def has_input(stream: BinaryIO) -> bool:
        """Whether a read would not wait; True where the host can't tell."""
        there = ctypes.c_uint32()
        try:
            handle = ctypes.c_void_p(msvcrt.get_osfhandle(stream.fileno()))
        except (OSError, io.UnsupportedOperation):
            return True
        kernel32 = ctypes.WinDLL("kernel32")
        # It fails for what is no pipe, and at a pipe's end, where a read does not wait either.
        if kernel32.PeekNamedPipe(handle, None, 0, None, ctypes.byref(there), None):
            return there.value > 0
        return True

else:
    import select

    def has_input(stream: BinaryIO) -> bool:
        """Whether a read would not wait; True where the host can't tell."""
        try:
            return bool(select.select([stream], [], [], 0)[0])
        except (OSError, io.UnsupportedOperation):
            return True
