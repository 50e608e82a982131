"""Debug objects: making them, attaching and detaching, events and the answers to them."""

from __future__ import annotations

from typing import Annotated, Any

from ntgate.dispatch.outcome import ENDED, Outcome, Wait
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    ACCESS_MASK,
    BOOLEAN,
    CLIENT_ID,
    HANDLE,
    LARGE_INTEGER,
    NTSTATUS,
    OBJECT_ATTRIBUTES,
    PVOID,
    ULONG,
    In,
    InOpt,
    Out,
    OutOpt,
    Scalar,
    SizedBy,
)
from ntgate.executive.dbgk.messages import DEBUG_OBJECT, STATE_CHANGE_SIZE
from ntgate.executive.ke.wait import WAIT_ANY
from ntgate.executive.ps.thread import Process, Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import (
    DEBUG_PROCESS_ASSIGN,
    DEBUG_READ_EVENT,
    DEBUG_SET_INFORMATION,
    PROCESS_SUSPEND_RESUME,
)
from ntgate.layout.machine import SYSTEM_PID
from ntgate.services.named import create_object
from ntgate.services.ps.ps_information import u32
from ntgate.services.ps.thread_create import process_of

DEBUG_KILL_ON_CLOSE = 1
DebugObjectKillProcessOnExitInformation = 1
ANSWERS = (
    ntstatus.DBG_CONTINUE, ntstatus.DBG_EXCEPTION_HANDLED, ntstatus.DBG_EXCEPTION_NOT_HANDLED,
    ntstatus.DBG_TERMINATE_THREAD, ntstatus.DBG_TERMINATE_PROCESS,
)  # fmt: skip
DEBUGOBJECTINFOCLASS = Annotated[int, Scalar("DEBUGOBJECTINFOCLASS")]
Given = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("InformationLength")]


@service()
def NtCreateDebugObject(
    caller: Thread,
    DebugObjectHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
    Flags: ULONG,
) -> Outcome:
    """Make a debug object; with flag 1 the debugged processes end with its last handle."""
    DebugObjectHandle.probe()
    if Flags & ~DEBUG_KILL_ON_CLOSE:
        return ntstatus.STATUS_INVALID_PARAMETER
    kill = bool(Flags & DEBUG_KILL_ON_CLOSE)
    return create_object(
        caller, "DebugObject", DEBUG_OBJECT.SIZE, DesiredAccess, ObjectAttributes,
        DebugObjectHandle,
        lambda body: caller.executive.debugging.initialize(body, kill_on_close=kill),
    )  # fmt: skip


def _debuggee(caller: Thread, handle: int) -> Process | None:
    """A process that a program may debug: neither its own nor System."""
    process = process_of(caller, handle, PROCESS_SUSPEND_RESUME)
    return None if process is caller.process or process.pid == SYSTEM_PID else process


@service()
def NtDebugActiveProcess(
    caller: Thread, ProcessHandle: HANDLE, DebugObjectHandle: HANDLE
) -> Outcome:
    """Debug a running process: its threads and DLLs are told of as if they were new."""
    process = _debuggee(caller, ProcessHandle)
    if process is None:
        return ntstatus.STATUS_ACCESS_DENIED
    body = caller.object(DebugObjectHandle, "DebugObject", DEBUG_PROCESS_ASSIGN)
    caller.executive.debugging.attach(process, body)
    return ntstatus.STATUS_SUCCESS


@service()
def NtRemoveProcessDebug(
    caller: Thread, ProcessHandle: HANDLE, DebugObjectHandle: HANDLE
) -> Outcome:
    """Let a process go on without its debugger."""
    process = process_of(caller, ProcessHandle, PROCESS_SUSPEND_RESUME)
    body = caller.object(DebugObjectHandle, "DebugObject", DEBUG_PROCESS_ASSIGN)
    caller.executive.debugging.detach(process, body)
    return ENDED if caller.ethread.Terminated else ntstatus.STATUS_SUCCESS


@service()
def NtWaitForDebugEvent(
    caller: Thread,
    DebugObjectHandle: HANDLE,
    Alertable: BOOLEAN,
    Timeout: InOpt[LARGE_INTEGER],
    WaitStateChange: Out[PVOID],
) -> Outcome:
    """The next event of a debugged process, with handles of its process, thread and file."""
    limit = Timeout.read() if Timeout else None
    address = WaitStateChange.address
    caller.memory.probe_for_write(address, STATE_CHANGE_SIZE)
    body = caller.object(DebugObjectHandle, "DebugObject", DEBUG_READ_EVENT)
    if limit is not None and limit < 0:
        limit = caller.executive.clock.system_time - limit
    return _wait(caller, body, address, bool(Alertable), limit)


def _wait(
    caller: Thread, body: int, address: int, alertable: bool, limit: int | None
) -> Outcome:
    """Wait until the object is signalled, though other threads may take what it has."""
    executive = caller.executive
    status = executive.waits.begin(caller, [body], WAIT_ANY, limit, alertable=alertable)
    if status is None:
        executive.waits.keep(caller, [body])
        return Wait(_present, (body, address, alertable, limit))
    if status != ntstatus.STATUS_SUCCESS:
        return status
    if executive.debugging.is_inactive(body):
        return ntstatus.STATUS_DEBUGGER_INACTIVE
    change = executive.debugging.take(body, caller)
    if change is None:
        return _wait(caller, body, address, alertable, limit)
    caller.memory.write(address, change)
    return ntstatus.STATUS_SUCCESS


def _present(caller: Thread, status: int, state: Any) -> Outcome:
    caller.executive.waits.release(caller)
    return status if status != ntstatus.STATUS_SUCCESS else _wait(caller, *state)


@service()
def NtDebugContinue(
    caller: Thread,
    DebugObjectHandle: HANDLE,
    ClientId: In[CLIENT_ID],
    ContinueStatus: NTSTATUS,
) -> Outcome:
    """Answer the event of a thread, which goes on with its process."""
    wanted = ClientId.read()
    if ContinueStatus not in ANSWERS:
        return ntstatus.STATUS_INVALID_PARAMETER
    body = caller.object(DebugObjectHandle, "DebugObject", DEBUG_READ_EVENT)
    caller.executive.debugging.resume(
        body, wanted.UniqueProcess, wanted.UniqueThread, ContinueStatus
    )
    return ENDED if caller.ethread.Terminated else ntstatus.STATUS_SUCCESS


@service()
def NtSetInformationDebugObject(
    caller: Thread,
    DebugObject: HANDLE,
    InformationClass: DEBUGOBJECTINFOCLASS,
    Information: Given,
    InformationLength: ULONG,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """Whether the debugged processes end with the last handle of the object."""
    ReturnLength.probe()
    data = caller.memory.read(Information, min(InformationLength, 4))
    if InformationClass != DebugObjectKillProcessOnExitInformation:
        return ntstatus.STATUS_INVALID_PARAMETER
    if InformationLength != 4:
        ReturnLength.write(4)
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    flags = u32(data)
    body = caller.object(DebugObject, "DebugObject", DEBUG_SET_INFORMATION)
    if flags & ~DEBUG_KILL_ON_CLOSE:
        return ntstatus.STATUS_INVALID_PARAMETER
    caller.executive.debugging.set_kill_on_close(body, wanted=bool(flags))
    ReturnLength.write(0)
    return ntstatus.STATUS_SUCCESS
