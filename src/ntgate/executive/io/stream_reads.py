"""Reads that wait for what the host has not sent yet; meanwhile other threads run."""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.layout import machine as m
from ntgate.layout import ntstatus as s
from ntgate.layout.times import SECOND
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.executive.io.device import ByteDevice
    from ntgate.executive.io.manager import IoManager
    from ntgate.executive.io.request import Request

NS_OF_100NS = 100
TURN = 100_000  # how long one of several streams is waited for, in 100 ns


@dataclass(eq=False, slots=True)
class _Read:
    stream: ByteDevice
    size: int
    request: Request


class StreamReads:
    """All of one machine, in the order in which they were asked for."""

    def __init__(self, io: IoManager) -> None:
        self._io = io
        self._waiting: list[_Read] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def read(self, stream: ByteDevice, size: int, request: Request) -> bytes | None:
        """What there is, or None when the request waits for it; raises NtError."""
        if not size:
            return b""
        if all(read.stream is not stream for read in self._waiting) and stream.wait(0):
            return _take(stream, size)
        read = _Read(stream, size, request)
        self._waiting.append(read)
        request.pend(lambda: self._waiting.remove(read))
        return None

    def look(self) -> bool:
        """Complete what can be; whether anything was."""
        served = False
        for read in list(self._waiting):
            if not read.stream.wait(0):
                continue
            self._waiting.remove(read)
            served = True
            try:
                data = _take(read.stream, read.size)
            except NtError as error:
                read.request.complete(error.status)
            else:
                read.request.complete(s.STATUS_SUCCESS, len(data), data)
        return served

    def wait(self, limit: int | None) -> bool:
        """Nothing else can run: wait that many 100 ns, or for ever; whether anything has come.

        While a timer runs the machine's clock goes with the host's; otherwise it stands, and how
        long the input took makes no difference.
        """
        began, gone = monotonic_ns(), 0
        several = any(read.stream is not self._waiting[0].stream for read in self._waiting)
        while not self.look():
            left = None if limit is None else limit - gone
            if left is not None and left <= 0:
                return False
            if several:
                left = min(left or TURN, TURN)
            self._waiting[0].stream.wait(None if left is None else left / SECOND)
            gone = (monotonic_ns() - began) // NS_OF_100NS
        if limit is not None and gone >= m.TICK_100NS:
            self._io.executive.clock.tick(min(gone, limit) // m.TICK_100NS)
        return True


def _take(stream: ByteDevice, size: int) -> bytes:
    data = stream.read(size)
    if not data:  # the other end of a pipe is closed
        raise NtError(s.STATUS_PIPE_BROKEN)
    return data
