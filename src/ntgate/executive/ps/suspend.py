"""Suspending, alerting and the base priority of threads.

A suspended thread that could run has the state Waiting with the wait reason Suspended, as XP
shows one; a suspended thread that waits goes on waiting, and stops when its wait ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.layout import ntstatus
from ntgate.layout.ke import KTHREAD, READY, RUNNING, SUSPENDED, WAITING

if TYPE_CHECKING:
    from ntgate.executive.ps.thread import Process, Thread

MAXIMUM_SUSPEND_COUNT = 127
ALERTED_USER = KTHREAD.Alerted.offset + 1
# EPROCESS.PriorityClass: idle, normal, high, realtime, below and above normal.
CLASS_PRIORITIES = {1: 4, 2: 8, 3: 13, 4: 24, 5: 6, 6: 10}
LOW_REALTIME_PRIORITY, HIGH_PRIORITY = 16, 31
# The increment that goes to the end of the priority class.  XP's kernel32 passes one more for it,
# and takes either back; Wine's knows only this.
SATURATION = 15


def suspend(thread: Thread) -> int:
    """The suspend count before.  Raises NtError.

    For the running thread the caller's service answers with a Wait.
    """
    tcb: KTHREAD = thread.ethread.Tcb
    if thread.ethread.Terminated:
        raise NtError(ntstatus.STATUS_THREAD_IS_TERMINATING)
    before = tcb.SuspendCount
    if before == MAXIMUM_SUSPEND_COUNT:
        raise NtError(ntstatus.STATUS_SUSPEND_COUNT_EXCEEDED)
    tcb.SuspendCount = before + 1
    if tcb.State == READY:
        thread.executive.scheduler.unready(tcb)
    if tcb.State in (READY, RUNNING):
        tcb.State, tcb.WaitReason = WAITING, SUSPENDED
    return before


def resume(thread: Thread) -> int:
    """The suspend count before; at 1 the thread goes on."""
    tcb: KTHREAD = thread.ethread.Tcb
    before = tcb.SuspendCount
    if not before:
        return 0
    tcb.SuspendCount = before - 1
    if before == 1 and not tcb.FreezeCount and is_frozen(tcb):
        tcb.WaitReason = 0
        thread.executive.scheduler.ready(tcb)
    return before


def freeze_others(thread: Thread) -> None:
    """KeFreezeAllThreads: the other threads of a process stand still while a debugger looks.

    One that runs stops when the processor next goes to another thread.
    """
    for other in thread.executive.processes.threads_of(thread.process):
        tcb: KTHREAD = other.ethread.Tcb
        if other is thread or other.ethread.Terminated:
            continue
        tcb.FreezeCount += 1
        if tcb.State == READY:
            thread.executive.scheduler.unready(tcb)
            tcb.State, tcb.WaitReason = WAITING, SUSPENDED


def thaw_all(process: Process) -> None:
    """KeThawAllThreads: take one freeze_others back."""
    for thread in process.executive.processes.threads_of(process):
        tcb: KTHREAD = thread.ethread.Tcb
        if not tcb.FreezeCount or thread.ethread.Terminated:
            continue
        tcb.FreezeCount -= 1
        if not tcb.FreezeCount and not tcb.SuspendCount and is_frozen(tcb):
            tcb.WaitReason = 0
            process.executive.scheduler.ready(tcb)


def is_frozen(tcb: KTHREAD) -> bool:
    """Whether only its suspend or freeze count keeps the thread from running."""
    return tcb.State == WAITING and tcb.WaitReason == SUSPENDED


def suspend_process(process: Process) -> None:
    """Suspend every thread; those that can't be are left out."""
    for thread in list(process.executive.processes.threads_of(process)):
        tcb: KTHREAD = thread.ethread.Tcb
        if not thread.ethread.Terminated and tcb.SuspendCount < MAXIMUM_SUSPEND_COUNT:
            suspend(thread)


def resume_process(process: Process) -> None:
    for thread in list(process.executive.processes.threads_of(process)):
        resume(thread)


def alert(thread: Thread) -> None:
    """KeAlertThread for user mode: end an alertable wait, or the next one."""
    tcb: KTHREAD = thread.ethread.Tcb
    if tcb.State == WAITING and tcb.Alertable and not is_frozen(tcb):
        thread.executive.processes.unwait(thread, ntstatus.STATUS_ALERTED)
    else:
        thread.executive.kernel.set_u8(tcb.address + ALERTED_USER, 1)


def test_alert(thread: Thread) -> bool:
    """Whether the thread had been alerted, which it is no more."""
    place = thread.ethread.Tcb.address + ALERTED_USER
    kernel = thread.executive.kernel
    alerted = bool(kernel.u8(place))
    kernel.set_u8(place, 0)
    return alerted


def set_base_priority(thread: Thread, increment: int) -> None:
    """KeSetBasePriorityThread: a distance from the priority of the thread's process."""
    tcb: KTHREAD = thread.ethread.Tcb
    base = thread.process.eprocess.Pcb.BasePriority
    tcb.Saturation = 0
    if abs(increment) >= SATURATION:
        tcb.Saturation = 1 if increment > 0 else 0xFF
    realtime = base >= LOW_REALTIME_PRIORITY
    lowest = LOW_REALTIME_PRIORITY if realtime else 1
    highest = HIGH_PRIORITY if realtime else LOW_REALTIME_PRIORITY - 1
    if tcb.Saturation:
        priority = highest if increment > 0 else lowest
    else:
        priority = min(max(base + increment, lowest), highest)
    tcb.BasePriority = priority
    thread.executive.scheduler.set_priority(tcb, priority)


def base_increment(thread: Thread) -> int:
    """What set_base_priority was told, as ThreadBasicInformation's BasePriority has it."""
    tcb: KTHREAD = thread.ethread.Tcb
    if tcb.Saturation:
        return SATURATION if tcb.Saturation == 1 else -SATURATION
    increment: int = tcb.BasePriority - thread.process.eprocess.Pcb.BasePriority
    return increment


def set_process_priority(process: Process, base: int) -> None:
    """A new base priority for a process, and for its threads in the same distance from it."""
    increments = [
        (thread, base_increment(thread))
        for thread in process.executive.processes.threads_of(process)
        if not thread.ethread.Terminated
    ]
    process.eprocess.Pcb.BasePriority = base
    for thread, increment in increments:
        set_base_priority(thread, increment)
