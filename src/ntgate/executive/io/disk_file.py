"""An open file or directory of the volume."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.io import disk_control, disk_information, disk_set
from ntgate.executive.io.content import ZERO_CHUNK
from ntgate.executive.io.directory_scan import DirectoryScan
from ntgate.executive.io.locks import Lock
from ntgate.executive.io.notify import (
    FILE_ACTION_MODIFIED,
    FILE_ACTION_REMOVED,
    FILE_ACTION_REMOVED_STREAM,
    FILE_NOTIFY_CHANGE_DIR_NAME,
    FILE_NOTIFY_CHANGE_FILE_NAME,
    FILE_NOTIFY_CHANGE_LAST_WRITE,
    FILE_NOTIFY_CHANGE_SIZE,
    Watch,
)
from ntgate.executive.io.open_file import OpenFile
from ntgate.executive.io.source import Policy
from ntgate.executive.io.stream import Stream
from ntgate.executive.io.tree import Directory, Entry, Node
from ntgate.executive.mm.file_data import read_through, write_through
from ntgate.executive.mm.files import SectionFile
from ntgate.layout import ntstatus as s
from ntgate.layout.io import FILE_OBJECT, FO_DELETE_ON_CLOSE, FO_FILE_MODIFIED

if TYPE_CHECKING:
    from ntgate.executive.io.request import Request
    from ntgate.executive.io.volume import Volume

LARGEST_OFFSET = (1 << 63) - 1
END = 1 << 64


class DiskFile(OpenFile):
    """`stream` is the file's or a named one; a directory's is there for its sharing."""

    positioned = True

    def __init__(
        self, file: FILE_OBJECT, volume: Volume, access: int, entry: Entry, node: Node,
        stream: Stream,
    ) -> None:  # fmt: skip
        super().__init__(file, volume.device, access)
        self.volume = volume
        self.entry = entry
        self.node = node
        self.stream = stream
        self.scan: DirectoryScan | None = None
        self.watch: Watch | None = None
        self.manages_volume = False  # who opened it held SeManageVolumePrivilege
        self.pinned: set[str] = set()  # times that it has set: its own changes leave them alone
        self.next_ea = 0  # where a scan of its extended attributes goes on
        self._is_directory = node.is_directory and not stream.stream_name
        self.fast = self.synchronous and not self._is_directory

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.entry.path + self.stream.suffix

    @property
    def security(self) -> bytes:
        """Of the file or directory, whoever has it open."""
        return self.node.security

    @security.setter
    def security(self, descriptor: bytes) -> None:
        self.node.security = descriptor

    @property
    def is_directory(self) -> bool:  # type: ignore[override]
        """Of a directory itself; its named streams are files."""
        return self._is_directory

    @property
    def size(self) -> int:
        return self.stream.size

    # Bytes.

    def read(self, request: Request, offset: int, size: int) -> bytes | None:
        self._check_file()
        stream = self.stream
        if stream.locks.locks:
            stream.locks.check(
                offset, size, self.object.address, request.process, request.key, write=False
            )
        data = stream.read(offset, size)
        if not data and size:
            request.status = s.STATUS_END_OF_FILE
        segment = self.volume.mm.file_segments.get((stream, False))
        return data if segment is None or not data else read_through(segment, offset, data)

    def write(self, request: Request, offset: int, data: bytes) -> int | None:
        self._check_file()
        stream = self.stream
        if stream.locks.locks:
            stream.locks.check(
                offset, len(data), self.object.address, request.process, request.key, write=True
            )
        if not data:
            return 0
        if offset + len(data) > LARGEST_OFFSET:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        self.put(offset, data)
        return len(data)

    def put(self, offset: int, data: bytes) -> None:
        """Write, whatever is locked; the pages of the file's sections follow."""
        stream = self.stream
        before = stream.size
        if self.pinned:
            with self.keeping_times():
                stream.write(offset, data)
        else:
            stream.write(offset, data)
        segment = self.volume.mm.file_segments.get((stream, False))
        if segment is not None:
            write_through(segment, offset, data)
        if self.volume.notifier.watches:
            self.object.Flags |= FO_FILE_MODIFIED
            if offset + len(data) > before:
                self._report(FILE_NOTIFY_CHANGE_SIZE)

    def zero(self, start: int, end: int) -> None:
        """Zeros within the size, as `put` writes them."""
        with self.keeping_times():
            self.stream.zero(start, end)
        segment = self.volume.mm.file_segments.get((self.stream, False))
        if segment is None:
            return
        while start < end:
            part = min(end - start, ZERO_CHUNK)
            write_through(segment, start, bytes(part))
            start += part

    @contextmanager
    def keeping_times(self) -> Iterator[None]:
        """What is changed within leaves the times that are pinned."""
        metadata = self.node.metadata
        held = {name: getattr(metadata, name) for name in self.pinned}
        yield
        for name, time in held.items():
            setattr(metadata, name, time)
        if held:
            self.node.save_metadata()

    def flush(self, request: Request) -> int | None:
        self.stream.flush()
        return 0

    def _check_file(self) -> None:
        if self._is_directory:
            raise NtError(s.STATUS_INVALID_DEVICE_REQUEST)

    def section_file(self) -> SectionFile:
        if self._is_directory:
            raise NtError(s.STATUS_INVALID_FILE_FOR_SECTION)
        return self.stream

    # Locks.

    def lock(
        self, request: Request, start: int, length: int, key: int, *,
        exclusive: bool, fail_immediately: bool,
    ) -> int | None:  # fmt: skip
        self._check_lockable()
        if self.stream.oplock is not None:
            self.stream.oplock.written()
        wanted = Lock(
            start, self._end(start, length), exclusive, self.object.address, request.process, key
        )
        locks = self.stream.locks
        if locks.try_lock(wanted):
            return 0
        if fail_immediately:
            raise NtError(s.STATUS_LOCK_NOT_GRANTED)
        waiter = locks.wait(wanted, lambda: request.complete(s.STATUS_SUCCESS))
        request.pend(lambda: locks.waiters.remove(waiter))
        return None

    def unlock(self, process: int, start: int, length: int, key: int) -> None:
        self._check_lockable()
        self.stream.locks.unlock(
            Lock(start, self._end(start, length), False, self.object.address, process, key)
        )

    def _check_lockable(self) -> None:
        if self._is_directory:
            raise NtError(s.STATUS_INVALID_PARAMETER)

    def _end(self, start: int, length: int) -> int:
        if start + length > END:
            raise NtError(s.STATUS_INVALID_PARAMETER)  # the range wraps
        return start + length

    # Information.

    def query(self, information_class: int) -> bytes:
        return disk_information.query(self, information_class)

    def set(self, information_class: int, data: bytes, other: OpenFile | None) -> None:
        disk_set.set_information(self, information_class, data, other)

    def query_volume(self, information_class: int) -> bytes:
        return disk_information.query_volume(self.volume, information_class)

    def file_control(self, request: Request, code: int, data: bytes, room: int) -> bytes | None:
        return disk_control.control(self, request, code, data, room)

    # Directories.

    def directory_scan(self, pattern: str | None, *, restart: bool) -> DirectoryScan:
        """The scan of this file object: the first pattern stays.  Raises NtError."""
        if not self._is_directory or not isinstance(self.node, Directory):
            raise NtError(s.STATUS_INVALID_PARAMETER)
        if self.scan is None:
            self.scan = DirectoryScan(self.entry, pattern)
        elif restart:
            self.scan.restart()
        return self.scan

    def notify(self, request: Request, room: int, wanted: int, *, tree: bool) -> bytes | None:
        """Wait for a change in the directory; a change since the last time answers at once."""
        if not self._is_directory or not isinstance(self.node, Directory):
            raise NtError(s.STATUS_INVALID_PARAMETER)
        if self.entry.delete_pending:
            raise NtError(s.STATUS_DELETE_PENDING)
        watch = self.watch
        if watch is None:
            watch = self.watch = Watch(self.node, wanted, tree, room)
            self.volume.notifier.watches.append(watch)
        if watch.is_due and not watch.waiting:
            request.status, data = watch.take(room)
            return data
        waiting, entry = watch.waiting, (request, room)
        waiting.append(entry)
        request.pend(lambda: waiting.remove(entry))
        return None

    def _report(self, changed: int, action: int = FILE_ACTION_MODIFIED) -> None:
        self.volume.notifier.report(self.entry, changed, action)

    # The end.

    def process_cleanup(self, process: int) -> None:
        self.stream.locks.unlock_all(self.object.address, process)

    def cleanup(self) -> None:
        file, node, stream, entry = self.object, self.node, self.stream, self.entry
        stream.locks.unlock_all(file.address)
        if stream.oplock is not None:
            stream.oplock.closed(self)
        if self.watch is not None:
            waiting, self.watch.waiting = self.watch.waiting, []
            for request, _room in waiting:
                request.complete(s.STATUS_NOTIFY_CLEANUP)
            self.volume.notifier.watches.remove(self.watch)
        if file.Flags & FO_FILE_MODIFIED:
            self._report(FILE_NOTIFY_CHANGE_LAST_WRITE)
        stream.share.remove(file)
        stream.opens -= 1
        node.opens -= 1
        entry.opens -= 1
        if file.Flags & FO_DELETE_ON_CLOSE:
            self._mark_for_deletion()
        if not stream.opens and stream.delete_pending:
            node.streams.pop(stream.stream_name.upper(), None)
            stream.release()
            self.volume.notifier.report_stream(entry, stream, FILE_ACTION_REMOVED_STREAM)
        if entry.delete_pending and not entry.opens:
            self._delete()

    def close(self) -> None:
        """No handle and no section: what nobody else has open need not stay."""
        node = self.node
        self._tell_changed()
        segments = self.volume.mm.file_segments
        mapped = any(
            (stream, image) in segments
            for stream in node.streams.values()
            for image in (False, True)
        )
        if node.opens or mapped:
            return
        if not node.entries:
            self.volume.tree.release(node)
        for stream in node.streams.values():
            stream.close()

    def _tell_changed(self) -> None:
        if not self.stream.changed:
            return
        self.stream.changed = False
        if self.entry.directory is not None and not self.is_directory:
            self.volume.tell.changed("written", self.name, host=self._is_on_host)

    @property
    def _is_on_host(self) -> bool:
        return self.node.policy is Policy.WRITE_THROUGH

    def _mark_for_deletion(self) -> None:
        if self.stream.stream_name:
            self.stream.delete_pending = True
        elif not (isinstance(self.node, Directory) and self.node.children):
            self.entry.delete_pending = self.entry.directory is not None

    def _delete(self) -> None:
        if self.entry.directory is None:
            return
        if isinstance(self.node, Directory) and self.node.children:
            self.entry.delete_pending = False
            return
        changed = (
            FILE_NOTIFY_CHANGE_DIR_NAME if self.node.is_directory
            else FILE_NOTIFY_CHANGE_FILE_NAME
        )  # fmt: skip
        self._report(changed, FILE_ACTION_REMOVED)
        name = self.entry.path
        try:
            self.volume.tree.remove(self.entry)
        except NtError:
            self.entry.delete_pending = False  # the host keeps it
        else:
            self.volume.tell.changed("deleted", name, host=self._is_on_host)
