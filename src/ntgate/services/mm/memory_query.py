"""Virtual memory: what NtQueryVirtualMemory tells."""

from __future__ import annotations

import struct

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    HANDLE,
    MEMORY_INFORMATION_CLASS,
    PVOID,
    SIZE_T,
    ULONG,
    OutOpt,
)
from ntgate.executive.mm import query
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.ps.thread import Process, Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import PROCESS_QUERY_INFORMATION
from ntgate.services.wine.unix_call import unix_library_handle

MemoryBasicInformation, MemoryWorkingSetList, MemoryMappedFilenameInformation = 0, 1, 2
MemoryRegionInformation, MemoryWorkingSetExInformation = 3, 4
MemoryWineUnixFuncs = 1000

UNICODE_STRING_SIZE = 8
LEAST_REGION_SIZE = 0x10  # up to RegionSize; CommitSize may be left away
WORKING_SET_EX_SIZE = 8
MOST_WORKING_SET_EX = 0x100000  # bytes of one question


@service(partial="classes 0 to 4, and Wine's 1000")
def NtQueryVirtualMemory(
    caller: Thread,
    ProcessHandle: HANDLE,
    BaseAddress: PVOID,
    MemoryInformationClass: MEMORY_INFORMATION_CLASS,
    MemoryInformation: PVOID,
    MemoryInformationLength: SIZE_T,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """A range of like pages, a whole allocation, a view's file, or the working set."""
    body = caller.object(ProcessHandle, "Process", PROCESS_QUERY_INFORMATION)
    space = caller.executive.objects.companion(body, Process).space
    space.require_alive()
    length = MemoryInformationLength
    if MemoryInformationClass == MemoryBasicInformation:
        if length < 0x1C:
            return ntstatus.STATUS_INFO_LENGTH_MISMATCH
        data = struct.pack("<7I", *query.query(space, BaseAddress))
    elif MemoryInformationClass == MemoryWorkingSetList:
        return _working_set(caller, space, MemoryInformation, length, ReturnLength)
    elif MemoryInformationClass == MemoryMappedFilenameInformation:
        return _mapped_file_name(
            caller, space, BaseAddress, MemoryInformation, length, ReturnLength
        )
    elif MemoryInformationClass == MemoryRegionInformation:
        if length < LEAST_REGION_SIZE:
            return ntstatus.STATUS_INFO_LENGTH_MISMATCH
        region = struct.pack("<7I", *query.query_region(space, BaseAddress), 0, 0)
        data = region[: length & ~3]
    elif MemoryInformationClass == MemoryWorkingSetExInformation:
        return _working_set_ex(caller, space, MemoryInformation, length, ReturnLength)
    elif MemoryInformationClass == MemoryWineUnixFuncs:
        if length != 8:
            return ntstatus.STATUS_INFO_LENGTH_MISMATCH
        if space is not caller.process.space:
            return ntstatus.STATUS_INVALID_HANDLE
        data = struct.pack("<Q", unix_library_handle(caller, BaseAddress))
    else:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    caller.memory.write(MemoryInformation, data)
    ReturnLength.write(len(data))
    return ntstatus.STATUS_SUCCESS


def _working_set(
    caller: Thread, space: ProcessSpace, buffer: int, length: int, returned: OutOpt[ULONG]
) -> Outcome:
    """MEMORY_WORKING_SET_LIST; of a buffer that is too small only the count is filled in."""
    if length < 8:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    caller.memory.probe_for_write(buffer, 4)
    blocks = query.working_set(space)
    caller.memory.set_u32(buffer, len(blocks))
    needed = 4 + 4 * len(blocks)
    returned.write(needed)
    if length < needed:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    caller.memory.write(buffer + 4, struct.pack(f"<{len(blocks)}I", *blocks))
    return ntstatus.STATUS_SUCCESS


def _mapped_file_name(
    caller: Thread,
    space: ProcessSpace,
    address: int,
    buffer: int,
    length: int,
    returned: OutOpt[ULONG],
) -> Outcome:
    """A UNICODE_STRING with its text, ended by a zero, behind it."""
    text = query.mapped_file_name(space, address).encode("utf-16-le", "surrogatepass")
    needed = UNICODE_STRING_SIZE + len(text) + 2
    returned.write(needed)
    if length < UNICODE_STRING_SIZE:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    if length < needed:
        return ntstatus.STATUS_BUFFER_OVERFLOW
    head = struct.pack("<HHI", len(text), len(text) + 2, buffer + UNICODE_STRING_SIZE)
    caller.memory.write(buffer, head + text + b"\0\0")
    return ntstatus.STATUS_SUCCESS


def _working_set_ex(
    caller: Thread, space: ProcessSpace, buffer: int, length: int, returned: OutOpt[ULONG]
) -> Outcome:
    """Of each address in the buffer, the attributes are put behind it."""
    size = length // WORKING_SET_EX_SIZE * WORKING_SET_EX_SIZE
    if size > MOST_WORKING_SET_EX:
        return ntstatus.STATUS_INVALID_PARAMETER
    given = caller.memory.read(buffer, size)
    answer = bytearray()
    for address, _attributes in struct.iter_unpack("<2I", given):
        answer += struct.pack("<2I", address, query.working_set_attributes(space, address))
    caller.memory.write(buffer, answer)
    returned.write(size)
    return ntstatus.STATUS_SUCCESS
