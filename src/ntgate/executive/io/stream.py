"""The bytes of a file or of one of its named streams, as those who have it open share them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.io.constants import FILE_ATTRIBUTE_SPARSE_FILE
from ntgate.executive.io.content import ZERO_CHUNK, Content, MemoryContent
from ntgate.executive.io.locks import LockTable
from ntgate.executive.io.share import ShareAccess
from ntgate.executive.io.source import Policy
from ntgate.layout.ntstatus import STATUS_INVALID_PARAMETER

if TYPE_CHECKING:
    from ntgate.executive.io.oplocks import Oplock
    from ntgate.executive.io.tree import Node


class Stream:
    """The bytes of a file, or of a named stream of a file or directory.

    It is the SectionFile of its sections, and their identity.
    """

    def __init__(self, node: Node, name: str, content: Content | None = None) -> None:
        self.node = node
        self.stream_name = name
        self.share = ShareAccess()
        self.locks = LockTable()
        self.oplock: Oplock | None = None
        self.opens = 0
        self.delete_pending = False
        self.changed = False  # since the last file object on it has gone
        self._valid: int | None = None  # what was written of it, where that is not all
        self._content = content
        self._writes = 0

    @property
    def content(self) -> Content:
        if self._content is None:
            source = self.node.source
            assert source is not None and not source.is_directory
            self._content = source.open()
        return self._content

    @property
    def identity(self) -> Stream:
        return self

    @property
    def version(self) -> Hashable:
        node = self.node
        return (
            node.tree.device_name, node.file_id, self.stream_name, self._writes, self.content.stamp
        )

    @property
    def name(self) -> str:
        entries = self.node.entries
        path = entries[0].path if entries else self.node.former
        return self.node.tree.device_name + path + self.suffix

    @property
    def suffix(self) -> str:
        return f":{self.stream_name}" if self.stream_name else ""

    @property
    def size(self) -> int:
        return self._content.size if self._content is not None else self.node.metadata.size

    @property
    def allocated(self) -> int:
        content = self._content
        sparse = self.node.metadata.attributes & FILE_ATTRIBUTE_SPARSE_FILE
        if sparse and isinstance(content, MemoryContent):
            return content.taken
        if content is not None:
            return content.allocated
        return -(-self.size // 0x1000) * 0x1000

    @property
    def valid_length(self) -> int:
        """Bytes up to the last that was written, or declared valid; zeros follow."""
        return self.size if self._valid is None else min(self._valid, self.size)

    def set_valid_length(self, length: int) -> None:
        """It only grows, within the size; raises STATUS_INVALID_PARAMETER."""
        if not self.valid_length <= length <= self.size or not length:
            raise NtError(STATUS_INVALID_PARAMETER)
        self._valid = length if length < self.size else None

    def read(self, offset: int, size: int) -> bytes:
        content = self._content
        return (content if content is not None else self.content).read(offset, size)

    def write(self, offset: int, data: bytes) -> None:
        if self.oplock is not None:
            self.oplock.written()
        self.writable_content().write(offset, data)
        if self._valid is not None and offset + len(data) > self._valid:
            self._valid = offset + len(data)
        self.changed = True
        self.node.touch()

    def set_size(self, size: int) -> None:
        if self.oplock is not None:
            self.oplock.written()
        if size != self.size:
            valid = min(self.valid_length, size)
            self.writable_content().set_size(size)
            self._valid = valid if valid < size else None
            self.changed = True
            self.node.touch()

    def ranges(self, start: int, end: int) -> list[tuple[int, int]]:
        """(start, end) of what was written there; of a host's file all may have been."""
        if isinstance(self._content, MemoryContent):
            return self._content.ranges(start, end)
        return [(start, end)]

    def zero(self, start: int, end: int) -> None:
        """Zeros within the size, which take no room if they can."""
        if self.oplock is not None:
            self.oplock.written()
        content = self.writable_content()
        if isinstance(content, MemoryContent):
            content.zero(start, end)
        else:
            while start < end:
                part = min(end - start, ZERO_CHUNK)
                content.write(start, bytes(part))
                start += part
        self.changed = True
        self.node.touch()

    def extend(self, size: int) -> None:
        """For a section that is larger than the file."""
        if size > self.size:
            self.set_size(size)

    def flush(self) -> None:
        if self._content is not None:
            self._content.flush()

    def writable_content(self) -> Content:
        """The content after the copy that a first write makes; it is about to be changed."""
        self._writes += 1
        content = self._content
        if isinstance(content, MemoryContent):
            return content
        node = self.node
        if node.policy is Policy.WRITE_THROUGH and not self.stream_name:
            return self.content
        node.check_writable()
        self._content = MemoryContent(node.tree.space, self.content)
        return self._content

    def close(self) -> None:
        """Nobody has it open: a host file need not stay open either."""
        node = self.node
        source = node.source
        if source is None or source.is_directory or self.stream_name:
            return
        if isinstance(self._content, MemoryContent):
            return
        if self._content is not None:
            node.metadata.size = self._content.size
            self._content = None
        source.close()

    def release(self) -> None:
        """The file is deleted and nobody has it open."""
        if isinstance(self._content, MemoryContent):
            self._content.release()
