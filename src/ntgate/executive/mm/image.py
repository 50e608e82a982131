"""The headers of a PE file, checked as XP checks them before it maps the file as an image."""

from __future__ import annotations

import struct

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.errors import NtError
from ntgate.executive.mm.files import SectionFile
from ntgate.layout.mm import (
    IMAGE_SECTOR,
    MM_EXECUTE,
    MM_EXECUTE_READ,
    MM_EXECUTE_READWRITE,
    MM_EXECUTE_WRITECOPY,
    MM_NOACCESS,
    MM_READONLY,
    MM_READWRITE,
    MM_WRITECOPY,
)
from ntgate.layout.ntstatus import (
    STATUS_INVALID_FILE_FOR_SECTION,
    STATUS_INVALID_IMAGE_FORMAT,
    STATUS_INVALID_IMAGE_LE_FORMAT,
    STATUS_INVALID_IMAGE_NE_FORMAT,
    STATUS_INVALID_IMAGE_NOT_MZ,
    STATUS_INVALID_IMAGE_PROTECT,
    STATUS_INVALID_IMAGE_WIN_16,
    STATUS_INVALID_IMAGE_WIN_64,
)
from ntgate.layout.pe import (
    E_LFANEW,
    IMAGE_DIRECTORY_ENTRY_BASERELOC,
    IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR,
    IMAGE_FILE_EXECUTABLE_IMAGE,
    IMAGE_FILE_MACHINE_I386,
    IMAGE_FILE_RELOCS_STRIPPED,
    IMAGE_NT_OPTIONAL_HDR32_MAGIC,
    IMAGE_NT_OPTIONAL_HDR64_MAGIC,
    IMAGE_SCN_MEM_SHARED,
    SECTION_HEADER,
)
from ntgate.records import dataclass

DOS_HEADER_SIZE = 0x40
NT_HEADERS_SIZE = 24 + 96 + 16 * 8  # signature, file header, PE32 optional header
NE_EXETYP = 0x36
NE_WINDOWS, NE_DEV386 = 2, 5

IMAGE_LOADER_FLAGS_COMPLUS = 1
LARGEST_IMAGE = 0x7FFF0000

_FILE_HEADER = struct.Struct("<4sHHIIIHH")
# Magic .. LoaderFlags of IMAGE_OPTIONAL_HEADER32.
_OPTIONAL_HEADER = struct.Struct("<HBBIIIIIIIIIHHHHHHIIIIHHIIIIII")

