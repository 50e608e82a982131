"""Access checks that write to the security log, and entries of a subsystem's own.

The machine has no security log: what an entry would say goes nowhere, GenerateOnClose is
always false.  The checks are those of access_check, for whoever has SeAuditPrivilege.
"""

from __future__ import annotations

import struct
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    ACCESS_MASK,
    BOOLEAN,
    HANDLE,
    NTSTATUS,
    PVOID,
    ULONG,
    UNICODE_STRING,
    In,
    Out,
    Scalar,
)
from ntgate.errors import NtError
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.access import access_check
from ntgate.executive.se.privileges import SE_AUDIT
from ntgate.executive.se.token import SecurityIdentification, Token
from ntgate.layout import ntstatus
from ntgate.services.capture import unicode_string
from ntgate.services.se import security_capture as capture
from ntgate.services.se.access_check import (
    GENERIC,
    GENERIC_MAPPING,
    MOST_TYPES,
    OBJECT_TYPE_LIST,
    capture_request,
    client_token,
    object_types,
)

AUDIT_EVENT_TYPE = Annotated[int, Scalar("AUDIT_EVENT_TYPE")]


def _demand_audit(caller: Thread) -> None:
    security = caller.executive.security
    if not security.primary(caller.process.eprocess).has_privilege(SE_AUDIT):
        raise NtError(ntstatus.STATUS_PRIVILEGE_NOT_HELD)


def _impersonated(caller: Thread) -> Token:
    """What the caller's thread acts with; raises STATUS_NO_IMPERSONATION_TOKEN."""
    security = caller.executive.security
    info = security.impersonation(caller.ethread)
    if info is None:
        raise NtError(ntstatus.STATUS_NO_IMPERSONATION_TOKEN)
    if info.ImpersonationLevel < SecurityIdentification:
        raise NtError(ntstatus.STATUS_BAD_IMPERSONATION_LEVEL)
    return security.token(info.Token)


def _check(
    caller: Thread,
    token: Token,
    descriptor: int,
    self_sid: int,
    desired: int,
    types: tuple[int, int],
    mapping: In[GENERIC_MAPPING],
    granted_at: int,
    status_at: int,
    generate: int,
    *,
    every: bool = False,
    flag_size: int = 1,
) -> int:
    answers = types[1] if every else 1
    if not 0 < answers <= MOST_TYPES:
        return ntstatus.STATUS_INVALID_PARAMETER
    memory = caller.memory
    for address, size in ((granted_at, 4 * answers), (status_at, 4 * answers),
                          (generate, flag_size)):  # fmt: skip
        memory.probe_for_write(address, size)
    if desired & GENERIC:
        return ntstatus.STATUS_GENERIC_NOT_MAPPED
    _demand_audit(caller)
    request = capture_request(caller, descriptor, token, desired, mapping, self_sid)
    results = access_check(request, object_types(memory, *types))[:answers]
    memory.write(status_at, struct.pack(f"<{answers}I", *(status for _, status in results)))
    memory.write(granted_at, struct.pack(f"<{answers}I", *(granted for granted, _ in results)))
    memory.write(generate, bytes(flag_size))
    return ntstatus.STATUS_SUCCESS


@service()
def NtAccessCheckAndAuditAlarm(
    caller: Thread,
    SubsystemName: In[UNICODE_STRING],
    HandleId: PVOID,
    ObjectTypeName: In[UNICODE_STRING],
    ObjectName: In[UNICODE_STRING],
    SecurityDescriptor: PVOID,
    DesiredAccess: ACCESS_MASK,
    GenericMapping: In[GENERIC_MAPPING],
    ObjectCreation: BOOLEAN,
    GrantedAccess: Out[ACCESS_MASK],
    AccessStatus: Out[NTSTATUS],
    GenerateOnClose: Out[BOOLEAN],
) -> Outcome:
    """NtAccessCheck for the client that the thread impersonates, with an entry in the log."""
    return _check(
        caller, _impersonated(caller), SecurityDescriptor, 0, DesiredAccess, (0, 0),
        GenericMapping, GrantedAccess.address, AccessStatus.address, GenerateOnClose.address,
    )  # fmt: skip


@service()
def NtAccessCheckByTypeAndAuditAlarm(
    caller: Thread,
    SubsystemName: In[UNICODE_STRING],
    HandleId: PVOID,
    ObjectTypeName: In[UNICODE_STRING],
    ObjectName: In[UNICODE_STRING],
    SecurityDescriptor: PVOID,
    PrincipalSelfSid: PVOID,
    DesiredAccess: ACCESS_MASK,
    AuditType: AUDIT_EVENT_TYPE,
    Flags: ULONG,
    ObjectTypeList: OBJECT_TYPE_LIST,
    ObjectTypeListLength: ULONG,
    GenericMapping: In[GENERIC_MAPPING],
    ObjectCreation: BOOLEAN,
    GrantedAccess: Out[ACCESS_MASK],
    AccessStatus: Out[NTSTATUS],
    GenerateOnClose: Out[BOOLEAN],
) -> Outcome:
    """NtAccessCheckByType with an entry in the log."""
    return _check(
        caller, _impersonated(caller), SecurityDescriptor, PrincipalSelfSid, DesiredAccess,
        (ObjectTypeList, ObjectTypeListLength), GenericMapping, GrantedAccess.address,
        AccessStatus.address, GenerateOnClose.address,
    )  # fmt: skip


