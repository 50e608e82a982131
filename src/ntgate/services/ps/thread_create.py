"""Making and opening threads."""

from __future__ import annotations

import struct

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    ACCESS_MASK,
    BOOLEAN,
    CLIENT_ID,
    HANDLE,
    OBJECT_ATTRIBUTES,
    PVOID,
    SIZE_T,
    ULONG,
    In,
    InOpt,
    Out,
)
from ntgate.entry.context import SIZE
from ntgate.errors import NtError
from ntgate.executive.mm.allocate import MOST_ZERO_BITS
from ntgate.executive.ob import ObjectAttributes
from ntgate.executive.ob import attributes as a
from ntgate.executive.ps.thread import Process, Thread
from ntgate.executive.ps.user_thread import Stack, create_thread_on, create_user_thread
from ntgate.layout import ntstatus
from ntgate.layout.access import (
    PROCESS_CREATE_THREAD,
    PROCESS_QUERY_INFORMATION,
    THREAD_ALL_ACCESS,
    THREAD_QUERY_INFORMATION,
    THREAD_QUERY_LIMITED_INFORMATION,
    THREAD_SET_INFORMATION,
    THREAD_SET_LIMITED_INFORMATION,
)
from ntgate.services.capture import object_attributes
from ntgate.services.ps.ps_attributes import (
    PS_ATTRIBUTE_CLIENT_ID,
    PS_ATTRIBUTE_TEB_ADDRESS,
    read_attributes,
)

THREAD_CREATE_FLAGS_CREATE_SUSPENDED = 0x01
THREAD_CREATE_FLAGS_HIDE_FROM_DEBUGGER = 0x04
INITIAL_TEB_SIZE = 0x14


@service()
def NtCreateThreadEx(
    caller: Thread,
    ThreadHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: InOpt[OBJECT_ATTRIBUTES],
    ProcessHandle: HANDLE,
    StartRoutine: PVOID,
    Argument: PVOID,
    CreateFlags: ULONG,
    ZeroBits: SIZE_T,
    StackSize: SIZE_T,
    MaximumStackSize: SIZE_T,
    AttributeList: PVOID,
) -> Outcome:
    """Make a thread with a stack that the kernel allocates, and frees when the thread ends."""
    ThreadHandle.probe()
    attributes = object_attributes(caller, ObjectAttributes)
    if ZeroBits > MOST_ZERO_BITS:
        return ntstatus.STATUS_INVALID_PARAMETER_3
    listed = read_attributes(caller.memory, AttributeList)
    process = process_of(caller, ProcessHandle, PROCESS_CREATE_THREAD)
    thread = create_user_thread(
        process, StartRoutine, Argument, MaximumStackSize, StackSize, zero_bits=ZeroBits,
        suspended=bool(CreateFlags & THREAD_CREATE_FLAGS_CREATE_SUSPENDED),
    )  # fmt: skip
    if CreateFlags & THREAD_CREATE_FLAGS_HIDE_FROM_DEBUGGER:
        thread.ethread.HideFromDebugger = 1
    ThreadHandle.write(
        thread_handle(caller, thread, DesiredAccess or THREAD_ALL_ACCESS, attributes)
    )
    listed.answer(PS_ATTRIBUTE_CLIENT_ID, struct.pack("<2I", thread.pid, thread.tid))
    listed.answer(PS_ATTRIBUTE_TEB_ADDRESS, struct.pack("<I", thread.teb))
    return ntstatus.STATUS_SUCCESS


@service()
def NtCreateThread(
    caller: Thread,
    ThreadHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: InOpt[OBJECT_ATTRIBUTES],
    ProcessHandle: HANDLE,
    ClientId: Out[CLIENT_ID],
    ThreadContext: PVOID,
    InitialTeb: PVOID,
    CreateSuspended: BOOLEAN,
) -> Outcome:
    """Make a thread with a CONTEXT, on a stack that the caller has allocated in the process."""
    ThreadHandle.probe()
    if ClientId:
        ClientId.probe()
    if not ThreadContext:
        return ntstatus.STATUS_INVALID_PARAMETER
    context = caller.memory.read(ThreadContext, SIZE)
    # INITIAL_TEB: base and limit of a stack that doesn't grow; without one, those of a stack
    # that does, and where its allocation begins.
    base, limit, *growing = struct.unpack(
        "<5I", caller.memory.read(InitialTeb, INITIAL_TEB_SIZE)
    )
    stack = Stack(base, limit, 0) if base or limit else Stack(*growing)
    attributes = object_attributes(caller, ObjectAttributes)
    process = process_of(caller, ProcessHandle, PROCESS_CREATE_THREAD)
    thread = create_thread_on(
        process, context, stack, suspended=bool(CreateSuspended)
    )
    ThreadHandle.write(thread_handle(caller, thread, DesiredAccess, attributes))
    if ClientId:
        ClientId.write(CLIENT_ID(thread.pid, thread.tid))
    return ntstatus.STATUS_SUCCESS


