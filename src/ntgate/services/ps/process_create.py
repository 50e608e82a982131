"""Making and opening processes: NtCreateUserProcess, XP's NtCreateProcess and NtCreateProcessEx."""

from __future__ import annotations

import struct
from collections.abc import Collection

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    ACCESS_MASK,
    BOOLEAN,
    CLIENT_ID,
    HANDLE,
    OBJECT_ATTRIBUTES,
    PVOID,
    ULONG,
    In,
    InOpt,
    Out,
)
from ntgate.errors import NtError
from ntgate.executive.lpc import exception_port
from ntgate.executive.ob import ObjectAttributes
from ntgate.executive.ob import attributes as a
from ntgate.executive.ps import job, start
from ntgate.executive.ps.clone import create_clone
from ntgate.executive.ps.environment import ProcessParameters
from ntgate.executive.ps.thread import Process, Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import (
    DEBUG_PROCESS_ASSIGN,
    JOB_OBJECT_ASSIGN_PROCESS,
    PROCESS_CREATE_PROCESS,
    PROCESS_QUERY_INFORMATION,
    PROCESS_QUERY_LIMITED_INFORMATION,
    SECTION_MAP_EXECUTE,
    TOKEN_ASSIGN_PRIMARY,
    TOKEN_QUERY,
)
from ntgate.layout.ps import EJOB
from ntgate.services.capture import object_attributes
from ntgate.services.lpc.port import port_of
from ntgate.services.ps import ps_attributes as ps
from ntgate.services.ps.thread_create import (
    THREAD_CREATE_FLAGS_CREATE_SUSPENDED,
    THREAD_CREATE_FLAGS_HIDE_FROM_DEBUGGER,
    open_made,
    process_of,
    thread_handle,
)

PROCESS_CREATE_FLAGS_BREAKAWAY       = 0x001
PROCESS_CREATE_FLAGS_NO_DEBUG_INHERIT = 0x002
PROCESS_CREATE_FLAGS_INHERIT_HANDLES = 0x004
PROCESS_CREATE_FLAGS_SUSPENDED       = 0x200
CREATE_INFO_SIZE = 0x48


@service()
def NtCreateUserProcess(
    caller: Thread,
    ProcessHandle: Out[HANDLE],
    ThreadHandle: Out[HANDLE],
    ProcessDesiredAccess: ACCESS_MASK,
    ThreadDesiredAccess: ACCESS_MASK,
    ProcessObjectAttributes: InOpt[OBJECT_ATTRIBUTES],
    ThreadObjectAttributes: InOpt[OBJECT_ATTRIBUTES],
    ProcessFlags: ULONG,
    ThreadFlags: ULONG,
    ProcessParameters: PVOID,
    CreateInfo: PVOID,
    AttributeList: PVOID,
) -> Outcome:
    """Start a program: its process with parameters and standard handles, and its first thread."""
    ProcessHandle.probe()
    ThreadHandle.probe()
    if ThreadFlags & THREAD_CREATE_FLAGS_HIDE_FROM_DEBUGGER:
        return ntstatus.STATUS_INVALID_PARAMETER
    process_attributes = object_attributes(caller, ProcessObjectAttributes)
    thread_attributes = object_attributes(caller, ThreadObjectAttributes)
    listed = ps.read_attributes(caller.memory, AttributeList)
    if ps.PS_ATTRIBUTE_IMAGE_NAME not in listed:
        return ntstatus.STATUS_INVALID_PARAMETER
    debug_port = _debug_port(caller, listed.value(ps.PS_ATTRIBUTE_DEBUG_PORT))
    path = listed.data(ps.PS_ATTRIBUTE_IMAGE_NAME).decode("utf-16-le", "surrogatepass")
    parameters = _parameters(caller, ProcessParameters)
    parent = _parent(caller, listed.value(ps.PS_ATTRIBUTE_PARENT_PROCESS))
    inherit = bool(ProcessFlags & PROCESS_CREATE_FLAGS_INHERIT_HANDLES)
    jobs = _jobs(caller, listed)
    inherited_job = job.for_child(
        parent, breakaway=bool(ProcessFlags & PROCESS_CREATE_FLAGS_BREAKAWAY)
    )
    process = _create(
        caller, parent, path, command_line=parameters.command_line, inherit=inherit,
        only=_only(parent, listed, parameters),
    )  # fmt: skip
    try:
        _debug(process, parent, debug_port, ProcessFlags)
        if ps.PS_ATTRIBUTE_TOKEN in listed:
            _assign_token(caller, process, listed.value(ps.PS_ATTRIBUTE_TOKEN))
        for body in jobs or ([inherited_job] if inherited_job else []):
            job.assign(EJOB(caller.executive.kernel, body), process)
        if not inherit:
            _duplicate_standard_handles(process, parent, parameters)
        _join_console(process, parent, parameters)
        start.set_parameters(process, parameters)
        suspended = ThreadFlags & THREAD_CREATE_FLAGS_CREATE_SUSPENDED or (
            ProcessFlags & PROCESS_CREATE_FLAGS_SUSPENDED
        )
        thread = start.create_first_thread(process, suspended=bool(suspended))
        process_handle = _process_handle(caller, process, ProcessDesiredAccess, process_attributes)
        handle = thread_handle(caller, thread, ThreadDesiredAccess, thread_attributes)
    except NtError as error:
        start.discard(process, error.status)
        raise
    caller.executive.objects.dereference(process.eprocess.address)
    ProcessHandle.write(process_handle)
    ThreadHandle.write(handle)
    listed.answer(ps.PS_ATTRIBUTE_CLIENT_ID, struct.pack("<2I", thread.pid, thread.tid))
    listed.answer(ps.PS_ATTRIBUTE_TEB_ADDRESS, struct.pack("<I", thread.teb))
    listed.answer(ps.PS_ATTRIBUTE_IMAGE_INFO, start.image_information(process))
    if CreateInfo:
        caller.memory.write(CreateInfo, bytes(CREATE_INFO_SIZE))
    return ntstatus.STATUS_SUCCESS


