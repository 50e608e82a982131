"""The buffers of a request on a socket: an array of WSABUFs in the requester's memory."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.layout import ntstatus as s

if TYPE_CHECKING:
    from ntgate.executive.io.request import Request
    from ntgate.memory.user import UserMemory

WSABUF = struct.Struct("<2I")  # length, address
MOST = 0x4000_0000  # bytes of one transfer: more than the machine has memory for


class Buffers:
    """Where data is read from or goes to; all methods raise AccessViolation."""

    def __init__(self, memory: UserMemory, rows: list[tuple[int, int]]) -> None:
        self._memory = memory
        self._rows = rows  # length, address
        self.size = sum(length for length, _ in rows)
        if self.size > MOST:
            raise NtError(s.STATUS_INSUFFICIENT_RESOURCES)

    @classmethod
    def of(cls, request: Request, array: int, count: int) -> Buffers:
        """An array of WSABUFs; raises STATUS_INSUFFICIENT_RESOURCES for a giant's."""
        memory = request.thread.process.memory
        rows = memory.read(array, count * WSABUF.size)
        return cls(memory, [(length, at) for length, at in WSABUF.iter_unpack(rows)])

    @classmethod
    def single(cls, request: Request, size: int) -> Buffers:
        """The one of NtReadFile."""
        return cls(request.thread.process.memory, [(size, request.buffer)])

    def probe_for_write(self) -> None:
        for length, address in self._rows:
            self._memory.probe_for_write(address, length)

    def gather(self) -> bytes:
        return b"".join(self._memory.read(address, length) for length, address in self._rows)

    def scatter(self, data: bytes, offset: int = 0) -> None:
        """Write data that fits, from an offset into all of them."""
        for length, address in self._rows:
            part = data[: max(0, length - offset)]
            if part:
                self._memory.write(address + offset, part)
                data, offset = data[len(part) :], 0
            else:
                offset -= length
