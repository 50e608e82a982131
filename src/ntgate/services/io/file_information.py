"""Files: queries and changes of information by class."""

from __future__ import annotations

import struct
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, IO_STATUS_BLOCK, ULONG, Out, Scalar, SizedBy
from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io import information_class as i
from ntgate.executive.io.counters import OTHER, count_operation
from ntgate.executive.io.disk_file import DiskFile
from ntgate.executive.io.disk_information import text
from ntgate.executive.io.mailslot import MailslotRoot
from ntgate.executive.io.open_file import IO_PRIORITY_NORMAL, OpenFile
from ntgate.executive.io.pipe import PipeEnd
from ntgate.executive.io.pipe_device import PipeRoot
from ntgate.executive.ps.thread import Thread
from ntgate.layout import io as layout
from ntgate.layout import ntstatus
from ntgate.layout.access import DELETE, IO_COMPLETION_MODIFY_STATE, SYNCHRONIZE
from ntgate.services.io.file_request import FILE_INFORMATION_CLASS, answer, answer_data, file_of

RENAMES = (i.FileRenameInformation, i.FileRenameInformationEx, i.FileLinkInformation)
SEEKS = (i.FilePositionInformation, i.FileStandardInformation)
# XP wants a right for times and attributes.  Wine 8.0's SetFileAttributes opens with SYNCHRONIZE,
# its MoveFile with DELETE and SYNCHRONIZE, and nothing more.
BARE = DELETE | SYNCHRONIZE

QueryBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("Length", "out")]
SetBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("Length")]

_MODES = (
    (layout.FO_WRITE_THROUGH, c.FILE_WRITE_THROUGH),
    (layout.FO_SEQUENTIAL_ONLY, c.FILE_SEQUENTIAL_ONLY),
    (layout.FO_NO_INTERMEDIATE_BUFFERING, c.FILE_NO_INTERMEDIATE_BUFFERING),
)
# FILE_SKIP_COMPLETION_PORT_ON_SUCCESS and FILE_SKIP_SET_EVENT_ON_HANDLE.
_NOTIFICATIONS = ((layout.FO_SKIP_COMPLETION_PORT, 1), (layout.FO_SKIP_SET_EVENT, 2))


@service()
def NtQueryInformationFile(
    caller: Thread,
    FileHandle: HANDLE,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    FileInformation: QueryBuffer,
    Length: ULONG,
    FileInformationClass: FILE_INFORMATION_CLASS,
) -> Outcome:
    """What is known of an open file, by class."""
    known = i.QUERY.get(FileInformationClass)
    if known is None:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    least, access = known
    if Length < least:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    IoStatusBlock.probe()
    caller.memory.probe_for_write(FileInformation, Length)
    try:
        data = _query(caller, FileHandle, FileInformationClass, access)
    except NtError as refused:
        _tell(caller, IoStatusBlock, FileInformationClass, refused.status)
        raise
    return answer_data(
        caller, IoStatusBlock, FileInformation, Length, data,
        is_variable=FileInformationClass in i.VARIABLE,
        is_whole=FileInformationClass == i.FileStreamInformation,
    )  # fmt: skip


def _tell(
    caller: Thread, block: Out[IO_STATUS_BLOCK], information_class: int, status: int
) -> None:
    """A failure leaves the status block alone, but where Wine's SetFilePointer reads it there."""
    if caller.process.runs_wine and information_class in SEEKS:
        block.write(IO_STATUS_BLOCK(status, 0))


def _query(caller: Thread, handle: int, information_class: int, access: int) -> bytes:
    if information_class == i.FileBasicInformation and _is_bare(caller, handle):
        access = 0
    file = file_of(caller, handle, access)
    count_operation(caller.process, OTHER)
    if information_class == i.FileAccessInformation:
        return struct.pack("<I", _granted(caller, handle))
    if information_class == i.FileAllInformation:
        return _all(caller, handle, file)
    own = _own(file, information_class)
    return own if own is not None else _device_information(file, information_class)


def _granted(caller: Thread, handle: int) -> int:
    return caller.executive.objects.query_handle(caller.process.handles, handle).granted_access


def _is_bare(caller: Thread, handle: int) -> bool:
    return not _granted(caller, handle) & ~BARE


def _own(file: OpenFile, information_class: int) -> bytes | None:
    """What the I/O manager itself knows of a file object; None for what a device knows."""
    view = file.object
    if information_class == i.FilePositionInformation:
        return struct.pack("<Q", view.CurrentByteOffset)
    if information_class == i.FileModeInformation:
        return struct.pack("<I", _mode(file))
    if information_class == i.FileAlignmentInformation:
        return struct.pack("<I", 0)
    if information_class == i.FileIoCompletionNotificationInformation:
        told = [mode for flag, mode in _NOTIFICATIONS if view.Flags & flag]
        return struct.pack("<I", sum(told))
    if information_class == i.FileIoPriorityHintInformation:
        return struct.pack("<I", file.priority)
    return None


