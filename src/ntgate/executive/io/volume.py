r"""The volume behind C:: opening, creating, overwriting, as NTFS does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io.content import MemoryContent
from ntgate.executive.io.disk_file import DiskFile
from ntgate.executive.io.extended_attributes import Eas
from ntgate.executive.io.manager import Device
from ntgate.executive.io.names import FilePath, check_new, parse_path
from ntgate.executive.io.notify import (
    FILE_ACTION_ADDED,
    FILE_ACTION_ADDED_STREAM,
    FILE_ACTION_MODIFIED,
    FILE_NOTIFY_CHANGE_DIR_NAME,
    FILE_NOTIFY_CHANGE_FILE_NAME,
    FILE_NOTIFY_CHANGE_SIZE,
    Notifier,
)
from ntgate.executive.io.open_file import MOST_REPARSES, Create, FileGuard, OpenFile
from ntgate.executive.io.quotas import Quotas
from ntgate.executive.io.reparse import Reparse
from ntgate.executive.io.source import Policy
from ntgate.executive.io.stream import Stream
from ntgate.executive.io.tree import OBJECT_ID_SIZE, Directory, Entry, Node, Tree
from ntgate.executive.io.volume_file import VolumeFile
from ntgate.executive.mm.manager import MemoryManager
from ntgate.executive.ob import ObjectManager
from ntgate.executive.ob.attributes import OBJ_CASE_INSENSITIVE
from ntgate.executive.ob.names import upcase
from ntgate.layout import ntstatus as s
from ntgate.layout.access import DELETE, MAXIMUM_ALLOWED, WRITE_DAC, WRITE_OWNER
from ntgate.layout.io import FILE_OBJECT, FO_DELETE_ON_CLOSE, FO_TEMPORARY_FILE
from ntgate.records import dataclass

WRITES_FILE = (
    c.FILE_WRITE_DATA | c.FILE_APPEND_DATA | c.FILE_WRITE_EA | c.FILE_WRITE_ATTRIBUTES
    | DELETE | WRITE_DAC | WRITE_OWNER
)  # fmt: skip
CREATES = (c.FILE_SUPERSEDE, c.FILE_CREATE, c.FILE_OPEN_IF, c.FILE_OVERWRITE_IF)
OVERWRITES = (c.FILE_SUPERSEDE, c.FILE_OVERWRITE, c.FILE_OVERWRITE_IF)
FILE_ID_SIZE = 8


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a path leads: an entry, or a free name in a directory."""

    entry: Entry | None
    directory: Directory
    name: str
    path: FilePath
    opened: str = ""


def _eas_of(create: Create) -> Eas | None:
    """Raises STATUS_EA_TOO_LARGE."""
    if not create.eas:
        return None
    eas = Eas()
    eas.change(create.eas)
    return eas


class Teller(Protocol):
    """Who hears what the user wants to know; paths are the guest's, `\\folder\\file`."""

    def changed(self, action: str, path: str, previous: str = "", *, host: bool) -> None: ...

    def denied(self, path: str, reason: str) -> None: ...


