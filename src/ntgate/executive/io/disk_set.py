"""What can be set of a file of the volume: attributes, sizes, names, deletion."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io import information_class as i
from ntgate.executive.io import notify
from ntgate.executive.io.content import CLUSTER, MemoryContent
from ntgate.executive.io.names import check_new, parse_path
from ntgate.executive.io.source import Policy
from ntgate.executive.io.stream import Stream
from ntgate.executive.io.tree import Directory, Entry, Node
from ntgate.executive.ob import attributes as a
from ntgate.layout import ntstatus as s

if TYPE_CHECKING:
    from ntgate.executive.io.disk_file import DiskFile
    from ntgate.executive.io.open_file import OpenFile

KEEP, RESUME = (1 << 64) - 1, (1 << 64) - 2  # times: as it is whatever comes, and no longer so
PINNED = ("write", "change")  # where set, or asked to stay, they do for the file object's changes
UNCHANGED = (0, KEEP, RESUME)  # times that leave what there is
LARGEST_TIME = (1 << 63) - 1
FILE_DISPOSITION_DELETE = 1
FILE_RENAME_REPLACE_IF_EXISTS = 1
RENAME_NAME_AT = 0x0C


def set_information(
    file: DiskFile, information_class: int, data: bytes, other: OpenFile | None
) -> None:
    """NtSetInformationFile on a disk; raises NtError."""
    if information_class == i.FileBasicInformation:
        _set_basic(file, data)
    elif information_class == i.FileEndOfFileInformation:
        _set_end(file, struct.unpack_from("<q", data)[0])
    elif information_class == i.FileAllocationInformation:
        _set_allocation(file, struct.unpack_from("<q", data)[0])
    elif information_class == i.FileDispositionInformation:
        _set_disposition(file, delete=bool(data[0]))
    elif information_class == i.FileDispositionInformationEx:
        _set_disposition(file, delete=bool(data[0] & FILE_DISPOSITION_DELETE))
    elif information_class in (i.FileRenameInformation, i.FileRenameInformationEx):
        _rename(file, data, other)
    elif information_class == i.FileLinkInformation:
        _link(file, data, other)
    elif information_class == i.FileValidDataLengthInformation:
        if not file.manages_volume:
            raise NtError(s.STATUS_PRIVILEGE_NOT_HELD)
        _file_stream(file).set_valid_length(struct.unpack_from("<q", data)[0])
    else:
        raise NtError(s.STATUS_INVALID_PARAMETER)


def _set_basic(file: DiskFile, data: bytes) -> None:
    node = file.node
    *times, attributes = struct.unpack_from("<4QI", data)
    if attributes & c.FILE_ATTRIBUTE_DIRECTORY and not node.is_directory:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    if attributes & c.FILE_ATTRIBUTE_TEMPORARY and node.is_directory:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    if any(time > LARGEST_TIME and time not in UNCHANGED for time in times):
        raise NtError(s.STATUS_INVALID_PARAMETER)
    node.check_writable()
    metadata = node.metadata
    for member, time in zip(("creation", "access", "write", "change"), times, strict=True):
        if time not in UNCHANGED:
            setattr(metadata, member, time)
        if time == RESUME:
            file.pinned.discard(member)
        elif time and member in PINNED:
            file.pinned.add(member)
    if attributes:
        kept = metadata.attributes & c.FILE_ATTRIBUTE_OF_FILE
        metadata.attributes = attributes & c.FILE_ATTRIBUTE_SETTABLE | kept
    if times[3] in UNCHANGED:
        metadata.change = node.tree.now()
    node.save_metadata()
    changed = notify.FILE_NOTIFY_CHANGE_ATTRIBUTES if attributes else 0
    if times[2] not in UNCHANGED:
        changed |= notify.FILE_NOTIFY_CHANGE_LAST_WRITE
    file.volume.notifier.report(file.entry, changed, notify.FILE_ACTION_MODIFIED)


def _set_end(file: DiskFile, size: int) -> None:
    stream = _stream_to_resize(file, size)
    with file.keeping_times():
        stream.set_size(size)
    file.volume.notifier.report(
        file.entry, notify.FILE_NOTIFY_CHANGE_SIZE, notify.FILE_ACTION_MODIFIED
    )


def _set_allocation(file: DiskFile, size: int) -> None:
    """Less cuts the file; more is promised, and there must be room for it."""
    stream = _stream_to_resize(file, size)
    if size < stream.size:
        with file.keeping_times():
            stream.set_size(size)
    elif -(-(size - stream.size) // CLUSTER) > file.volume.tree.space.free:
        raise NtError(s.STATUS_DISK_FULL)


def _file_stream(file: DiskFile) -> Stream:
    if file.is_directory:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    return file.stream


def _stream_to_resize(file: DiskFile, size: int) -> Stream:
    """Raises STATUS_USER_MAPPED_FILE for a smaller size while there is a section of the file."""
    stream = _file_stream(file)
    if size < 0:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    if size < stream.size:
        _check_unmapped(file, stream)
    return stream


def _check_unmapped(file: DiskFile, stream: Stream) -> None:
    if (stream, False) in file.volume.mm.file_segments:
        raise NtError(s.STATUS_USER_MAPPED_FILE)


def _set_disposition(file: DiskFile, *, delete: bool) -> None:
    stream, entry = file.stream, file.entry
    if stream.stream_name:
        stream.delete_pending = delete
        return
    if not delete:
        entry.delete_pending = False
        file.object.DeletePending = 0
        return
    _check_deletable(file, file.node)
    if entry.directory is None:
        raise NtError(s.STATUS_CANNOT_DELETE)
    if isinstance(file.node, Directory) and file.node.children:
        raise NtError(s.STATUS_DIRECTORY_NOT_EMPTY)
    entry.delete_pending = True
    file.object.DeletePending = 1
    if isinstance(file.node, Directory):
        file.volume.notifier.ends(file.node)


def _check_deletable(file: DiskFile, node: Node) -> None:
    node.check_writable()
    if node.is_mount or node.metadata.attributes & c.FILE_ATTRIBUTE_READONLY:
        raise NtError(s.STATUS_CANNOT_DELETE)
    segments = file.volume.mm.file_segments
    if any(
        (stream, image) in segments for stream in node.streams.values() for image in (False, True)
    ):
        raise NtError(s.STATUS_CANNOT_DELETE)


# Names.


def _target(
    file: DiskFile, data: bytes, other: OpenFile | None
) -> tuple[Directory, str, Entry | None, bool]:
    r"""Directory, name, what is there, and whether it may be replaced.

    The name is relative to RootDirectory, or a full path, or a bare one: the same directory.
    """
    replace, _root, length = struct.unpack_from("<B3xII", data)
    raw = data[RENAME_NAME_AT : RENAME_NAME_AT + length]
    if not length or length & 1 or len(raw) != length:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    name = raw.decode("utf-16-le", "surrogatepass")
    if name.startswith("\\"):
        directory, leaf, there = file.volume.place_of(_on_volume(file, name), None)
    elif other is not None:
        directory, leaf, there = file.volume.place_of(name, other)
    else:
        above = file.entry.directory
        if above is None or "\\" in name:
            raise NtError(s.STATUS_OBJECT_NAME_INVALID)
        directory, leaf, there = above, name, above.find(name)
    check_new(leaf)
    return directory, leaf, there, bool(replace & FILE_RENAME_REPLACE_IF_EXISTS)


def _new_path(file: DiskFile, data: bytes, other: OpenFile | None) -> str:
    """The path that a rename gave, below the folder as that was opened."""
    (length,) = struct.unpack_from("<I", data, 8)
    name = data[RENAME_NAME_AT : RENAME_NAME_AT + length].decode("utf-16-le", "surrogatepass")
    if name.startswith("\\"):
        return _on_volume(file, name)
    above = other.opened_name if other is not None else file.opened_name.rpartition("\\")[0]
    return f"{above}\\{name}" if above else ""


def _on_volume(file: DiskFile, path: str) -> str:
    """What a full path leaves on the file's volume; raises STATUS_NOT_SAME_DEVICE."""
    objects = file.volume.objects
    body, rest = objects.lookup(path, a.OBJ_CASE_INSENSITIVE)
    if body != file.device.view.address:
        raise NtError(s.STATUS_NOT_SAME_DEVICE)
    return rest


