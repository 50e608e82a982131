"""Files: extended attributes."""

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
from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io import notify
from ntgate.executive.io.disk_file import DiskFile
from ntgate.executive.io.extended_attributes import Ea, EaError, Eas, pack, parse_full, parse_names
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.services.io.file_request import LARGEST_TRANSFER, answer, file_of

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
    """The extended attributes of a file: those named, those from an index on, or the next."""
    IoStatusBlock.probe()
    caller.memory.probe_for_write(Buffer, Length)
    if EaListLength > LARGEST_TRANSFER or Length > LARGEST_TRANSFER:
        return ntstatus.STATUS_INSUFFICIENT_RESOURCES
    names = caller.memory.read(EaList, EaListLength) if EaList and EaListLength else b""
    index = EaIndex.read() if EaIndex else None
    file = file_of(caller, FileHandle, c.FILE_READ_EA)
    if not isinstance(file, DiskFile):
        return ntstatus.STATUS_INVALID_DEVICE_REQUEST
    eas = file.node.eas or Eas()
    if names:
        try:
            chosen = [eas.get(name) for name in parse_names(names)]
        except EaError as error:
            return answer(IoStatusBlock, error.offset, error.status)
        first = 0
    else:
        if not len(eas):
            caller.memory.write(Buffer, bytes(Length))
            return ntstatus.STATUS_NO_EAS_ON_FILE
        first = _first(file, len(eas), index, restart=bool(RestartScan))
        chosen = eas.all[first:]
    data, count = pack(chosen, Length, single=bool(ReturnSingleEntry))
    if not count:
        return ntstatus.STATUS_BUFFER_TOO_SMALL
    if not names:
        file.next_ea = first + count
    caller.memory.write(Buffer, data)
    complete = ReturnSingleEntry or count == len(chosen)
    status = ntstatus.STATUS_SUCCESS if complete else ntstatus.STATUS_BUFFER_OVERFLOW
    return answer(IoStatusBlock, len(data), status)


def _first(file: DiskFile, count: int, index: int | None, *, restart: bool) -> int:
    """Where a scan begins; indices of programs count from 1.  Raises NtError."""
    if index is not None:
        if index == count + 1:
            raise NtError(ntstatus.STATUS_NO_MORE_EAS)
        if not 0 < index <= count:
            raise NtError(ntstatus.STATUS_NONEXISTENT_EA_ENTRY)
        return index - 1
    first = 0 if restart else file.next_ea
    if first >= count:
        raise NtError(ntstatus.STATUS_NO_MORE_EAS)
    return first


@service()
def NtSetEaFile(
    caller: Thread,
    FileHandle: HANDLE,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    EaBuffer: SetBuffer,
    EaBufferSize: ULONG,
) -> Outcome:
    """Change extended attributes of a file; one without a value is removed."""
    IoStatusBlock.probe()
    if EaBufferSize > LARGEST_TRANSFER:
        return ntstatus.STATUS_INSUFFICIENT_RESOURCES
    data = caller.memory.read(EaBuffer, EaBufferSize)
    file = file_of(caller, FileHandle, c.FILE_WRITE_EA)
    try:
        given = parse_full(data)
    except EaError as error:
        return answer(IoStatusBlock, error.offset, error.status)
    if not isinstance(file, DiskFile):
        return ntstatus.STATUS_INVALID_DEVICE_REQUEST
    _set(file, given)
    return answer(IoStatusBlock, 0)


def _set(file: DiskFile, given: list[Ea]) -> None:
    """Raises NtError."""
    node = file.node
    node.check_writable()
    if node.reparse is not None:
        raise NtError(ntstatus.STATUS_EAS_NOT_SUPPORTED)
    eas = node.eas or Eas()
    eas.change(given)
    node.eas = eas if len(eas) else None
    node.metadata.change = file.volume.tree.now()
    file.volume.notifier.report(
        file.entry, notify.FILE_NOTIFY_CHANGE_EA, notify.FILE_ACTION_MODIFIED
    )
