"""A writer of 32-bit PE images: sections, exports, imports, relocations, and the debug directory.

The nt image, the built-in programs and the DLLs that the userland lacks are made with it. Sections
have their RVA when they are added (`PeWriter.next_rva` tells it before), so that code can be
assembled for its place; the tables that describe them follow behind, in `build`.

Source of the format: Microsoft's public PE/COFF specification.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.layout.pe import (
    IMAGE_DIRECTORY_ENTRY_BASERELOC,
    IMAGE_DIRECTORY_ENTRY_DEBUG,
    IMAGE_DIRECTORY_ENTRY_EXPORT,
    IMAGE_DIRECTORY_ENTRY_IAT,
    IMAGE_DIRECTORY_ENTRY_IMPORT,
    IMAGE_FILE_32BIT_MACHINE,
    IMAGE_FILE_DLL,
    IMAGE_FILE_EXECUTABLE_IMAGE,
    IMAGE_FILE_MACHINE_I386,
    IMAGE_FILE_RELOCS_STRIPPED,
    IMAGE_NUMBEROF_DIRECTORY_ENTRIES,
    IMAGE_REL_BASED_HIGHLOW,
    IMAGE_SCN_MEM_DISCARDABLE,
    IMAGE_SUBSYSTEM_WINDOWS_CUI,
    SECTION_HEADER,
)
from ntgate.records import dataclass

FILE_ALIGNMENT = 0x200

CODE = 0x6000_0020  # IMAGE_SCN_CNT_CODE | MEM_EXECUTE | MEM_READ
DATA = 0xC000_0040  # IMAGE_SCN_CNT_INITIALIZED_DATA | MEM_READ | MEM_WRITE
BSS = 0xC000_0080  # IMAGE_SCN_CNT_UNINITIALIZED_DATA | MEM_READ | MEM_WRITE
READ_ONLY = 0x4000_0040

_LFANEW = 0x80
_OPTIONAL_SIZE = 0xE0
_CHECKSUM_AT = _LFANEW + 0x58
_DEBUG_TYPE_CODEVIEW = 2
_DEBUG_ENTRY_SIZE = 28


def align(value: int, to: int) -> int:
    """`value` rounded up to a multiple of the power of two `to`."""
    return (value + to - 1) & -to


@dataclass(frozen=True, slots=True)
class Section:
    """One section. `size` is its VirtualSize in bytes; past `data` it is zero-filled memory."""

    name: str
    rva: int
    data: bytes
    size: int
    flags: int

    @property
    def end(self) -> int:
        """The RVA behind the section's last page."""
        return self.rva + align(self.size, PAGE_SIZE)


@dataclass(frozen=True, slots=True)
class Export:
    """One row of the export table.

    `target` is an RVA, or a forwarder such as ``"NTDLL.RtlZeroMemory"``. A row without a name is
    exported by its ordinal alone and must have one.
    """

    name: str | None
    target: int | str
    ordinal: int | None = None


@dataclass(frozen=True, slots=True)
class Rsds:
    """The CodeView record by which a debugger finds the symbol file of an image."""

    pdb: str
    guid: UUID
    age: int = 1

    def encode(self) -> bytes:
        """The record as it stands in the image."""
        return b"RSDS" + self.guid.bytes_le + struct.pack("<I", self.age) + _cstring(self.pdb)


