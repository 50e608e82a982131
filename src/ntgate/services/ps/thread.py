"""Threads: delay, yield, end, APCs, contexts."""

from __future__ import annotations

import struct
from typing import Any

from ntgate.dispatch.outcome import ENDED, Leave, Outcome, Wait
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    BOOLEAN,
    HANDLE,
    LARGE_INTEGER,
    NTSTATUS,
    PVOID,
    In,
)
from ntgate.entry.context import SIZE, TrapContext
from ntgate.errors import NtError
from ntgate.executive.ps import apc, suspend
from ntgate.executive.ps.thread import Thread
from ntgate.layout import machine as m
from ntgate.layout import ntstatus
from ntgate.layout.access import THREAD_GET_CONTEXT, THREAD_SET_CONTEXT, THREAD_TERMINATE
from ntgate.services.ps.thread_create import thread_of

DELAY_EXECUTION = 4  # KTHREAD.WaitReason


@service()
def NtYieldExecution(caller: Thread) -> Outcome:
    """Let an equal or better thread run."""
    if not caller.executive.scheduler.yield_current():
        return ntstatus.STATUS_NO_YIELD_PERFORMED
    return Wait(_after_wait)


@service()
def NtDelayExecution(
    caller: Thread, Alertable: BOOLEAN, DelayInterval: In[LARGE_INTEGER]
) -> Outcome:
    """Wait for a time: relative when negative, until a system time when positive.

    Wine's Sleep passes NULL for ever, where XP's passes the longest time there is.
    """
    interval = DelayInterval.read() if DelayInterval else None
    if interval == 0 and not Alertable:
        yielded = caller.executive.scheduler.yield_current()
        return Wait(_after_wait) if yielded else ntstatus.STATUS_SUCCESS
    if not caller.executive.processes.wait(
        caller, interval, alertable=bool(Alertable), reason=DELAY_EXECUTION
    ):
        return caller.wait_status
    return Wait(_after_delay)


def _after_wait(_caller: Thread, _status: int, _state: Any) -> Outcome:
    return ntstatus.STATUS_SUCCESS


def _after_delay(_caller: Thread, status: int, _state: Any) -> Outcome:
    return ntstatus.STATUS_SUCCESS if status == ntstatus.STATUS_TIMEOUT else status


@service()
def NtQueueApcThread(
    caller: Thread,
    ThreadHandle: HANDLE,
    ApcRoutine: PVOID,
    ApcArgument1: PVOID,
    ApcArgument2: PVOID,
    ApcArgument3: PVOID,
) -> Outcome:
    """Have a thread call a routine in ring 3 at its next alertable wait."""
    thread = thread_of(caller, ThreadHandle, THREAD_SET_CONTEXT)
    if thread.ethread.Terminated:
        return ntstatus.STATUS_UNSUCCESSFUL
    if ApcRoutine:  # without one it is a kernel APC, which has run already
        apc.queue(thread, ApcRoutine, ApcArgument1, ApcArgument2, ApcArgument3)
    return ntstatus.STATUS_SUCCESS


@service()
def NtTestAlert(caller: Thread) -> Outcome:
    """Deliver a queued APC now, and tell of an alert."""
    alerted = suspend.test_alert(caller)
    apc.test_alert(caller)
    return ntstatus.STATUS_ALERTED if alerted else ntstatus.STATUS_SUCCESS


@service()
def NtTerminateThread(caller: Thread, ThreadHandle: HANDLE, ExitStatus: NTSTATUS) -> Outcome:
    """End a thread; handle 0 is the caller, unless it is the last thread of its process."""
    if not ThreadHandle:
        if caller.process.eprocess.ActiveThreads == 1:
            return ntstatus.STATUS_CANT_TERMINATE_SELF
        thread = caller
    else:
        thread = thread_of(caller, ThreadHandle, THREAD_TERMINATE)
    caller.executive.processes.terminate_thread(thread, ExitStatus)
    return ENDED if caller.ethread.Terminated else ntstatus.STATUS_SUCCESS


@service()
def NtGetContextThread(caller: Thread, ThreadHandle: HANDLE, ThreadContext: PVOID) -> Outcome:
    """The registers of a thread in ring 3, those groups that ContextFlags names."""
    thread = _running(caller, ThreadHandle, THREAD_GET_CONTEXT)
    record = bytearray(caller.memory.read(ThreadContext, SIZE))
    (flags,) = struct.unpack_from("<I", record)
    _context_of(caller, thread).fill(record, flags)
    caller.memory.write(ThreadContext, record)
    return ntstatus.STATUS_SUCCESS


@service()
def NtSetContextThread(caller: Thread, ThreadHandle: HANDLE, Context: PVOID) -> Outcome:
    """Load registers of a thread; Cs, Ss and EFLAGS stay what ring 3 may have."""
    thread = _running(caller, ThreadHandle, THREAD_SET_CONTEXT)
    record = caller.memory.read(Context, SIZE)
    context = _context_of(caller, thread)
    if thread is not caller:
        context.apply(record)
        return ntstatus.STATUS_SUCCESS
    # A thread's own call ends with all the registers of its frame: those of the usual return,
    # where the record says nothing else.
    frame = context.frame
    frame.Eax, frame.Ecx, frame.Edx = ntstatus.STATUS_SUCCESS, frame.HardwareEsp, frame.Eip
    frame.SegDs = frame.SegEs = m.KGDT_R3_DATA
    frame.SegGs = caller.executive.cpu.registers.read("gs")
    context.apply(record)
    return Leave(frame.address)


def _running(caller: Thread, handle: int, access: int) -> Thread:
    """A thread that has registers: STATUS_UNSUCCESSFUL for one that has ended."""
    thread = thread_of(caller, handle, access)
    if thread.ethread.Terminated or thread.ethread.SystemThread:
        raise NtError(ntstatus.STATUS_UNSUCCESSFUL)
    return thread


def _context_of(caller: Thread, thread: Thread) -> TrapContext:
    kernel = caller.executive.kernel
    if thread is caller:
        return TrapContext(kernel, caller.ethread.Tcb, caller.frame)
    return TrapContext.base(kernel, thread.ethread.Tcb)
