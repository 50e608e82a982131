"""Reading and writing the memory of a process: NtReadVirtualMemory, NtWriteVirtualMemory."""

from __future__ import annotations

from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, PVOID, SIZE_T, OutOpt, Scalar, SizedBy
from ntgate.errors import NtError
from ntgate.executive.mm.copy import copy_virtual
from ntgate.executive.ps.thread import Process, Thread
from ntgate.layout import machine as m
from ntgate.layout import ntstatus
from ntgate.layout.access import PROCESS_VM_READ, PROCESS_VM_WRITE
from ntgate.memory.user import AccessViolation
from ntgate.services.ps.thread_create import process_of

OutBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("BufferSize", "out")]
InBuffer = Annotated[
    int, Scalar("PVOID", kind="pointer"), SizedBy("NumberOfBytesToWrite", "in")
]


@service()
def NtReadVirtualMemory(
    caller: Thread,
    ProcessHandle: HANDLE,
    BaseAddress: PVOID,
    Buffer: OutBuffer,
    BufferSize: SIZE_T,
    NumberOfBytesRead: OutOpt[SIZE_T],
) -> Outcome:
    """Copy from a process's memory to the caller's, whose buffer has to be there in whole."""
    status = _check(BaseAddress, Buffer, BufferSize)
    if status:
        return status
    NumberOfBytesRead.probe()
    status = copied = ntstatus.STATUS_SUCCESS
    if BufferSize:
        try:
            process = _living(caller, ProcessHandle, PROCESS_VM_READ)
            if process is None:
                raise NtError(ntstatus.STATUS_PROCESS_IS_TERMINATING)
            caller.memory.probe_for_write(Buffer, BufferSize)
        except (NtError, AccessViolation):
            NumberOfBytesRead.write(0)
            raise
        status, copied = copy_virtual(
            process.space, BaseAddress, caller.process.space, Buffer, BufferSize
        )
    NumberOfBytesRead.write(copied)
    return status


@service()
def NtWriteVirtualMemory(
    caller: Thread,
    ProcessHandle: HANDLE,
    BaseAddress: PVOID,
    Buffer: InBuffer,
    NumberOfBytesToWrite: SIZE_T,
    NumberOfBytesWritten: OutOpt[SIZE_T],
) -> Outcome:
    """Copy from the caller's memory to a process's, as far as its protection allows."""
    status = _check(BaseAddress, Buffer, NumberOfBytesToWrite)
    if status:
        return status
    NumberOfBytesWritten.probe()
    status = copied = ntstatus.STATUS_SUCCESS
    if NumberOfBytesToWrite:
        try:
            process = _living(caller, ProcessHandle, PROCESS_VM_WRITE)
            if process is None:
                raise NtError(ntstatus.STATUS_PROCESS_IS_TERMINATING)
        except NtError:
            NumberOfBytesWritten.write(0)
            raise
        # Wine 8.0's WriteProcessMemory leaves it to the kernel to write to code.
        status, copied = copy_virtual(
            caller.process.space, Buffer, process.space, BaseAddress, NumberOfBytesToWrite,
            code_too=caller.process.runs_wine,
        )  # fmt: skip
    NumberOfBytesWritten.write(copied)
    return status


def _check(base: int, buffer: int, size: int) -> int:
    """Both ranges lie in user space."""
    if base + size > m.MM_HIGHEST_USER_ADDRESS + 1 or buffer + size > m.MM_HIGHEST_USER_ADDRESS + 1:
        return ntstatus.STATUS_ACCESS_VIOLATION
    return ntstatus.STATUS_SUCCESS


def _living(caller: Thread, handle: int, access: int) -> Process | None:
    process = process_of(caller, handle, access)
    return None if process.exited else process
