"""Processes: end and information."""

from __future__ import annotations

import struct

from ntgate.dispatch.outcome import ENDED, Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, NTSTATUS, PROCESSINFOCLASS, PVOID, ULONG, OutOpt
from ntgate.executive.ps.thread import Process, Thread
from ntgate.layout import ntstatus
from ntgate.services.thread import answer

PROCESS_TERMINATE, PROCESS_QUERY_INFORMATION = 0x0001, 0x0400
ProcessBasicInformation, ProcessTimes, ProcessDebugPort = 0, 4, 7
ProcessWow64Information, ProcessImageFileName, ProcessExecuteFlags = 26, 27, 34
MEM_EXECUTE_OPTION_DISABLE, MEM_EXECUTE_OPTION_ENABLE = 1, 2


def _process(caller: Thread, handle: int, access: int) -> Process:
    return caller.executive.objects.companion(caller.object(handle, "Process", access), Process)


@service()
def NtTerminateProcess(caller: Thread, ProcessHandle: HANDLE, ExitStatus: NTSTATUS) -> Outcome:
    """End a process; handle 0 ends the other threads of the caller's."""
    processes = caller.executive.processes
    if not ProcessHandle:
        for thread in list(processes.threads_of(caller.process)):
            if thread is not caller:
                processes.terminate_thread(thread, ExitStatus)
        return ntstatus.STATUS_SUCCESS
    process = _process(caller, ProcessHandle, PROCESS_TERMINATE)
    if process.exited:
        return ntstatus.STATUS_PROCESS_IS_TERMINATING
    processes.terminate_process(process, ExitStatus)
    return ENDED if caller.ethread.Terminated else ntstatus.STATUS_SUCCESS


@service(partial="classes 0, 4, 7, 26, 27 and 34 only")
def NtQueryInformationProcess(
    caller: Thread,
    ProcessHandle: HANDLE,
    ProcessInformationClass: PROCESSINFOCLASS,
    ProcessInformation: PVOID,
    ProcessInformationLength: ULONG,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """PROCESS_BASIC_INFORMATION, times, debug port, image name, execution options."""
    process = _process(caller, ProcessHandle, PROCESS_QUERY_INFORMATION)
    eprocess = process.eprocess
    if ProcessInformationClass == ProcessBasicInformation:
        data = struct.pack(
            "<6I", eprocess.ExitStatus, eprocess.Peb, 1, eprocess.Pcb.BasePriority,
            eprocess.UniqueProcessId, eprocess.InheritedFromUniqueProcessId,
        )  # fmt: skip
    elif ProcessInformationClass == ProcessTimes:
        data = struct.pack("<4Q", eprocess.CreateTime, eprocess.ExitTime, 0, 0)
    elif ProcessInformationClass == ProcessDebugPort:
        data = struct.pack("<I", 0xFFFFFFFF if eprocess.DebugPort else 0)
    elif ProcessInformationClass == ProcessWow64Information:
        data = struct.pack("<I", 0)
    elif ProcessInformationClass == ProcessImageFileName:
        return _image_file_name(
            caller, process, ProcessInformation, ProcessInformationLength, ReturnLength
        )
    elif ProcessInformationClass == ProcessExecuteFlags:
        enabled = eprocess.Pcb.ExecuteOptions or MEM_EXECUTE_OPTION_ENABLE
        data = struct.pack("<I", enabled)
    else:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    return answer(caller, data, ProcessInformation, ProcessInformationLength, ReturnLength)


def _image_file_name(
    caller: Thread, process: Process, address: int, length: int, returned: OutOpt[ULONG]
) -> int:
    """A UNICODE_STRING with its text behind it, NUL included in the room."""
    text = process.image_path.encode("utf-16-le", "surrogatepass")
    data = struct.pack("<HHI", len(text), len(text) + 2, address + 8) + text + b"\0\0"
    returned.write(len(data))
    if length < len(data):
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    caller.memory.write(address, data)
    return ntstatus.STATUS_SUCCESS
