"""What UUIDs of version 1 are made of: times that are given out once, a sequence, a node."""

from __future__ import annotations

import struct

from ntgate.executive.ke.clock import BOOT_SYSTEM_TIME, Clock
from ntgate.layout.times import MILLISECOND

GUID_SIZE = 16
SEED_SIZE = 6
RANGE = MILLISECOND  # that one caller gets
GREGORIAN = 5_748_192_000_000_000  # 100 ns units from 15 October 1582 to 1 January 1601
MULTICAST = 0x01  # in the first byte of a node that is no network card's
SEQUENCES = 0x4000
VERSION_1, VARIANT = 0x1000, 0x80


class Uuids:
    """Of one boot.  `seed` is the node; `is_global` after set_seed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next = 0
        node = (BOOT_SYSTEM_TIME >> 16 & 0xFFFF_FFFF_FFFF).to_bytes(SEED_SIZE, "big")
        self.seed = bytes([node[0] | MULTICAST]) + node[1:]
        self.sequence = BOOT_SYSTEM_TIME % 0x3FFD % SEQUENCES
        self.is_global = False

    def allocate(self) -> tuple[int, int]:
        """The first time of a range and how many there are; time stands where it would repeat."""
        now = self._clock.system_time + GREGORIAN
        first = max(now, self._next)
        self._next = first + RANGE
        return first, RANGE

    def new(self) -> bytes:
        """A UUID of version 1, as GUID structures have it."""
        time, _count = self.allocate()
        fields = struct.pack(
            "<I2H2B", time & 0xFFFFFFFF, time >> 32 & 0xFFFF, time >> 48 & 0x0FFF | VERSION_1,
            self.sequence >> 8 & 0x3F | VARIANT, self.sequence & 0xFF,
        )  # fmt: skip
        return fields + self.seed

    def set_seed(self, seed: bytes) -> None:
        self.seed = seed
        self.is_global = not seed[0] & MULTICAST
