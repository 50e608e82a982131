"""Files: reading, writing, flushing, cancelling."""

from __future__ import annotations

from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    HANDLE,
    IO_STATUS_BLOCK,
    LARGE_INTEGER,
    PVOID,
    ULONG,
    InOpt,
    Out,
    Scalar,
    SizedBy,
)
from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io.counters import READ, WRITE
from ntgate.executive.io.open_file import OpenFile
from ntgate.executive.io.request import Request
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import THREAD_TERMINATE
from ntgate.layout.io import (
    FO_CACHE_SUPPORTED,
    FO_MAILSLOT,
    FO_NAMED_PIPE,
    FO_NO_INTERMEDIATE_BUFFERING,
)
from ntgate.memory.user import AccessViolation
from ntgate.services.io.file_fast import fast_read, fast_write
from ntgate.services.io.file_request import (
    LARGEST_TRANSFER,
    PIO_APC_ROUTINE,
    answer,
    either_access,
    file_of,
    start,
)

WITHOUT_PLACE = FO_NAMED_PIPE | FO_MAILSLOT  # nobody need say where in them

ReadBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("Length", "out")]
WriteBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("Length")]


def _place(file: OpenFile, byte_offset: InOpt[LARGE_INTEGER], *, synchronous: bool) -> int:
    """Where in the file; -1 is its end.  Raises STATUS_INVALID_PARAMETER."""
    if not file.positioned:
        if not (byte_offset or synchronous or file.object.Flags & WITHOUT_PLACE):
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
        return 0
    offset = byte_offset.read() if byte_offset else c.FILE_USE_FILE_POINTER_POSITION
    if offset == c.FILE_USE_FILE_POINTER_POSITION:
        if not synchronous:
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
        return file.object.CurrentByteOffset
    if offset < c.FILE_WRITE_TO_END_OF_FILE:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    return offset


def _routine(file: OpenFile, routine: int) -> int:
    """No APC from a synchronous file that is in the cache: fast I/O knows none."""
    return 0 if file.object.Flags & FO_CACHE_SUPPORTED else routine


def _transferred(file: OpenFile, place: int) -> None:
    """A synchronous file has given or taken bytes up to a place: it is in the cache now."""
    view = file.object
    view.CurrentByteOffset = place
    if not view.Flags & FO_NO_INTERMEDIATE_BUFFERING:
        view.Flags |= FO_CACHE_SUPPORTED


def _is_append_only(caller: Thread, handle: int) -> bool:
    objects = caller.executive.objects
    granted = objects.query_handle(caller.process.handles, handle).granted_access
    return not granted & c.FILE_WRITE_DATA


def _copied(caller: Thread, buffer: int, size: int) -> bytes:
    """A file system copies by itself, and doesn't say what was wrong with an address."""
    try:
        return caller.memory.read(buffer, size)
    except AccessViolation:
        raise NtError(ntstatus.STATUS_INVALID_USER_BUFFER) from None


@service()
def NtWriteFile(
    caller: Thread,
    FileHandle: HANDLE,
    Event: HANDLE,
    ApcRoutine: PIO_APC_ROUTINE,
    ApcContext: PVOID,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    Buffer: WriteBuffer,
    Length: ULONG,
    ByteOffset: InOpt[LARGE_INTEGER],
    Key: InOpt[ULONG],
) -> Outcome:
    """Write Length bytes from Buffer to a file object."""
    if not (Event or ApcRoutine or ByteOffset.address or Key.address):
        status = fast_write(
            caller, FileHandle, c.FILE_WRITE_DATA, IoStatusBlock.address, Buffer, Length
        )
        if status is not None:
            return status
    file = either_access(caller, FileHandle, c.FILE_WRITE_DATA, c.FILE_APPEND_DATA)
    synchronous = file.synchronous
    offset = _place(file, ByteOffset, synchronous=synchronous)
    if file.positioned and (offset < 0 or _is_append_only(caller, FileHandle)):
        offset = file.size
    if Length > LARGEST_TRANSFER:
        return ntstatus.STATUS_INSUFFICIENT_RESOURCES
    key = Key.read() if Key else 0
    buffered = None if file.positioned else caller.memory.read(Buffer, Length)
    caller.memory.probe(Buffer, Length)

    ApcRoutine = _routine(file, ApcRoutine)

    def write(request: Request) -> int | None:
        data = buffered if buffered is not None else _copied(caller, Buffer, Length)
        written = file.write(request, offset, data)
        if synchronous and written is not None and file.positioned:
            _transferred(file, offset + written)
        return written

    return start(
        caller, file, Event, ApcRoutine, ApcContext, IoStatusBlock, write, key=key, counted=WRITE
    )


