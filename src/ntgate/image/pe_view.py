"""Our own PE files as they lie in memory; no check of anything hostile."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache

from ntgate.layout.pe import E_LFANEW, IMAGE_SCN_MEM_EXECUTE, SECTION_HEADER


def size_of_image(file: bytes) -> int:
    """Bytes of address space that the image takes."""
    (header,) = struct.unpack_from("<I", file, E_LFANEW)
    size: int = struct.unpack_from("<I", file, header + 24 + 56)[0]
    return size


def entry_rva(file: bytes) -> int:
    (header,) = struct.unpack_from("<I", file, E_LFANEW)
    rva: int = struct.unpack_from("<I", file, header + 24 + 16)[0]
    return rva


@lru_cache(maxsize=16)
def exports_of(file: bytes) -> Mapping[str, int]:
    """The RVA of each name that a PE file exports, forwarders left out."""
    import pefile

    image = pefile.PE(data=file, fast_load=True)
    image.parse_data_directories(
        directories=[pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_EXPORT"]]
    )
    directory = getattr(image, "DIRECTORY_ENTRY_EXPORT", None)
    if directory is None:
        return {}
    return {
        row.name.decode("latin-1"): row.address
        for row in directory.symbols
        if row.name and not row.forwarder
    }


def section_data(file: bytes, name: str) -> bytes:
    """What the file has of a section; raises KeyError."""
    (header,) = struct.unpack_from("<I", file, E_LFANEW)
    (count,) = struct.unpack_from("<H", file, header + 6)
    (optional_size,) = struct.unpack_from("<H", file, header + 20)
    table = header + 24 + optional_size
    for i in range(count):
        fields = SECTION_HEADER.unpack_from(file, table + i * SECTION_HEADER.size)
        if fields[0].rstrip(b"\0").decode("latin-1") == name:
            _name, virtual_size, _rva, size, offset, *_rest = fields
            return file[offset : offset + min(size, virtual_size)]
    raise KeyError(name)


def map_image(file: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    """The image as mapped, and (rva, size) of each executable section."""
    (header,) = struct.unpack_from("<I", file, E_LFANEW)
    (count,) = struct.unpack_from("<H", file, header + 6)
    (optional_size,) = struct.unpack_from("<H", file, header + 20)
    (size_of_image,) = struct.unpack_from("<I", file, header + 24 + 56)
    (size_of_headers,) = struct.unpack_from("<I", file, header + 24 + 60)
    mapped = bytearray(size_of_image)
    mapped[:size_of_headers] = file[:size_of_headers]
    code = []
    table = header + 24 + optional_size
    for i in range(count):
        fields = SECTION_HEADER.unpack_from(file, table + i * SECTION_HEADER.size)
        _name, virtual_size, rva, raw_size, raw_offset, *_rest, flags = fields
        data = file[raw_offset : raw_offset + min(raw_size, virtual_size)]
        mapped[rva : rva + len(data)] = data
        if flags & IMAGE_SCN_MEM_EXECUTE:
            code.append((rva, virtual_size))
    return bytes(mapped), code
