"""A typed piece of memory as `dt` writes it: `0x3 ''`, `1 ( NtProductWinNt )`, `0y00`, `[3] 0`.

Numbers are WinDbg's: unsigned ones below 10 bare, others in hex; signed ones in decimal after
`0n`; characters always with their glyph; 64-bit ones with a backtick where they need it.
"""

from __future__ import annotations

import struct as binary
from collections.abc import Callable
from typing import Protocol

from ntgate.debug.target import Unreadable
from ntgate.layout.type_table import VOID, Array, Base, Bitfield, Enum, Pointer, Struct, Type

UNREADABLE = "??"
_LAST_BARE_NUMBER = 9
_PRINTABLE = range(0x20, 0x7F)
_FLOAT_FORMATS = {4: "<f", 8: "<d"}
_STRING_LIMIT = 0x200  # bytes of text behind a plain character pointer


class Reader(Protocol):
    """The part of a Target that values are read from."""

    def read(self, address: int, size: int) -> bytes: ...


def read_number(memory: Reader, of: Base, address: int) -> int:
    """The integer at an address, signed where its type is; raises Unreadable."""
    return int.from_bytes(memory.read(address & 0xFFFFFFFF, of.size), "little", signed=of.signed)


def read_pointer(memory: Reader, address: int) -> int:
    """The 32-bit pointer at an address; raises Unreadable."""
    return int.from_bytes(memory.read(address & 0xFFFFFFFF, 4), "little")


def format_value(memory: Reader, of: Type, address: int) -> str:
    """What `dt` writes behind the colon; raises Unreadable."""
    if isinstance(of, Base):
        return _format_base(memory, of, address)
    if isinstance(of, Bitfield):
        number = int.from_bytes(memory.read(address, of.size), "little")
        return f"0y{of.extract(number):0{of.width}b}"
    if isinstance(of, Enum):
        return _format_enum(of, read_number(memory, of.base, address))
    if isinstance(of, Pointer):
        return _format_pointer(memory, of, read_pointer(memory, address))
    if isinstance(of, Array):
        return _format_array(memory, of, address)
    return f"{of.name} {summary(memory, of, address)}".rstrip()


def summary(memory: Reader, of: Struct, address: int) -> str:
    """A structure's value in short, where WinDbg has one: strings, lists, large integers."""
    write = _SUMMARIES.get(of.tag)
    return write(memory, address) if write else ""


def format_unsigned(number: int) -> str:
    if number <= _LAST_BARE_NUMBER:
        return str(number)
    return hexadecimal(number)


def hexadecimal(number: int) -> str:
    """`0x53b2c`, and ``0x01c9e2a4`3d5d5e6c`` above 32 bits."""
    if number >> 32:
        return f"0x{number >> 32:08x}`{number & 0xFFFFFFFF:08x}"
    return f"{number:#x}"


def _format_base(memory: Reader, of: Base, address: int) -> str:
    raw = memory.read(address, of.size)
    if of.character:
        shown = hexadecimal(raw[0]) if raw[0] else "0"
        return f"{shown} '{_glyph(raw[0])}'"
    if of.floating:
        return f"{binary.unpack(_FLOAT_FORMATS[of.size], raw)[0]:g}"
    number = int.from_bytes(raw, "little", signed=of.signed)
    return f"0n{number}" if of.signed else format_unsigned(number)


def _glyph(code: int) -> str:
    return chr(code) if code in _PRINTABLE else ""


def _format_enum(of: Enum, number: int) -> str:
    name = of.constants.get(number)
    shown = format_unsigned(number) if number >= 0 else f"0n{number}"
    return f"{shown} ( {name} )" if name else f"{shown} (No matching name)"


def _format_pointer(memory: Reader, of: Pointer, value: int) -> str:
    if not value:
        return "(null)"
    shown = f"0x{value:08x}"
    target = of.target
    if target == VOID:
        return f"{shown} Void"
    try:
        if isinstance(target, Struct):
            return f"{shown} {format_value(memory, target, value)}"
        if isinstance(target, Base) and target.character:
            return f'{shown}  "{_text_at(memory, value, _STRING_LIMIT)}"'
        return f"{shown}  -> {format_value(memory, target, value)}"
    except Unreadable:
        if isinstance(target, Struct):
            return f"{shown} {target.name}"
        return f"{shown}  -> {UNREADABLE}"


def _format_array(memory: Reader, of: Array, address: int) -> str:
    prefix = f"[{of.count}]"
    if isinstance(of.element, Base) and of.element.character:
        return f'{prefix}  "{_text_at(memory, address, of.count)}"'
    if not of.size:
        return prefix
    return f"{prefix} {format_value(memory, of.element, address)}"


def _text_at(memory: Reader, address: int, limit: int) -> str:
    """The characters up to a NUL, as far as memory goes; raises Unreadable at the first."""
    raw = bytearray()
    while len(raw) < limit:
        size = min(limit - len(raw), 0x1000 - (address + len(raw)) % 0x1000)
        try:
            piece = memory.read((address + len(raw)) & 0xFFFFFFFF, size)
        except Unreadable:
            if not raw:
                raise
            break
        raw += piece
        if 0 in piece:
            break
    return readable(raw.split(b"\0")[0].decode("latin-1"))


def readable(text: str) -> str:
    """The text with `.` for what a terminal would not show as one character."""
    return "".join(character if character.isprintable() else "." for character in text)


def _unicode_string(memory: Reader, address: int) -> str:
    return _counted_string(memory, address, "utf-16-le")


def _ansi_string(memory: Reader, address: int) -> str:
    return _counted_string(memory, address, "latin-1")


def _counted_string(memory: Reader, address: int, encoding: str) -> str:
    length, _, buffer = binary.unpack("<HHI", memory.read(address, 8))
    if not length or not buffer:
        return '""'
    try:
        text = memory.read(buffer, length).decode(encoding, errors="replace")
    except Unreadable as error:
        return f"--- memory read error at address 0x{error.address:08x} ---"
    return f'"{readable(text)}"'


def _list_entry(memory: Reader, address: int) -> str:
    flink, blink = binary.unpack("<II", memory.read(address, 8))
    return f"[ {flink:#x} - {blink:#x} ]"


def _large_integer(memory: Reader, address: int) -> str:
    return hexadecimal(int.from_bytes(memory.read(address, 8), "little"))


def _guid(memory: Reader, address: int) -> str:
    first, second, third, rest = binary.unpack("<IHH8s", memory.read(address, 16))
    return f"{{{first:08x}-{second:04x}-{third:04x}-{rest[:2].hex()}-{rest[2:].hex()}}}"


_SUMMARIES: dict[str, Callable[[Reader, int], str]] = {
    "_UNICODE_STRING": _unicode_string,
    "_STRING": _ansi_string,
    "_LIST_ENTRY": _list_entry,
    "_LARGE_INTEGER": _large_integer,
    "_ULARGE_INTEGER": _large_integer,
    "_GUID": _guid,
}