def _parameters(caller: Thread, address: int) -> ProcessParameters:
    if not address:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    return ProcessParameters.read(caller.memory, address)


def _parent(caller: Thread, handle: int) -> Process:
    return process_of(caller, handle, PROCESS_CREATE_PROCESS) if handle else caller.process


def _jobs(caller: Thread, listed: ps.PsAttributes) -> list[int]:
    return [
        caller.object(handle, "Job", JOB_OBJECT_ASSIGN_PROCESS)
        for handle in listed.handles(ps.PS_ATTRIBUTE_JOB_LIST)
    ]


def _only(
    parent: Process, listed: ps.PsAttributes, parameters: ProcessParameters
) -> Collection[int] | None:
    """The handles that the list allows, and the standard ones; None: all inheritable ones.

    Raises STATUS_INVALID_HANDLE, and STATUS_INVALID_PARAMETER for one that isn't inheritable.
    """
    if ps.PS_ATTRIBUTE_HANDLE_LIST not in listed:
        return None
    objects = parent.executive.objects
    handles = {handle & ~3 for handle in listed.handles(ps.PS_ATTRIBUTE_HANDLE_LIST)}
    for handle in handles:
        if not objects.query_handle(parent.handles, handle).attributes & a.OBJ_INHERIT:
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    standard = (
        parameters.standard_input, parameters.standard_output, parameters.standard_error,
    )  # fmt: skip
    return handles.union(handle & ~3 for handle in standard)


def _debug_port(caller: Thread, handle: int) -> int:
    return caller.object(handle, "DebugObject", DEBUG_PROCESS_ASSIGN) if handle else 0


def _debug(process: Process, parent: Process, port: int, flags: int) -> None:
    """Whose events a new process reports to: those of the object, or its parent's debugger."""
    if flags & PROCESS_CREATE_FLAGS_NO_DEBUG_INHERIT:
        process.eprocess.NoDebugInherit = 1
    if port:
        process.executive.debugging.assign(process, port)
    else:
        process.executive.debugging.inherit(process, parent)


def _create(
    caller: Thread, parent: Process, path: str, *, command_line: str, inherit: bool,
    only: Collection[int] | None,
) -> Process:  # fmt: skip
    images = parent.images or caller.process.images
    if images is None:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    executive = caller.executive
    section = start.open_image(executive, path)
    try:
        return start.create_image_process(
            executive, parent, section, images, command_line=command_line,
            inherit_handles=inherit, only=only,
        )  # fmt: skip
    finally:
        executive.objects.dereference(section)


def _assign_token(caller: Thread, process: Process, handle: int) -> None:
    """A primary token of its own instead of a copy of the parent's."""
    security = caller.executive.security
    body = caller.object(handle, "Token", TOKEN_ASSIGN_PRIMARY | TOKEN_QUERY)
    if not security.token(body).is_primary:
        raise NtError(ntstatus.STATUS_BAD_TOKEN_TYPE)
    security.assign_primary(process.eprocess, body)


def _duplicate_standard_handles(
    process: Process, parent: Process, parameters: ProcessParameters
) -> None:
    """Without inheritance the child has copies of its parent's standard handles alone."""
    objects = process.executive.objects
    for name in ("standard_input", "standard_output", "standard_error"):
        try:
            handle = objects.duplicate(
                parent.handles, getattr(parameters, name), process.handles,
                attributes=a.OBJ_INHERIT, options=a.DUPLICATE_SAME_ACCESS,
            )  # fmt: skip
        except NtError:
            handle = 0  # the parent has none
        setattr(parameters, name, handle)


def _join_console(process: Process, parent: Process, parameters: ProcessParameters) -> None:
    """Its console, and the group of processes that gets Ctrl-C together."""
    if parameters.console_flags:
        process.group = process.pid
    consoles = process.executive.io.consoles
    if consoles is not None:
        parameters.console_handle = consoles.inherit(process, parent, parameters.console_handle)


