"""Files: control codes of devices and of file systems."""

from __future__ import annotations

from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
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
from ntgate.executive.io.request import Request
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.services.io.file_request import (
    CONTROL_CODE,
    LARGEST_TRANSFER,
    PIO_APC_ROUTINE,
    file_of,
    start,
)

# The access bits of a control code.
ACCESS_SHIFT = 14
_ACCESS = (0, c.FILE_READ_DATA, c.FILE_WRITE_DATA, c.FILE_READ_DATA | c.FILE_WRITE_DATA)

InputBytes = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("InputBufferLength")]
OutputBytes = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("OutputBufferLength", "out")]


def _control(
    caller: Thread, handle: int, event: int, routine: int, context: int,
    block: Out[IO_STATUS_BLOCK], code: int, data: tuple[int, int], output: tuple[int, int], *,
    device: bool,
) -> Outcome:  # fmt: skip
    """`data` and `output`: address and length of the two buffers."""
    file = file_of(caller, handle, _ACCESS[code >> ACCESS_SHIFT & 3])
    if data[1] > LARGEST_TRANSFER or output[1] > LARGEST_TRANSFER:
        raise NtError(ntstatus.STATUS_INSUFFICIENT_RESOURCES)
    given = caller.memory.read(*data) if data[0] else b""
    room = output[1] if output[0] else 0
    caller.memory.probe_for_write(output[0], room)
    control = file.device_control if device else file.file_control

    def run(request: Request) -> bytes | int | None:
        return control(request, code, given, room)

    return start(caller, file, event, routine, context, block, run, buffer=output[0])


@service()
def NtDeviceIoControlFile(
    caller: Thread,
    FileHandle: HANDLE,
    Event: HANDLE,
    ApcRoutine: PIO_APC_ROUTINE,
    ApcContext: PVOID,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    IoControlCode: CONTROL_CODE,
    InputBuffer: InputBytes,
    InputBufferLength: ULONG,
    OutputBuffer: OutputBytes,
    OutputBufferLength: ULONG,
) -> Outcome:
    """Ask a device for something of its own."""
    return _control(
        caller, FileHandle, Event, ApcRoutine, ApcContext, IoStatusBlock, IoControlCode,
        (InputBuffer, InputBufferLength), (OutputBuffer, OutputBufferLength), device=True,
    )  # fmt: skip


@service()
def NtFsControlFile(
    caller: Thread,
    FileHandle: HANDLE,
    Event: HANDLE,
    ApcRoutine: PIO_APC_ROUTINE,
    ApcContext: PVOID,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    FsControlCode: CONTROL_CODE,
    InputBuffer: InputBytes,
    InputBufferLength: ULONG,
    OutputBuffer: OutputBytes,
    OutputBufferLength: ULONG,
) -> Outcome:
    """Ask a file system for something of its own."""
    return _control(
        caller, FileHandle, Event, ApcRoutine, ApcContext, IoStatusBlock, FsControlCode,
        (InputBuffer, InputBufferLength), (OutputBuffer, OutputBufferLength), device=False,
    )  # fmt: skip