class PeWriter:
    """Collects the parts of one image; `build` gives the file.

    `name` is the image's own name in its export table. `timestamp` is seconds since 1970 and is
    written wherever the format has one: the same input gives the same file. `version` is
    (major, minor) of the system, the image and the subsystem. `fixed` makes an image that cannot
    be moved (no relocation table, IMAGE_FILE_RELOCS_STRIPPED).

    Public parts to fill before `build`: `entry` (RVA, 0 for none), `relocations` (RVAs of 32-bit
    absolute addresses), `rsds`, and `directories` (number -> (RVA, size)) for those that the writer
    does not make itself. The headers fill `header_room` bytes in the file as in memory.
    """

    def __init__(
        self,
        name: str,
        base: int,
        timestamp: int,
        *,
        dll: bool = True,
        subsystem: int = IMAGE_SUBSYSTEM_WINDOWS_CUI,
        version: tuple[int, int] = (5, 1),
        fixed: bool = False,
        dll_characteristics: int = 0,
        stack: tuple[int, int] = (0x100000, 0x1000),
        heap: tuple[int, int] = (0x100000, 0x1000),
        header_room: int = PAGE_SIZE,
    ) -> None:
        if base % 0x1000:
            raise ValueError(f"{name}: base {base:#x} is not on a page")
        self.name = name
        self.base = base
        self.timestamp = timestamp
        self.dll = dll
        self.subsystem = subsystem
        self.version = version
        self.fixed = fixed
        self.dll_characteristics = dll_characteristics
        self.stack = stack
        self.heap = heap
        self.entry = 0
        self.relocations: set[int] = set()
        self.rsds: Rsds | None = None
        self.directories: dict[int, tuple[int, int]] = {}
        self._header_room = align(header_room, PAGE_SIZE)
        self._sections: list[Section] = []
        self._exports: list[Export] = []
        self._ordinal_base = 1

    @property
    def sections(self) -> tuple[Section, ...]:
        """The sections added so far, in the order of their addresses."""
        return tuple(self._sections)

    @property
    def next_rva(self) -> int:
        """Where the next section goes if it names no place of its own."""
        return self._sections[-1].end if self._sections else self._header_room

    def add_section(
        self,
        name: str,
        data: bytes,
        flags: int,
        *,
        rva: int | None = None,
        size: int | None = None,
    ) -> Section:
        """Add a section at `rva` (next_rva when None), `size` bytes in memory (those of `data`).

        A gap before it is given to the section in front: the loader wants no holes. Raises
        ValueError when the place is taken, not on a page, or would leave a hole at the front.
        """
        place = self.next_rva if rva is None else rva
        if place % PAGE_SIZE or place < self.next_rva or len(name.encode()) > 8:
            raise ValueError(f"{self.name}: no section {name!r} can stand at {place:#x}")
        if place > self.next_rva:
            if not self._sections:
                raise ValueError(f"{self.name}: the first section goes to {self.next_rva:#x}")
            last = self._sections[-1]
            self._sections[-1] = Section(
                last.name, last.rva, last.data, place - last.rva, last.flags
            )
        extent = max(len(data), size or 0)
        if not extent:
            raise ValueError(f"{self.name}: section {name!r} is empty")
        section = Section(name, place, bytes(data), extent, flags)
        self._sections.append(section)
        return section

    def add_imports(
        self, imports: Mapping[str, Sequence[str]], *, name: str = ".idata", rva: int | None = None
    ) -> dict[tuple[str, str], int]:
        """Add the import section; gives the RVA of the IAT slot of each (dll, function)."""
        place = self.next_rva if rva is None else rva
        data, slots, table, iat = _imports(imports, place)
        self.add_section(name, data, DATA, rva=place)
        self.directories[IMAGE_DIRECTORY_ENTRY_IMPORT] = table
        self.directories[IMAGE_DIRECTORY_ENTRY_IAT] = iat
        return slots

    def export(self, rows: Mapping[str, int | str] | Iterable[Export], *, base: int = 1) -> None:
        """Add exports; rows with no ordinal of their own are numbered by name, from `base`."""
        if isinstance(rows, Mapping):
            rows = [Export(name, target) for name, target in rows.items()]
        self._exports.extend(rows)
        self._ordinal_base = base

    def build(self) -> bytes:
        """The finished file, with its checksum. May be called again after a change."""
        sections = list(self._sections)
        directories = dict(self.directories)

        def end() -> int:
            return sections[-1].end if sections else self._header_room

        def append(name: str, data: bytes, flags: int) -> tuple[int, int]:
            section = Section(name, end(), data, len(data), flags)
            sections.append(section)
            return section.rva, len(data)

        if self._exports:
            table = export_table(
                self.name, self._exports, end(), self.timestamp, self._ordinal_base
            )
            directories[IMAGE_DIRECTORY_ENTRY_EXPORT] = append(".edata", table, READ_ONLY)
        if self.rsds is not None:
            at = self._header_room + _raw_size(sections)
            table = _debug_table(self.rsds.encode(), end(), at, self.timestamp)
            rva, _ = append(".debug", table, READ_ONLY)
            directories[IMAGE_DIRECTORY_ENTRY_DEBUG] = rva, _DEBUG_ENTRY_SIZE
        if self.relocations and not self.fixed:
            directories[IMAGE_DIRECTORY_ENTRY_BASERELOC] = append(
                ".reloc", relocation_table(self.relocations), READ_ONLY | IMAGE_SCN_MEM_DISCARDABLE
            )
        return self._file(sections, directories)

    def _file(self, sections: list[Section], directories: dict[int, tuple[int, int]]) -> bytes:
        table = _LFANEW + 0x18 + _OPTIONAL_SIZE
        if table + SECTION_HEADER.size * len(sections) > self._header_room:
            raise ValueError(f"{self.name}: {len(sections)} sections need a larger header_room")
        out = bytearray(self._headers(sections, directories))
        for index, section in enumerate(sections):
            raw = align(len(section.data), FILE_ALIGNMENT)
            SECTION_HEADER.pack_into(
                out, table + SECTION_HEADER.size * index,
                section.name.encode(), section.size, section.rva, raw, len(out) if raw else 0,
                0, 0, 0, 0, section.flags,
            )  # fmt: skip
            out += section.data.ljust(raw, b"\0")
        struct.pack_into("<I", out, _CHECKSUM_AT, image_checksum(out, _CHECKSUM_AT))
        return bytes(out)

    def _headers(self, sections: list[Section], directories: dict[int, tuple[int, int]]) -> bytes:
        out = bytearray(self._header_room)
        struct.pack_into("<2s58xI", out, 0, b"MZ", _LFANEW)
        characteristics = IMAGE_FILE_EXECUTABLE_IMAGE | IMAGE_FILE_32BIT_MACHINE
        if self.dll:
            characteristics |= IMAGE_FILE_DLL
        if self.fixed:
            characteristics |= IMAGE_FILE_RELOCS_STRIPPED
        struct.pack_into(
            "<4sHHIIIHH", out, _LFANEW,
            b"PE\0\0", IMAGE_FILE_MACHINE_I386, len(sections), self.timestamp, 0, 0,
            _OPTIONAL_SIZE, characteristics,
        )  # fmt: skip
        code = [s for s in sections if s.flags & 0x20]
        data = [s for s in sections if s.flags & 0x40]
        bss = [s for s in sections if s.flags & 0x80]
        image_size = sections[-1].end if sections else self._header_room
        struct.pack_into(
            "<HBBIIIIIIIIIHHHHHHIIIIHHIIIIII", out, _LFANEW + 0x18,
            0x10B, 7, 10,
            _raw_size(code), _raw_size(data), sum(s.size for s in bss), self.entry,
            code[0].rva if code else 0, data[0].rva if data else 0,
            self.base, PAGE_SIZE, FILE_ALIGNMENT,
            *self.version, *self.version, *self.version, 0,
            image_size, self._header_room, 0, self.subsystem, self.dll_characteristics,
            *self.stack, *self.heap, 0, IMAGE_NUMBEROF_DIRECTORY_ENTRIES,
        )  # fmt: skip
        for index, entry in directories.items():
            struct.pack_into("<II", out, _LFANEW + 0x78 + 8 * index, *entry)
        return bytes(out)