def _mode(file: OpenFile) -> int:
    flags, mode = file.object.Flags, 0
    for flag, option in _MODES:
        if flags & flag:
            mode |= option
    if flags & layout.FO_SYNCHRONOUS_IO:
        alert = flags & layout.FO_ALERTABLE_IO
        mode |= c.FILE_SYNCHRONOUS_IO_ALERT if alert else c.FILE_SYNCHRONOUS_IO_NONALERT
    return mode


def _device_information(file: OpenFile, information_class: int) -> bytes:
    named = isinstance(file, DiskFile | PipeEnd | PipeRoot | MailslotRoot)
    if information_class == i.FileNameInformation and not named:
        name = text(file.name)
        return struct.pack("<I", len(name)) + name
    return file.query(information_class)


def _all(caller: Thread, handle: int, file: OpenFile) -> bytes:
    """FILE_ALL_INFORMATION: basic to alignment, then the name."""
    parts = [
        file.query(i.FileBasicInformation),
        file.query(i.FileStandardInformation),
        file.query(i.FileInternalInformation),
        file.query(i.FileEaInformation),
        struct.pack(
            "<IQ2I", _granted(caller, handle), file.object.CurrentByteOffset, _mode(file), 0
        ),
        _device_information(file, i.FileNameInformation),
    ]
    return b"".join(parts)


@service()
def NtSetInformationFile(
    caller: Thread,
    FileHandle: HANDLE,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    FileInformation: SetBuffer,
    Length: ULONG,
    FileInformationClass: FILE_INFORMATION_CLASS,
) -> Outcome:
    """Change an open file, by class."""
    known = i.SET.get(FileInformationClass)
    if known is None:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    least, access = known
    if Length < least:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    IoStatusBlock.probe()
    data = caller.memory.read(FileInformation, Length)
    try:
        _set(caller, FileHandle, FileInformationClass, access, data)
    except NtError as refused:
        _tell(caller, IoStatusBlock, FileInformationClass, refused.status)
        raise
    return answer(IoStatusBlock, 0)


def _set(caller: Thread, handle: int, information_class: int, access: int, data: bytes) -> None:
    if information_class == i.FileBasicInformation and _is_bare(caller, handle):
        access = 0
    file = file_of(caller, handle, access)
    count_operation(caller.process, OTHER)
    if information_class == i.FilePositionInformation:
        _set_position(file, struct.unpack_from("<q", data)[0])
    elif information_class == i.FileModeInformation:
        _set_mode(file, struct.unpack_from("<I", data)[0])
    elif information_class == i.FileCompletionInformation:
        _set_completion(caller, file, *struct.unpack_from("<2I", data))
    elif information_class == i.FileIoPriorityHintInformation:
        _set_priority(file, struct.unpack_from("<I", data)[0])
    elif information_class == i.FileIoCompletionNotificationInformation:
        _set_notification(file, struct.unpack_from("<I", data)[0])
    else:
        other = None
        if information_class in RENAMES:
            root = struct.unpack_from("<I", data, 4)[0]
            other = file_of(caller, root, 0) if root else None
        file.set(information_class, data, other)


def _set_position(file: OpenFile, position: int) -> None:
    if position < 0:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    file.object.CurrentByteOffset = position


def _set_mode(file: OpenFile, mode: int) -> None:
    """What may change: write-through, sequential, alertable; not whether it is synchronous."""
    synchronous = mode & c.FILE_SYNCHRONOUS
    changeable = c.FILE_WRITE_THROUGH | c.FILE_SEQUENTIAL_ONLY | c.FILE_SYNCHRONOUS
    if (
        mode & ~changeable
        or synchronous == c.FILE_SYNCHRONOUS
        or bool(synchronous) != file.synchronous
    ):
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    flags = file.object.Flags
    for flag, wanted in (
        (layout.FO_WRITE_THROUGH, mode & c.FILE_WRITE_THROUGH),
        (layout.FO_SEQUENTIAL_ONLY, mode & c.FILE_SEQUENTIAL_ONLY),
        (layout.FO_ALERTABLE_IO, mode & c.FILE_SYNCHRONOUS_IO_ALERT),
    ):
        flags = flags & ~flag | (flag if wanted else 0)
    file.object.Flags = flags


def _set_priority(file: OpenFile, priority: int) -> None:
    """There is no queue of requests here that it would change."""
    if priority > IO_PRIORITY_NORMAL:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    file.priority = priority


def _set_notification(file: OpenFile, modes: int) -> None:
    """Modes are only added, and unknown ones are passed over."""
    if file.synchronous:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    for flag, mode in _NOTIFICATIONS:
        if modes & mode:
            file.object.Flags |= flag
    if file.object.Flags & layout.FO_SKIP_SET_EVENT:
        file.object.Event.Header.SignalState = 0


def _set_completion(caller: Thread, file: OpenFile, port: int, key: int) -> None:
    if file.synchronous:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    body = caller.object(port, "IoCompletion", IO_COMPLETION_MODIFY_STATE)
    caller.executive.io.ports.attach(file.object, body, key)
