"""NtQuerySystemInformation: what the machine tells of itself, class by class.

Lengths are XP's.  A class that XP does not have answers STATUS_INVALID_INFO_CLASS, unless a newer
user-mode DLL can't do without it (62 and up).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Annotated

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import ULONG, OutOpt, Scalar, SizedBy
from ntgate.executive.executive import Executive
from ntgate.executive.ke.time_zone import ZONE_BYTES, TimeZone
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.privileges import SE_SYSTEMTIME
from ntgate.layout import machine as m
from ntgate.layout import ntstatus
from ntgate.layout.ke import KTHREAD
from ntgate.layout.mm import ALLOCATION_GRANULARITY, EPROCESS_VM
from ntgate.layout.pe import IMAGE_FILE_MACHINE_I386
from ntgate.records import dataclass
from ntgate.services.ex import system_objects as objects
from ntgate.services.ex.system_processes import process_information
from ntgate.services.ke import processor_topology as topology
from ntgate.services.ps.ps_information import demand

PROCESSORS = 1
LOWEST_USER_ADDRESS = 0x10000
INTERRUPT_RECORD = 24
PERFORMANCE_BYTES = 0x138
REGISTRY_QUOTA = 0x0200_0000
KERNEL_USER_NATIVE_PROCESS = 0xF0000
DPC_BEHAVIOR = (4, 3, 20, 20)  # queue depth, least rate, threshold and ideal rate of XP
FEATURE_BITS = 0xA001_3FFF  # what the registry calls FeatureSet: SSE2, PAE, NX

SystemTimeAdjustmentInformation = 28
SET_TIME_ADJUSTMENT = 8
SystemCurrentTimeZoneInformation = 44
SystemSessionProcessesInformation = 53
SESSION_PROCESSES = 0x0C
# Path, call times, pools and their tags, full and summary memory: of checked builds, or where a
# global flag asks for it.
CHECKED_BUILDS = (4, 10, 14, 15, 22, 25, 29)
THE_SESSION = 0
SystemLogicalProcessorInformationEx = 107
SystemCpuSetInformation = 175
SystemSupportedProcessorArchitectures = 181

SYSTEM_INFORMATION_CLASS = Annotated[int, Scalar("SYSTEM_INFORMATION_CLASS")]
Answer = Annotated[
    int, Scalar("PVOID", kind="pointer"), SizedBy("SystemInformationLength", "out")
]
Question = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("InputBufferLength")]
Given = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("SystemInformationLength")]

EXACT, AT_LEAST, AT_MOST = range(3)  # what a buffer's length may be


@dataclass(frozen=True, slots=True)
class Row:
    """How one class is answered; `make` gets the buffer's address, for pointers into it."""

    make: Callable[[Executive, int], bytes]
    length: int = AT_LEAST


def _basic(executive: Executive, _address: int) -> bytes:
    pages = executive.cpu.ram.pages
    return struct.pack(
        "<10IBxxx", 0, m.TICK_100NS, PAGE_SIZE, pages, 1, pages - 1,
        ALLOCATION_GRANULARITY, LOWEST_USER_ADDRESS, m.MM_HIGHEST_USER_ADDRESS,
        topology.ONLY_PROCESSOR, PROCESSORS,
    )  # fmt: skip


def _processor(executive: Executive, _address: int) -> bytes:
    prcb = executive.scheduler.prcb
    return struct.pack("<4HI", 0, prcb.CpuType, prcb.CpuStep, 0, FEATURE_BITS)


def _performance(executive: Executive, _address: int) -> bytes:
    out = bytearray(PERFORMANCE_BYTES)
    mm, prcb = executive.mm, executive.scheduler.prcb
    processes = [space.process for space in mm.spaces.values()]
    transfers = [
        struct.unpack("<6Q", executive.kernel.read(process.address + 0x1B8, 48))
        for process in processes
    ]
    totals = [sum(column) for column in zip(*transfers, strict=True)]
    faults = sum(EPROCESS_VM(executive.kernel, p.address).Vm.PageFaultCount for p in processes)
    idle = _idle_ticks(executive) * m.TICK_100NS
    struct.pack_into("<4q", out, 0x00, idle, *totals[3:])
    struct.pack_into("<3I", out, 0x20, *(total & 0xFFFFFFFF for total in totals[:3]))
    struct.pack_into(
        "<5I", out, 0x2C, mm.frames.available, mm.committed, mm.commit_limit, mm.committed, faults
    )
    struct.pack_into("<I", out, 0x128, prcb.KeContextSwitches)
    struct.pack_into("<I", out, 0x134, prcb.KeSystemCalls)
    return bytes(out)


