"""Directories: what is in them, and waiting for changes."""

from __future__ import annotations

from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    BOOLEAN,
    HANDLE,
    IO_STATUS_BLOCK,
    PVOID,
    ULONG,
    UNICODE_STRING,
    InOpt,
    Out,
    Scalar,
    SizedBy,
)
from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io import information_class as i
from ntgate.executive.io.chain import Chain
from ntgate.executive.io.directory_scan import DirectoryScan
from ntgate.executive.io.disk_file import DiskFile
from ntgate.executive.io.disk_information import directory_record
from ntgate.executive.io.notify import FILE_NOTIFY_VALID_MASK
from ntgate.executive.io.request import Request
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.services.capture import unicode_string
from ntgate.services.io.file_request import (
    FILE_INFORMATION_CLASS,
    LARGEST_TRANSFER,
    PIO_APC_ROUTINE,
    file_of,
    start,
)

NOTIFY_FILTER = Annotated[int, Scalar("ULONG", kind="hex")]
OutBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("Length", "out")]

# Classes of other queries, which a directory's refuses once the length is right.
REFUSED = {
    i.FileObjectIdInformation: 0x48, i.FileQuotaInformation: 0x38,
    i.FileReparsePointInformation: 0x10,
}  # fmt: skip
# The size of a record up to its name, which a buffer must have room for.
LEAST = {
    i.FileDirectoryInformation: 0x48,
    i.FileFullDirectoryInformation: 0x48,
    i.FileBothDirectoryInformation: 0x60,
    i.FileNamesInformation: 0x10,
    i.FileIdBothDirectoryInformation: 0x70,
    i.FileIdFullDirectoryInformation: 0x58,
}


def _directory(caller: Thread, handle: int) -> DiskFile:
    file = file_of(caller, handle, c.FILE_LIST_DIRECTORY)
    if not isinstance(file, DiskFile):
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    return file


def _fill(
    request: Request, scan: DirectoryScan, information_class: int, length: int, *, single: bool
) -> bytes:
    """As many records as fit; a first one that doesn't is cut off.  Raises NtError."""
    chain = Chain(length, 8)
    while (found := scan.peek()) is not None:
        record = directory_record(*found, information_class)
        if not chain.add(record):
            if chain.count:
                break
            chain.add(record[:length])
            request.status = ntstatus.STATUS_BUFFER_OVERFLOW
        scan.advance()
        if single or request.status:
            break
    if not chain.count:
        if not scan.asked:
            scan.asked = True
            raise NtError(ntstatus.STATUS_NO_SUCH_FILE)
        request.status = ntstatus.STATUS_NO_MORE_FILES
    scan.asked = True
    return bytes(chain.data)


@service()
def NtQueryDirectoryFile(
    caller: Thread,
    FileHandle: HANDLE,
    Event: HANDLE,
    ApcRoutine: PIO_APC_ROUTINE,
    ApcContext: PVOID,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    FileInformation: OutBuffer,
    Length: ULONG,
    FileInformationClass: FILE_INFORMATION_CLASS,
    ReturnSingleEntry: BOOLEAN,
    FileName: InOpt[UNICODE_STRING],
    RestartScan: BOOLEAN,
) -> Outcome:
    """The next entries of a directory that fit the pattern of the first call."""
    least = LEAST.get(FileInformationClass, REFUSED.get(FileInformationClass))
    if least is None:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    if Length < least:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    if FileInformationClass in REFUSED:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    if Length > LARGEST_TRANSFER:
        return ntstatus.STATUS_INSUFFICIENT_RESOURCES
    caller.memory.probe_for_write(FileInformation, Length)
    pattern = unicode_string(caller.memory, FileName.address) if FileName else None
    file = _directory(caller, FileHandle)

    def query(request: Request) -> bytes:
        scan = file.directory_scan(pattern, restart=bool(RestartScan))
        return _fill(
            request, scan, FileInformationClass, Length, single=bool(ReturnSingleEntry)
        )

    return start(
        caller, file, Event, ApcRoutine, ApcContext, IoStatusBlock, query, buffer=FileInformation
    )


@service()
def NtNotifyChangeDirectoryFile(
    caller: Thread,
    FileHandle: HANDLE,
    Event: HANDLE,
    ApcRoutine: PIO_APC_ROUTINE,
    ApcContext: PVOID,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    Buffer: OutBuffer,
    Length: ULONG,
    CompletionFilter: NOTIFY_FILTER,
    WatchTree: BOOLEAN,
) -> Outcome:
    """Wait until something in a directory, or below it, changes."""
    IoStatusBlock.probe()
    if not CompletionFilter or CompletionFilter & ~FILE_NOTIFY_VALID_MASK:
        return ntstatus.STATUS_INVALID_PARAMETER
    if Length > LARGEST_TRANSFER:
        return ntstatus.STATUS_INSUFFICIENT_RESOURCES
    caller.memory.probe_for_write(Buffer, Length)
    file = _directory(caller, FileHandle)

    def notify(request: Request) -> bytes | None:
        return file.notify(request, Length, CompletionFilter, tree=bool(WatchTree))

    # Wine 8.0's FindFirstChangeNotification opens the directory for synchronous requests, and
    # still wants to wait for the handle; it has no buffer.
    asynchronous = not Buffer and not Length
    return start(
        caller, file, Event, ApcRoutine, ApcContext, IoStatusBlock, notify, buffer=Buffer,
        synchronous=False if asynchronous else None,
    )  # fmt: skip
