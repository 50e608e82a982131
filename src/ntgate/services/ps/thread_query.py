"""NtQueryInformationThread: what a thread is, class by class."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    HANDLE,
    THREADINFOCLASS,
    ULONG,
    OutOpt,
    Scalar,
    SizedBy,
)
from ntgate.entry.context import IN_LDT
from ntgate.executive.ps import ldt
from ntgate.executive.ps.suspend import base_increment
from ntgate.executive.ps.thread import Thread
from ntgate.layout import machine as m
from ntgate.layout import ntstatus
from ntgate.layout.access import THREAD_QUERY_INFORMATION
from ntgate.layout.ob import UNICODE_STRING
from ntgate.services.ps.ps_information import answer
from ntgate.services.ps.thread_create import thread_of

(
    ThreadBasicInformation, ThreadTimes, ThreadPriority, ThreadBasePriority,
    ThreadAffinityMask, ThreadImpersonationToken, ThreadDescriptorTableEntry,
    ThreadEnableAlignmentFaultFixup, ThreadEventPair, ThreadQuerySetWin32StartAddress,
    ThreadZeroTlsCell, ThreadPerformanceCount, ThreadAmILastThread, ThreadIdealProcessor,
    ThreadPriorityBoost, ThreadSetTlsArrayAddress, ThreadIsIoPending, ThreadHideFromDebugger,
    ThreadBreakOnTermination, _ThreadSwitchLegacyState, ThreadIsTerminated,
) = range(21)  # fmt: skip
ThreadPagePriority, ThreadGroupInformation, ThreadIdealProcessorEx = 24, 30, 33
ThreadSuspendCount, ThreadNameInformation = 35, 38

GDT_SELECTORS = 0x68  # bytes of the table that ring 3 may ask about
DESCRIPTOR = 8
Answer = Annotated[
    int, Scalar("PVOID", kind="pointer"), SizedBy("ThreadInformationLength", "out")
]


def _basic(thread: Thread) -> bytes:
    """THREAD_BASIC_INFORMATION.

    Wine 8.0's GetThreadPriority reads Priority as the distance from the process's.
    """
    ethread, increment = thread.ethread, base_increment(thread)
    priority = increment if thread.process.runs_wine else ethread.Tcb.Priority
    return struct.pack(
        "<5I2i", ethread.ExitStatus if ethread.Terminated else ntstatus.STATUS_PENDING,
        thread.teb, thread.pid, thread.tid, ethread.Tcb.Affinity, priority, increment,
    )  # fmt: skip


def _times(thread: Thread) -> bytes:
    ethread = thread.ethread
    return struct.pack(
        "<4Q", ethread.CreateTime, ethread.ExitTime if ethread.Terminated else 0,
        ethread.Tcb.KernelTime * m.TICK_100NS, ethread.Tcb.UserTime * m.TICK_100NS,
    )  # fmt: skip


def _io_pending(thread: Thread) -> int:
    pending = thread.executive.io.pending.values()
    return int(any(request.thread is thread for request in pending))


def _group(thread: Thread) -> bytes:
    """GROUP_AFFINITY: the mask in the one group there is."""
    return struct.pack("<I4H", thread.ethread.Tcb.Affinity, 0, 0, 0, 0)


def _ideal_processor(thread: Thread) -> bytes:
    """PROCESSOR_NUMBER: group, number in it, reserved."""
    return struct.pack("<HBB", 0, thread.ethread.Tcb.IdealProcessor, 0)


def _ulong(value: Callable[[Thread], int]) -> tuple[int, Callable[[Thread], bytes]]:
    return 4, lambda thread: struct.pack("<I", value(thread))


# The length of each class's answer, and what makes it.
ANSWERS: dict[int, tuple[int, Callable[[Thread], bytes]]] = {
    ThreadBasicInformation: (0x1C, _basic),
    ThreadTimes: (0x20, _times),
    ThreadAffinityMask: _ulong(lambda thread: thread.ethread.Tcb.Affinity),
    ThreadQuerySetWin32StartAddress: _ulong(lambda thread: thread.ethread.Win32StartAddress),
    ThreadPerformanceCount: (8, lambda _thread: bytes(8)),
    ThreadAmILastThread: _ulong(
        lambda thread: int(thread.process.eprocess.ActiveThreads == 1)
    ),
    ThreadPriorityBoost: _ulong(lambda thread: thread.ethread.Tcb.DisableBoost),
    ThreadIsIoPending: _ulong(_io_pending),
    ThreadHideFromDebugger: (1, lambda thread: bytes((thread.ethread.HideFromDebugger,))),
    ThreadBreakOnTermination: _ulong(lambda thread: thread.ethread.BreakOnTermination),
    ThreadIsTerminated: _ulong(lambda thread: thread.ethread.Terminated),
    ThreadGroupInformation: (0x0C, _group),
    ThreadIdealProcessorEx: (4, _ideal_processor),
    ThreadSuspendCount: _ulong(lambda thread: thread.ethread.Tcb.SuspendCount),
}


@service()
def NtQueryInformationThread(
    caller: Thread,
    ThreadHandle: HANDLE,
    ThreadInformationClass: THREADINFOCLASS,
    ThreadInformation: Answer,
    ThreadInformationLength: ULONG,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """Identity, priorities, times, start address, name and state of a thread."""
    kind, length = ThreadInformationClass, ThreadInformationLength
    if kind in (ThreadNameInformation, ThreadDescriptorTableEntry):
        thread = thread_of(caller, ThreadHandle, THREAD_QUERY_INFORMATION)
        special = _name if kind == ThreadNameInformation else _descriptor
        return special(caller, thread, ThreadInformation, length, ReturnLength)
    if kind not in ANSWERS:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    wanted, make = ANSWERS[kind]
    if length != wanted:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    data = make(thread_of(caller, ThreadHandle, THREAD_QUERY_INFORMATION))
    return answer(caller, data, ThreadInformation, length, ReturnLength)


def _name(
    caller: Thread, thread: Thread, address: int, length: int, returned: OutOpt[ULONG]
) -> int:
    """A UNICODE_STRING with its text behind it, without a NUL."""
    text = thread.name.encode("utf-16-le", "surrogatepass")
    returned.write(UNICODE_STRING.SIZE + len(text))
    if length < UNICODE_STRING.SIZE + len(text):
        return ntstatus.STATUS_BUFFER_TOO_SMALL
    header = struct.pack("<HHI", len(text), len(text), address + UNICODE_STRING.SIZE)
    caller.memory.write(address, header + text)
    return ntstatus.STATUS_SUCCESS


def _descriptor(
    caller: Thread, thread: Thread, address: int, length: int, returned: OutOpt[ULONG]
) -> int:
    """DESCRIPTOR_TABLE_ENTRY: a selector in, its entry of the GDT or of the LDT out."""
    if length != 4 + DESCRIPTOR:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    selector = caller.memory.u32(address)
    entry = selector & 0xFFF8
    if selector & IN_LDT:
        data = bytearray(ldt.read(thread.process, entry, DESCRIPTOR))
        if len(data) < DESCRIPTOR:
            return ntstatus.STATUS_ACCESS_VIOLATION
    elif entry >= GDT_SELECTORS:
        return ntstatus.STATUS_ACCESS_VIOLATION
    else:
        data = bytearray(thread.executive.kernel.read(m.GDT + entry, DESCRIPTOR))
    if selector & 0xFFFC == m.KGDT_R3_TEB & 0xFFF8:
        struct.pack_into("<HB", data, 2, thread.teb & 0xFFFF, thread.teb >> 16 & 0xFF)
        data[7] = thread.teb >> 24
    caller.memory.write(address + 4, bytes(data))
    returned.write(length)
    return ntstatus.STATUS_SUCCESS
