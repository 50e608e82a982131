"""Virtual memory: allocate, free, protect."""

from __future__ import annotations

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    HANDLE,
    MEMORY_TYPE,
    PAGE_PROTECTION,
    PVOID,
    SIZE_T,
    ULONG_PTR,
    InOut,
    Out,
)
from ntgate.executive.mm import allocate, free, protect
from ntgate.executive.ps.thread import Process, Thread
from ntgate.layout import ntstatus

PROCESS_VM_OPERATION = 0x0008
LARGEST_ZERO_BITS = 21


def _process(caller: Thread, handle: int, access: int) -> Process:
    return caller.executive.objects.companion(caller.object(handle, "Process", access), Process)


@service()
def NtAllocateVirtualMemory(
    caller: Thread,
    ProcessHandle: HANDLE,
    BaseAddress: InOut[PVOID],
    ZeroBits: ULONG_PTR,
    RegionSize: InOut[SIZE_T],
    AllocationType: MEMORY_TYPE,
    Protect: PAGE_PROTECTION,
) -> Outcome:
    """Reserve pages, commit them, or both."""
    if ZeroBits > LARGEST_ZERO_BITS:
        return ntstatus.STATUS_INVALID_PARAMETER_3
    base, size = BaseAddress.read(), RegionSize.read()
    process = _process(caller, ProcessHandle, PROCESS_VM_OPERATION)
    BaseAddress.probe()
    RegionSize.probe()
    base, size = allocate.allocate(
        process.space, base, size, AllocationType, Protect, zero_bits=ZeroBits
    )
    BaseAddress.write(base)
    RegionSize.write(size)
    return ntstatus.STATUS_SUCCESS


@service()
def NtFreeVirtualMemory(
    caller: Thread,
    ProcessHandle: HANDLE,
    BaseAddress: InOut[PVOID],
    RegionSize: InOut[SIZE_T],
    FreeType: MEMORY_TYPE,
) -> Outcome:
    """Decommit or release pages."""
    base, size = BaseAddress.read(), RegionSize.read()
    process = _process(caller, ProcessHandle, PROCESS_VM_OPERATION)
    BaseAddress.probe()
    RegionSize.probe()
    base, size = free.free(process.space, base, size, FreeType)
    BaseAddress.write(base)
    RegionSize.write(size)
    return ntstatus.STATUS_SUCCESS


@service()
def NtProtectVirtualMemory(
    caller: Thread,
    ProcessHandle: HANDLE,
    BaseAddress: InOut[PVOID],
    RegionSize: InOut[SIZE_T],
    NewProtect: PAGE_PROTECTION,
    OldProtect: Out[PAGE_PROTECTION],
) -> Outcome:
    """Change the protection of committed pages."""
    base, size = BaseAddress.read(), RegionSize.read()
    OldProtect.probe()
    process = _process(caller, ProcessHandle, PROCESS_VM_OPERATION)
    base, size, old = protect.protect(process.space, base, size, NewProtect)
    BaseAddress.write(base)
    RegionSize.write(size)
    OldProtect.write(old)
    return ntstatus.STATUS_SUCCESS
