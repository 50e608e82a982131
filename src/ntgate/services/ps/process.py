"""The end of processes."""

from __future__ import annotations

from ntgate.dispatch.outcome import ENDED, Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, NTSTATUS
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import PROCESS_TERMINATE
from ntgate.services.ps.thread_create import process_of


@service()
def NtTerminateProcess(caller: Thread, ProcessHandle: HANDLE, ExitStatus: NTSTATUS) -> Outcome:
    """End a process; handle 0 ends the other threads of the caller's."""
    processes = caller.executive.processes
    if not ProcessHandle:
        for thread in list(processes.threads_of(caller.process)):
            if thread is not caller:
                processes.terminate_thread(thread, ExitStatus)
        return ntstatus.STATUS_SUCCESS
    process = process_of(caller, ProcessHandle, PROCESS_TERMINATE)
    if process.exited:
        return ntstatus.STATUS_PROCESS_IS_TERMINATING
    processes.terminate_process(process, ExitStatus)
    return ENDED if caller.ethread.Terminated else ntstatus.STATUS_SUCCESS
