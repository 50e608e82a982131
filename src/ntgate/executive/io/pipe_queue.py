"""One direction of a pipe: what was written and not read yet, and the readers that wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from ntgate.executive.io.held import HeldBytes
from ntgate.layout import ntstatus as s

if TYPE_CHECKING:
    from ntgate.executive.io.request import Request


class _Entry:
    """What one write has put in: `request` while it waits, `token` as pipe_client.py has it."""

    __slots__ = ("data", "request", "size", "token")

    def __init__(self, data: bytes, request: Request | None, token: int) -> None:
        self.data = memoryview(data)
        self.size = len(data)
        self.request = request
        self.token = token


class PipeQueue:
    """`quota` bytes are kept without anybody waiting.  `messages`: writes keep their borders.

    `held` counts what is kept with that of all other queues.  `was_read` hears the token of each
    write that a reader comes to.
    """

    def __init__(self, quota: int, held: HeldBytes, *, messages: bool) -> None:
        self.quota = quota
        self._held = held
        self.messages = messages
        self.available = 0  # bytes that can be read
        self.was_read: Callable[[int], None] = lambda _token: None
        self._entries: deque[_Entry] = deque()
        self._readers: deque[tuple[Request, int, bool]] = deque()
        self._flushes: list[Request] = []

    @property
    def room(self) -> int:
        return max(0, self.quota - self.available)

    @property
    def is_empty(self) -> bool:
        """A message of no bytes is something."""
        return not self._entries

    @property
    def count(self) -> int:
        """How many messages there are."""
        return len(self._entries)

    @property
    def first_length(self) -> int:
        """What is left of the first message."""
        return len(self._entries[0].data) if self._entries else 0

    # Reading.

    def read(self, size: int, *, message: bool) -> tuple[int, bytes]:
        """Status and data of a queue that is not empty.

        message: one message at most; STATUS_BUFFER_OVERFLOW when it has more than fits.
        """
        parts = []
        status = s.STATUS_SUCCESS
        while self._entries:
            entry = self._entries[0]
            self.was_read(entry.token)
            part = bytes(entry.data[:size])
            parts.append(part)
            size -= len(part)
            self._drop(len(part))
            entry.data = entry.data[len(part) :]
            if entry.data:
                status = s.STATUS_BUFFER_OVERFLOW if message else status
                break
            self._entries.popleft()
            if entry.request is not None:
                entry.request.complete(s.STATUS_SUCCESS, entry.size)
            if message or not size:
                break
        self._release_writers()
        self._flushed(s.STATUS_SUCCESS)
        return status, b"".join(parts)

    def _release_writers(self) -> None:
        """Writes that are within the quota by now need not wait any more."""
        kept = 0
        for entry in self._entries:
            kept += len(entry.data)
            if kept > self.quota:
                break
            if entry.request is not None:
                request, entry.request = entry.request, None
                request.complete(s.STATUS_SUCCESS, entry.size)

    def peek(self, size: int, *, message: bool) -> bytes:
        """What a read would give, left where it is."""
        if message:
            return bytes(self._entries[0].data[:size]) if self._entries else b""
        parts = []
        for entry in self._entries:
            part = bytes(entry.data[:size])
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def wait(self, request: Request, size: int, *, message: bool) -> None:
        """Have a read wait for data."""
        waiting = (request, size, message)
        self._readers.append(waiting)
        request.pend(lambda: self._readers.remove(waiting))

    def flush(self, request: Request) -> int | None:
        """The answer when all has been read, None when the request waits for that."""
        if self.is_empty:
            return 0
        self._flushes.append(request)
        request.pend(lambda: self._flushes.remove(request))
        return None

    def _flushed(self, status: int) -> None:
        if self._flushes and self.is_empty:
            flushes, self._flushes = self._flushes, []
            for request in flushes:
                request.complete(status)

    # Writing.

    def write(self, data: bytes, token: int = 0) -> None:
        """Put in what fits; readers that wait get it.  Raises STATUS_INSUFFICIENT_RESOURCES."""
        self._put(_Entry(data, None, token))

    def write_waiting(self, data: bytes, request: Request, token: int = 0) -> None:
        """Put in more than the quota; the write waits until the rest is within it.

        Raises STATUS_INSUFFICIENT_RESOURCES.
        """
        entry = _Entry(data, request, token)
        self._put(entry, lambda: request.pend(lambda: self._take_back(entry)))

    def accepts(self, size: int) -> bool:
        """Whether a write of that size need not wait: it fits, or readers take it."""
        return size <= self.room + self.wanted

    @property
    def wanted(self) -> int:
        """Bytes that readers wait for."""
        return sum(size for _, size, _ in self._readers)

    def _put(self, entry: _Entry, waits: Callable[[], None] = lambda: None) -> None:
        if not entry.size and not self.messages:
            return
        self._held.take(entry.size)
        waits()
        self._entries.append(entry)
        self.available += entry.size
        while self._readers and self._entries:
            request, size, message = self._readers.popleft()
            status, data = self.read(size, message=message)
            request.complete(status, len(data), data)

    def _take_back(self, entry: _Entry) -> None:
        self._entries.remove(entry)
        self._drop(len(entry.data))
        self._release_writers()
        self._flushed(s.STATUS_SUCCESS)

    def _drop(self, size: int) -> None:
        self.available -= size
        self._held.give_back(size)

    # The end.

    def break_readers(self, status: int) -> None:
        """Nothing will come any more."""
        while self._readers:
            request, _, _ = self._readers.popleft()
            request.complete(status)

    def discard(self, status: int) -> None:
        """Nobody will read: what was written is gone, and writes that wait fail."""
        entries, self._entries = self._entries, deque()
        self._drop(self.available)
        for entry in entries:
            if entry.request is not None:
                entry.request.complete(status)
        self._flushed(status)
