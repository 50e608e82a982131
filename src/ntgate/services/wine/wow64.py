"""What Wine's 32-bit ntdll exports for programs of a 64-bit Windows: the own 32 bits answer it.

XP's own 32-bit ntdll has none of these.  An argument of 64 bits comes as two dwords, low first.
"""

from __future__ import annotations

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    HANDLE,
    MEMORY_TYPE,
    PAGE_PROTECTION,
    PVOID,
    ULARGE_INTEGER,
    ULONG,
    InOut,
    OutOpt,
)
from ntgate.errors import NtError
from ntgate.executive.mm import allocate
from ntgate.executive.mm.copy import copy_virtual
from ntgate.executive.ps.thread import Thread
from ntgate.layout import machine as m
from ntgate.layout import ntstatus
from ntgate.layout.access import PROCESS_VM_OPERATION, PROCESS_VM_READ, PROCESS_VM_WRITE
from ntgate.services.ex.system_information import (
    SYSTEM_INFORMATION_CLASS,
    Answer,
    NtQuerySystemInformation,
)
from ntgate.services.ps.thread_create import process_of

SystemNativeBasicInformation = 114
USER_SPACE = m.MM_HIGHEST_USER_ADDRESS + 1


@service()
def NtWow64GetNativeSystemInformation(
    caller: Thread,
    SystemInformationClass: SYSTEM_INFORMATION_CLASS,
    SystemInformation: Answer,
    SystemInformationLength: ULONG,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """NtQuerySystemInformation of the machine below, which is this one: RtlGetNativeSystemInfo."""
    return NtQuerySystemInformation(
        caller, SystemInformationClass, SystemInformation, SystemInformationLength, ReturnLength
    )


@service()
def NtWow64ReadVirtualMemory64(
    caller: Thread,
    ProcessHandle: HANDLE,
    BaseAddressLow: ULONG,
    BaseAddressHigh: ULONG,
    Buffer: PVOID,
    SizeLow: ULONG,
    SizeHigh: ULONG,
    NumberOfBytesRead: OutOpt[ULARGE_INTEGER],
) -> Outcome:
    """Copy from a process's memory: an address above 4 GB has none."""
    return _copy(
        caller, ProcessHandle, BaseAddressLow | BaseAddressHigh << 32, Buffer,
        SizeLow | SizeHigh << 32, NumberOfBytesRead, writing=False,
    )  # fmt: skip


@service()
def NtWow64WriteVirtualMemory64(
    caller: Thread,
    ProcessHandle: HANDLE,
    BaseAddressLow: ULONG,
    BaseAddressHigh: ULONG,
    Buffer: PVOID,
    SizeLow: ULONG,
    SizeHigh: ULONG,
    NumberOfBytesWritten: OutOpt[ULARGE_INTEGER],
) -> Outcome:
    """Copy to a process's memory: an address above 4 GB has none."""
    return _copy(
        caller, ProcessHandle, BaseAddressLow | BaseAddressHigh << 32, Buffer,
        SizeLow | SizeHigh << 32, NumberOfBytesWritten, writing=True,
    )  # fmt: skip


def _copy(
    caller: Thread,
    handle: int,
    base: int,
    buffer: int,
    size: int,
    count: OutOpt[ULARGE_INTEGER],
    *,
    writing: bool,
) -> Outcome:
    count.probe()
    process = process_of(caller, handle, PROCESS_VM_WRITE if writing else PROCESS_VM_READ)
    process.space.require_alive()
    if base + size > USER_SPACE:
        count.write(0)
        return ntstatus.STATUS_PARTIAL_COPY
    if buffer + size > USER_SPACE:
        count.write(0)
        return ntstatus.STATUS_ACCESS_VIOLATION
    own = caller.process.space
    if writing:
        status, copied = copy_virtual(own, buffer, process.space, base, size)
    else:
        status, copied = copy_virtual(process.space, base, own, buffer, size)
    count.write(copied)
    return status


@service()
def NtWow64AllocateVirtualMemory64(
    caller: Thread,
    ProcessHandle: HANDLE,
    BaseAddress: InOut[ULARGE_INTEGER],
    ZeroBitsLow: ULONG,
    ZeroBitsHigh: ULONG,
    RegionSize: InOut[ULARGE_INTEGER],
    AllocationType: MEMORY_TYPE,
    Protect: PAGE_PROTECTION,
) -> Outcome:
    """NtAllocateVirtualMemory; there is nothing to be had above 4 GB."""
    base, size = BaseAddress.read(), RegionSize.read()
    zero_bits = ZeroBitsLow | ZeroBitsHigh << 32
    process = process_of(caller, ProcessHandle, PROCESS_VM_OPERATION)
    process.space.require_alive()
    BaseAddress.probe()
    RegionSize.probe()
    if base >> 32 or zero_bits >> 32:
        raise NtError(ntstatus.STATUS_CONFLICTING_ADDRESSES)
    base, size = allocate.allocate(
        process.space, base, min(size, 1 << 32), AllocationType, Protect, zero_bits=zero_bits
    )
    BaseAddress.write(base)
    RegionSize.write(size)
    return ntstatus.STATUS_SUCCESS
