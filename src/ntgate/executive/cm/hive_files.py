"""Hives on disk: what the registry asks of the file system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ntgate.executive.ob import ObjectAttributes

if TYPE_CHECKING:
    from ntgate.executive.ps.thread import Thread


class HiveFiles(Protocol):
    """Whole files, by name or by a handle of the caller's.  Methods raise NtError."""

    def read(self, caller: Thread, attributes: ObjectAttributes) -> tuple[str, bytes]:
        """The full NT path of a file, and what is in it."""
        ...

    def write(self, caller: Thread, attributes: ObjectAttributes, data: bytes) -> None:
        """Make a file, or replace it."""
        ...

    def read_handle(self, caller: Thread, handle: int) -> bytes: ...

    def write_handle(self, caller: Thread, handle: int, data: bytes) -> None:
        """From the file's start, and end it there."""
        ...
