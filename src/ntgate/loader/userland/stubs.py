"""System-call stubs: Wine's form, found in a DLL, and XP's, which replaces it.

Wine 8.0's is `mov eax,N; mov edx,imm32; call edx; ret n` in a 16-byte slot; XP's (the study's
NtWriteFile) is `mov eax,N; mov edx,7FFE0300h; call dword ptr [edx]; ret n`, of the same length.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from ntgate.layout.machine import SYSTEM_CALL
from ntgate.loader.userland.tables import read_csv
from ntgate.records import dataclass

if TYPE_CHECKING:
    import pefile

SLOT = 16
WINE_ADDRESS_AT = 6  # the imm32 of Wine's `mov edx`: it has a relocation, XP's has none

_WINE_STUB = re.compile(rb"\xb8(....)\xba....\xff\xd2(?:\xc3|\xc2(..))", re.DOTALL)
_XP_STUB = re.compile(rb"\xb8....\xba\x00\x03\xfe\x7f\xff\x12(?:\xc3|\xc2..)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class WineStub:
    """One stub of a Wine DLL. `rva` is the slot's, `popped_bytes` the operand of its `ret`."""

    name: str
    rva: int
    wine_number: int
    popped_bytes: int


def xp_stub(number: int, popped_bytes: int) -> bytes:
    """XP's stub for a service number, filled up with `nop` to a slot's 16 bytes."""
    leave = struct.pack("<BH", 0xC2, popped_bytes) if popped_bytes else b"\xc3"
    code = struct.pack("<BIBIBB", 0xB8, number, 0xBA, SYSTEM_CALL, 0xFF, 0x12) + leave
    return code.ljust(SLOT, b"\x90")


def find_wine_stubs(pe: pefile.PE) -> list[WineStub]:
    """The exported stubs of a Wine DLL (its export directory is parsed), by address.

    A slot with several names is given by its Nt name.
    """
    names: dict[int, list[str]] = {}
    for symbol in pe.DIRECTORY_ENTRY_EXPORT.symbols:
        if symbol.name is not None and symbol.forwarder is None:
            names.setdefault(symbol.address, []).append(symbol.name.decode())
    stubs = []
    for rva, aliases in sorted(names.items()):
        match = _WINE_STUB.match(pe.get_data(rva, SLOT))
        if match:
            name = min(aliases, key=lambda alias: (not alias.startswith("Nt"), alias))
            number = int.from_bytes(match[1], "little")
            stubs.append(WineStub(name, rva, number, int.from_bytes(match[2] or b"", "little")))
    return stubs


def has_xp_stubs(pe: pefile.PE) -> bool:
    """Whether this is a ntdll whose NtClose already has XP's form (its exports are parsed)."""
    return any(
        symbol.name == b"NtClose" and _XP_STUB.match(pe.get_data(symbol.address, SLOT)) is not None
        for symbol in pe.DIRECTORY_ENTRY_EXPORT.symbols
    )


def are_wine_8_0(stubs: list[WineStub]) -> bool:
    """Whether these are the stubs of a Wine 8.0 ntdll, whoever built it."""
    known = {
        (int(row["wine_number"], 16), row["name"], int(row["argument_bytes"]))
        for row in read_csv("loader", "wine80_ntdll_stubs.csv")
    }
    return {(stub.wine_number, stub.name, stub.popped_bytes) for stub in stubs} == known