@service()
def NtOpenThread(
    caller: Thread,
    ThreadHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
    ClientId: InOpt[CLIENT_ID],
) -> Outcome:
    """Open a thread by its id, and its process's where that is given."""
    ThreadHandle.probe()
    attributes = object_attributes(caller, ObjectAttributes)
    if not ClientId:
        return ntstatus.STATUS_INVALID_PARAMETER_MIX
    if attributes.name:
        return ntstatus.STATUS_INVALID_PARAMETER_MIX
    wanted = ClientId.read()
    objects = caller.executive.objects
    caller.executive.processes.reap()  # an id that nobody holds any more is free
    try:
        body = objects.reference_by_id(wanted.UniqueThread, objects.types["Thread"])
    except NtError:
        return ntstatus.STATUS_INVALID_CID
    try:
        thread = objects.companion(body, Thread)
        if wanted.UniqueProcess and wanted.UniqueProcess != thread.pid:
            return ntstatus.STATUS_INVALID_CID
        ThreadHandle.write(thread_handle(caller, thread, DesiredAccess, attributes, new=False))
    finally:
        objects.dereference(body)
    return ntstatus.STATUS_SUCCESS


@service()
def NtGetNextThread(
    caller: Thread,
    ProcessHandle: HANDLE,
    ThreadHandle: HANDLE,
    DesiredAccess: ACCESS_MASK,
    HandleAttributes: ULONG,
    Flags: ULONG,
    NewThreadHandle: Out[HANDLE],
) -> Outcome:
    """Open the thread of a process behind one of its threads, the first one for handle 0."""
    NewThreadHandle.write(0)
    if Flags or HandleAttributes & ~a.OBJ_VALID_ATTRIBUTES:
        return ntstatus.STATUS_INVALID_PARAMETER
    process = process_of(caller, ProcessHandle, PROCESS_QUERY_INFORMATION)
    threads = list(caller.executive.processes.threads_of(process))
    if ThreadHandle:
        last = thread_of(caller, ThreadHandle, 0)
        behind = [thread.ethread.address for thread in threads]
        if last.ethread.address not in behind:
            return ntstatus.STATUS_NO_MORE_ENTRIES
        threads = threads[behind.index(last.ethread.address) + 1 :]
    if not threads:
        return ntstatus.STATUS_NO_MORE_ENTRIES
    attributes = ObjectAttributes(attributes=HandleAttributes)
    NewThreadHandle.write(
        thread_handle(caller, threads[0], DesiredAccess, attributes, new=False)
    )
    return ntstatus.STATUS_SUCCESS


def thread_handle(
    caller: Thread, thread: Thread, access: int, attributes: ObjectAttributes, *, new: bool = True
) -> int:
    """A handle of the caller's process; a new thread gets the descriptor.  Raises NtError.

    Of the rights that are newer than XP, those to ask and to set little are XP's whole ones.
    """
    if access & THREAD_QUERY_LIMITED_INFORMATION and not access & THREAD_QUERY_INFORMATION:
        access = access & ~THREAD_QUERY_LIMITED_INFORMATION | THREAD_QUERY_INFORMATION
    if access & THREAD_SET_LIMITED_INFORMATION and not access & THREAD_SET_INFORMATION:
        access = access & ~THREAD_SET_LIMITED_INFORMATION | THREAD_SET_INFORMATION
    body = thread.ethread.address
    handle = open_made(caller, body, access, attributes, new=new)
    if new and attributes.security:
        caller.executive.security.secure(body, attributes.security)
    return handle


def open_made(
    caller: Thread, body: int, access: int, attributes: ObjectAttributes, *, new: bool
) -> int:
    """A handle of a process or thread; who has made it gets what he asks for."""
    objects, inherit = caller.executive.objects, attributes.attributes & a.OBJ_INHERIT
    if not new:
        return objects.open_by_pointer(caller.process.handles, body, access, inherit)
    granted = objects.type_of(body).grant(access)
    return objects.create_handle(caller.process.handles, body, granted, inherit)


def process_of(caller: Thread, handle: int, access: int) -> Process:
    """The process of a handle that has the access; raises NtError."""
    return caller.executive.objects.companion(caller.object(handle, "Process", access), Process)


def thread_of(caller: Thread, handle: int, access: int) -> Thread:
    """The thread of a handle that has the access; raises NtError."""
    return caller.executive.objects.companion(caller.object(handle, "Thread", access), Thread)
