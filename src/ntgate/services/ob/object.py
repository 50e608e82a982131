"""Handles: closing, duplicating, comparing; and what objects live by."""

from __future__ import annotations

from typing import Annotated

from ntgate.dispatch.outcome import ENDED, Leave, Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import ACCESS_MASK, HANDLE, ULONG, OutOpt, Scalar
from ntgate.errors import NtError
from ntgate.executive.ob import ObjectManager
from ntgate.executive.ob.attributes import (
    DUPLICATE_CLOSE_SOURCE,
    DUPLICATE_SAME_ACCESS,
    DUPLICATE_SAME_ATTRIBUTES,
    OBJ_KERNEL_HANDLE,
    OBJ_VALID_ATTRIBUTES,
)
from ntgate.executive.ps.exceptions import raise_user_status
from ntgate.executive.ps.thread import Process, Thread
from ntgate.executive.se.descriptors import RESERVED_ACCESS
from ntgate.executive.se.privileges import SE_CREATE_PERMANENT
from ntgate.layout import ntstatus
from ntgate.layout.access import DELETE, PROCESS_DUP_HANDLE
from ntgate.layout.ob import CURRENT_PROCESS, CURRENT_THREAD

NO_HANDLES = (0, CURRENT_PROCESS, CURRENT_THREAD)  # closing them fails without an exception
DUPLICATE_OPTIONS = (
    DUPLICATE_CLOSE_SOURCE | DUPLICATE_SAME_ACCESS | DUPLICATE_SAME_ATTRIBUTES
)
DUPLICATE_FLAGS = Annotated[int, Scalar("ULONG", kind="hex")]


@service()
def NtClose(caller: Thread, Handle: HANDLE) -> Outcome:
    """Close a handle of the calling process."""
    try:
        caller.executive.objects.close_handle(caller.process.handles, Handle)
    except NtError as refused:
        # A debugged process learns of it as an exception.
        if Handle in NO_HANDLES or not caller.process.eprocess.DebugPort:
            raise
        if not raise_user_status(caller, refused.status, caller.frame):
            raise
        return Leave(caller.frame)
    # It may have been the last one of a job that ends its processes with it.
    return ENDED if caller.ethread.Terminated else ntstatus.STATUS_SUCCESS


def _process(caller: Thread, handle: int) -> Process:
    """The process of a handle that may give handles away, and still has some."""
    body = caller.object(handle, "Process", PROCESS_DUP_HANDLE)
    process = caller.executive.objects.companion(body, Process)
    if not process.handles:
        raise NtError(ntstatus.STATUS_PROCESS_IS_TERMINATING)
    return process


@service()
def NtDuplicateObject(
    caller: Thread,
    SourceProcessHandle: HANDLE,
    SourceHandle: HANDLE,
    TargetProcessHandle: HANDLE,
    TargetHandle: OutOpt[HANDLE],
    DesiredAccess: ACCESS_MASK,
    HandleAttributes: ULONG,
    Options: DUPLICATE_FLAGS,
) -> Outcome:
    """A handle of one process to what a handle of another, or the same, is open to.

    Without a target process it only closes the source.
    """
    TargetHandle.probe()
    if HandleAttributes & ~OBJ_VALID_ATTRIBUTES or Options & ~DUPLICATE_OPTIONS:
        return ntstatus.STATUS_INVALID_PARAMETER
    TargetHandle.write(0)
    objects = caller.executive.objects
    source = _process(caller, SourceProcessHandle)
    if not TargetProcessHandle:
        if not Options & DUPLICATE_CLOSE_SOURCE:
            return ntstatus.STATUS_INVALID_PARAMETER
        objects.close_handle(source.handles, SourceHandle)
        return ntstatus.STATUS_SUCCESS
    target = _process(caller, TargetProcessHandle)
    attributes = HandleAttributes & ~OBJ_KERNEL_HANDLE
    if SourceHandle == CURRENT_PROCESS:
        handle = _duplicate_process(caller, source, target, DesiredAccess, attributes, Options)
    else:
        handle = objects.duplicate(
            source.handles, SourceHandle, target.handles, DesiredAccess, attributes, Options,
            check=lambda body, access: _check_for(caller, target, body, access),
        )  # fmt: skip
    TargetHandle.write(handle)
    return ntstatus.STATUS_SUCCESS


def _check_for(caller: Thread, target: Process, body: int, access: int) -> int:
    """The rights of a process that is given a handle: its own, unless the thread acts for one."""
    security = caller.executive.security
    if security.impersonation(caller.ethread) is not None:
        return caller.executive.objects.check_access(body, access)
    return security.descriptors.check(body, access, security.primary(target.eprocess))


def _duplicate_process(
    caller: Thread, source: Process, target: Process, access: int, attributes: int, options: int
) -> int:
    """A handle to the source process itself, for which its own pseudo handle stands."""
    objects, body = caller.executive.objects, source.eprocess.address
    kind = objects.type_of(body)
    if access & RESERVED_ACCESS:
        raise NtError(ntstatus.STATUS_ACCESS_DENIED)
    granted = kind.row.access[-1] if options & DUPLICATE_SAME_ACCESS else kind.grant(access)
    if options & DUPLICATE_SAME_ATTRIBUTES:
        attributes = 0
    return objects.create_handle(target.handles, body, granted, attributes)


@service()
def NtCompareObjects(
    caller: Thread, FirstObjectHandle: HANDLE, SecondObjectHandle: HANDLE
) -> Outcome:
    """STATUS_SUCCESS where two handles are open to one object."""
    first = caller.object(FirstObjectHandle, None, 0)
    same = first == caller.object(SecondObjectHandle, None, 0)
    return ntstatus.STATUS_SUCCESS if same else ntstatus.STATUS_NOT_SAME_OBJECT


@service()
def NtMakeTemporaryObject(caller: Thread, Handle: HANDLE) -> Outcome:
    """The object goes with its last handle."""
    objects = caller.executive.objects
    body = caller.object(Handle, None, 0)
    if _is_dos_device(objects, body):
        # Wine 8.0's DefineDosDevice opens the link without a right and leaves the rest to this;
        # XP's has csrss open it for DELETE.
        objects.check_access(body, DELETE)
    else:
        caller.object(Handle, None, DELETE)
    objects.make_temporary(body)
    return ntstatus.STATUS_SUCCESS


def _is_dos_device(objects: ObjectManager, body: int) -> bool:
    info = objects.name_info(body)
    named = info is not None and info.Directory == objects.dos_devices
    return named and objects.type_of(body).name == "SymbolicLink"


@service()
def NtMakePermanentObject(caller: Thread, Handle: HANDLE) -> Outcome:
    """The object stays without handles: for whoever has SeCreatePermanentPrivilege."""
    token = caller.executive.security.effective(caller.ethread)
    if not token.has_privilege(SE_CREATE_PERMANENT):
        return ntstatus.STATUS_PRIVILEGE_NOT_HELD
    caller.executive.objects.make_permanent(caller.object(Handle, None, 0))
    return ntstatus.STATUS_SUCCESS
