"""Suspending, resuming and alerting threads, and whole processes."""

from __future__ import annotations

from typing import Any

from ntgate.dispatch.outcome import Outcome, Wait
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, ULONG, Out, OutOpt
from ntgate.executive.ps import suspend
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import PROCESS_SUSPEND_RESUME, THREAD_ALERT, THREAD_SUSPEND_RESUME
from ntgate.services.ps.thread_create import process_of, thread_of


@service()
def NtSuspendThread(
    caller: Thread, ThreadHandle: HANDLE, PreviousSuspendCount: Out[ULONG]
) -> Outcome:
    """Stop a thread until it is resumed as often; the count before is for who wants it."""
    if PreviousSuspendCount:
        PreviousSuspendCount.probe()
    thread = thread_of(caller, ThreadHandle, THREAD_SUSPEND_RESUME)
    before = suspend.suspend(thread)
    if PreviousSuspendCount:
        PreviousSuspendCount.write(before)
    return _standing(caller)


@service()
def NtResumeThread(
    caller: Thread, ThreadHandle: HANDLE, PreviousSuspendCount: OutOpt[ULONG]
) -> Outcome:
    """Take one suspension of a thread back."""
    PreviousSuspendCount.probe()
    thread = thread_of(caller, ThreadHandle, THREAD_SUSPEND_RESUME)
    PreviousSuspendCount.write(suspend.resume(thread))
    return ntstatus.STATUS_SUCCESS


@service()
def NtAlertThread(caller: Thread, ThreadHandle: HANDLE) -> Outcome:
    """End a thread's alertable wait, or the next one, with STATUS_ALERTED."""
    suspend.alert(thread_of(caller, ThreadHandle, THREAD_ALERT))
    return ntstatus.STATUS_SUCCESS


@service()
def NtAlertResumeThread(
    caller: Thread, ThreadHandle: HANDLE, PreviousSuspendCount: OutOpt[ULONG]
) -> Outcome:
    """Alert a thread, and take one suspension back."""
    PreviousSuspendCount.probe()
    thread = thread_of(caller, ThreadHandle, THREAD_SUSPEND_RESUME)
    suspend.alert(thread)
    PreviousSuspendCount.write(suspend.resume(thread))
    return ntstatus.STATUS_SUCCESS


@service()
def NtSuspendProcess(caller: Thread, ProcessHandle: HANDLE) -> Outcome:
    """Suspend every thread of a process."""
    process = process_of(caller, ProcessHandle, PROCESS_SUSPEND_RESUME)
    if process.exited:
        return ntstatus.STATUS_PROCESS_IS_TERMINATING
    suspend.suspend_process(process)
    return _standing(caller)


@service()
def NtResumeProcess(caller: Thread, ProcessHandle: HANDLE) -> Outcome:
    """Resume every thread of a process."""
    process = process_of(caller, ProcessHandle, PROCESS_SUSPEND_RESUME)
    if process.exited:
        return ntstatus.STATUS_PROCESS_IS_TERMINATING
    suspend.resume_process(process)
    return ntstatus.STATUS_SUCCESS


def _standing(caller: Thread) -> Outcome:
    """The caller may have suspended itself: its call returns when it is resumed."""
    if suspend.is_frozen(caller.ethread.Tcb):
        return Wait(_resumed)
    return ntstatus.STATUS_SUCCESS


def _resumed(_caller: Thread, _status: int, _state: Any) -> Outcome:
    return ntstatus.STATUS_SUCCESS
