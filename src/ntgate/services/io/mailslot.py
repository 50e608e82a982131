"""Mailslots: making one."""

from __future__ import annotations

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    ACCESS_MASK,
    HANDLE,
    IO_STATUS_BLOCK,
    LARGE_INTEGER,
    OBJECT_ATTRIBUTES,
    ULONG,
    In,
    Out,
)
from ntgate.executive.io import constants as c
from ntgate.executive.io.mailslot import FOREVER, NewMailslot
from ntgate.executive.io.open_file import Create
from ntgate.executive.ps.thread import Thread
from ntgate.services.io.file_open import open_file
from ntgate.services.io.file_request import FILE_OPTIONS


@service()
def NtCreateMailslotFile(
    caller: Thread,
    FileHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    CreateOptions: FILE_OPTIONS,
    MailslotQuota: ULONG,
    MaximumMessageSize: ULONG,
    ReadTimeout: In[LARGE_INTEGER],
) -> Outcome:
    """Make a mailslot and open the end that reads; without ReadTimeout reads wait for ever."""
    timeout = ReadTimeout.read() if ReadTimeout else FOREVER
    new = NewMailslot(MailslotQuota, MaximumMessageSize, timeout)
    create = Create(
        "", DesiredAccess, c.FILE_SHARE_READ | c.FILE_SHARE_WRITE, c.FILE_CREATE, CreateOptions,
        extra=new, makes_on=c.FILE_DEVICE_MAILSLOT,
    )  # fmt: skip
    return open_file(caller, FileHandle, ObjectAttributes, IoStatusBlock, create)
