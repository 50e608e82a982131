"""Caches, write buffers, and which processor runs."""

from __future__ import annotations

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, PVOID, ULONG
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import PROCESS_VM_WRITE

FIRST_PROCESSOR = 0


@service()
def NtFlushInstructionCache(
    caller: Thread, ProcessHandle: HANDLE, BaseAddress: PVOID, Length: ULONG
) -> Outcome:
    """Nothing to flush: an x86 processor sees code as it was written last, and so does this."""
    caller.object(ProcessHandle, "Process", PROCESS_VM_WRITE)
    return ntstatus.STATUS_SUCCESS


@service()
def NtFlushWriteBuffer(caller: Thread) -> Outcome:
    """Nothing to flush on x86."""
    return ntstatus.STATUS_SUCCESS


@service()
def NtFlushProcessWriteBuffers(caller: Thread) -> Outcome:
    """Nothing to flush with one processor."""
    return ntstatus.STATUS_SUCCESS


@service()
def NtGetCurrentProcessorNumber(caller: Thread) -> Outcome:
    """Its number is the result."""
    return FIRST_PROCESSOR
