"""Volumes: queries by class."""

from __future__ import annotations

import struct
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, IO_STATUS_BLOCK, ULONG, Out, Scalar, SizedBy
from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io import information_class as i
from ntgate.executive.io.disk_file import DiskFile
from ntgate.executive.io.open_file import OpenFile
from ntgate.executive.io.volume import Volume
from ntgate.executive.io.volume_file import VolumeFile
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.services.io.file_request import FSINFOCLASS, answer, answer_data, file_of

LONGEST_LABEL = 64  # bytes
OBJECT_ID_BUFFER = 0x40

QueryBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("Length", "out")]
SetBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("Length")]


@service()
def NtQueryVolumeInformationFile(
    caller: Thread,
    FileHandle: HANDLE,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    FsInformation: QueryBuffer,
    Length: ULONG,
    FsInformationClass: FSINFOCLASS,
) -> Outcome:
    """What is known of the volume or device that a file is on, by class."""
    known = i.QUERY_VOLUME.get(FsInformationClass)
    if known is None:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    least, is_variable = known
    if Length < least:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    IoStatusBlock.probe()
    caller.memory.probe_for_write(FsInformation, Length)
    file = file_of(caller, FileHandle, 0)
    if FsInformationClass == i.FileFsDeviceInformation:
        data = struct.pack("<2I", *_device(file))
    else:
        data = file.query_volume(FsInformationClass)
    return answer_data(
        caller, IoStatusBlock, FsInformation, Length, data, is_variable=is_variable
    )


def _device(file: OpenFile) -> tuple[int, int]:
    """Type and characteristics.

    XP tells the disk of a file, and its kernel32 takes that or the file system on it for a
    fixed drive; Wine 8.0's kernelbase knows the file system only.
    """
    device = file.device
    if device.device_type == c.FILE_DEVICE_DISK:
        return c.FILE_DEVICE_DISK_FILE_SYSTEM, device.characteristics
    return device.device_type, device.characteristics


@service()
def NtSetVolumeInformationFile(
    caller: Thread,
    FileHandle: HANDLE,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    FileSystemInformation: SetBuffer,
    Length: ULONG,
    FileSystemInformationClass: FSINFOCLASS,
) -> Outcome:
    """Change a volume's label, its quota control, or its object id."""
    known = i.SET_VOLUME.get(FileSystemInformationClass)
    if known is None:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    if Length < known:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    IoStatusBlock.probe()
    data = caller.memory.read(FileSystemInformation, Length)
    file = file_of(caller, FileHandle, c.FILE_WRITE_DATA)
    if not isinstance(file, DiskFile | VolumeFile):
        return ntstatus.STATUS_INVALID_DEVICE_REQUEST
    if FileSystemInformationClass == i.FileFsLabelInformation:
        _set_label(file.volume, data)
    elif FileSystemInformationClass == i.FileFsControlInformation:
        file.volume.quotas.set_control(data)
    else:
        file.volume.object_id = data[:OBJECT_ID_BUFFER]
    return answer(IoStatusBlock, 0)


def _set_label(volume: Volume, data: bytes) -> None:
    (length,) = struct.unpack_from("<I", data)
    if length > len(data) - 4 or length & 1:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    if length > LONGEST_LABEL:
        raise NtError(ntstatus.STATUS_INVALID_VOLUME_LABEL)
    volume.label = data[4 : 4 + length].decode("utf-16-le", "surrogatepass")