@service()
def NtReadFile(
    caller: Thread,
    FileHandle: HANDLE,
    Event: HANDLE,
    ApcRoutine: PIO_APC_ROUTINE,
    ApcContext: PVOID,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    Buffer: ReadBuffer,
    Length: ULONG,
    ByteOffset: InOpt[LARGE_INTEGER],
    Key: InOpt[ULONG],
) -> Outcome:
    """Read up to Length bytes from a file object into Buffer."""
    if not (Event or ApcRoutine or ByteOffset.address or Key.address):
        status = fast_read(
            caller, FileHandle, c.FILE_READ_DATA, IoStatusBlock.address, Buffer, Length
        )
        if status is not None:
            return status
    file = file_of(caller, FileHandle, c.FILE_READ_DATA)
    synchronous = file.synchronous
    offset = _place(file, ByteOffset, synchronous=synchronous)
    if offset < 0:
        return ntstatus.STATUS_INVALID_PARAMETER
    if Length > LARGEST_TRANSFER:
        return ntstatus.STATUS_INSUFFICIENT_RESOURCES
    key = Key.read() if Key else 0
    caller.memory.probe_for_write(Buffer, Length)

    ApcRoutine = _routine(file, ApcRoutine)

    def read(request: Request) -> bytes | None:
        data = file.read(request, offset, Length)
        if synchronous and data and file.positioned:
            _transferred(file, offset + len(data))
        return data

    return start(
        caller, file, Event, ApcRoutine, ApcContext, IoStatusBlock, read, buffer=Buffer, key=key,
        counted=READ,
    )  # fmt: skip


@service()
def NtFlushBuffersFile(
    caller: Thread, FileHandle: HANDLE, IoStatusBlock: Out[IO_STATUS_BLOCK]
) -> Outcome:
    """Have written what is on its way."""
    file = either_access(caller, FileHandle, c.FILE_WRITE_DATA, c.FILE_APPEND_DATA)
    return start(caller, file, 0, 0, 0, IoStatusBlock, file.flush, synchronous=True)


@service()
def NtCancelIoFile(
    caller: Thread, FileHandle: HANDLE, IoStatusBlock: Out[IO_STATUS_BLOCK]
) -> Outcome:
    """Take back what the calling thread waits for on a file."""
    file = file_of(caller, FileHandle, 0)
    IoStatusBlock.probe()
    caller.executive.io.cancel(caller, file)
    return answer(IoStatusBlock, 0)


@service()
def NtCancelIoFileEx(
    caller: Thread,
    FileHandle: HANDLE,
    IoRequestToCancel: InOpt[IO_STATUS_BLOCK],
    IoStatusBlock: Out[IO_STATUS_BLOCK],
) -> Outcome:
    """Take back what any thread waits for on a file: all, or one by its status block."""
    file = file_of(caller, FileHandle, 0)
    IoStatusBlock.probe()
    if not caller.executive.io.cancel(None, file, IoRequestToCancel.address):
        return answer(IoStatusBlock, 0, ntstatus.STATUS_NOT_FOUND)
    return answer(IoStatusBlock, 0)


@service()
def NtCancelSynchronousIoFile(
    caller: Thread,
    ThreadHandle: HANDLE,
    IoRequestToCancel: InOpt[IO_STATUS_BLOCK],
    IoStatusBlock: Out[IO_STATUS_BLOCK],
) -> Outcome:
    """Take back what a thread waits for in a service."""
    executive = caller.executive
    body = caller.object(ThreadHandle, "Thread", THREAD_TERMINATE)
    thread = executive.objects.companion(body, Thread)
    IoStatusBlock.probe()
    if not executive.io.cancel(thread, None, IoRequestToCancel.address, synchronous=True):
        return answer(IoStatusBlock, 0, ntstatus.STATUS_NOT_FOUND)
    return answer(IoStatusBlock, 0)