# Protection by a section's characteristics: bit 0 execute, 1 read, 2 write; then shared.
_PRIVATE_CODES = (
    MM_NOACCESS, MM_EXECUTE, MM_READONLY, MM_EXECUTE_READ,
    MM_WRITECOPY, MM_EXECUTE_WRITECOPY, MM_WRITECOPY, MM_EXECUTE_WRITECOPY,
)  # fmt: skip
_SHARED_CODES = (
    MM_NOACCESS, MM_EXECUTE, MM_READONLY, MM_EXECUTE_READ,
    MM_READWRITE, MM_EXECUTE_READWRITE, MM_READWRITE, MM_EXECUTE_READWRITE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ImagePart:
    """Pages of an image with one protection and one piece of the file behind them."""

    first_page: int
    pages: int
    file_offset: int  # on a sector
    file_bytes: int   # 0 in pages that begin as zeros
    code: int         # MM_ protection


@dataclass(frozen=True, slots=True)
class Image:
    """What the headers say; `parts` cover `pages` pages without a gap, headers first."""

    base: int
    pages: int
    entry: int  # RVA
    parts: tuple[ImagePart, ...]
    stack_reserve: int
    stack_commit: int
    subsystem: int
    subsystem_version: tuple[int, int]  # major, minor
    characteristics: int
    dll_characteristics: int
    machine: int
    contains_code: bool
    loader_flags: int
    file_size: int
    relocations: tuple[int, int]  # RVA and size of the directory, 0 without one


def parse_image(file: SectionFile) -> Image:
    """Check the headers and say how to map them; raises NtError with XP's status."""
    nt, position = _nt_headers(file)
    _signature, machine, count, _time, _symbols, _symbol_count, optional_size, characteristics = (
        _FILE_HEADER.unpack_from(nt)
    )
    (
        magic, _linker_major, _linker_minor, code_size, _data, _bss, entry, _code_base, _data_base,
        base, alignment, file_alignment, _os_major, _os_minor, _image_major, _image_minor,
        subsystem_major, subsystem_minor, _win32, size, headers, _checksum, subsystem,
        dll_characteristics, stack_reserve, stack_commit, _heap, _heap_commit, loader_flags,
        directories,
    ) = _OPTIONAL_HEADER.unpack_from(nt, _FILE_HEADER.size)  # fmt: skip
    if magic == IMAGE_NT_OPTIONAL_HDR64_MAGIC:
        raise NtError(STATUS_INVALID_IMAGE_WIN_64)
    require(machine == IMAGE_FILE_MACHINE_I386 and magic == IMAGE_NT_OPTIONAL_HDR32_MAGIC)
    require(bool(characteristics & IMAGE_FILE_EXECUTABLE_IMAGE))
    require(not base & 0xFFFF and 0 < size <= LARGEST_IMAGE and 0 < headers <= size)
    require(file_alignment > 0 and not file_alignment & file_alignment - 1)
    require(alignment >= file_alignment and not alignment & alignment - 1)
    pages = (size + PAGE_SIZE - 1) // PAGE_SIZE
    if alignment < PAGE_SIZE:
        require(alignment == file_alignment)
        _require_flat(_section_table(file, position + 24 + optional_size, count))
        length = min(size, file.size)
        parts: tuple[ImagePart, ...] = (ImagePart(0, pages, 0, length, MM_EXECUTE_WRITECOPY),)
    else:
        require(file_alignment % IMAGE_SECTOR == 0)
        table = _section_table(file, position + 24 + optional_size, count)
        parts = _parts(table, file.size, pages, headers, alignment, file_alignment)
    relocations = _directory(nt, directories, IMAGE_DIRECTORY_ENTRY_BASERELOC)
    if characteristics & IMAGE_FILE_RELOCS_STRIPPED:
        relocations = (0, 0)
    if all(_directory(nt, directories, IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR)):
        loader_flags |= IMAGE_LOADER_FLAGS_COMPLUS
    return Image(
        base, pages, entry, parts, stack_reserve, stack_commit, subsystem,
        (subsystem_major, subsystem_minor), characteristics, dll_characteristics, machine,
        bool(code_size or entry), loader_flags, file.size, relocations,
    )  # fmt: skip


def _section_table(file: SectionFile, position: int, count: int) -> bytes:
    table = file.read(position, count * SECTION_HEADER.size)
    require(len(table) == count * SECTION_HEADER.size)
    return table


def _require_flat(table: bytes) -> None:
    """The file is mapped as it is: no section may want to be elsewhere."""
    for offset in range(0, len(table), SECTION_HEADER.size):
        _name, _size, rva, _raw_size, raw_offset, *_ = SECTION_HEADER.unpack_from(table, offset)
        require(rva == raw_offset)


def _directory(nt: bytes, count: int, index: int) -> tuple[int, int]:
    """RVA and size of a data directory, 0 where the headers have none."""
    if index >= count:
        return 0, 0
    rva, size = struct.unpack_from("<II", nt, _FILE_HEADER.size + _OPTIONAL_HEADER.size + 8 * index)
    return rva, size


def require(condition: bool) -> None:
    if not condition:
        raise NtError(STATUS_INVALID_IMAGE_FORMAT)


def _nt_headers(file: SectionFile) -> tuple[bytes, int]:
    """The PE headers, as far as the data directories, and where they are."""
    if not file.size:
        raise NtError(STATUS_INVALID_FILE_FOR_SECTION)
    dos = file.read(0, DOS_HEADER_SIZE)
    if len(dos) < DOS_HEADER_SIZE or dos[:2] != b"MZ":
        raise NtError(STATUS_INVALID_IMAGE_NOT_MZ)
    (position,) = struct.unpack_from("<I", dos, E_LFANEW)
    nt = file.read(position, NT_HEADERS_SIZE) if position < file.size else b""
    if nt[:4] != b"PE\0\0":
        raise NtError(_old_format(nt))
    require(len(nt) >= _FILE_HEADER.size + _OPTIONAL_HEADER.size)
    return nt.ljust(NT_HEADERS_SIZE, b"\0"), position


def _old_format(header: bytes) -> int:
    if header[:2] == b"NE":
        system = header[NE_EXETYP] if len(header) > NE_EXETYP else 0
        if system == NE_WINDOWS:
            return STATUS_INVALID_IMAGE_WIN_16
        return STATUS_INVALID_IMAGE_PROTECT if system == NE_DEV386 else (
            STATUS_INVALID_IMAGE_NE_FORMAT
        )
    return STATUS_INVALID_IMAGE_LE_FORMAT if header[:2] == b"LE" else STATUS_INVALID_IMAGE_PROTECT


def _parts(
    table: bytes, file_size: int, pages: int, headers: int, alignment: int, file_alignment: int
) -> tuple[ImagePart, ...]:
    """Headers and sections, each where the one before ends; what is left has no access."""
    parts = [ImagePart(0, _pages(headers), 0, min(headers, file_size), MM_READONLY)]
    following = _round_up(headers, alignment)
    for offset in range(0, len(table), SECTION_HEADER.size):
        _name, virtual_size, rva, raw_size, raw_offset, *_, flags = SECTION_HEADER.unpack_from(
            table, offset
        )
        virtual_size = virtual_size or raw_size
        require(virtual_size > 0 and rva == following)
        following = _round_up(rva + virtual_size, alignment)
        count = _pages(virtual_size)
        require(rva // PAGE_SIZE + count <= pages)
        raw_end = _round_up(raw_offset + raw_size, file_alignment)
        length = 0
        if raw_offset and raw_size:
            raw_offset &= -IMAGE_SECTOR
            length = min(raw_end - raw_offset, count * PAGE_SIZE)
        require(raw_offset + min(raw_size, virtual_size) <= file_size)
        codes = _SHARED_CODES if flags & IMAGE_SCN_MEM_SHARED else _PRIVATE_CODES
        _fill_gap(parts, rva // PAGE_SIZE)
        length = min(length, file_size - raw_offset)
        parts.append(ImagePart(rva // PAGE_SIZE, count, raw_offset, length, codes[flags >> 29]))
    _fill_gap(parts, pages)
    return tuple(parts)


def _fill_gap(parts: list[ImagePart], page: int) -> None:
    end = parts[-1].first_page + parts[-1].pages
    if end < page:
        parts.append(ImagePart(end, page - end, 0, 0, MM_NOACCESS))


def _pages(size: int) -> int:
    return (size + PAGE_SIZE - 1) // PAGE_SIZE


def _round_up(value: int, alignment: int) -> int:
    return (value + alignment - 1) & -alignment
