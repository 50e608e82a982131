"""User memory that a test lays out."""

from __future__ import annotations

from ntgate.trace.peek import Peek, Unreadable

BASE = 0x10000


class Memory(Peek):
    """Bytes at BASE, and nothing anywhere else."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, address: int, size: int) -> bytes:
        start = address - BASE
        if not 0 <= start <= len(self.data) - size:
            raise Unreadable
        return self.data[start : start + size]

    def available(self, address: int, size: int) -> bytes:
        start = address - BASE
        return self.data[start : start + size] if start >= 0 else b""

    def u32(self, address: int) -> int:
        return int.from_bytes(self.read(address, 4), "little")
