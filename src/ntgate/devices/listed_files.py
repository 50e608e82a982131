"""Folders that consist of a list of host files: the userland's DLLs and tables."""

from __future__ import annotations

import os
from typing import Literal

from ntgate.devices.host_errors import nt_error
from ntgate.devices.host_file import HostContent
from ntgate.executive.io import constants as c
from ntgate.executive.io.content import Content
from ntgate.executive.io.source import FileSource, FolderSource, Metadata, Policy, Source
from ntgate.executive.ke.clock import BOOT_SYSTEM_TIME

Listing = dict[str, "str | Listing"]  # the paths of host files

NOT_WRITTEN = "a copy-on-write source is not written"


class ListedFile:
    """One of them: copy-on-write, and as old as the machine on every host."""

    is_directory: Literal[False] = False
    policy = Policy.COPY_ON_WRITE

    def __init__(self, path: str) -> None:
        self._path = path
        self._content: HostContent | None = None

    def metadata(self) -> Metadata:
        try:
            size = os.stat(self._path).st_size
        except OSError as error:
            raise nt_error(error) from None
        return Metadata.at(BOOT_SYSTEM_TIME, c.FILE_ATTRIBUTE_ARCHIVE, size)

    def set_metadata(self, metadata: Metadata) -> None:
        raise AssertionError(NOT_WRITTEN)

    def open(self) -> Content:
        try:
            flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
            self._content = HostContent(os.open(self._path, flags), writable=False)
        except OSError as error:
            raise nt_error(error) from None
        return self._content

    def close(self) -> None:
        if self._content is not None:
            self._content.close()
            self._content = None


class ListedFolder:
    """Names, valid on NT and different in more than letter case, to host files and to more such
    folders."""

    is_directory: Literal[True] = True
    policy = Policy.COPY_ON_WRITE

    def __init__(self, files: Listing) -> None:
        self._files = files

    def metadata(self) -> Metadata:
        return Metadata.at(BOOT_SYSTEM_TIME, c.FILE_ATTRIBUTE_DIRECTORY)

    def set_metadata(self, metadata: Metadata) -> None:
        raise AssertionError(NOT_WRITTEN)

    def stamp(self) -> int:
        return 0

    def entries(self) -> list[tuple[str, Source]]:
        return [
            (name, ListedFile(file) if isinstance(file, str) else ListedFolder(file))
            for name, file in sorted(self._files.items())
        ]

    def refused(self, name: str) -> str | None:
        return None

    def create_file(self, name: str) -> FileSource:
        raise AssertionError(NOT_WRITTEN)

    def create_folder(self, name: str) -> FolderSource:
        raise AssertionError(NOT_WRITTEN)

    def remove(self, name: str) -> None:
        raise AssertionError(NOT_WRITTEN)

    def link(self, file: FileSource, name: str) -> None:
        raise AssertionError(NOT_WRITTEN)

    def remember(self, name: str, file: FileSource) -> None:
        raise AssertionError(NOT_WRITTEN)

    def rename(self, name: str, target: FolderSource, new_name: str) -> None:
        raise AssertionError(NOT_WRITTEN)


def add_listed(listing: Listing, path: tuple[str, ...], file: str) -> None:
    """Add a file by its path; folders on the way are made."""
    for name in path[:-1]:
        below = listing.setdefault(name, {})
        assert isinstance(below, dict)
        listing = below
    listing[path[-1]] = file
