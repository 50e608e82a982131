"""Files: extended attributes, which no file here has."""

from __future__ import annotations

from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    BOOLEAN,
    HANDLE,
    IO_STATUS_BLOCK,
    ULONG,
    InOpt,
    Out,
    Scalar,
    SizedBy,
)
from ntgate.executive.io import constants as c
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.services.file_request import file_of

QueryBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("Length", "out")]
EaNames = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("EaListLength")]
SetBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("EaBufferSize")]


@service()
def NtQueryEaFile(
    caller: Thread,
    FileHandle: HANDLE,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    Buffer: QueryBuffer,
    Length: ULONG,
    ReturnSingleEntry: BOOLEAN,
    EaList: EaNames,
    EaListLength: ULONG,
    EaIndex: InOpt[ULONG],
    RestartScan: BOOLEAN,
) -> Outcome:
    """The extended attributes of a file: there are none."""
    IoStatusBlock.probe()
    caller.memory.probe_for_write(Buffer, Length)
    file_of(caller, FileHandle, c.FILE_READ_EA)
    caller.memory.write(Buffer, bytes(Length))
    return ntstatus.STATUS_NO_EAS_ON_FILE


@service(partial="extended attributes are refused")
def NtSetEaFile(
    caller: Thread,
    FileHandle: HANDLE,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    EaBuffer: SetBuffer,
    EaBufferSize: ULONG,
) -> Outcome:
    """Change the extended attributes of a file."""
    IoStatusBlock.probe()
    file_of(caller, FileHandle, c.FILE_WRITE_EA)
    return ntstatus.STATUS_EAS_NOT_SUPPORTED
