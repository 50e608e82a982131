"""The formats of `.printf`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ntgate.debug import peek
from ntgate.debug.display import printable
from ntgate.debug.errors import KdError
from ntgate.debug.session import Session
from ntgate.debug.target import Unreadable

_CONVERSION = re.compile(
    r"%(?P<flags>[-+ #0]*)(?P<width>\d{0,3})(?:\.(?P<precision>\d{0,3}))?"
    r"(?P<size>I64|ll|l|h)?(?P<kind>msa|msu|ma|mu|[duxXocpyN%])"
)
_LONGEST_STRING = 0x1000


def expand(session: Session, text: str, values: Sequence[int]) -> str:
    """`text` with its conversions replaced by the values; raises KdError."""
    remaining = list(values)

    def replace(match: re.Match[str]) -> str:
        if match["kind"] == "%":
            return "%"
        if not remaining:
            raise KdError(f"^ Syntax error in '{match[0]}': there is no value for it")
        return _convert(session, match, remaining.pop(0))

    return _CONVERSION.sub(replace, text)


def _convert(session: Session, match: re.Match[str], value: int) -> str:
    kind = match["kind"]
    width = int(match["width"] or 0)
    digits = int(match["precision"] or 0)
    bits = 64 if match["size"] in ("I64", "ll") else 32
    value &= (1 << bits) - 1
    match kind:
        case "d":
            text = f"{value - (value >> bits - 1 << bits):0{digits or 1}d}"
        case "u":
            text = f"{value:0{digits or 1}d}"
        case "x" | "X" | "o":
            text = f"{value:0{digits or 1}{kind}}"
            if "#" in match["flags"] and value and kind != "o":
                text = f"0{kind}{text}"
        case "c":
            text = printable(bytes((value & 0xFF,)), 1)
        case "p" | "N":
            text = f"{value & 0xFFFFFFFF:08x}"
        case "y":
            text = session.label(value)
        case _:
            text = _string(session, kind, value & 0xFFFFFFFF)
    if "-" in match["flags"]:
        return text.ljust(width)
    if "0" in match["flags"] and kind in "duxXo":
        return text.zfill(width)
    return text.rjust(width)


def _string(session: Session, kind: str, address: int) -> str:
    width = 2 if kind.endswith("u") else 1
    try:
        if kind.startswith("ms"):
            length = peek.number(session.target, address, 2) // width * width
            buffer = peek.number(session.target, address + 4)
            raw = session.target.read(buffer, min(length, _LONGEST_STRING))
        else:
            raw = peek.zero_terminated(session.target, address, width, _LONGEST_STRING)
    except Unreadable:
        return "???"
    return printable(raw, width)
