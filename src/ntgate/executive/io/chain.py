"""Records behind one another, as directories, quotas and extended attributes are answered."""

from __future__ import annotations

import struct


class Chain:
    """Each record begins with a ULONG that tells how far it is to the next one, 0 in the last.

    room: bytes that there may be of all; alignment: of a record's start, a power of two.
    """

    def __init__(self, room: int, alignment: int) -> None:
        self.data = bytearray()
        self.count = 0
        self._room = room
        self._alignment = alignment
        self._last = 0

    def add(self, record: bytes) -> bool:
        """Whether there was room for it."""
        start = len(self.data) + self._alignment - 1 & -self._alignment
        if start + len(record) > self._room:
            return False
        if self.count:
            self.data += bytes(start - len(self.data))
            struct.pack_into("<I", self.data, self._last, start - self._last)
        self._last = start
        self.data += record
        self.count += 1
        return True