def _time_of_day(executive: Executive, _address: int) -> bytes:
    clock = executive.clock
    return struct.pack(
        "<3qI4x2Q", clock.boot_time, clock.precise_system_time(),
        executive.time_zone.bias_100ns, 1, 0, 0,
    )  # fmt: skip


def _idle_ticks(executive: Executive) -> int:
    idle = KTHREAD(executive.kernel, executive.scheduler.prcb.IdleThread)
    return int(idle.KernelTime)


def _processor_times(executive: Executive, _address: int) -> bytes:
    total = executive.clock.interrupt_time
    idle = min(_idle_ticks(executive) * m.TICK_100NS, total)
    return struct.pack("<5qI4x", idle, idle, total - idle, 0, 0, executive.clock.ticks)


def _interrupts(executive: Executive, _address: int) -> bytes:
    """XP's counters change so fast that user-mode code takes them for random numbers; with a
    virtual clock they would not change, so the machine's random numbers stand here."""
    return executive.random.randbytes(INTERRUPT_RECORD * PROCESSORS)


def _time_adjustment(executive: Executive, _address: int) -> bytes:
    clock = executive.clock
    adjustment = clock.adjustment if clock.is_adjusted else m.TICK_100NS
    return struct.pack("<2IBxxx", adjustment, m.TICK_100NS, not clock.is_adjusted)


def _numa_memory(executive: Executive, _address: int) -> bytes:
    """SYSTEM_NUMA_INFORMATION: one node, and the bytes that it has free."""
    return struct.pack("<2I16Q", 0, 0, executive.mm.frames.available * PAGE_SIZE, *bytes(15))


def _kernel_debugger(executive: Executive, _address: int) -> bytes:
    return struct.pack("<2B", executive.debugger, not executive.debugger)


def _context_switches(executive: Executive, _address: int) -> bytes:
    return struct.pack("<I44x", executive.scheduler.prcb.KeContextSwitches)


def _registry_quota(_executive: Executive, _address: int) -> bytes:
    return struct.pack("<3I", REGISTRY_QUOTA, 0, m.PAGED_POOL_END - m.PAGED_POOL)


def _cache(executive: Executive, _address: int) -> bytes:
    return bytes(36)


def _words(*values: int) -> Row:
    data = struct.pack(f"<{len(values)}I", *values)
    return Row(lambda _executive, _address: data)


ROWS: dict[int, Row] = {
    0: Row(_basic, EXACT),
    1: Row(_processor),
    2: Row(_performance),
    3: Row(_time_of_day, AT_MOST),
    5: Row(lambda executive, at: process_information(executive, at, extended=False)),
    7: _words(1, 0, 0, 0, 0, 0),  # disks, floppies, CD-ROMs, tapes, serial and parallel ports
    8: Row(_processor_times),
    9: _words(0),  # NtGlobalFlag
    11: Row(lambda executive, _at: objects.module_information(executive)),
    12: _words(0),  # no ERESOURCEs
    16: Row(lambda executive, _at: objects.handle_information(executive)),
    18: Row(lambda _executive, _at: b""),  # no paging files
    21: Row(_cache),
    23: Row(_interrupts),
    SystemTimeAdjustmentInformation: Row(_time_adjustment, EXACT),
    24: _words(0, *DPC_BEHAVIOR),
    33: _words(0, 0, 0, 0),
    35: Row(_kernel_debugger),
    36: Row(_context_switches),
    37: Row(_registry_quota),
    SystemCurrentTimeZoneInformation: Row(lambda executive, _at: executive.time_zone.pack()),
    45: Row(lambda _executive, _at: b""),  # no lookaside lists
    50: _words(m.MM_SYSTEM_RANGE_START),
    55: Row(lambda _executive, _at: struct.pack("<2IQ", 0, 0, topology.ONLY_PROCESSOR)),
    57: Row(lambda executive, at: process_information(executive, at, extended=True)),
    58: _words(64),
    60: Row(_numa_memory),
    62: Row(_basic, EXACT),
    63: Row(_processor),
    64: Row(lambda executive, _at: objects.handle_information_ex(executive)),
    73: Row(lambda _executive, _at: topology.logical_processors()),
    77: Row(lambda executive, _at: objects.module_information_ex(executive)),
    102: Row(lambda executive, _at: executive.time_zone.pack_dynamic()),
}