def export_table(
    name: str, exports: Iterable[Export], rva: int, timestamp: int, base: int = 1
) -> bytes:
    """The export directory of image `name` with all its tables and names, to stand at `rva`.

    Raises ValueError for a name or ordinal given twice, or a row that has neither.
    """
    rows = sorted(exports, key=lambda row: row.name or "")
    ordinals: dict[int, Export] = {}
    for row in rows:
        if row.ordinal is not None:
            if row.ordinal in ordinals or row.ordinal < base:
                raise ValueError(f"{name}: bad ordinal {row.ordinal} for {row.name}")
            ordinals[row.ordinal] = row
    names: dict[str, int] = {}
    free = base
    for row in rows:
        number = row.ordinal
        if number is None:
            while free in ordinals:
                free += 1
            number = free
            ordinals[number] = row
        if row.name in names or (row.name is None and row.ordinal is None):
            raise ValueError(f"{name}: {row.name or 'a nameless row'} can't be exported twice")
        if row.name is not None:
            names[row.name] = number
    count = max(ordinals, default=base - 1) - base + 1
    functions_at = rva + 40
    names_at = functions_at + 4 * count
    ordinals_at = names_at + 4 * len(names)
    strings_at = ordinals_at + 2 * len(names)
    strings = bytearray(_cstring(name))

    def string(text: str) -> int:
        at = strings_at + len(strings)
        strings.extend(_cstring(text))
        return at

    targets = [0] * count
    for number, row in ordinals.items():
        target = row.target
        targets[number - base] = target if isinstance(target, int) else string(target)
    name_rvas = [string(text) for text in names]
    return (
        struct.pack(
            "<IIHHIIIIIII", 0, timestamp, 0, 0, strings_at, base, count, len(names),
            functions_at, names_at, ordinals_at,
        )
        + struct.pack(f"<{count}I", *targets)
        + struct.pack(f"<{len(names)}I", *name_rvas)
        + struct.pack(f"<{len(names)}H", *(number - base for number in names.values()))
        + bytes(strings)
    )  # fmt: skip


