"""SHARE_ACCESS: who has a stream open for what, and what they let others do."""

from __future__ import annotations

from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.layout.access import DELETE
from ntgate.layout.io import FILE_OBJECT
from ntgate.layout.ntstatus import STATUS_SHARING_VIOLATION

READERS = c.FILE_READ_DATA | c.FILE_EXECUTE
WRITERS = c.FILE_WRITE_DATA | c.FILE_APPEND_DATA


class ShareAccess:
    """Counts over the file objects that read, write or delete; the others don't matter.

    Each file object keeps in its own memory what it counts for.
    """

    __slots__ = (
        "deleters", "opens", "readers", "shared_delete", "shared_read", "shared_write", "writers",
    )  # fmt: skip

    def __init__(self) -> None:
        self.opens = 0
        self.readers = self.writers = self.deleters = 0
        self.shared_read = self.shared_write = self.shared_delete = 0

    def check(self, access: int, share: int) -> None:
        """IoCheckShareAccess; raises STATUS_SHARING_VIOLATION."""
        read, write, delete = access & READERS, access & WRITERS, access & DELETE
        if not (read or write or delete):
            return
        if (
            (read and self.shared_read < self.opens)
            or (write and self.shared_write < self.opens)
            or (delete and self.shared_delete < self.opens)
            or (self.readers and not share & c.FILE_SHARE_READ)
            or (self.writers and not share & c.FILE_SHARE_WRITE)
            or (self.deleters and not share & c.FILE_SHARE_DELETE)
        ):
            raise NtError(STATUS_SHARING_VIOLATION)

    def add(self, file: FILE_OBJECT, access: int, share: int) -> None:
        """Count a file object that has passed the check."""
        file.ReadAccess = bool(access & READERS)
        file.WriteAccess = bool(access & WRITERS)
        file.DeleteAccess = bool(access & DELETE)
        if access & (READERS | WRITERS | DELETE):
            file.SharedRead = bool(share & c.FILE_SHARE_READ)
            file.SharedWrite = bool(share & c.FILE_SHARE_WRITE)
            file.SharedDelete = bool(share & c.FILE_SHARE_DELETE)
            self._count(file, 1)

    def remove(self, file: FILE_OBJECT) -> None:
        """The file object's last handle is closed."""
        if file.ReadAccess or file.WriteAccess or file.DeleteAccess:
            self._count(file, -1)

    def _count(self, file: FILE_OBJECT, by: int) -> None:
        self.opens += by
        self.readers += by * file.ReadAccess
        self.writers += by * file.WriteAccess
        self.deleters += by * file.DeleteAccess
        self.shared_read += by * file.SharedRead
        self.shared_write += by * file.SharedWrite
        self.shared_delete += by * file.SharedDelete
