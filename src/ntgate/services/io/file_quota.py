"""Files: the disk quotas of a volume."""

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
    Out,
    Scalar,
    SizedBy,
)
from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io.chain import Chain
from ntgate.executive.io.disk_file import DiskFile
from ntgate.executive.io.open_file import OpenFile
from ntgate.executive.io.quotas import parse_changes, parse_sids
from ntgate.executive.io.volume import Volume
from ntgate.executive.io.volume_file import VolumeFile
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.services.io.file_request import LARGEST_TRANSFER, answer, file_of
from ntgate.services.se import security_capture

QueryBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("Length", "out")]
SetBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("Length")]
Sids = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("SidListLength")]


def _volume(file: OpenFile) -> Volume:
    if not isinstance(file, DiskFile | VolumeFile):
        raise NtError(ntstatus.STATUS_INVALID_DEVICE_REQUEST)
    return file.volume


@service()
def NtQueryQuotaInformationFile(
    caller: Thread,
    FileHandle: HANDLE,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    Buffer: QueryBuffer,
    Length: ULONG,
    ReturnSingleEntry: BOOLEAN,
    SidList: Sids,
    SidListLength: ULONG,
    StartSid: PVOID,
    RestartScan: BOOLEAN,
) -> Outcome:
    """Quota entries of a volume: those of some SIDs, or one after the other."""
    IoStatusBlock.probe()
    if Length > LARGEST_TRANSFER or SidListLength > LARGEST_TRANSFER:
        return ntstatus.STATUS_INSUFFICIENT_RESOURCES
    caller.memory.probe_for_write(Buffer, Length)
    listed = caller.memory.read(SidList, SidListLength) if SidList and SidListLength else b""
    start = security_capture.sid(caller.memory, StartSid) if StartSid else b""
    file = file_of(caller, FileHandle, c.FILE_READ_DATA)
    records = _volume(file).quotas.select(parse_sids(listed) if listed else None, start)
    scans = not listed
    first = file.next_quota if scans and not (RestartScan or StartSid) else 0
    chosen = records[first : first + 1] if ReturnSingleEntry else records[first:]
    if not chosen:
        return ntstatus.STATUS_NO_MORE_ENTRIES
    chain = Chain(Length, 8)
    for record in chosen:
        if not chain.add(record):
            break
    if not chain.count:
        return ntstatus.STATUS_BUFFER_TOO_SMALL
    if scans:
        file.next_quota = first + chain.count
    caller.memory.write(Buffer, bytes(chain.data))
    return answer(IoStatusBlock, len(chain.data))


@service(partial="limits are kept and not enforced")
def NtSetQuotaInformationFile(
    caller: Thread,
    FileHandle: HANDLE,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    Buffer: SetBuffer,
    Length: ULONG,
) -> Outcome:
    """Set or delete quota entries of a volume."""
    IoStatusBlock.probe()
    if Length > LARGEST_TRANSFER:
        return ntstatus.STATUS_INSUFFICIENT_RESOURCES
    data = caller.memory.read(Buffer, Length)
    volume = _volume(file_of(caller, FileHandle, c.FILE_WRITE_DATA))
    volume.quotas.change(parse_changes(data, caller.executive.clock.system_time))
    return answer(IoStatusBlock, 0)
