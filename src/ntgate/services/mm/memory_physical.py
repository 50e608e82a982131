"""Address windowing: physical pages of a process's own, and where it sees them."""

from __future__ import annotations

import struct
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, PVOID, ULONG, InOut, Scalar
from ntgate.executive.mm import physical
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.privileges import SE_LOCK_MEMORY
from ntgate.layout import ntstatus
from ntgate.layout.access import PROCESS_VM_OPERATION
from ntgate.layout.machine import MM_HIGHEST_USER_ADDRESS
from ntgate.services.ps.ps_information import demand
from ntgate.services.ps.thread_create import process_of

MOST_PAGES = 0x3FFFFFFF  # whose array still has a size of 32 bits

PULONG = Annotated[int, Scalar("PULONG", kind="pointer")]
COUNT = Annotated[int, Scalar("PULONG", kind="number")]


@service()
def NtAllocateUserPhysicalPages(
    caller: Thread, ProcessHandle: HANDLE, NumberOfPages: InOut[ULONG], UserPfnArray: PULONG
) -> Outcome:
    """Physical pages, as many as there are up to a number; for who holds SeLockMemoryPrivilege."""
    count = NumberOfPages.read()
    NumberOfPages.probe()
    if count > MOST_PAGES:
        return ntstatus.STATUS_INVALID_PARAMETER_2
    caller.memory.probe(UserPfnArray, 4 * count, write=True)
    process = process_of(caller, ProcessHandle, PROCESS_VM_OPERATION)
    demand(caller, SE_LOCK_MEMORY)
    if not count:
        return ntstatus.STATUS_SUCCESS
    caller.memory.probe_for_write(UserPfnArray, 4 * count)
    frames = physical.allocate_pages(process.space, count)
    caller.memory.write(UserPfnArray, struct.pack(f"<{len(frames)}I", *frames))
    NumberOfPages.write(len(frames))
    return ntstatus.STATUS_SUCCESS


@service()
def NtFreeUserPhysicalPages(
    caller: Thread, ProcessHandle: HANDLE, NumberOfPages: InOut[ULONG], UserPfnArray: PULONG
) -> Outcome:
    """Give physical pages back; how many it were, up to one that isn't the process's."""
    count = NumberOfPages.read()
    NumberOfPages.probe()
    if count > MOST_PAGES:
        return ntstatus.STATUS_INVALID_PARAMETER_2
    frames = _read_frames(caller, UserPfnArray, count)
    process = process_of(caller, ProcessHandle, PROCESS_VM_OPERATION)
    process.space.require_alive()
    done = physical.free_pages(process.space, frames)
    NumberOfPages.write(done)
    return ntstatus.STATUS_SUCCESS if done == count else ntstatus.STATUS_CONFLICTING_ADDRESSES


@service()
def NtMapUserPhysicalPages(
    caller: Thread, VirtualAddress: PVOID, NumberOfPages: COUNT, UserPfnArray: PULONG
) -> Outcome:
    """Show physical pages in a MEM_PHYSICAL allocation, or without an array none there."""
    start = VirtualAddress & ~0xFFF
    if NumberOfPages > MOST_PAGES:
        return ntstatus.STATUS_INVALID_PARAMETER_2
    if start + (NumberOfPages << 12) > MM_HIGHEST_USER_ADDRESS + 1:
        return ntstatus.STATUS_INVALID_PARAMETER_2
    frames = _frames(caller, UserPfnArray, NumberOfPages)
    if frames:
        physical.map_pages(caller.process.space, start, frames)
    return ntstatus.STATUS_SUCCESS


@service()
def NtMapUserPhysicalPagesScatter(
    caller: Thread, VirtualAddresses: PULONG, NumberOfPages: COUNT, UserPfnArray: PULONG
) -> Outcome:
    """NtMapUserPhysicalPages for pages that each have an address of their own."""
    if NumberOfPages > MOST_PAGES:
        return ntstatus.STATUS_INVALID_PARAMETER_2
    data = caller.memory.read(VirtualAddresses, 4 * NumberOfPages)
    addresses = struct.unpack(f"<{NumberOfPages}I", data)
    frames = _frames(caller, UserPfnArray, NumberOfPages)
    physical.map_scattered(caller.process.space, addresses, frames)
    return ntstatus.STATUS_SUCCESS


def _frames(caller: Thread, address: int, count: int) -> tuple[int, ...]:
    """Page frame numbers; zeros without an array."""
    return _read_frames(caller, address, count) if address else (0,) * count


def _read_frames(caller: Thread, address: int, count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}I", caller.memory.read(address, 4 * count))
