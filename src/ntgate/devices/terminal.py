"""A host terminal as a console, in the form in which Wine's kernelbase talks to one.

The control codes are those that Wine 8.0's kernelbase.dll sends (device type 50h), seen in its
code; the structures are described where they are packed.  Text that a program writes as UTF-16
reaches the host as UTF-8, and bytes as they are.  Colours, the cursor and the title are taken
and told again, and change nothing on the host.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.layout import ntstatus as s

if TYPE_CHECKING:
    from ntgate.devices.console import StreamDevice

GET_MODE         = 0x504000
SET_MODE         = 0x508004
READ_CONSOLE     = 0x504028
READ_FILE        = 0x50402C
READ_INPUT       = 0x504030
PEEK             = 0x504038
GET_INPUT_INFO   = 0x50403C
SET_INPUT_INFO   = 0x508040
GET_TITLE        = 0x504044
SET_TITLE        = 0x508048
BEEP             = 0x500050
FLUSH            = 0x500054
GET_WINDOW       = 0x500058
WRITE_CONSOLE    = 0x508078
WRITE_FILE       = 0x50807C
GET_OUTPUT_INFO  = 0x504088
SET_OUTPUT_INFO  = 0x50808C
ACTIVATE         = 0x508090
# Codes that change what only a screen of our own could show.
ACCEPTED = frozenset((SET_INPUT_INFO, SET_OUTPUT_INFO, BEEP, FLUSH, ACTIVATE))

# Processed, line and echo input, insert, quick edit and extended flags.
INPUT_MODE = 0x0E7
OUTPUT_MODE = 0x003  # processed output, wrap at the end of a line
CODE_PAGE = 65001
GREY_ON_BLACK = 0x07
COLORS = (
    0x000000, 0x800000, 0x008000, 0x808000, 0x000080, 0x800080, 0x008080, 0xC0C0C0,
    0x808080, 0xFF0000, 0x00FF00, 0xFFFF00, 0x0000FF, 0xFF00FF, 0x00FFFF, 0xFFFFFF,
)  # fmt: skip
CURSOR_SIZE, FONT = 25, (8, 16, 400, 0x36)  # width, height, weight, pitch and family
INPUT_RECORD = struct.Struct("<HxxI4HI")
KEY_EVENT, VK_RETURN = 1, 0x0D
DEFAULT_SIZE = (80, 25)


class Terminal:
    """The console side of one host stream that is a terminal."""

    def __init__(self, stream: StreamDevice) -> None:
        self._stream = stream
        self._mode = INPUT_MODE if stream.is_input else OUTPUT_MODE
        self._title = b""
        self._keys: deque[bytes] = deque()  # INPUT_RECORDs

    def control(self, code: int, data: bytes, room: int) -> bytes:
        """Raises NtError: STATUS_INVALID_DEVICE_REQUEST for a code that is not known."""
        if code == GET_MODE:
            answer = struct.pack("<I", self._mode)
        elif code == SET_MODE:
            answer = self._set_mode(data)
        elif code in (WRITE_CONSOLE, WRITE_FILE):
            answer = self._write(code, data)
        elif code in (READ_CONSOLE, READ_FILE):
            answer = self._read(code, room)
        elif code in (READ_INPUT, PEEK):
            answer = self._records(room, peek=code == PEEK)
        elif code == GET_INPUT_INFO:
            # Both code pages, the window, and how many records wait.
            answer = struct.pack("<4I", CODE_PAGE, CODE_PAGE, 0, len(self._keys))
        elif code == GET_OUTPUT_INFO:
            answer = self._output_info()[:room]
        elif code == GET_TITLE:
            answer = self._title[:room]
        elif code == SET_TITLE:
            self._title, answer = data, b""
        elif code == GET_WINDOW:
            answer = bytes(4)
        elif code in ACCEPTED:
            answer = b""
        else:
            raise NtError(s.STATUS_INVALID_DEVICE_REQUEST)
        if len(answer) > room:
            raise NtError(s.STATUS_BUFFER_TOO_SMALL)
        return answer

    def _set_mode(self, data: bytes) -> bytes:
        if len(data) < struct.calcsize("<I"):
            raise NtError(s.STATUS_INVALID_PARAMETER)
        (self._mode,) = struct.unpack_from("<I", data)
        return b""

    def _write(self, code: int, data: bytes) -> bytes:
        if code == WRITE_CONSOLE:
            data = data.decode("utf-16-le", "replace").encode("utf-8", "replace")
        self._stream.write(data)
        return b""

    def _read(self, code: int, room: int) -> bytes:
        if code == READ_FILE:
            return self._stream.read(room)
        # A character of UTF-8 takes no fewer bytes than half of its UTF-16.
        text = self._stream.read(max(1, room // 2)).decode("utf-8", "replace")
        return text.encode("utf-16-le")[: room & ~1]

    def _records(self, room: int, *, peek: bool) -> bytes:
        """INPUT_RECORDs: type, then of a key whether it is down, count, key, scan code,
        character and control keys."""
        if not self._keys and (not peek or self._stream.is_ready()):
            self._queue_keys(self._stream.read(room or INPUT_RECORD.size))
        count = room // INPUT_RECORD.size
        taken = [self._keys[number] for number in range(min(count, len(self._keys)))]
        if not peek:
            for _ in taken:
                self._keys.popleft()
        return b"".join(taken)

    def _queue_keys(self, data: bytes) -> None:
        text = data.decode("utf-8", "replace").replace("\r\n", "\r")
        for unit in struct.iter_unpack("<H", text.encode("utf-16-le")):
            key = VK_RETURN if unit[0] == VK_RETURN else 0
            for down in (1, 0):
                self._keys.append(INPUT_RECORD.pack(KEY_EVENT, down, 1, key, 0, unit[0], 0))

    def _output_info(self) -> bytes:
        """Cursor size and visibility, cursor, buffer, attributes, popup attributes, window, the
        largest window, font, 16 colours."""
        width, height = self._stream.size or DEFAULT_SIZE
        shorts = (
            CURSOR_SIZE, 1, 0, 0, width, height, GREY_ON_BLACK, 0xF5, 0, 0, width - 1, height - 1,
            width, height, *FONT,
        )  # fmt: skip
        return struct.pack("<18H16I", *shorts, *COLORS)


def terminal_size(descriptor: int) -> tuple[int, int] | None:
    """Columns and lines of a host terminal; None for one that doesn't know."""
    try:
        size = os.get_terminal_size(descriptor)
    except OSError:
        return None
    return (size.columns, size.lines) if size.columns and size.lines else None
