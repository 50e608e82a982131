"""What a folder of a volume can be filled from: the other end is in devices/.

The names that a source gives are valid on NT, and no two of a folder differ in letter case
alone.  Every method raises NtError where the host can't do it.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal, Protocol

from ntgate.executive.io.content import Content
from ntgate.records import dataclass


class Policy(Enum):
    """What a change below a mounted folder does."""

    READ_ONLY = "ro"  # it is refused
    COPY_ON_WRITE = "cow"  # it stays in the machine's memory
    WRITE_THROUGH = "rw"  # it is done to the host's folder


@dataclass(slots=True)
class Metadata:
    """Attributes and times of a file, in 100 ns units since 1601, and its size in bytes."""

    attributes: int
    creation: int
    access: int
    write: int
    change: int
    size: int = 0

    @classmethod
    def at(cls, time: int, attributes: int, size: int = 0) -> Metadata:
        """One time for everything."""
        return cls(attributes, time, time, time, time, size)


class FileSource(Protocol):
    """A file somewhere else."""

    @property
    def is_directory(self) -> Literal[False]: ...
    @property
    def policy(self) -> Policy: ...
    def metadata(self) -> Metadata: ...
    def set_metadata(self, metadata: Metadata) -> None:
        """Take over times and the read-only attribute; with WRITE_THROUGH only."""
    def open(self) -> Content:
        """Its bytes; they can be written with WRITE_THROUGH only."""
    def close(self) -> None:
        """Nobody has it open; `open` may come again."""


class FolderSource(Protocol):
    """A folder somewhere else; what changes it is called with WRITE_THROUGH only."""

    @property
    def is_directory(self) -> Literal[True]: ...
    @property
    def policy(self) -> Policy: ...
    def metadata(self) -> Metadata: ...
    def set_metadata(self, metadata: Metadata) -> None: ...
    def stamp(self) -> int:
        """Changes when `entries` would answer anew; never, with a policy that keeps changes."""
    def entries(self) -> list[tuple[str, Source]]: ...
    def refused(self, name: str) -> str | None:
        """Why a name that is there is not among the entries: it leads out of the mount."""
    def create_file(self, name: str) -> FileSource: ...
    def create_folder(self, name: str) -> FolderSource: ...
    def remove(self, name: str) -> None: ...
    def link(self, file: FileSource, name: str) -> None:
        """One more name here for a file of the same mount; the name is free."""
    def remember(self, name: str, file: FileSource) -> None:
        """A file that had several names is now found by this one."""
    def rename(self, name: str, target: FolderSource, new_name: str) -> None:
        """Move an entry to `target`, a folder of the same mount; the name there is free."""


Source = FileSource | FolderSource