@service(partial="nothing of lookaside lists and the verifier")
def NtQuerySystemInformation(
    caller: Thread,
    SystemInformationClass: SYSTEM_INFORMATION_CLASS,
    SystemInformation: Answer,
    SystemInformationLength: ULONG,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """Processors, memory, time, processes, images, handles."""
    ReturnLength.probe()
    if SystemInformationClass == SystemSessionProcessesInformation:
        return _session_processes(caller, SystemInformation, SystemInformationLength, ReturnLength)
    row = ROWS.get(SystemInformationClass)
    if row is None:
        ReturnLength.write(0)
        if SystemInformationClass in CHECKED_BUILDS:
            return ntstatus.STATUS_NOT_IMPLEMENTED
        return ntstatus.STATUS_INVALID_INFO_CLASS
    caller.memory.probe_for_write(SystemInformation, SystemInformationLength)
    data = row.make(caller.executive, SystemInformation)
    if row.length == AT_MOST and SystemInformationLength < len(data):
        data = data[:SystemInformationLength]
    return _give(caller, data, SystemInformation, SystemInformationLength, ReturnLength,
                 exact=row.length != AT_LEAST)  # fmt: skip


def _session_processes(
    caller: Thread, address: int, length: int, returned: OutOpt[ULONG]
) -> int:
    """SYSTEM_SESSION_PROCESS_INFORMATION: SessionId, SizeOfBuf, and where the records go."""
    if length < SESSION_PROCESSES:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    session, size, buffer = struct.unpack("<3I", caller.memory.read(address, SESSION_PROCESSES))
    caller.memory.probe_for_write(buffer, size)
    data = b""
    if session == THE_SESSION:
        data = process_information(caller.executive, buffer, extended=False)
    returned.write(len(data))
    if size < len(data):
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    caller.memory.write(buffer, data)
    return ntstatus.STATUS_SUCCESS


def _give(
    caller: Thread, data: bytes, address: int, length: int, returned: OutOpt[ULONG], *, exact: bool
) -> int:
    returned.write(len(data))
    if length < len(data) or (exact and length != len(data)):
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    caller.memory.write(address, data)
    return ntstatus.STATUS_SUCCESS


@service()
def NtQuerySystemInformationEx(
    caller: Thread,
    SystemInformationClass: SYSTEM_INFORMATION_CLASS,
    InputBuffer: Question,
    InputBufferLength: ULONG,
    SystemInformation: Answer,
    SystemInformationLength: ULONG,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """The classes that need a question: processors by relationship, machines by process."""
    ReturnLength.probe()
    if not InputBuffer or InputBufferLength < 4:
        return ntstatus.STATUS_INVALID_PARAMETER
    question = caller.memory.u32(InputBuffer)
    if SystemInformationClass == SystemLogicalProcessorInformationEx:
        data = topology.logical_processors_ex(question)
    elif SystemInformationClass == SystemCpuSetInformation:
        data = topology.cpu_sets()
    elif SystemInformationClass == SystemSupportedProcessorArchitectures:
        if question:
            caller.object(question, "Process", 0)
        data = struct.pack("<2I", IMAGE_FILE_MACHINE_I386 | KERNEL_USER_NATIVE_PROCESS, 0)
    else:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    status = _give(
        caller, data, SystemInformation, SystemInformationLength, ReturnLength, exact=False
    )
    if status and SystemInformationClass == SystemSupportedProcessorArchitectures:
        return ntstatus.STATUS_BUFFER_TOO_SMALL
    return status


def _set_time_adjustment(caller: Thread, address: int, length: int) -> int:
    """SYSTEM_SET_TIME_ADJUST_INFORMATION: TimeAdjustment, Enable (true: the clock's own)."""
    if length != SET_TIME_ADJUSTMENT:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    adjustment, own = struct.unpack("<IBxxx", caller.memory.read(address, SET_TIME_ADJUSTMENT))
    demand(caller, SE_SYSTEMTIME)
    if not own and not adjustment:
        return ntstatus.STATUS_INVALID_PARAMETER_2
    clock = caller.executive.clock
    clock.is_adjusted = not own
    clock.adjustment = m.TICK_100NS if own else adjustment
    return ntstatus.STATUS_SUCCESS


@service(partial="the time zone and the clock's adjustment only")
def NtSetSystemInformation(
    caller: Thread,
    SystemInformationClass: SYSTEM_INFORMATION_CLASS,
    SystemInformation: Given,
    SystemInformationLength: ULONG,
) -> Outcome:
    """Set the time zone, or how far the system time goes with each tick."""
    if SystemInformationClass == SystemTimeAdjustmentInformation:
        return _set_time_adjustment(caller, SystemInformation, SystemInformationLength)
    if SystemInformationClass != SystemCurrentTimeZoneInformation:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    if SystemInformationLength != ZONE_BYTES:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    zone = TimeZone.unpack(caller.memory.read(SystemInformation, ZONE_BYTES))
    caller.executive.time_zone = zone
    return ntstatus.STATUS_SUCCESS