def relocation_table(rvas: Iterable[int]) -> bytes:
    """The base relocation blocks for 32-bit absolute addresses at these RVAs."""
    pages: dict[int, list[int]] = {}
    for rva in sorted(set(rvas)):
        entry = IMAGE_REL_BASED_HIGHLOW << 12 | rva & (PAGE_SIZE - 1)
        pages.setdefault(rva & -PAGE_SIZE, []).append(entry)
    out = bytearray()
    for page, entries in pages.items():
        if len(entries) % 2:
            entries.append(0)
        out += struct.pack(f"<II{len(entries)}H", page, 8 + 2 * len(entries), *entries)
    return bytes(out)


def image_checksum(file: bytes | bytearray, checksum_at: int) -> int:
    """The header's CheckSum of an image file whose CheckSum field is at offset `checksum_at`.

    The field itself counts as zero: a 16-bit sum with end-around carry, plus the file's size.
    """
    padded = bytearray(file) + bytes(len(file) % 2)
    padded[checksum_at : checksum_at + 4] = bytes(4)
    # 2**16 is 1 modulo 0xffff, so the whole file as one number has the folded sum of its words
    folded = int.from_bytes(padded, "little") % 0xFFFF
    if folded == 0 and any(padded):
        folded = 0xFFFF
    return folded + len(file)


def _debug_table(record: bytes, rva: int, file_offset: int, timestamp: int) -> bytes:
    """A debug directory of one entry, with its CodeView record behind it."""
    entry = struct.pack(
        "<IIHHIIII", 0, timestamp, 0, 0, _DEBUG_TYPE_CODEVIEW,
        len(record), rva + _DEBUG_ENTRY_SIZE, file_offset + _DEBUG_ENTRY_SIZE,
    )  # fmt: skip
    return entry + record


def _imports(
    imports: Mapping[str, Sequence[str]], rva: int
) -> tuple[bytes, dict[tuple[str, str], int], tuple[int, int], tuple[int, int]]:
    thunks = sum(4 * (len(functions) + 1) for functions in imports.values())
    table_size = 20 * (len(imports) + 1)
    lookup = rva + table_size
    iat = lookup + thunks
    strings_at = iat + thunks
    strings = bytearray()
    table = bytearray()
    entries = bytearray()
    slots: dict[tuple[str, str], int] = {}
    for dll, functions in imports.items():
        table += struct.pack(
            "<IIIII", lookup + len(entries), 0, 0, strings_at + len(strings), iat + len(entries)
        )
        strings += _cstring(dll)
        for function in functions:
            strings += bytes(len(strings) % 2)
            slots[dll, function] = iat + len(entries)
            entries += struct.pack("<I", strings_at + len(strings))
            strings += bytes(2) + _cstring(function)
        entries += bytes(4)
    data = bytes(table) + bytes(20) + bytes(entries) * 2 + bytes(strings)
    return data, slots, (rva, table_size), (iat, thunks)


def _raw_size(sections: Iterable[Section]) -> int:
    return sum(align(len(section.data), FILE_ALIGNMENT) for section in sections)


def _cstring(text: str) -> bytes:
    return text.encode("ascii") + b"\0"