def _process_handle(
    caller: Thread, process: Process, access: int, attributes: ObjectAttributes, *,
    new: bool = True,
) -> int:  # fmt: skip
    """A handle of the caller's process; of the newer rights, one is XP's PROCESS_QUERY."""
    if access & PROCESS_QUERY_LIMITED_INFORMATION and not access & PROCESS_QUERY_INFORMATION:
        access = access & ~PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_QUERY_INFORMATION
    body = process.eprocess.address
    handle = open_made(caller, body, access, attributes, new=new)
    if new and attributes.security:
        caller.executive.security.secure(body, attributes.security)
    return handle


@service()
def NtCreateProcessEx(
    caller: Thread,
    ProcessHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: InOpt[OBJECT_ATTRIBUTES],
    ParentProcess: HANDLE,
    Flags: ULONG,
    SectionHandle: HANDLE,
    DebugPort: HANDLE,
    ExceptionPort: HANDLE,
    JobMemberLevel: ULONG,
) -> Outcome:
    """Make a process of an image section with ntdll and a PEB, or without one of its parent's
    memory; threads come later.
    """
    ProcessHandle.probe()
    attributes = object_attributes(caller, ObjectAttributes)
    parent = process_of(caller, ParentProcess, PROCESS_CREATE_PROCESS)
    section = 0
    if SectionHandle:
        section = caller.object(SectionHandle, "Section", SECTION_MAP_EXECUTE)
    debug_port = _debug_port(caller, DebugPort)
    error_port = port_of(caller, ExceptionPort) if ExceptionPort else 0
    inherited_job = job.for_child(
        parent, breakaway=bool(Flags & PROCESS_CREATE_FLAGS_BREAKAWAY), level=JobMemberLevel
    )
    inherit = bool(Flags & PROCESS_CREATE_FLAGS_INHERIT_HANDLES)
    if section:
        images = parent.images or caller.process.images
        if images is None:
            return ntstatus.STATUS_INVALID_PARAMETER
        process = start.create_image_process(
            caller.executive, parent, section, images, inherit_handles=inherit
        )
    else:
        process = create_clone(parent, inherit_handles=inherit)
    try:
        _debug(process, parent, debug_port, Flags)
        if error_port:
            exception_port.assign(process, error_port)
        if inherited_job:
            job.assign(EJOB(caller.executive.kernel, inherited_job), process)
        handle = _process_handle(caller, process, DesiredAccess, attributes)
    except NtError as error:
        start.discard(process, error.status)
        raise
    caller.executive.objects.dereference(process.eprocess.address)
    ProcessHandle.write(handle)
    return ntstatus.STATUS_SUCCESS


@service()
def NtCreateProcess(
    caller: Thread,
    ProcessHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: InOpt[OBJECT_ATTRIBUTES],
    ParentProcess: HANDLE,
    InheritObjectTable: BOOLEAN,
    SectionHandle: HANDLE,
    DebugPort: HANDLE,
    ExceptionPort: HANDLE,
) -> Outcome:
    """Make a process of an image section, or a clone of its parent, with the parent's
    inheritable handles if it asks.
    """
    flags = PROCESS_CREATE_FLAGS_INHERIT_HANDLES if InheritObjectTable else 0
    return NtCreateProcessEx(
        caller, ProcessHandle, DesiredAccess, ObjectAttributes, ParentProcess, flags,
        SectionHandle, DebugPort, ExceptionPort, 0,
    )  # fmt: skip


@service()
def NtOpenProcess(
    caller: Thread,
    ProcessHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
    ClientId: InOpt[CLIENT_ID],
) -> Outcome:
    """Open a process by its id, or by that of one of its threads."""
    ProcessHandle.probe()
    attributes = object_attributes(caller, ObjectAttributes)
    if not ClientId or attributes.name:
        return ntstatus.STATUS_INVALID_PARAMETER_MIX
    wanted = ClientId.read()
    objects = caller.executive.objects
    caller.executive.processes.reap()  # an id that nobody holds any more is free
    if wanted.UniqueThread:
        try:
            thread = objects.reference_by_id(wanted.UniqueThread, objects.types["Thread"])
        except NtError:
            return ntstatus.STATUS_INVALID_CID
        process = objects.companion(thread, Thread).process
        objects.reference(process.eprocess.address)
        objects.dereference(thread)
        body = process.eprocess.address
        if wanted.UniqueProcess and wanted.UniqueProcess != process.pid:
            objects.dereference(body)
            return ntstatus.STATUS_INVALID_CID
    else:
        try:
            body = objects.reference_by_id(wanted.UniqueProcess, objects.types["Process"])
        except NtError:
            # XP answers so, and not with STATUS_INVALID_CID, when only a process is named.
            return ntstatus.STATUS_INVALID_PARAMETER
    try:
        process = objects.companion(body, Process)
        ProcessHandle.write(
            _process_handle(caller, process, DesiredAccess, attributes, new=False)
        )
    finally:
        objects.dereference(body)
    return ntstatus.STATUS_SUCCESS
