"""What a section needs of a file."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol


class SectionFile(Protocol):
    """An open file as the memory manager sees it.  Offsets and sizes are bytes.

    Two opens of one file have one `identity`: their data sections share pages.  What fails
    raises NtError; a failed read becomes STATUS_IN_PAGE_ERROR for whoever touched the page.
    """

    @property
    def identity(self) -> Hashable: ...
    @property
    def version(self) -> Hashable:
        """Another one once the bytes have changed, of all files; None where nobody can tell."""
    @property
    def name(self) -> str:
        """The NT path, as a query for a mapped file's name answers it."""
    @property
    def size(self) -> int: ...
    def read(self, offset: int, size: int) -> bytes:
        """Fewer bytes at the end of the file, none behind it."""
    def write(self, offset: int, data: bytes) -> None:
        """Within the file's size."""
    def extend(self, size: int) -> None:
        """Make the file longer, with zeros."""


class BytesFile:
    """Bytes as a read-only file: an image that no file system holds."""

    def __init__(self, data: bytes, name: str = "") -> None:
        self._data = data
        self.name = name

    @property
    def identity(self) -> Hashable:
        return id(self)

    @property
    def version(self) -> None:
        return None

    @property
    def size(self) -> int:
        return len(self._data)

    def read(self, offset: int, size: int) -> bytes:
        return self._data[offset : offset + size]

    def write(self, offset: int, data: bytes) -> None:
        raise AssertionError(f"{self.name} is read-only: write of {len(data)} at {offset:#x}")

    def extend(self, size: int) -> None:
        raise AssertionError(f"{self.name} is read-only: extension to {size:#x}")