def _rename(file: DiskFile, data: bytes, other: OpenFile | None) -> None:
    entry = file.entry
    stream_name = _new_stream_name(data)
    if stream_name is not None:
        _rename_stream(file, stream_name, replace=bool(data[0] & FILE_RENAME_REPLACE_IF_EXISTS))
        return
    if file.stream.stream_name:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    if entry.directory is None:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    directory, name, there, replace = _target(file, data, other)
    if there is entry:
        there = None
    if _is_below(directory, file.node):
        raise NtError(s.STATUS_ACCESS_DENIED)
    if file.node.is_mount or (isinstance(file.node, Directory) and _has_open_files(file.node)):
        raise NtError(s.STATUS_ACCESS_DENIED)
    _check_same_mount(entry.directory, directory)
    file.node.check_writable()
    if there is not None:
        _check_replaceable(file, there, replace=replace)
    volume = file.volume
    is_directory = file.node.is_directory
    changed = (
        notify.FILE_NOTIFY_CHANGE_DIR_NAME if is_directory else notify.FILE_NOTIFY_CHANGE_FILE_NAME
    )
    same = entry.directory is directory
    gone = notify.FILE_ACTION_RENAMED_OLD_NAME if same else notify.FILE_ACTION_REMOVED
    came = notify.FILE_ACTION_RENAMED_NEW_NAME if same else notify.FILE_ACTION_ADDED
    volume.notifier.report(entry, changed, gone)
    before = entry.path
    with _given_way(file, there):
        volume.tree.move(entry, directory, name)
    volume.tell.changed(
        "renamed", entry.path, before, host=directory.policy is Policy.WRITE_THROUGH
    )
    file.opened_name = file.volume.opened_name(_new_path(file, data, other))
    file.node.metadata.change = volume.tree.now()
    volume.notifier.report(entry, changed, came)


