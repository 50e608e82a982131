"""Broken PE files: a whole one with everything that a loader reads, and its mutants, seeded."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from ntgate.image.pe_writer import CODE, DATA, PeWriter, Rsds
from ntgate.layout.pe import IMAGE_DIRECTORY_ENTRY_BASERELOC

TLS_DIRECTORY, LOAD_CONFIG_DIRECTORY = 9, 10
BASE = 0x0040_0000
LFANEW = 0x3C
DOS_FIELDS = ((0, 2), (LFANEW, 4))
FILE_FIELDS = ((0, 4), (4, 2), (6, 2), (8, 4), (12, 4), (16, 4), (20, 2), (22, 2))
OPTIONAL_FIELDS = (
    (0, 2), (2, 1), (4, 4), (8, 4), (12, 4), (16, 4), (20, 4), (24, 4), (28, 4), (32, 4), (36, 4),
    (40, 2), (48, 2), (50, 2), (52, 4), (56, 4), (60, 4), (64, 4), (68, 2), (70, 2), (72, 4),
    (76, 4), (80, 4), (84, 4), (88, 4), (92, 4),
)  # fmt: skip
SECTION_FIELDS = ((8, 4), (12, 4), (16, 4), (20, 4), (24, 4), (32, 2), (36, 4))
DIRECTORIES = 16
SECTION_HEADER = 40


@dataclass(frozen=True)
class Field:
    """A number in a file: `size` bytes at `offset`."""

    offset: int
    size: int

    def read(self, file: bytes | bytearray) -> int:
        return int.from_bytes(file[self.offset : self.offset + self.size], "little")

    def write(self, file: bytearray, value: int) -> None:
        value &= (1 << 8 * self.size) - 1
        file[self.offset : self.offset + self.size] = value.to_bytes(self.size, "little")


@cache
def whole_image() -> bytes:
    """A program that ends at once, with imports, exports, relocations, TLS, load config, RSDS."""
    writer = PeWriter("whole.exe", BASE, 0x48025EAB, dll=False)
    # push 2Ah; push -1; call [NtTerminateProcess]
    code = bytearray(b"\x6a\x2a\x6a\xff\xff\x15\0\0\0\0")
    code_section = writer.add_section(".text", bytes(0x20), CODE)
    slots = writer.add_imports({"ntdll.dll": ["NtTerminateProcess", "NtClose"]})
    struct.pack_into("<I", code, 6, BASE + slots["ntdll.dll", "NtTerminateProcess"])
    tls = writer.next_rva
    record = struct.pack("<6I", BASE + tls + 0x40, BASE + tls + 0x50, BASE + tls + 0x60,
                         BASE + tls + 0x70, 0x10, 0)  # fmt: skip
    record = record.ljust(0x80, b"\0") + struct.pack("<I", 0x48).ljust(0x48, b"\0")
    writer.add_section(".tls", record, DATA)
    writer.directories[TLS_DIRECTORY] = tls, 0x18
    writer.directories[LOAD_CONFIG_DIRECTORY] = tls + 0x80, 0x48
    writer.relocations |= {code_section.rva + 6, tls, tls + 4, tls + 8, tls + 12}
    writer.export({"Alpha": code_section.rva, "Beta": code_section.rva + 4, "Gamma": "NTDLL.X"})
    writer.rsds = Rsds("whole.pdb", UUID(int=7))
    writer.entry = code_section.rva
    file = bytearray(writer.build())
    nt, _fields = headers(file)
    start = section_field(file, nt, 0, 20).read(file)
    file[start : start + len(code)] = code
    return bytes(file)


def headers(file: bytes | bytearray) -> tuple[int, list[Field]]:
    """Where the PE signature is, and each field of the headers."""
    (nt,) = struct.unpack_from("<I", file, LFANEW)
    (count, optional_size) = struct.unpack_from("<H12xH", file, nt + 6)
    optional = nt + 24
    fields = [Field(offset, size) for offset, size in DOS_FIELDS]
    fields += [Field(nt + offset, size) for offset, size in FILE_FIELDS]
    fields += [Field(optional + offset, size) for offset, size in OPTIONAL_FIELDS]
    fields += [Field(optional + 96 + 4 * i, 4) for i in range(2 * DIRECTORIES)]
    table = optional + optional_size
    fields += [
        Field(table + SECTION_HEADER * i + offset, size)
        for i in range(count)
        for offset, size in SECTION_FIELDS
    ]
    return nt, fields


def section_field(file: bytes | bytearray, nt: int, section: int, offset: int) -> Field:
    (optional_size,) = struct.unpack_from("<H", file, nt + 20)
    return Field(nt + 24 + optional_size + SECTION_HEADER * section + offset, 4)


def tables(file: bytes | bytearray) -> list[Field]:
    """Each dword and word of the directories' tables, as they lie in the file."""
    nt, _fields = headers(file)
    (count,) = struct.unpack_from("<H", file, nt + 6)
    found = []
    for directory in range(DIRECTORIES):
        rva, size = struct.unpack_from("<II", file, nt + 24 + 96 + 8 * directory)
        for i in range(count if size else 0):
            start = section_field(file, nt, i, 12).read(file)
            raw = section_field(file, nt, i, 16).read(file)
            if start <= rva < start + raw:
                at = section_field(file, nt, i, 20).read(file) + rva - start
                step = 2 if directory == IMAGE_DIRECTORY_ENTRY_BASERELOC else 4
                found += [Field(at + j, step) for j in range(0, min(size, 0x100) - 3, step)]
    return found