@service()
def NtAccessCheckByTypeResultListAndAuditAlarm(
    caller: Thread,
    SubsystemName: In[UNICODE_STRING],
    HandleId: PVOID,
    ObjectTypeName: In[UNICODE_STRING],
    ObjectName: In[UNICODE_STRING],
    SecurityDescriptor: PVOID,
    PrincipalSelfSid: PVOID,
    DesiredAccess: ACCESS_MASK,
    AuditType: AUDIT_EVENT_TYPE,
    Flags: ULONG,
    ObjectTypeList: OBJECT_TYPE_LIST,
    ObjectTypeListLength: ULONG,
    GenericMapping: In[GENERIC_MAPPING],
    ObjectCreation: BOOLEAN,
    GrantedAccess: Out[ACCESS_MASK],
    AccessStatus: Out[NTSTATUS],
    GenerateOnClose: Out[ULONG],
) -> Outcome:
    """NtAccessCheckByTypeResultList with an entry in the log."""
    return _check(
        caller, _impersonated(caller), SecurityDescriptor, PrincipalSelfSid, DesiredAccess,
        (ObjectTypeList, ObjectTypeListLength), GenericMapping, GrantedAccess.address,
        AccessStatus.address, GenerateOnClose.address, every=True, flag_size=4,
    )  # fmt: skip


@service()
def NtAccessCheckByTypeResultListAndAuditAlarmByHandle(
    caller: Thread,
    SubsystemName: In[UNICODE_STRING],
    HandleId: PVOID,
    ClientToken: HANDLE,
    ObjectTypeName: In[UNICODE_STRING],
    ObjectName: In[UNICODE_STRING],
    SecurityDescriptor: PVOID,
    PrincipalSelfSid: PVOID,
    DesiredAccess: ACCESS_MASK,
    AuditType: AUDIT_EVENT_TYPE,
    Flags: ULONG,
    ObjectTypeList: OBJECT_TYPE_LIST,
    ObjectTypeListLength: ULONG,
    GenericMapping: In[GENERIC_MAPPING],
    ObjectCreation: BOOLEAN,
    GrantedAccess: Out[ACCESS_MASK],
    AccessStatus: Out[NTSTATUS],
    GenerateOnClose: Out[ULONG],
) -> Outcome:
    """The same for the client of a token handle."""
    return _check(
        caller, client_token(caller, ClientToken), SecurityDescriptor, PrincipalSelfSid,
        DesiredAccess, (ObjectTypeList, ObjectTypeListLength), GenericMapping,
        GrantedAccess.address, AccessStatus.address, GenerateOnClose.address, every=True,
        flag_size=4,
    )  # fmt: skip


@service()
def NtOpenObjectAuditAlarm(
    caller: Thread,
    SubsystemName: In[UNICODE_STRING],
    HandleId: PVOID,
    ObjectTypeName: In[UNICODE_STRING],
    ObjectName: In[UNICODE_STRING],
    SecurityDescriptor: PVOID,
    ClientToken: HANDLE,
    DesiredAccess: ACCESS_MASK,
    GrantedAccess: ACCESS_MASK,
    Privileges: PVOID,
    ObjectCreation: BOOLEAN,
    AccessGranted: BOOLEAN,
    GenerateOnClose: Out[BOOLEAN],
) -> Outcome:
    """An entry for an object that a subsystem has opened."""
    GenerateOnClose.probe()
    client_token(caller, ClientToken)
    _demand_audit(caller)
    if SecurityDescriptor:
        capture.descriptor(caller.memory, SecurityDescriptor)
    GenerateOnClose.write(0)
    return ntstatus.STATUS_SUCCESS


def _entry(caller: Thread, subsystem: In[UNICODE_STRING]) -> int:
    _demand_audit(caller)
    unicode_string(caller.memory, subsystem.address)
    return ntstatus.STATUS_SUCCESS


@service()
def NtCloseObjectAuditAlarm(
    caller: Thread, SubsystemName: In[UNICODE_STRING], HandleId: PVOID, GenerateOnClose: BOOLEAN
) -> Outcome:
    """An entry for an object that a subsystem has closed."""
    return _entry(caller, SubsystemName) if GenerateOnClose else ntstatus.STATUS_SUCCESS


@service()
def NtDeleteObjectAuditAlarm(
    caller: Thread, SubsystemName: In[UNICODE_STRING], HandleId: PVOID, GenerateOnClose: BOOLEAN
) -> Outcome:
    """An entry for an object that a subsystem has deleted."""
    return _entry(caller, SubsystemName) if GenerateOnClose else ntstatus.STATUS_SUCCESS


@service()
def NtPrivilegeObjectAuditAlarm(
    caller: Thread,
    SubsystemName: In[UNICODE_STRING],
    HandleId: PVOID,
    ClientToken: HANDLE,
    DesiredAccess: ACCESS_MASK,
    Privileges: PVOID,
    AccessGranted: BOOLEAN,
) -> Outcome:
    """An entry for the use of privileges on an object."""
    client_token(caller, ClientToken)
    return _entry(caller, SubsystemName)


@service()
def NtPrivilegedServiceAuditAlarm(
    caller: Thread,
    SubsystemName: In[UNICODE_STRING],
    ServiceName: In[UNICODE_STRING],
    ClientToken: HANDLE,
    Privileges: PVOID,
    AccessGranted: BOOLEAN,
) -> Outcome:
    """An entry for the use of privileges for a service."""
    client_token(caller, ClientToken)
    return _entry(caller, SubsystemName)
