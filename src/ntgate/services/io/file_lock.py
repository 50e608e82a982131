"""Files: byte-range locks."""

from __future__ import annotations

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    BOOLEAN,
    HANDLE,
    IO_STATUS_BLOCK,
    PVOID,
    ULARGE_INTEGER,
    ULONG,
    In,
    Out,
)
from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io.request import Request
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.services.io.file_request import PIO_APC_ROUTINE, answer, either_access, start


@service()
def NtLockFile(
    caller: Thread,
    FileHandle: HANDLE,
    Event: HANDLE,
    ApcRoutine: PIO_APC_ROUTINE,
    ApcContext: PVOID,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    ByteOffset: In[ULARGE_INTEGER],
    Length: In[ULARGE_INTEGER],
    Key: ULONG,
    FailImmediately: BOOLEAN,
    ExclusiveLock: BOOLEAN,
) -> Outcome:
    """Lock a range of bytes, waiting for those who hold it."""
    file = either_access(caller, FileHandle, c.FILE_READ_DATA, c.FILE_WRITE_DATA)
    offset, length = ByteOffset.read(), Length.read()

    def lock(request: Request) -> int | None:
        return file.lock(
            request, offset, length, Key, exclusive=bool(ExclusiveLock),
            fail_immediately=bool(FailImmediately),
        )  # fmt: skip

    # Wine 8.0's LockFile gives no status block; NT would fault.
    return start(
        caller, file, Event, ApcRoutine, ApcContext, IoStatusBlock, lock, no_block=True
    )


@service()
def NtUnlockFile(
    caller: Thread,
    FileHandle: HANDLE,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    ByteOffset: In[ULARGE_INTEGER],
    Length: In[ULARGE_INTEGER],
    Key: ULONG,
) -> Outcome:
    """Give a locked range back."""
    file = either_access(caller, FileHandle, c.FILE_READ_DATA, c.FILE_WRITE_DATA)
    offset, length = ByteOffset.read(), Length.read()
    status = ntstatus.STATUS_SUCCESS
    try:
        file.unlock(caller.process.eprocess.address, offset, length, Key)
    except NtError as error:
        if error.status != ntstatus.STATUS_RANGE_NOT_LOCKED:
            raise
        status = error.status
    # Wine 8.0's UnlockFile gives no status block; NT would fault.
    return answer(IoStatusBlock, 0, status) if IoStatusBlock.address else status