def hostile_values(file: bytes, field: Field) -> list[int]:
    """What nobody should find in a field of this file."""
    value, end = field.read(file), len(file)
    return [
        0, 1, 2, 3, 7, 0x1FF, 0x201, 0xFFF, 0x1000, 0x1001, 0xFFFF, 0x1_0000, 0x7FFE_FFFF,
        0x7FFF_0000, 0x7FFF_FFFF, 0x8000_0000, 0x8000_0001, 0xFFFF_F000, 0xFFFF_FFFC, 0xFFFF_FFFF,
        value - 1, value + 1, value * 2, value // 2, -value, value ^ 0x8000_0000, value + 0x1000,
        end - 1, end, end + 1, end - field.offset, field.offset,
    ]  # fmt: skip


def truncations(file: bytes) -> Iterator[bytes]:
    """Cut at the start, the middle and the end of everything."""
    _nt, fields = headers(file)
    edges = {field.offset for field in fields} | {field.offset for field in tables(file)}
    edges |= set(range(0, len(file), 0x200))
    for edge in sorted({edge + by for edge in edges for by in (-1, 0, 1)}):
        if 0 <= edge < len(file):
            yield file[:edge]


def single_changes(file: bytes) -> Iterator[bytes]:
    """Each header field with each hostile value."""
    for field in headers(file)[1]:
        for value in dict.fromkeys(hostile_values(file, field)):
            changed = bytearray(file)
            field.write(changed, value)
            yield bytes(changed)


def random_changes(file: bytes, seed: int, count: int) -> Iterator[bytes]:
    """Several fields at a time, of headers and of directories; overlaps; single bits."""
    random_of = random.Random(seed)
    header_fields, table_fields = headers(file)[1], tables(file)
    for _ in range(count):
        changed = bytearray(file)
        for _ in range(random_of.randrange(1, 5)):
            kind = random_of.randrange(8)
            field = random_of.choice(table_fields if kind < 4 else header_fields)
            if kind == 7:
                place = random_of.randrange(len(changed))
                changed[place] ^= 1 << random_of.randrange(8)
            elif kind == 6:
                field.write(changed, random_of.choice(header_fields).read(file))
            else:
                field.write(changed, random_of.choice(hostile_values(file, field)))
        if not random_of.randrange(8):
            del changed[random_of.randrange(len(changed)) :]
        yield bytes(changed)
