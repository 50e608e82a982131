"""The end of threads and processes.

A thread ends at once for whoever looks at it; its kernel stack, which it may still be standing
on, is given back when another thread has been chosen to run.  A process ends with its last
thread: its handles are closed and its memory is unmapped before its object is signalled, so
that who waited for it finds the files and pipes closed.  The objects stay, with their ids and
their places in the lists, as long as somebody holds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ntgate.executive.events import ProcessExit, ThreadExit
from ntgate.executive.mm.view import delete_all
from ntgate.executive.ps import apc, ldt
from ntgate.executive.ps.image_path import release_image_path
from ntgate.executive.ps.job import process_ended, release_process
from ntgate.executive.ps.user_thread import delete_user_part
from ntgate.layout import lists
from ntgate.layout.ke import KTHREAD, READY, TERMINATED, WAITING
from ntgate.layout.ps import EPROCESS, ETHREAD
from ntgate.memory.companions import Companions

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive
    from ntgate.executive.ps.stacks import KernelStacks
    from ntgate.executive.ps.thread import Process, Thread


class Rundown:
    """What ends and frees.  `processes` and `threads` are the companions by their objects."""

    stacks: KernelStacks

    def __init__(self, executive: Executive) -> None:
        self.executive = executive
        self.kernel = executive.kernel
        self.processes: Companions[Process] = Companions()
        self.threads: Companions[Thread] = Companions()
        self._dead: list[Thread] = []  # ended, but perhaps still on their kernel stack
        self._ended: list[Process] = []  # ended, and still in memory
        executive.objects.types["Thread"].delete = self._delete_thread
        executive.objects.types["Process"].delete = self._delete_process

    def threads_of(self, process: Process) -> Iterator[Thread]:
        """The threads that the guest's list shows, ended ones that are held among them."""
        head = process.eprocess.address + EPROCESS.ThreadListHead.offset
        for entry in lists.entries(self.kernel, head):
            thread = self.threads.get(entry - ETHREAD.ThreadListEntry.offset)
            if thread is not None:
                yield thread

    def terminate_process(self, process: Process, status: int) -> None:
        """End every thread of the process; the running one at its next wait."""
        if process.exited:
            return
        process.eprocess.ProcessExiting = 1
        for thread in list(self.threads_of(process)):
            self.terminate_thread(thread, status)
        if not process.exited and not self._has_threads(process):
            self._process_ended(process, status)

    def terminate_thread(self, thread: Thread, status: int) -> None:
        """End one thread, and its process with it when it was the last.

        One whose debugger still has to answer ends with the answer.
        """
        if thread.ethread.Terminated:
            return
        self._stop(thread, status)
        if not thread.debug_event:
            self.leave(thread)

    def _stop(self, thread: Thread, status: int) -> None:
        """It will never run again, and waits for nothing but its end."""
        tcb: KTHREAD = thread.ethread.Tcb
        executive = self.executive
        if tcb.State == READY:
            executive.scheduler.unready(tcb)
        if thread.timer is not None:
            executive.clock.cancel(thread.timer)
            thread.timer = None
        thread.pending = None
        thread.ethread.Terminated = 1  # what its end signals, below, is not to wake it
        executive.waits.unlink(thread)
        executive.waits.release(thread)
        executive.keyed_events.leave(thread)
        executive.timers.thread_ended(thread)
        executive.ports.thread_ended(thread)
        executive.windows.thread_ended(thread)
        executive.waits.abandon_mutants(thread)
        apc.discard(thread)
        executive.io.cancel(thread)
        tcb.State, tcb.WaitReason = WAITING, 0
        tcb.SuspendCount = tcb.FreezeCount = 0
        thread.ethread.ExitStatus = status
        thread.ethread.ExitTime = executive.clock.system_time

    def leave(self, thread: Thread) -> None:
        """The end of a thread that has stopped, once its debugger has been told."""
        process = thread.process.eprocess
        process.ActiveThreads -= 1
        process.LastThreadExitStatus = thread.ethread.ExitStatus
        if not process.ActiveThreads:
            process.ProcessExiting = 1
        if not self.executive.debugging.report_exit(thread):
            self.thread_ended(thread)

    def thread_ended(self, thread: Thread) -> None:
        """Nobody has to be asked any more."""
        executive, status = self.executive, thread.ethread.ExitStatus
        tcb: KTHREAD = thread.ethread.Tcb
        process = thread.process.eprocess
        tcb.State = TERMINATED
        process.Pcb.UserTime += tcb.UserTime
        process.Pcb.KernelTime += tcb.KernelTime
        executive.events.emit(ThreadExit(thread.pid, thread.tid, status))
        self._dead.append(thread)
        tcb.Header.SignalState = 1
        executive.waits.signaled(tcb.address)
        if not self._has_threads(thread.process):
            self._process_ended(thread.process, process.LastThreadExitStatus)

    def _has_threads(self, process: Process) -> bool:
        """Whether one is left whose end is not complete."""
        return any(
            thread.ethread.Tcb.State != TERMINATED for thread in self.threads_of(process)
        )

    def _process_ended(self, process: Process, status: int) -> None:
        eprocess = process.eprocess
        process.exited = True
        process.exit_status = eprocess.ExitStatus = status
        eprocess.ProcessExiting = eprocess.ProcessDelete = 1
        eprocess.ExitTime = self.executive.clock.system_time
        self.executive.events.emit(ProcessExit(process.pid, 0, status))
        self._close_handles(eprocess)
        if self.executive.io.consoles is not None:
            self.executive.io.consoles.process_ended(process)
        self.executive.input_idle.process_ended(process)
        current = self.executive.scheduler.prcb.CurrentThread
        if self.threads[current].process is process:
            self._ended.append(process)  # a debugger may stop right here, and look at it
        else:
            self._empty(process)
        self.executive.windows.process_ended(process)
        process_ended(process)
        eprocess.Pcb.Header.SignalState = 1
        self.executive.waits.signaled(eprocess.address)

    def _close_handles(self, eprocess: EPROCESS) -> None:
        table = eprocess.ObjectTable
        if table:
            self.executive.objects.delete_table(table)
            eprocess.ObjectTable = 0

    def _empty(self, process: Process) -> None:
        """Unmap everything, and let go of the program's file: it can be deleted from now on."""
        eprocess = process.eprocess
        delete_all(process.space)
        eprocess.VmDeleted = 1
        if eprocess.SectionObject:
            self.executive.objects.dereference(eprocess.SectionObject)
            eprocess.SectionObject = 0

    def reap(self) -> None:
        """Free what the dead used, except for the stack that the processor still stands on.

        Called before another thread is chosen: nobody sees the memory of what has ended.
        """
        while self._ended:
            self._empty(self._ended.pop())
        if not self._dead:
            return
        for thread in self._dead:
            if not thread.process.exited:
                delete_user_part(thread)
        current = self.executive.scheduler.prcb.CurrentThread
        gone = [thread for thread in self._dead if thread.ethread.address != current]
        self._dead = [thread for thread in self._dead if thread.ethread.address == current]
        for thread in gone:
            self._free_thread(thread)

    def _free_thread(self, thread: Thread) -> None:
        body = thread.ethread.address
        thread.ethread.DeadThread = 1
        lists.remove(self.kernel, body + KTHREAD.ThreadListEntry.offset)
        self.stacks.free(thread.stack)
        self.executive.objects.dereference(body)

    # The last reference is gone.

    def _delete_thread(self, body: int) -> None:
        self.executive.security.release_thread(body)
        if self.threads.pop(body, None) is None:
            return  # it was never made whole
        ethread = ETHREAD(self.kernel, body)
        lists.remove(self.kernel, body + ETHREAD.ThreadListEntry.offset)
        objects = self.executive.objects
        objects.free_id(ethread.Cid.UniqueThread)
        objects.dereference(ethread.ThreadsProcess)

    def _delete_process(self, body: int) -> None:
        self.executive.security.release_process(body)
        eprocess = EPROCESS(self.kernel, body)
        release_process(self.executive, eprocess)
        self._close_handles(eprocess)
        self.executive.debugging.release(eprocess)
        ldt.release(self.executive, eprocess)
        release_image_path(self.executive, eprocess)
        objects = self.executive.objects
        if eprocess.ExceptionPort:
            objects.dereference(eprocess.ExceptionPort)
        if eprocess.SectionObject:
            objects.dereference(eprocess.SectionObject)
        process = self.processes.pop(body, None)
        if process is not None:
            self.executive.mm.delete_space(process.space)
        lists.remove(self.kernel, body + EPROCESS.ActiveProcessLinks.offset)
        objects.free_id(eprocess.UniqueProcessId)
