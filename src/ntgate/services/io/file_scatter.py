"""Files: unbuffered transfers to and from pages that lie apart."""

from __future__ import annotations

import struct
from typing import Annotated

from ntgate.cpu.ram import PAGE_SIZE
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
)
from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io.counters import READ, WRITE
from ntgate.executive.io.open_file import OpenFile
from ntgate.executive.io.request import Request
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.layout.io import FO_NO_INTERMEDIATE_BUFFERING, SECTOR_SIZE
from ntgate.services.io.file_request import LARGEST_TRANSFER, PIO_APC_ROUTINE, file_of, start

SEGMENT_SIZE = 8  # FILE_SEGMENT_ELEMENT: a pointer of 64 bits
Segments = Annotated[int, Scalar("PFILE_SEGMENT_ELEMENT", kind="pointer")]


def _pages(
    caller: Thread, file: OpenFile, array: int, length: int, offset: InOpt[LARGE_INTEGER]
) -> tuple[list[tuple[int, int]], int]:
    """(address, size) of each part, and where in the file.  Raises NtError."""
    flags = file.object.Flags
    if file.synchronous or not flags & FO_NO_INTERMEDIATE_BUFFERING or not file.positioned:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    place = offset.read() if offset else -1
    if place < 0 or place % SECTOR_SIZE or length % SECTOR_SIZE:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    if length > LARGEST_TRANSFER:
        raise NtError(ntstatus.STATUS_INSUFFICIENT_RESOURCES)
    count = -(-length // PAGE_SIZE)
    parts = []
    for number, (address, high) in enumerate(
        struct.iter_unpack("<2I", caller.memory.read(array, SEGMENT_SIZE * count))
    ):
        if address % PAGE_SIZE or high:
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
        parts.append((address, min(PAGE_SIZE, length - number * PAGE_SIZE)))
    return parts, place


@service()
def NtReadFileScatter(
    caller: Thread,
    FileHandle: HANDLE,
    Event: HANDLE,
    ApcRoutine: PIO_APC_ROUTINE,
    ApcContext: PVOID,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    SegmentArray: Segments,
    Length: ULONG,
    ByteOffset: InOpt[LARGE_INTEGER],
    Key: InOpt[ULONG],
) -> Outcome:
    """Read Length bytes into one page after the other."""
    file = file_of(caller, FileHandle, c.FILE_READ_DATA)
    parts, place = _pages(caller, file, SegmentArray, Length, ByteOffset)
    for address, size in parts:
        caller.memory.probe_for_write(address, size)

    def read(request: Request) -> int | None:
        data = file.read(request, place, Length) or b""
        for number, (address, size) in enumerate(parts):
            caller.memory.write(address, data[number * PAGE_SIZE : number * PAGE_SIZE + size])
        return len(data)

    key = Key.read() if Key else 0
    return start(
        caller, file, Event, ApcRoutine, ApcContext, IoStatusBlock, read, key=key, counted=READ
    )


@service()
def NtWriteFileGather(
    caller: Thread,
    FileHandle: HANDLE,
    Event: HANDLE,
    ApcRoutine: PIO_APC_ROUTINE,
    ApcContext: PVOID,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    SegmentArray: Segments,
    Length: ULONG,
    ByteOffset: InOpt[LARGE_INTEGER],
    Key: InOpt[ULONG],
) -> Outcome:
    """Write Length bytes from one page after the other."""
    file = file_of(caller, FileHandle, c.FILE_WRITE_DATA)
    parts, place = _pages(caller, file, SegmentArray, Length, ByteOffset)
    data = b"".join(caller.memory.read(address, size) for address, size in parts)
    key = Key.read() if Key else 0
    return start(
        caller, file, Event, ApcRoutine, ApcContext, IoStatusBlock,
        lambda request: file.write(request, place, data), key=key, counted=WRITE,
    )  # fmt: skip
