"""An image in a process, and the names that its exports give to its addresses."""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from dataclasses import field
from functools import cached_property

from ntgate.layout.pe import E_LFANEW, SECTION_HEADER
from ntgate.records import dataclass
from ntgate.trace.values import printable

FARTHEST = 0x2000  # bytes behind an export that its name still tells something of
ALIGNMENT = 16  # of functions, by most compilers
# push ebp / mov ebp,esp, as GCC and MSVC write it, and with XP's room for a patch before.
PROLOGUES = (b"\x55\x89\xe5", b"\x55\x8b\xec", b"\x8b\xff\x55")
LONGEST_PROLOGUE = 3
ENDS = (0x90, 0xCC, 0xC3, 0x00)  # last bytes of padding, of a ret and of a ret with a count
# mov eax,NUMBER / mov edx,7FFE0300h / call [edx] (or edx), up to where the call returns to.
STUB = re.compile(rb"\xb8(....)\xba\x00\x03\xfe\x7f\xff[\x12\xd2]", re.DOTALL)
STUB_LENGTH = 12
IMPORT_DESCRIPTOR, MOST_IMPORTS = 20, 1000
_EXPORT_RVA = 24 + 96  # from the PE header: the first data directory


@dataclass(order=True)
class Module:
    """An image in a process; file: the PE file as it is on disk."""

    base: int
    end: int = field(compare=False)
    name: str = field(compare=False)  # without the extension
    file: bytes = field(compare=False, repr=False)

    @cached_property
    def exports(self) -> list[tuple[int, str]]:
        """RVA and name in the order of the RVAs; of several names the first one."""
        try:
            return _exports(self.file)
        except (struct.error, IndexError, ValueError):
            return []  # a file that lies about itself has no names

    def offset(self, address: int) -> str:
        return f"{self.name}+{address - self.base:#x}"

    @cached_property
    def sections(self) -> list[tuple[int, int, int]]:
        """RVA, bytes in the file, place in the file."""
        try:
            return _sections(self.file)
        except (struct.error, IndexError):
            return []

    def symbol(self, address: int) -> str:
        """By the last export at or before the address, if it is in that function."""
        rva = address - self.base
        index = bisect_right(self.exports, (rva, "\x7f")) - 1
        if index < 0:
            return self.offset(address)
        start, name = self.exports[index]
        if rva - start > FARTHEST or self._another_begins(start, rva):
            return self.offset(address)
        return f"{self.name}!{name}+{rva - start:#x}" if rva > start else f"{self.name}!{name}"

    def returns_to(self, address: int) -> str:
        """As `symbol`, of the call before the address: a function may end with one."""
        rva = address - self.base
        name = self.symbol(address - 1)
        function, plus, _ = name.partition("!")[2].partition("+")
        if not function:
            return self.offset(address)
        start = address - 1 - (int(name.rpartition("+")[2], 16) if plus else 0)
        return f"{self.name}!{function}+{rva - (start - self.base):#x}"

    def stub_before(self, address: int) -> int | None:
        """The number in the stub whose call returns there, as the file has it; None for no stub."""
        found = STUB.fullmatch(self._read(address - self.base - STUB_LENGTH, STUB_LENGTH))
        return int.from_bytes(found[1], "little") if found else None

    def begins_at(self, address: int) -> bool:
        """Whether an export is there."""
        return self.begins_between(address - 1, address)

    def begins_between(self, start: int, end: int) -> bool:
        """Whether an export begins behind `start`, at `end` or before."""
        index = bisect_right(self.exports, (start - self.base, "\x7f"))
        return index < len(self.exports) and self.exports[index][0] <= end - self.base

    def _another_begins(self, start: int, end: int) -> bool:
        """Whether a function without a name seems to begin between two RVAs."""
        code = self._read(start, end - start + LONGEST_PROLOGUE)
        first = ALIGNMENT - start % ALIGNMENT
        return any(
            code.startswith(PROLOGUES, at) and code[at - 1] in ENDS
            for at in range(first, end - start + 1, ALIGNMENT)
        )

    def on_disk(self, address: int, size: int) -> bytes:
        """What the file has for an address of the image; less at its end, none between sections."""
        return self._read(address - self.base, size)

    def _read(self, rva: int, size: int) -> bytes:
        for start, length, raw in self.sections:
            if start <= rva < start + length:
                return self.file[raw + rva - start : raw + rva - start + size]
        return b""


def imported_dlls(file: bytes) -> list[str]:
    """The names in a PE file's import table, in its order; those before what can't be read."""
    found: list[str] = []
    try:
        (header,) = struct.unpack_from("<I", file, E_LFANEW)
        (at,) = struct.unpack_from("<I", file, header + _EXPORT_RVA + 8)
        while at:
            *_, name, thunks = struct.unpack_from("<5I", file, _file_offset(file, at))
            if not name or not thunks:
                break
            start = _file_offset(file, name)
            text = file[start : file.index(b"\0", start)].decode("latin-1")
            if not text.isprintable() or len(found) == MOST_IMPORTS:
                break
            found.append(text)
            at += IMPORT_DESCRIPTOR
    except (struct.error, IndexError, ValueError):
        pass
    return found


def _file_offset(file: bytes, rva: int) -> int:
    """Where in the file; raises ValueError, and struct.error for what is no PE file."""
    return _offset_in(_sections(file), rva)


def _offset_in(sections: list[tuple[int, int, int]], rva: int) -> int:
    for start, size, raw in sections:
        if start <= rva < start + size:
            return int(raw + rva - start)
    raise ValueError(f"rva {rva:#x} is in no section")


def _sections(file: bytes) -> list[tuple[int, int, int]]:
    """Raises struct.error for what is no PE file."""
    (header,) = struct.unpack_from("<I", file, E_LFANEW)
    (count,) = struct.unpack_from("<H", file, header + 6)
    (optional,) = struct.unpack_from("<H", file, header + 20)
    sections = []
    for i in range(count):
        _name, _size, rva, raw_size, raw, *_rest = SECTION_HEADER.unpack_from(
            file, header + 24 + optional + i * SECTION_HEADER.size
        )
        sections.append((rva, raw_size, raw))
    return sections


def _exports(file: bytes) -> list[tuple[int, str]]:
    """Raises struct.error, IndexError and ValueError for what is no PE file."""
    (header,) = struct.unpack_from("<I", file, E_LFANEW)
    sections = _sections(file)

    def offset(rva: int) -> int:
        return _offset_in(sections, rva)

    directory, directory_size = struct.unpack_from("<2I", file, header + _EXPORT_RVA)
    if not directory:
        return []
    fields = struct.unpack_from("<5I", file, offset(directory) + 20)
    functions, names, addresses, name_table, ordinal_table = fields
    rvas = struct.unpack_from(f"<{functions}I", file, offset(addresses))
    ordinals = struct.unpack_from(f"<{names}H", file, offset(ordinal_table)) if names else ()
    found: dict[int, str] = {}
    for i in range(names):
        (name_rva,) = struct.unpack_from("<I", file, offset(name_table) + 4 * i)
        at = offset(name_rva)
        name = printable(file[at : file.index(b"\0", at)].decode("latin-1"))
        rva = rvas[ordinals[i]]
        if not directory <= rva < directory + directory_size:  # no forwarder
            found.setdefault(rva, name)
    return sorted(found.items())
