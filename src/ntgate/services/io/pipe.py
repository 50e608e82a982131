"""Named pipes: making an instance."""

from __future__ import annotations

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    ACCESS_MASK,
    BOOLEAN,
    HANDLE,
    IO_STATUS_BLOCK,
    LARGE_INTEGER,
    OBJECT_ATTRIBUTES,
    ULONG,
    In,
    InOpt,
    Out,
)
from ntgate.executive.io import constants as c
from ntgate.executive.io.open_file import Create
from ntgate.executive.io.pipe import MESSAGE
from ntgate.executive.io.pipe_device import NewPipe
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.services.io.file_open import open_file
from ntgate.services.io.file_request import FILE_OPTIONS

# Wine 8.0's kernelbase asks for FILE_OVERWRITE_IF where XP's asks for FILE_OPEN_IF.
DISPOSITIONS = (c.FILE_CREATE, c.FILE_OPEN, c.FILE_OPEN_IF, c.FILE_OVERWRITE_IF)


@service()
def NtCreateNamedPipeFile(
    caller: Thread,
    FileHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    ShareAccess: ULONG,
    CreateDisposition: ULONG,
    CreateOptions: FILE_OPTIONS,
    NamedPipeType: BOOLEAN,
    ReadMode: BOOLEAN,
    CompletionMode: BOOLEAN,
    MaximumInstances: ULONG,
    InboundQuota: ULONG,
    OutboundQuota: ULONG,
    DefaultTimeout: InOpt[LARGE_INTEGER],
) -> Outcome:
    """Make a pipe, or one more instance of it, and open the server's end."""
    timeout = DefaultTimeout.read() if DefaultTimeout else None
    if (
        NamedPipeType > MESSAGE
        or ReadMode > NamedPipeType
        or CompletionMode > 1
        or not MaximumInstances
        or CreateDisposition not in DISPOSITIONS
        or ShareAccess & c.FILE_SHARE_DELETE
    ):
        return ntstatus.STATUS_INVALID_PARAMETER
    new = NewPipe(
        NamedPipeType, ReadMode, CompletionMode, MaximumInstances, InboundQuota, OutboundQuota,
        timeout,
    )  # fmt: skip
    create = Create(
        "", DesiredAccess, ShareAccess, CreateDisposition, CreateOptions, extra=new,
        makes_on=c.FILE_DEVICE_NAMED_PIPE,
    )  # fmt: skip
    return open_file(caller, FileHandle, ObjectAttributes, IoStatusBlock, create)