def _new_stream_name(data: bytes) -> str | None:
    """The name of a stream, "" for the file's main one; None for the name of a file."""
    (length,) = struct.unpack_from("<I", data, 8)
    raw = data[RENAME_NAME_AT : RENAME_NAME_AT + length]
    if not raw.startswith(b":\0") or len(raw) != length or length & 1:
        return None
    return parse_path(raw.decode("utf-16-le", "surrogatepass")).stream


def _rename_stream(file: DiskFile, name: str, *, replace: bool) -> None:
    """What has the new name gives way if it is empty and nobody has it open."""
    node, stream = file.node, file.stream
    if file.is_directory or (node.is_directory and not name):
        raise NtError(s.STATUS_INVALID_PARAMETER)
    node.check_writable()
    there = node.streams.get(name.upper())
    if there is not None and there is not stream:
        if not replace or there.opens or there.size:
            raise NtError(s.STATUS_OBJECT_NAME_COLLISION)
        there.release()
    main = "" in (name, stream.stream_name)
    if main and (node.policy is Policy.WRITE_THROUGH or stream is there):
        raise NtError(s.STATUS_INVALID_PARAMETER)  # the host's file has no other streams
    stream.writable_content()
    del node.streams[stream.stream_name.upper()]
    if main and name:
        node.streams[""] = Stream(node, "", MemoryContent(node.tree.space))
    file.volume.notifier.report_stream(file.entry, stream, notify.FILE_ACTION_REMOVED_STREAM)
    stream.stream_name = name
    node.streams[name.upper()] = stream
    file.volume.notifier.report_stream(file.entry, stream, notify.FILE_ACTION_ADDED_STREAM)


def _link(file: DiskFile, data: bytes, other: OpenFile | None) -> None:
    """One more name, for a file of the same mount."""
    if file.node.is_directory:
        raise NtError(s.STATUS_FILE_IS_A_DIRECTORY)
    if file.stream.stream_name:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    directory, name, there, replace = _target(file, data, other)
    above = file.entry.directory
    assert above is not None
    _check_same_mount(above, directory)
    if there is not None:
        if there.node is file.node and replace:
            there.name = name
            return
        _check_replaceable(file, there, replace=replace)
    with _given_way(file, there):
        entry = file.volume.tree.add_link(directory, name, file.node)
    file.volume.notifier.report(
        entry, notify.FILE_NOTIFY_CHANGE_FILE_NAME, notify.FILE_ACTION_ADDED
    )


def _check_replaceable(file: DiskFile, there: Entry, *, replace: bool) -> None:
    """What has the new name must be a file that nobody uses."""
    if not replace:
        raise NtError(s.STATUS_OBJECT_NAME_COLLISION)
    if there.node.is_directory or there.node.opens or there.node is file.node:
        raise NtError(s.STATUS_ACCESS_DENIED)
    if there.node.metadata.attributes & c.FILE_ATTRIBUTE_READONLY:
        raise NtError(s.STATUS_ACCESS_DENIED)
    _check_deletable(file, there.node)


@contextmanager
def _given_way(file: DiskFile, there: Entry | None) -> Iterator[None]:
    """Delete what has the new name when that is done: what the host refuses loses nothing."""
    if there is None:
        yield
        return
    tree, directory, name = file.volume.tree, there.directory, there.name
    assert directory is not None
    file.volume.notifier.report(
        there, notify.FILE_NOTIFY_CHANGE_FILE_NAME, notify.FILE_ACTION_REMOVED
    )
    tree.move(there, directory, _free_name(directory))
    try:
        yield
    except NtError:
        tree.move(there, directory, name)
        raise
    tree.remove(there)


def _free_name(directory: Directory) -> str:
    return next(name for n in count() if directory.find(name := f"~{n}.replaced") is None)


def _is_below(directory: Directory, node: Node) -> bool:
    entry: Entry | None = directory.entries[0] if directory.entries else None
    while entry is not None:
        if entry.node is node:
            return True
        entry = entry.directory.entries[0] if entry.directory is not None else None
    return False


def _has_open_files(directory: Directory) -> bool:
    for entry in directory.loaded_entries():
        node = entry.node
        if node.opens or (isinstance(node, Directory) and _has_open_files(node)):
            return True
    return False


def _check_same_mount(one: Directory, other: Directory) -> None:
    """Files don't move over the border of a write-through mount; a program copies instead."""
    if Policy.WRITE_THROUGH not in (one.policy, other.policy):
        return
    if one.policy is not other.policy or _mount_of(one) is not _mount_of(other):
        raise NtError(s.STATUS_NOT_SAME_DEVICE)


def _mount_of(directory: Directory) -> Directory:
    """The nearest mount at or above a directory, or the root."""
    while not directory.is_mount and (above := directory.entries[0].directory) is not None:
        directory = above
    return directory