class Volume:
    """The opener of the volume's device, which sets `device` once it is there."""

    device: Device

    def __init__(
        self, tree: Tree, mm: MemoryManager, objects: ObjectManager, tell: Teller
    ) -> None:
        self.tree = tree
        self.tell = tell
        self.mm = mm
        self.objects = objects
        self.notifier = Notifier()
        self.serial = 0x1CA1_D2B3  # any fixed number
        self.label = ""
        self.object_id = b""  # FILE_FS_OBJECTID_INFORMATION, once it has one
        self.quotas = Quotas()
        self.guard: FileGuard | None = None
        self.new_object_id: Callable[[], bytes] = lambda: bytes(OBJECT_ID_SIZE)

    # Finding.

    def open(self, create: Create, file: FILE_OBJECT) -> OpenFile:
        """Raises NtError, with NTFS's statuses."""
        if self._names_volume(create):
            create.take_maximum()
            return VolumeFile(file, self, create.access)
        place = self._place(create)
        if place.entry is None:
            entry, node, stream = self._create(create, place)
        else:
            entry, node, stream = self._open(create, place, place.entry)
        opened = DiskFile(file, self, create.access, entry, node, stream)
        opened.opened_name = place.opened
        if create.access & c.FILE_WRITE_DATA and self.guard is not None:
            opened.manages_volume = self.guard.manages_volumes()
        if create.options & c.FILE_DELETE_ON_CLOSE:
            file.Flags |= FO_DELETE_ON_CLOSE
        if create.attributes & c.FILE_ATTRIBUTE_TEMPORARY and create.information != c.FILE_OPENED:
            file.Flags |= FO_TEMPORARY_FILE
        stream.share.add(file, create.access, create.share)
        stream.opens += 1
        node.opens += 1
        entry.opens += 1
        return opened

    @staticmethod
    def _names_volume(create: Create) -> bool:
        wants = create.options & (c.FILE_DIRECTORY_FILE | c.FILE_OPEN_BY_FILE_ID)
        return not create.path and create.related is None and not wants

    def find(self, path: str, related: OpenFile | None = None) -> Entry:
        """The entry of a path, without opening it; raises NtError."""
        place = self._settled(path, related)
        if place.entry is None:
            raise NtError(s.STATUS_OBJECT_NAME_NOT_FOUND)
        if place.path.directory and not place.entry.node.is_directory:
            raise NtError(s.STATUS_OBJECT_NAME_INVALID)
        return place.entry

    def place_of(self, path: str, related: OpenFile | None) -> tuple[Directory, str, Entry | None]:
        """Directory, name, and the entry that is there, of a new name; raises NtError."""
        place = self._settled(path, related, c.FILE_OPEN_REPARSE_POINT)
        if not place.name or place.path.stream or place.path.directory:
            raise NtError(s.STATUS_OBJECT_NAME_INVALID)
        return place.directory, place.name, place.entry

    def _settled(self, path: str, related: OpenFile | None, options: int = 0) -> _Place:
        """Where a path leads that may go through reparse points, but not to another device."""
        for _ in range(MOST_REPARSES):
            try:
                return self._place(Create(path, 0, options=options, related=related))
            except Reparse as onward:
                body, path = self.objects.lookup(onward.path, OBJ_CASE_INSENSITIVE)
                related = None
                if body != self.device.view.address:
                    raise NtError(s.STATUS_NOT_SAME_DEVICE) from None
        raise NtError(s.STATUS_REPARSE_POINT_NOT_RESOLVED)

    def _place(self, create: Create) -> _Place:
        """Raises NtError, and Reparse where the path goes on elsewhere."""
        start: Entry = self.tree.root.entries[0]
        related = create.related
        if related is not None:
            if not isinstance(related, DiskFile):
                raise NtError(s.STATUS_INVALID_PARAMETER)
            start = related.entry
        if create.options & c.FILE_OPEN_BY_FILE_ID:
            return self._by_id(create)
        path = self._parse(create.path)
        entry = start
        opened: list[str] = []
        for number, name in enumerate(path.components):
            node = entry.node
            if node.reparse is not None:
                raise self._onward(entry, path, number)
            if not isinstance(node, Directory):
                raise NtError(s.STATUS_OBJECT_PATH_NOT_FOUND)
            found = node.find(name)
            if found is None:
                self._note_refused(node, name)
                if number + 1 < len(path.components):
                    raise NtError(s.STATUS_OBJECT_PATH_NOT_FOUND)
                return _Place(None, node, name, path, self._opened(opened, path, name))
            if found.delete_pending and number + 1 < len(path.components):
                raise NtError(s.STATUS_DELETE_PENDING)
            entry = found
            opened.append(found.name if upcase(found.name) == upcase(name) else name.upper())
        collides = create.disposition == c.FILE_CREATE and not path.stream
        stays = collides or create.options & c.FILE_OPEN_REPARSE_POINT
        if entry.node.reparse is not None and not stays:
            raise self._onward(entry, path, len(path.components))
        above = entry.directory or self.tree.root
        return _Place(entry, above, path.components[-1] if path.components else "", path,
                      self._opened(opened, path) if related is None else "")  # fmt: skip

    def _onward(self, entry: Entry, path: FilePath, passed: int) -> Reparse:
        """Through a reparse point, with what is left of the path behind `passed` components."""
        point, above = entry.node.reparse, entry.directory
        assert point is not None and above is not None
        rest = "".join("\\" + name for name in path.components[passed:])
        rest += f":{path.stream}" if path.stream else ""
        rest += "\\" if path.directory else ""
        folder = self.device.name + above.entries[0].path.rstrip("\\")
        return Reparse(point.resolve(folder, rest))

    def _parse(self, path: str) -> FilePath:
        """Win32's `..` is ring 3's: one that arrives here would be a way up."""
        try:
            return parse_path(path)
        except NtError:
            if ".." in path.split("\\"):
                self.tell.denied(path, "the kernel's names have no ..")
            raise

    @staticmethod
    def opened_name(path: str) -> str:
        """What FileNameInformation tells of a file by a full path, "" where that is its own."""
        return path if "~" in path else ""

    @staticmethod
    def _opened(found: list[str], path: FilePath, *new: str) -> str:
        """The path as it was opened, where that was by a short name."""
        names = [*found, *new]
        short = any("~" in name for name in path.components)
        return "\\" + "\\".join(names) if short else ""

    def _note_refused(self, directory: Directory, name: str) -> None:
        reason = directory.source.refused(name) if directory.source is not None else None
        if reason is not None:
            path = directory.entries[0].path.rstrip("\\")
            self.tell.denied(f"{path}\\{name}", reason)

    def _by_id(self, create: Create) -> _Place:
        """By the file id or the object id that is the name, behind a backslash or not."""
        data = create.path.encode("utf-16-le", "surrogatepass")
        if len(data) in (FILE_ID_SIZE + 2, OBJECT_ID_SIZE + 2):
            data = data[2:]
        tree = self.tree
        if create.disposition not in (c.FILE_OPEN, c.FILE_OPEN_IF):
            raise NtError(s.STATUS_INVALID_PARAMETER)
        if len(data) == FILE_ID_SIZE:
            node = tree.nodes.get(int.from_bytes(data, "little"))
        elif len(data) == OBJECT_ID_SIZE:
            node = tree.object_ids.get(data)
        else:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        if node is None or not node.is_reachable:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        entry = node.entries[0]
        if node.reparse is not None and not create.options & c.FILE_OPEN_REPARSE_POINT:
            raise self._onward(entry, FilePath(()), 0)
        return _Place(entry, entry.directory or tree.root, entry.name, FilePath(()))

    # What is there.

    def _open(
        self, create: Create, place: _Place, entry: Entry
    ) -> tuple[Entry, Node, Stream]:
        node = entry.node
        if create.disposition == c.FILE_CREATE and not place.path.stream:
            if node.is_directory and create.options & c.FILE_NON_DIRECTORY_FILE:
                raise NtError(s.STATUS_FILE_IS_A_DIRECTORY)
            raise NtError(s.STATUS_OBJECT_NAME_COLLISION)
        if entry.delete_pending:
            raise NtError(s.STATUS_DELETE_PENDING)
        wants_directory = create.options & c.FILE_DIRECTORY_FILE or place.path.directory
        if node.is_directory and not place.path.stream:
            if create.options & c.FILE_NON_DIRECTORY_FILE:
                raise NtError(s.STATUS_FILE_IS_A_DIRECTORY)
            if create.disposition in OVERWRITES:
                raise NtError(s.STATUS_OBJECT_NAME_COLLISION)
        elif wants_directory:
            raise NtError(s.STATUS_NOT_A_DIRECTORY if create.options & c.FILE_DIRECTORY_FILE
                          else s.STATUS_OBJECT_NAME_INVALID)  # fmt: skip
        self._check_access(create, node)
        overwrites = create.disposition in OVERWRITES
        if create.options & c.FILE_NO_EA_KNOWLEDGE and (
            create.eas if overwrites else node.eas is not None and node.eas.needed
        ):
            raise NtError(s.STATUS_ACCESS_DENIED)
        stream = self._stream(create, node, place.path.stream)
        if stream.oplock is not None:
            stream.oplock.opening(create, before_sharing=True)
        self._check_sharing(create, stream)
        if stream.oplock is not None:
            stream.oplock.opening(create, before_sharing=False)
        if create.disposition in OVERWRITES and create.information == c.FILE_OPENED:
            self._overwrite(create, node, stream)
        return entry, node, stream

    def _stream(self, create: Create, node: Node, name: str) -> Stream:
        """The stream of that name, made if it may be; a directory's main one stands for it."""
        key = name.upper()
        found = node.streams.get(key)
        if found is not None:
            if name and create.disposition == c.FILE_CREATE:
                raise NtError(s.STATUS_OBJECT_NAME_COLLISION)
            if found.delete_pending:
                raise NtError(s.STATUS_DELETE_PENDING)
            return found
        if name:
            if create.disposition not in CREATES:
                raise NtError(s.STATUS_OBJECT_NAME_NOT_FOUND)
            node.check_writable()
            create.information = c.FILE_CREATED
        content = MemoryContent(self.tree.space)
        node.streams[key] = stream = Stream(node, name, content)
        if name and node.entries:
            self.notifier.report_stream(node.entries[0], stream, FILE_ACTION_ADDED_STREAM)
        return stream

    def _check_access(self, create: Create, node: Node) -> None:
        """Descriptors, read-only files and mounts."""
        self._check_descriptor(create, node)
        writes = create.access & (c.FILE_WRITE_DATA | c.FILE_APPEND_DATA)
        deletes = create.options & c.FILE_DELETE_ON_CLOSE
        locked = node.metadata.attributes & c.FILE_ATTRIBUTE_READONLY and not node.is_directory
        if locked and (writes or create.disposition in (c.FILE_OVERWRITE, c.FILE_OVERWRITE_IF)):
            raise NtError(s.STATUS_ACCESS_DENIED)
        if deletes and (locked or node.is_mount):
            raise NtError(s.STATUS_CANNOT_DELETE)
        if create.access & WRITES_FILE or deletes or create.disposition in OVERWRITES:
            node.check_writable()
        denied = c.FILE_WRITE_DATA | c.FILE_APPEND_DATA if locked else 0
        create.take_maximum(WRITES_FILE if node.policy is Policy.READ_ONLY else denied)

    def _check_descriptor(self, create: Create, node: Node) -> None:
        """A directory's rights to list and to delete children count for its files, as on NTFS."""
        if self.guard is None or not node.security:
            return
        directory = node.entries[0].directory if node.entries else None
        above = directory.security if directory is not None else b""
        implied = 0
        for right, child_right in (
            (c.FILE_LIST_DIRECTORY, c.FILE_READ_ATTRIBUTES), (c.FILE_DELETE_CHILD, DELETE),
        ):  # fmt: skip
            if not above or self._grants(above, right):
                implied |= child_right
        asked = create.access | (MAXIMUM_ALLOWED if create.maximum else 0)
        granted = create.access & implied
        if asked & ~implied:
            granted |= self.guard.check_file(node.security, asked & ~implied)
        create.access, create.maximum = granted, False

    def _grants(self, descriptor: bytes, right: int) -> bool:
        assert self.guard is not None
        try:
            return bool(self.guard.check_file(descriptor, right))
        except NtError:
            return False

    def _check_sharing(self, create: Create, stream: Stream) -> None:
        stream.share.check(create.access, create.share)
        writes = create.access & c.FILE_WRITE_DATA
        mapped = (stream, True) in self.mm.file_segments
        if mapped and (writes or create.disposition in OVERWRITES):
            raise NtError(s.STATUS_SHARING_VIOLATION)
        if mapped and create.options & c.FILE_DELETE_ON_CLOSE:
            raise NtError(s.STATUS_CANNOT_DELETE)

    def _overwrite(self, create: Create, node: Node, stream: Stream) -> None:
        present = node.metadata.attributes
        special = c.FILE_ATTRIBUTE_HIDDEN | c.FILE_ATTRIBUTE_SYSTEM
        if present & special & ~create.attributes:
            raise NtError(s.STATUS_ACCESS_DENIED)
        if (stream, False) in self.mm.file_segments:
            raise NtError(s.STATUS_USER_MAPPED_FILE)
        stream.writable_content().set_size(0)
        stream.changed = True
        if not stream.stream_name:
            wanted = create.attributes & c.FILE_ATTRIBUTE_SETTABLE | c.FILE_ATTRIBUTE_ARCHIVE
            kept = present if create.disposition != c.FILE_SUPERSEDE else 0
            node.metadata.attributes = wanted | kept & ~c.FILE_ATTRIBUTE_NORMAL
            node.eas = _eas_of(create)
            for name, other in list(node.streams.items()):
                if name and not other.opens:
                    other.release()
                    del node.streams[name]
        node.touch()
        node.save_metadata()
        superseded = create.disposition == c.FILE_SUPERSEDE
        create.information = c.FILE_SUPERSEDED if superseded else c.FILE_OVERWRITTEN
        for entry in node.entries:
            self.notifier.report(entry, FILE_NOTIFY_CHANGE_SIZE, FILE_ACTION_MODIFIED)

    # What is not there yet.

    def _create(
        self, create: Create, place: _Place
    ) -> tuple[Entry, Node, Stream]:
        if create.disposition not in CREATES:
            raise NtError(s.STATUS_OBJECT_NAME_NOT_FOUND)
        is_directory = bool(create.options & c.FILE_DIRECTORY_FILE)
        if place.path.directory and not is_directory:
            raise NtError(s.STATUS_OBJECT_NAME_INVALID)
        if is_directory and place.path.stream:
            raise NtError(s.STATUS_NOT_A_DIRECTORY)
        check_new(place.name)
        if place.directory.entries and place.directory.entries[0].delete_pending:
            raise NtError(s.STATUS_DELETE_PENDING)
        attributes = create.attributes & c.FILE_ATTRIBUTE_SETTABLE
        if attributes & c.FILE_ATTRIBUTE_READONLY and create.options & c.FILE_DELETE_ON_CLOSE:
            raise NtError(s.STATUS_CANNOT_DELETE)
        kind = c.FILE_ATTRIBUTE_DIRECTORY if is_directory else c.FILE_ATTRIBUTE_ARCHIVE
        create.take_maximum()
        above = place.directory.security
        if self.guard is not None and above:
            self.guard.check_file(above, c.FILE_APPEND_DATA if is_directory else c.FILE_WRITE_DATA)
        if create.eas and create.options & c.FILE_NO_EA_KNOWLEDGE:
            raise NtError(s.STATUS_ACCESS_DENIED)
        eas = _eas_of(create)
        entry = self.tree.new_entry(place.directory, place.name, attributes | kind)
        node = entry.node
        node.eas = eas
        if self.guard is not None and (create.security or above):
            node.security = self.guard.new_file_security(
                create.security, above, directory=is_directory
            )
        stream = self._stream(create, node, place.path.stream)
        stream.changed = True
        create.information = c.FILE_CREATED
        changed = FILE_NOTIFY_CHANGE_DIR_NAME if is_directory else FILE_NOTIFY_CHANGE_FILE_NAME
        self.notifier.report(entry, changed, FILE_ACTION_ADDED)
        return entry, node, stream
