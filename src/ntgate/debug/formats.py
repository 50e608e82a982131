"""`.formats`: a number in every form."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import UTC, datetime

from ntgate.debug.arguments import Arguments
from ntgate.debug.arithmetic import LOWEST_NEGATIVE_32
from ntgate.debug.commands import command
from ntgate.debug.display import msvc_exponent, printable
from ntgate.debug.registers import quad
from ntgate.debug.session import Session
from ntgate.layout.times import SECOND, UNIX_EPOCH

_LATEST = 253402300799  # the end of year 9999, in seconds since 1970


@command(".formats", help="Show a number in every format", usage=".formats EXPRESSION")
def formats(session: Session, args: Arguments) -> Iterable[str]:
    value = args.take_value()
    args.finish()
    if value >= LOWEST_NEGATIVE_32:
        value &= 0xFFFFFFFF
    bits = 32 if value < 1 << 32 else 64
    raw = value.to_bytes(bits // 8, "big")
    signed = value - (value >> bits - 1 << bits)
    low, high = value & 0xFFFFFFFF, value >> 32
    yield "Evaluate expression:"
    yield f"  Hex:     {f'{value:08x}' if bits == 32 else quad(value)}"
    yield f"  Decimal: {signed}"
    yield f"  Octal:   {value:0{11 if bits == 32 else 22}o}"
    yield f"  Binary:  {' '.join(f'{byte:08b}' for byte in raw)}"
    yield f"  Chars:   {printable(raw, 1)}"
    yield f"  Time:    {_time(value)}"
    yield f"  Float:   low {_float(low)} high {_float(high)}"
    yield f"  Double:  {_number(struct.unpack('<d', struct.pack('<Q', value))[0])}"


def _float(value: int) -> str:
    return _number(struct.unpack("<f", struct.pack("<I", value))[0])


def _number(value: float) -> str:
    return msvc_exponent(f"{value:.6g}")


def _time(value: int) -> str:
    """UTC: of 32 bits as seconds since 1970, of 64 as 100 ns units since 1601."""
    seconds = value if value < 1 << 32 else (value - UNIX_EPOCH) // SECOND
    if not 0 <= seconds <= _LATEST:
        return "***** Invalid FILETIME"
    return f"{datetime.fromtimestamp(seconds, UTC):%a %b %d %H:%M:%S %Y}"
