"""The input side of a console: records that wait, and reads that wait for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import field
from typing import TYPE_CHECKING

from ntgate.devices.consoles import codes as c
from ntgate.devices.consoles.cells import joined, units
from ntgate.devices.consoles.line_editor import LineEditor
from ntgate.devices.consoles.output_control import need
from ntgate.errors import NtError
from ntgate.executive.ps.control_event import CTRL_C_EVENT
from ntgate.layout import ntstatus as s
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.devices.consoles.console import Console
    from ntgate.executive.io.request import Request

LONGEST_HISTORY = 50  # lines
CTRL_D, CTRL_Z = "\x04", "\x1a"
NEW_LINE = "\r\n"


@dataclass(eq=False, slots=True)
class Read:
    """A read as it was asked for, of `room` bytes; of a line, what stands in it to begin with and
    the mask of control characters that end it.
    """

    code: int
    room: int
    text: str = ""
    ends: int = 0
    request: Request | None = field(default=None)  # once it waits

    @classmethod
    def decode(cls, code: int, data: bytes, room: int) -> Read:
        """Raises STATUS_INVALID_PARAMETER."""
        if code != c.READ_CONSOLE_CONTROL:
            need(not data and (code != c.READ_CONSOLE or room % 2 == 0))
            return cls(code, room)
        need(len(data) >= c.ULONG.size and len(data) % 2 == 0)
        need(room >= c.ULONG.size and room % 2 == 0)
        (ends,) = c.ULONG.unpack_from(data)
        return cls(code, room - c.ULONG.size, units(data[c.ULONG.size :]), ends)


class ConsoleInput:
    """`records` are INPUT_RECORDs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.mode = c.INPUT_MODE
        self.records: deque[bytes] = deque()
        self.waiting: deque[Read] = deque()
        self._history: deque[str] = deque(maxlen=LONGEST_HISTORY)
        self._editor: LineEditor | None = None
        self._rest = ""  # of a line that had no room in its read

    # Records.

    def put(self, records: Iterable[bytes]) -> None:
        """Keys and other events come; a processed Ctrl-C goes to the programs instead.

        A move of the mouse that comes alone takes the place of one that nobody has seen.
        """
        records = list(records)
        for record in records:
            if self.mode & c.ENABLE_PROCESSED_INPUT and _is_ctrl_c(record):
                if _is_down(record):
                    self._console.send(CTRL_C_EVENT, 0)
                continue
            if len(records) == 1 and self.records and _same_move(self.records[-1], record):
                self.records.pop()
            self.records.append(record)
        self._serve()
        self._console.tell_input()

    def peek(self, room: int) -> bytes:
        count = min(room // c.INPUT_RECORD.size, len(self.records))
        return b"".join(self.records[at] for at in range(count))

    def flush(self) -> None:
        self.records.clear()
        self._console.tell_input()

    def buffer_resized(self, width: int, height: int) -> None:
        if self.mode & c.ENABLE_WINDOW_INPUT:
            size = min(width, 0x7FFF), min(height, 0x7FFF)
            self.put([c.BUFFER_SIZE_RECORD.pack(c.WINDOW_BUFFER_SIZE_EVENT, *size)])

    # Reads.

    def read(self, request: Request, read: Read) -> bytes | None:
        """What there is, or None when the request waits for it."""
        if not self.waiting:
            data = self._try(read)
            if data is not None:
                self._console.tell_input()
                return data
        read.request = request
        self.waiting.append(read)

        def take_back() -> None:
            self.waiting.remove(read)
            self._editor = None

        request.pend(take_back)
        return None

    def end(self) -> bool:
        """Nobody will type any more: lines end empty, and keys can't be had.

        False when nobody was waiting.
        """
        if not self.waiting:
            return False
        self._editor = None
        while self.waiting:
            read = self.waiting.popleft()
            assert read.request is not None
            if read.code == c.READ_INPUT:
                read.request.complete(s.STATUS_INVALID_HANDLE)
            else:
                data = self._line_answer(read, "", 0)
                read.request.complete(s.STATUS_SUCCESS, len(data), data)
        return True

    def disconnect(self) -> None:
        """The console is gone."""
        while self.waiting:
            request = self.waiting.popleft().request
            assert request is not None
            request.complete(s.STATUS_CANCELLED)

    def _serve(self) -> None:
        while self.waiting:
            read = self.waiting[0]
            data = self._try(read)
            if data is None:
                return
            self.waiting.popleft()
            assert read.request is not None
            read.request.complete(s.STATUS_SUCCESS, len(data), data)

    def _try(self, read: Read) -> bytes | None:
        if read.code == c.READ_INPUT:
            if not self.records and read.room:
                return None
            data = self.peek(read.room)
            for _ in range(len(data) // c.INPUT_RECORD.size):
                self.records.popleft()
            return data
        if self._rest or not read.room:
            return self._take(read, 0)
        if self.mode & c.ENABLE_LINE_INPUT:
            return self._edit(read)
        text = self._characters(read.room)
        if not text:
            return None
        if self.mode & c.ENABLE_ECHO_INPUT:
            self._console.active.buffer.write(text)
        self._rest = text
        return self._take(read, 0)

    def _characters(self, room: int) -> str:
        """The characters of keys without a line, as many as there is room for."""
        found: list[str] = []
        while self.records and len(found) < room:
            char = _key(self.records.popleft())[1]
            if char != "\0":
                found.append(char)
        return "".join(found)

    def _edit(self, read: Read) -> bytes | None:
        editor = self._editor or self._begin(read)
        while self.records and not editor.done:
            key, char, state = _key(self.records.popleft())
            if char == CTRL_D and not editor.text and not read.ends:
                self._editor = None
                return self._line_answer(read, "", 0)
            if key or char != "\0":
                editor.key(key, char, state)
        if not editor.done:
            return None
        self._editor = None
        if editor.end:
            self._rest = editor.text[: editor.cursor] + editor.end + editor.text[editor.cursor :]
            return self._take(read, editor.keys)
        editor.finish()
        if editor.text:
            self._history.append(editor.text)
        if read.code == c.READ_FILE and editor.text.startswith(CTRL_Z):
            return b""
        self._rest = editor.text + NEW_LINE
        return self._take(read, 0)

    def _begin(self, read: Read) -> LineEditor:
        inserts = c.ENABLE_INSERT_MODE | c.ENABLE_EXTENDED_FLAGS
        self._editor = LineEditor(
            self._console.active.buffer, list(self._history),
            echo=bool(self.mode & c.ENABLE_ECHO_INPUT),
            overwrites=self.mode & inserts != inserts, text=read.text, ends=read.ends,
        )  # fmt: skip
        return self._editor

    def _take(self, read: Read, keys: int) -> bytes:
        """As much of the rest as the read has room for."""
        if read.code == c.READ_FILE:
            codec, size, count = self._console.input_codec, 0, 0
            pieces = []
            while count < len(self._rest) and size < read.room:
                width = 2 if "\ud800" <= self._rest[count] < "\udc00" else 1
                piece = joined(self._rest[count : count + width]).encode(codec, "replace")
                pieces.append(piece)
                size, count = size + len(piece), count + width
            self._rest = self._rest[count:]
            return b"".join(pieces)[: read.room]
        count = read.room // 2
        text, self._rest = self._rest[:count], self._rest[count:]
        return self._line_answer(read, text, keys)

    def _line_answer(self, read: Read, text: str, keys: int) -> bytes:
        state = c.ULONG.pack(keys) if read.code == c.READ_CONSOLE_CONTROL else b""
        return state + text.encode("utf-16-le", "surrogatepass")

    def control(self, code: int, data: bytes, room: int) -> bytes:
        """The codes of input that never wait; raises NtError."""
        if code == c.GET_MODE:
            need(not data and room == c.ULONG.size)
            return c.ULONG.pack(self.mode)
        if code == c.SET_MODE:
            need(len(data) == c.ULONG.size and not room)
            (self.mode,) = c.ULONG.unpack(data)
        elif code == c.WRITE_INPUT:
            need(len(data) % c.INPUT_RECORD.size == 0 and not room)
            size = c.INPUT_RECORD.size
            self.put(data[at : at + size] for at in range(0, len(data), size))
        elif code == c.PEEK:
            need(not data)
            return self.peek(room)
        elif code == c.FLUSH:
            need(not data and not room)
            self.flush()
        else:
            raise NtError(s.STATUS_INVALID_HANDLE)
        return b""


def _same_move(before: bytes, record: bytes) -> bool:
    """Whether both are moves of the mouse with the same buttons and keys."""
    first, second = c.MOUSE_RECORD.unpack(before), c.MOUSE_RECORD.unpack(record)
    return first[0] == c.MOUSE_EVENT and second[5] == c.MOUSE_MOVED and (
        first[0], *first[3:]) == (second[0], *second[3:])


def _is_down(record: bytes) -> bool:
    return bool(c.INPUT_RECORD.unpack(record)[1])


def _is_ctrl_c(record: bytes) -> bool:
    kind, _down, _count, _key, _scan, char, state = c.INPUT_RECORD.unpack(record)
    return bool(kind == c.KEY_EVENT and char == c.CTRL_C and not state & c.ENHANCED_KEY)


def _key(record: bytes) -> tuple[int, str, int]:
    """Virtual key, character and control keys of a key that goes down; zeros of another."""
    kind, down, _count, key, _scan, char, state = c.INPUT_RECORD.unpack(record)
    if kind != c.KEY_EVENT or not down:
        return 0, "\0", 0
    return key, chr(char), state
