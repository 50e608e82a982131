"""The time zone: Greenwich without daylight saving, until a program sets another one."""

from __future__ import annotations

import struct

from ntgate.records import dataclass

ZONE = "Greenwich Standard Time"  # as in Control\\TimeZoneInformation
NAME_BYTES = 64
DATE_BYTES = 16
ZONE_BYTES = 172  # RTL_TIME_ZONE_INFORMATION
DYNAMIC_BYTES = 432  # with the registry's name of the zone, and whether to use it
KEY_BYTES = 256
MINUTE_100NS = 600_000_000
_LAYOUT = struct.Struct(f"<i{NAME_BYTES}s{DATE_BYTES}si{NAME_BYTES}s{DATE_BYTES}si")


def _name(text: str, size: int) -> bytes:
    return text.encode("utf-16-le").ljust(size, b"\0")


@dataclass(frozen=True, slots=True)
class TimeZone:
    """Biases are minutes that lead from local time to UTC; dates are TIME_FIELDS of the switch."""

    bias: int = 0
    standard_name: bytes = _name(ZONE, NAME_BYTES)
    standard_date: bytes = bytes(DATE_BYTES)
    standard_bias: int = 0
    daylight_name: bytes = _name(ZONE, NAME_BYTES)
    daylight_date: bytes = bytes(DATE_BYTES)
    daylight_bias: int = 0

    def pack(self) -> bytes:
        """RTL_TIME_ZONE_INFORMATION."""
        return _LAYOUT.pack(
            self.bias, self.standard_name, self.standard_date, self.standard_bias,
            self.daylight_name, self.daylight_date, self.daylight_bias,
        )  # fmt: skip

    def pack_dynamic(self) -> bytes:
        """RTL_DYNAMIC_TIME_ZONE_INFORMATION."""
        return (self.pack() + _name(ZONE, KEY_BYTES)).ljust(DYNAMIC_BYTES, b"\0")

    @classmethod
    def unpack(cls, data: bytes) -> TimeZone:
        """Of an RTL_TIME_ZONE_INFORMATION, 172 bytes."""
        return cls(*_LAYOUT.unpack(data))

    @property
    def bias_100ns(self) -> int:
        return (self.bias + self.standard_bias) * MINUTE_100NS
