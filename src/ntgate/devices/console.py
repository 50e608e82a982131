"""The host's standard streams as the console of a machine."""

from __future__ import annotations

from typing import BinaryIO


class StreamDevice:
    """A host stream: input, output, or nothing in one direction."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        """As much as the host has at once, as a console gives a line."""
        reader = getattr(self._stream, "read1", self._stream.read)
        data: bytes = reader(size)
        return data

    def write(self, data: bytes) -> int:
        self._stream.write(data)
        self._stream.flush()
        return len(data)


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
