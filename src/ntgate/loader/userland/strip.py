"""Drops the DWARF sections of a PE file; the names of its functions go into a small list.

Wine's DLLs carry three quarters of their size in sections that no loader reads. What a debugger
needs to name an address is kept beside the file: (RVA, name) of each function.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ntgate.image.pe_writer import image_checksum
from ntgate.layout.pe import IMAGE_FILE_MACHINE_I386, SECTION_HEADER
from ntgate.loader.userland.errors import UserlandError
from ntgate.records import dataclass

if TYPE_CHECKING:
    import pefile


_SYMBOL = struct.Struct("<8sIhHBB")  # IMAGE_SYMBOL: name, value, section, type, class, aux
_FUNCTION = 0x20  # IMAGE_SYM_DTYPE_FUNCTION
_DECORATION = re.compile(r"^[_@]|@\d+(?=\.|$)")  # of cdecl, stdcall, fastcall; GCC adds .cold

Symbol = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Stripped:
    """The file without debug sections, and the (RVA, name) of its functions by address."""

    data: bytes
    symbols: list[Symbol]


def open_pe(data: bytes, name: str) -> pefile.PE:
    """The headers of a PE file. Raises UserlandError when it is none, or not for the i386."""
    import pefile

    try:
        pe = pefile.PE(data=data, fast_load=True)
    except pefile.PEFormatError as error:
        raise UserlandError(f"{name} is not a PE file: {error}") from None
    if pe.FILE_HEADER.Machine != IMAGE_FILE_MACHINE_I386:
        raise UserlandError(f"{name} is not a 32-bit x86 file")
    return pe


def strip(data: bytes, name: str) -> Stripped:
    """Strip one PE file. Only debug sections behind all others are dropped: no hole is left.
    With them go the symbol table and whatever follows the last section kept.

    A file that is not a 32-bit PE file (a folder of Windows DLLs has some) stays as it is.
    """
    try:
        pe = open_pe(data, name)
    except UserlandError:
        return Stripped(data, [])
    sections = sorted(pe.sections, key=lambda section: section.VirtualAddress)
    strings = pe.FILE_HEADER.PointerToSymbolTable + (_SYMBOL.size * pe.FILE_HEADER.NumberOfSymbols)
    names = [_section_name(data, strings, section.Name) for section in sections]
    keep = len(sections)
    while keep > 1 and names[keep - 1].startswith(b".debug_"):
        keep -= 1
    symbols = _functions(pe, data, strings)
    if keep == len(sections):
        return Stripped(data, symbols)

    kept = sections[:keep]
    table = pe.sections[0].get_file_offset()
    table_end = table + SECTION_HEADER.size * len(sections)
    ends = (section.PointerToRawData + section.SizeOfRawData for section in kept)
    out = bytearray(data[: max(table_end, *ends)])
    out[table:table_end] = bytes(table_end - table)
    for index, section in enumerate(kept):
        at = table + SECTION_HEADER.size * index
        header = section.get_file_offset()
        out[at : at + SECTION_HEADER.size] = data[header : header + SECTION_HEADER.size]
        out[at : at + 8] = names[index][:8].ljust(8, b"\0")
    file_header = pe.FILE_HEADER.get_file_offset()
    struct.pack_into("<H", out, file_header + 2, keep)
    struct.pack_into("<II", out, file_header + 8, 0, 0)  # the symbol table
    optional = pe.OPTIONAL_HEADER
    dropped = sum(section.SizeOfRawData for section in sections[keep:])
    at = optional.get_field_absolute_offset("SizeOfInitializedData")
    struct.pack_into("<I", out, at, max(optional.SizeOfInitializedData - dropped, 0))
    at = optional.get_field_absolute_offset("SizeOfImage")
    struct.pack_into("<I", out, at, sections[keep].VirtualAddress)
    checksum = optional.get_field_absolute_offset("CheckSum")
    struct.pack_into("<I", out, checksum, image_checksum(out, checksum))
    return Stripped(bytes(out), symbols)


def encode_symbols(symbols: Iterable[Symbol]) -> bytes:
    """The list as it is kept: a line for each, the RVA in hex, a space, the name."""
    return "".join(f"{rva:x} {name}\n" for rva, name in symbols).encode()


def decode_symbols(text: bytes) -> list[Symbol]:
    """What `encode_symbols` wrote."""
    rows = (line.split(" ", 1) for line in text.decode().splitlines())
    return [(int(rva, 16), name) for rva, name in rows]


def _section_name(data: bytes, strings: int, field: bytes) -> bytes:
    """The name of a section; a long one is `/n`, n being its place among the strings."""
    short = field.rstrip(b"\0")
    if short.startswith(b"/") and short[1:].isdigit():
        return _string(data, strings + int(short[1:])) or short
    return short


def _functions(pe: pefile.PE, data: bytes, strings: int) -> list[Symbol]:
    start, count = pe.FILE_HEADER.PointerToSymbolTable, pe.FILE_HEADER.NumberOfSymbols
    table = memoryview(data)[start : start + _SYMBOL.size * count]
    if not start or len(table) < _SYMBOL.size * count:
        return []
    rvas = [section.VirtualAddress for section in pe.sections]
    found: list[Symbol] = []
    for field, value, section, kind, _, _ in _SYMBOL.iter_unpack(table):
        # an auxiliary record may look like a symbol by chance: its section or name won't fit
        if kind == _FUNCTION and 0 < section <= len(rvas):
            raw = _long_name(data, strings, field)
            if raw.isascii() and raw:
                found.append((rvas[section - 1] + value, _DECORATION.sub("", raw.decode())))
    return sorted(set(found))


def _long_name(data: bytes, strings: int, field: bytes) -> bytes:
    if field.startswith(bytes(4)):
        return _string(data, strings + int.from_bytes(field[4:], "little"))
    return field.rstrip(b"\0")


def _string(data: bytes, at: int) -> bytes:
    end = data.find(b"\0", at)
    return data[at:end] if 0 <= at < end else b""
