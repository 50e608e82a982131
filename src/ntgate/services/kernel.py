"""The routines that the entry code calls: scheduling, faults, exceptions, bugchecks."""

from __future__ import annotations

from typing import Any

from ntgate.dispatch.outcome import Outcome, Wait
from ntgate.dispatch.service import routine
from ntgate.errors import GuestBugCheck
from ntgate.executive.ke.faults import npx_exception, selector_exception, xmm_exception
from ntgate.executive.mm.fault import access_fault
from ntgate.executive.ps import apc
from ntgate.executive.ps.exceptions import dispatch_exception
from ntgate.executive.ps.job import charge_time
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.layout.ke import KTRAP_FRAME
from ntgate.layout.ps import EXCEPTION_RECORD
from ntgate.services.ke.exception import after_exception
from ntgate.services.win32k.gdi import gdi_objects

KERNEL_MODE_EXCEPTION_NOT_HANDLED = 0x8E
SHADOW = "KeServiceDescriptorTableShadow"


@routine
def KiSelectNextThread(caller: Thread) -> Outcome:
    caller.executive.processes.reap()
    caller.executive.scheduler.select_next()
    return 0


@routine
def PspUserThreadStartup(caller: Thread) -> Outcome:
    if caller.executive.debugging.report_creation(caller):
        return Wait(_creation_reported)
    return _start(caller)


def _creation_reported(caller: Thread, _status: int, _state: Any) -> Outcome:
    if caller.executive.debugging.report_ntdll(caller):
        return Wait(_ntdll_reported)
    return _start(caller)


def _ntdll_reported(caller: Thread, _status: int, _state: Any) -> Outcome:
    return _start(caller)


def _start(caller: Thread) -> Outcome:
    caller.executive.processes.thread_started(caller)
    return after_exception(caller)


@routine
def KeUpdateSystemTime(caller: Thread, TrapFrame: int) -> Outcome:
    frame = KTRAP_FRAME(caller.executive.kernel, TrapFrame)
    user = bool(frame.SegCs & 1)
    switch = caller.executive.scheduler.clock_tick(user=user)
    caller.executive.memory_conditions.update()
    if caller.executive.profiles.started:
        caller.executive.profiles.sample(caller, frame)
    if user and caller.process.eprocess.Job:
        charge_time(caller.process)
    return int(switch or caller.ethread.Terminated)


@routine
def KiDeliverApc(
    caller: Thread, PreviousMode: int, ExceptionFrame: int, TrapFrame: int
) -> Outcome:
    apc.deliver(caller, TrapFrame)
    return after_exception(caller)


@routine
def MmAccessFault(
    caller: Thread, ErrorCode: int, VirtualAddress: int, SegCs: int, TrapFrame: int
) -> Outcome:
    return access_fault(caller.process.space, VirtualAddress, ErrorCode, teb=caller.teb)


@routine
def KiSelectorFault(caller: Thread, Vector: int, TrapFrame: int) -> Outcome:
    frame = KTRAP_FRAME(caller.executive.kernel, TrapFrame)
    return selector_exception(caller, Vector, frame)


@routine
def KiNpxError(caller: Thread, TrapFrame: int) -> Outcome:
    return npx_exception(caller)


@routine
def KiXmmError(caller: Thread, TrapFrame: int) -> Outcome:
    return xmm_exception(caller)


@routine
def KiDispatchException(
    caller: Thread,
    ExceptionRecord: int,
    ExceptionFrame: int,
    TrapFrame: int,
    PreviousMode: int,
    FirstChance: int,
) -> Outcome:
    kernel = caller.executive.kernel
    frame = KTRAP_FRAME(kernel, TrapFrame)
    if not PreviousMode:
        record = EXCEPTION_RECORD(kernel, ExceptionRecord)
        raise GuestBugCheck(
            KERNEL_MODE_EXCEPTION_NOT_HANDLED,
            (record.ExceptionCode, record.ExceptionAddress, TrapFrame, 0),
            f"eip={frame.Eip:08x} cs={frame.SegCs & 0xFFFF:04x} error code={frame.ErrCode:x}",
        )
    dispatch_exception(caller, ExceptionRecord, frame, first_chance=bool(FirstChance))
    return after_exception(caller)


@routine
def KiDebugRegistersLoaded(caller: Thread) -> Outcome:
    caller.executive.cpu.watchpoints.renew()
    return 0


@routine
def KeBugCheckFromTrap(
    caller: Thread, Code: int, First: int, Second: int, Third: int, Fourth: int
) -> Outcome:
    raise GuestBugCheck(Code, (First, Second, Third, Fourth))


@routine
def PsConvertToGuiThread(caller: Thread) -> Outcome:
    """Give the thread the shadow table; a second try means that the number is beyond it."""
    thread, shadow = caller.ethread.Tcb, caller.executive.symbols[SHADOW]
    if thread.ServiceTable == shadow:
        return ntstatus.STATUS_INVALID_SYSTEM_SERVICE
    thread.ServiceTable = shadow
    gdi_objects(caller)
    return 0


@routine
def NtGdiFlushUserBatch(caller: Thread) -> Outcome:
    """The batch of a thread without a window is dropped."""
    caller.memory.set_u32(caller.teb + 0xF70, 0)
    return 0
