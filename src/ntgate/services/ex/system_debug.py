"""NtSystemDebugControl: the kernel's memory, physical memory and MSRs, for who may debug.

Of XP's commands the ones that need a kernel debugger's transport, buses and I/O space are not.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Annotated

from ntgate.cpu.mmu import PageFault
from ntgate.cpu.ram import PAGE_SIZE
from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import ULONG, OutOpt, Scalar, SizedBy
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.privileges import SE_DEBUG
from ntgate.layout import ntstatus
from ntgate.layout.machine import SYSENTER_MSRS
from ntgate.layout.pe import IMAGE_FILE_MACHINE_I386
from ntgate.memory.kernel import DIRECT_BASE
from ntgate.memory.user import AccessViolation
from ntgate.services.ps.ps_information import demand

(
    SysDbgBreakPoint, SysDbgQueryVersion, SysDbgReadVirtual, SysDbgWriteVirtual,
    SysDbgReadPhysical, SysDbgWritePhysical,
) = range(6, 12)  # fmt: skip
SysDbgReadMsr, SysDbgWriteMsr = 16, 17
SYSDBG_VIRTUAL = struct.Struct("<3I")    # Address, Buffer, Request
SYSDBG_PHYSICAL = struct.Struct("<Q2I")  # the same with a physical address
SYSDBG_MSR = struct.Struct("<I4xQ")      # Msr, Data
# DBGKD_GET_VERSION64 up to its addresses: major (free build), minor, protocol, flags (data,
# PAE), machine, largest packet type, state change and manipulation, simulation, unused.
VERSION = struct.Struct("<5H4BH3Q")
FREE_BUILD, BUILD, PROTOCOL, DATA_AND_PAE = 15, 2600, 6, 2 | 8
PACKET_TYPES, STATE_CHANGES, MANIPULATIONS = 12, 3, 0x2D
LARGEST_REQUEST = 0x100000

DEBUG_CONTROL_CODE = Annotated[int, Scalar("DEBUG_CONTROL_CODE")]
Question = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("InputBufferLength")]
Answer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("OutputBufferLength", "out")]
Place = Callable[[Thread, int, bool], int]  # where a byte is in RAM; PageFault


@service(partial="versions, virtual and physical memory and MSRs only")
def NtSystemDebugControl(
    caller: Thread,
    Command: DEBUG_CONTROL_CODE,
    InputBuffer: Question,
    InputBufferLength: ULONG,
    OutputBuffer: Answer,
    OutputBufferLength: ULONG,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """What a kernel debugger does, for the holder of SeDebugPrivilege."""
    demand(caller, SE_DEBUG)
    ReturnLength.probe()
    given = caller.memory.read(InputBuffer, min(InputBufferLength, SYSDBG_PHYSICAL.size))
    if Command == SysDbgBreakPoint:
        return ntstatus.STATUS_UNSUCCESSFUL  # nobody would take it
    if Command == SysDbgQueryVersion:
        if OutputBufferLength != VERSION.size:
            return ntstatus.STATUS_INFO_LENGTH_MISMATCH
        caller.memory.write(OutputBuffer, _version(caller))
        ReturnLength.write(VERSION.size)
        return ntstatus.STATUS_SUCCESS
    if Command in (SysDbgReadVirtual, SysDbgWriteVirtual):
        if InputBufferLength != SYSDBG_VIRTUAL.size:
            return ntstatus.STATUS_INFO_LENGTH_MISMATCH
        address, buffer, size = SYSDBG_VIRTUAL.unpack(given)
        writing = Command == SysDbgWriteVirtual
        return _copy(caller, _virtual, address, buffer, size, ReturnLength, writing=writing)
    if Command in (SysDbgReadPhysical, SysDbgWritePhysical):
        if InputBufferLength != SYSDBG_PHYSICAL.size:
            return ntstatus.STATUS_INFO_LENGTH_MISMATCH
        address, buffer, size = SYSDBG_PHYSICAL.unpack(given)
        writing = Command == SysDbgWritePhysical
        return _copy(caller, _physical, address, buffer, size, ReturnLength, writing=writing)
    if Command in (SysDbgReadMsr, SysDbgWriteMsr):
        return _msr(caller, given, OutputBuffer, OutputBufferLength, ReturnLength,
                    writing=Command == SysDbgWriteMsr)  # fmt: skip
    return ntstatus.STATUS_INVALID_INFO_CLASS


def _version(caller: Thread) -> bytes:
    nt = next(iter(caller.executive.processes.modules.all()))
    return VERSION.pack(
        FREE_BUILD, BUILD, PROTOCOL, DATA_AND_PAE, IMAGE_FILE_MACHINE_I386,
        PACKET_TYPES, STATE_CHANGES, MANIPULATIONS, 0, 0,
        nt.base, caller.executive.symbols["PsLoadedModuleList"], 0,
    )  # fmt: skip


def _virtual(caller: Thread, address: int, writing: bool) -> int:
    """Of system space; the page's protection doesn't bind a debugger."""
    return caller.executive.kernel.physical(address)


def _physical(caller: Thread, address: int, writing: bool) -> int:
    if address >= caller.executive.cpu.ram.size:
        raise PageFault(address, 0)
    return address


def _copy(
    caller: Thread,
    place: Place,
    address: int,
    buffer: int,
    size: int,
    returned: OutOpt[ULONG],
    *,
    writing: bool,
) -> int:
    """Page after page; STATUS_UNSUCCESSFUL at one that isn't there, with what was done."""
    if size > LARGEST_REQUEST or address + size > 1 << 32:
        return ntstatus.STATUS_INVALID_PARAMETER
    memory = caller.memory
    memory.probe(buffer, size, write=not writing)
    cpu = caller.executive.cpu
    done, status = 0, ntstatus.STATUS_SUCCESS
    while done < size:
        part = min(size - done, PAGE_SIZE - (address + done) % PAGE_SIZE)
        is_user = place is _virtual and address + done < DIRECT_BASE
        try:
            if is_user:
                data = memory.read(buffer + done if writing else address + done, part)
                memory.write(address + done if writing else buffer + done, data)
            else:
                start = place(caller, address + done, writing)
                if writing:
                    cpu.write_physical(start, memory.read(buffer + done, part))
                else:
                    memory.write(buffer + done, bytes(cpu.ram.bytes[start : start + part]))
        except (PageFault, AccessViolation):
            status = ntstatus.STATUS_UNSUCCESSFUL
            break
        done += part
    returned.write(done)
    return status


def _msr(
    caller: Thread, given: bytes, output: int, length: int, returned: OutOpt[ULONG], *,
    writing: bool,
) -> int:  # fmt: skip
    """The MSRs of sysenter; of another, wrmsr itself would fault."""
    if len(given) != SYSDBG_MSR.size or (not writing and length != SYSDBG_MSR.size):
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    index, value = SYSDBG_MSR.unpack(given)
    if index not in SYSENTER_MSRS:
        return ntstatus.STATUS_ACCESS_VIOLATION
    registers = caller.executive.cpu.registers
    if writing:
        registers.write_msr(index, value & 0xFFFFFFFF)
        return ntstatus.STATUS_SUCCESS
    caller.memory.write(output, SYSDBG_MSR.pack(index, registers.read_msr(index)))
    returned.write(SYSDBG_MSR.size)
    return ntstatus.STATUS_SUCCESS
