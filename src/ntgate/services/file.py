"""Files: reading and writing what a handle stands for."""

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
from ntgate.executive.io.device import FileDevice
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus

FILE_READ_DATA, FILE_WRITE_DATA, FILE_APPEND_DATA = 1, 2, 4
LARGEST_TRANSFER = 0x1000000  # what is copied at once

ReadBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("Length", "out")]
WriteBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("Length")]


def _device(caller: Thread, handle: int, access: int) -> FileDevice:
    body = caller.object(handle, "File", access)
    return caller.executive.objects.companion(body, FileDevice)


@service(partial="character devices only; Event, APC, ByteOffset and Key are ignored")
def NtWriteFile(
    caller: Thread,
    FileHandle: HANDLE,
    Event: HANDLE,
    ApcRoutine: PVOID,
    ApcContext: PVOID,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    Buffer: WriteBuffer,
    Length: ULONG,
    ByteOffset: InOpt[LARGE_INTEGER],
    Key: InOpt[ULONG],
) -> Outcome:
    """Write Length bytes from Buffer to a file object."""
    device = _device(caller, FileHandle, FILE_WRITE_DATA)
    IoStatusBlock.probe()
    if Length > LARGEST_TRANSFER:
        return ntstatus.STATUS_INSUFFICIENT_RESOURCES
    data = caller.memory.read(Buffer, Length)
    written = device.write(data)
    IoStatusBlock.write(IO_STATUS_BLOCK(0, written))
    return ntstatus.STATUS_SUCCESS


@service(partial="character devices only; Event, APC, ByteOffset and Key are ignored")
def NtReadFile(
    caller: Thread,
    FileHandle: HANDLE,
    Event: HANDLE,
    ApcRoutine: PVOID,
    ApcContext: PVOID,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    Buffer: ReadBuffer,
    Length: ULONG,
    ByteOffset: InOpt[LARGE_INTEGER],
    Key: InOpt[ULONG],
) -> Outcome:
    """Read up to Length bytes from a file object into Buffer."""
    device = _device(caller, FileHandle, FILE_READ_DATA)
    IoStatusBlock.probe()
    if Length > LARGEST_TRANSFER:
        return ntstatus.STATUS_INSUFFICIENT_RESOURCES
    caller.memory.probe_for_write(Buffer, Length)
    data = device.read(Length)
    if Length and not data:
        IoStatusBlock.write(IO_STATUS_BLOCK(ntstatus.STATUS_END_OF_FILE, 0))
        return ntstatus.STATUS_END_OF_FILE
    caller.memory.write(Buffer, data)
    IoStatusBlock.write(IO_STATUS_BLOCK(0, len(data)))
    return ntstatus.STATUS_SUCCESS
