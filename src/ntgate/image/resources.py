"""The resources of a PE file of ours or of the userland's; only the file's end is checked."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ntgate.layout.pe import E_LFANEW, IMAGE_DIRECTORY_ENTRY_RESOURCE, SECTION_HEADER
from ntgate.records import dataclass

_DIRECTORY_HEADER = 16  # bytes of an IMAGE_RESOURCE_DIRECTORY before its entries
_HIGH_BIT = 0x8000_0000  # a name instead of a number; a directory instead of data

RT_MANIFEST = 24


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource: its name or number, and its bytes."""

    name: str | int
    data: bytes


def resources_of(file: bytes, kind: str | int) -> list[Resource]:
    """The resources of a type, in the file's order; of several languages all. Empty for a file
    that is damaged or has none."""
    try:
        return list(_Resources(file).of_kind(kind))
    except struct.error:
        return []


class _Resources:
    def __init__(self, file: bytes) -> None:
        self._file = file
        (header,) = struct.unpack_from("<I", file, E_LFANEW)
        count, optional_size = struct.unpack_from("<H12xH", file, header + 6)
        optional = header + 24
        self._root = 0
        self._sections = [
            SECTION_HEADER.unpack_from(file, optional + optional_size + index * SECTION_HEADER.size)
            for index in range(count)
        ]
        (rva,) = struct.unpack_from("<I", file, optional + 96 + 8 * IMAGE_DIRECTORY_ENTRY_RESOURCE)
        self._root = self._offset(rva) if rva else 0

    def of_kind(self, kind: str | int) -> Iterator[Resource]:
        if not self._root:
            return
        for name, offset in self._entries(0):
            if name == kind:
                for resource, below in self._entries(offset & ~_HIGH_BIT):
                    for _language, leaf in self._entries(below & ~_HIGH_BIT):
                        yield Resource(resource, self._data(leaf))

    def _entries(self, at: int) -> Iterator[tuple[str | int, int]]:
        """Name and offset of each entry of the directory at an offset from the root."""
        start = self._root + at
        named, numbered = struct.unpack_from("<HH", self._file, start + 12)
        for index in range(named + numbered):
            name, offset = struct.unpack_from(
                "<II", self._file, start + _DIRECTORY_HEADER + 8 * index
            )
            yield (self._name(name & ~_HIGH_BIT) if name & _HIGH_BIT else name), offset

    def _name(self, at: int) -> str:
        start = self._root + at
        (length,) = struct.unpack_from("<H", self._file, start)
        return self._file[start + 2 : start + 2 + 2 * length].decode("utf-16-le", "replace")

    def _data(self, at: int) -> bytes:
        rva, size = struct.unpack_from("<II", self._file, self._root + at)
        offset = self._offset(rva)
        return self._file[offset : offset + size]

    def _offset(self, rva: int) -> int:
        for _name, virtual_size, start, size, offset, *_rest in self._sections:
            if start <= rva < start + max(virtual_size, size):
                return int(offset + rva - start)
        raise struct.error
