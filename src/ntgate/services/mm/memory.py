"""Virtual memory: allocate, free, protect, lock, watch what is written."""

from __future__ import annotations

import struct
from typing import Annotated

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    HANDLE,
    MEMORY_TYPE,
    PAGE_PROTECTION,
    PVOID,
    SIZE_T,
    ULONG,
    ULONG_PTR,
    InOut,
    Out,
    Scalar,
)
from ntgate.executive.mm import allocate, free, protect, residence, write_watch
from ntgate.executive.ps.thread import Process, Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import PROCESS_VM_OPERATION
from ntgate.layout.ob import CURRENT_PROCESS
from ntgate.services.mm.memory_wish import address_wish

LARGEST_ZERO_BITS = 21
MAP_PROCESS, MAP_SYSTEM = 1, 2
WRITE_WATCH_FLAG_RESET = 1
MOST_WATCHED, MOST_RANGES = 0x80000, 0x10000
VmPrefetchInformation, VmPagePriorityInformation = 0, 1

VIRTUAL_MEMORY_INFORMATION_CLASS = Annotated[int, Scalar("VIRTUAL_MEMORY_INFORMATION_CLASS")]


def _process(caller: Thread, handle: int, access: int) -> Process:
    if handle == CURRENT_PROCESS:  # it has all rights to itself, and runs
        return caller.process
    body = caller.object(handle, "Process", access)
    process = caller.executive.objects.companion(body, Process)
    process.space.require_alive()
    return process


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


@service(partial="no placeholders; of the extended parameters the address requirements only")
def NtAllocateVirtualMemoryEx(
    caller: Thread,
    ProcessHandle: HANDLE,
    BaseAddress: InOut[PVOID],
    RegionSize: InOut[SIZE_T],
    AllocationType: MEMORY_TYPE,
    PageProtection: PAGE_PROTECTION,
    ExtendedParameters: PVOID,
    ExtendedParameterCount: ULONG,
) -> Outcome:
    """Reserve pages, commit them, or both, with wishes for the place."""
    wish = address_wish(caller.memory, ExtendedParameters, ExtendedParameterCount)
    base, size = BaseAddress.read(), RegionSize.read()
    if base and wish != allocate.ANYWHERE:
        return ntstatus.STATUS_INVALID_PARAMETER
    process = _process(caller, ProcessHandle, PROCESS_VM_OPERATION)
    BaseAddress.probe()
    RegionSize.probe()
    base, size = allocate.allocate(
        process.space, base, size, AllocationType, PageProtection, wish=wish
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


@service()
def NtLockVirtualMemory(
    caller: Thread,
    ProcessHandle: HANDLE,
    BaseAddress: InOut[PVOID],
    RegionSize: InOut[SIZE_T],
    MapType: ULONG,
) -> Outcome:
    """Keep pages in the working set, or in memory."""
    status = _check_map_type(MapType)
    if status:
        return status
    base, size = BaseAddress.read(), RegionSize.read()
    BaseAddress.probe()
    RegionSize.probe()
    process = _process(caller, ProcessHandle, PROCESS_VM_OPERATION)
    status, base, size = residence.lock(process.space, base, size)
    BaseAddress.write(base)
    RegionSize.write(size)
    return status


@service()
def NtUnlockVirtualMemory(
    caller: Thread,
    ProcessHandle: HANDLE,
    BaseAddress: InOut[PVOID],
    NumberOfBytesToUnlock: InOut[SIZE_T],
    LockType: ULONG,
) -> Outcome:
    """Undo NtLockVirtualMemory."""
    status = _check_map_type(LockType)
    if status:
        return status
    base, size = BaseAddress.read(), NumberOfBytesToUnlock.read()
    BaseAddress.probe()
    NumberOfBytesToUnlock.probe()
    process = _process(caller, ProcessHandle, PROCESS_VM_OPERATION)
    base, size = residence.unlock(process.space, base, size)
    BaseAddress.write(base)
    NumberOfBytesToUnlock.write(size)
    return ntstatus.STATUS_SUCCESS


def _check_map_type(kind: int) -> int:
    if not kind or kind & ~(MAP_PROCESS | MAP_SYSTEM):
        return ntstatus.STATUS_INVALID_PARAMETER
    if kind & MAP_SYSTEM:  # needs SeLockMemoryPrivilege
        return ntstatus.STATUS_PRIVILEGE_NOT_HELD
    return ntstatus.STATUS_SUCCESS


@service()
def NtGetWriteWatch(
    caller: Thread,
    ProcessHandle: HANDLE,
    Flags: ULONG,
    BaseAddress: PVOID,
    RegionSize: SIZE_T,
    UserAddressArray: PVOID,
    EntriesInUserAddressArray: InOut[ULONG],
    Granularity: Out[ULONG],
) -> Outcome:
    """The pages of MEM_WRITE_WATCH memory that were written."""
    if Flags & ~WRITE_WATCH_FLAG_RESET:
        return ntstatus.STATUS_INVALID_PARAMETER_2
    count = EntriesInUserAddressArray.read()
    EntriesInUserAddressArray.probe()
    Granularity.probe()
    if not 0 < count <= MOST_WATCHED:
        return ntstatus.STATUS_INVALID_PARAMETER_5
    caller.memory.probe_for_write(UserAddressArray, 4 * count)
    process = _process(caller, ProcessHandle, PROCESS_VM_OPERATION)
    found = write_watch.get_write_watch(
        process.space, BaseAddress, RegionSize, count, reset=bool(Flags)
    )
    caller.memory.write(UserAddressArray, struct.pack(f"<{len(found)}I", *found))
    EntriesInUserAddressArray.write(len(found))
    Granularity.write(PAGE_SIZE)
    return ntstatus.STATUS_SUCCESS


@service()
def NtResetWriteWatch(
    caller: Thread, ProcessHandle: HANDLE, BaseAddress: PVOID, RegionSize: SIZE_T
) -> Outcome:
    """Forget the writes to MEM_WRITE_WATCH memory."""
    process = _process(caller, ProcessHandle, PROCESS_VM_OPERATION)
    write_watch.reset_write_watch(process.space, BaseAddress, RegionSize)
    return ntstatus.STATUS_SUCCESS


@service()
def NtSetInformationVirtualMemory(
    caller: Thread,
    ProcessHandle: HANDLE,
    VmInformationClass: VIRTUAL_MEMORY_INFORMATION_CLASS,
    NumberOfEntries: ULONG_PTR,
    VirtualAddresses: PVOID,
    VmInformation: PVOID,
    VmInformationLength: ULONG,
) -> Outcome:
    """Hints on ranges of pages: nothing is ever paged out, so that each is met already."""
    if VmInformationClass not in (VmPrefetchInformation, VmPagePriorityInformation):
        return ntstatus.STATUS_INVALID_PARAMETER_2
    if not VmInformation:
        return ntstatus.STATUS_INVALID_PARAMETER_5
    if VmInformationLength != 4:
        return ntstatus.STATUS_INVALID_PARAMETER_6
    if not 0 < NumberOfEntries <= MOST_RANGES:
        return ntstatus.STATUS_INVALID_PARAMETER_3
    ranges = caller.memory.read(VirtualAddresses, 8 * NumberOfEntries)
    if not all(size for _address, size in struct.iter_unpack("<2I", ranges)):
        return ntstatus.STATUS_INVALID_PARAMETER_4
    caller.memory.read(VmInformation, 4)
    _process(caller, ProcessHandle, PROCESS_VM_OPERATION)
    return ntstatus.STATUS_SUCCESS
