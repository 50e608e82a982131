"""Access checks on descriptors of the caller's own, and privileges."""

from __future__ import annotations

import struct
from collections.abc import Sequence
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
    In,
    InOut,
    Out,
    Scalar,
    UserStruct,
)
from ntgate.errors import NtError
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.access import GenericMapping, Node, Request, access_check
from ntgate.executive.se.privileges import SE_PRIVILEGE_USED_FOR_ACCESS
from ntgate.executive.se.token import SecurityIdentification, Token
from ntgate.executive.uuids import GUID_SIZE
from ntgate.layout import ntstatus
from ntgate.layout.access import (
    GENERIC_ALL,
    GENERIC_EXECUTE,
    GENERIC_READ,
    GENERIC_WRITE,
    TOKEN_QUERY,
)
from ntgate.memory.user import UserMemory
from ntgate.services.se import security_capture as capture
from ntgate.services.se.token import token_of

GENERIC = GENERIC_READ | GENERIC_WRITE | GENERIC_EXECUTE | GENERIC_ALL
PRIVILEGE_SET_ALL_NECESSARY = 1
LEAST_PRIVILEGE_SET = 20  # PRIVILEGE_SET with one entry
PRIVILEGE_SET_ENTRIES, ENTRY_SIZE = 8, 12  # where its entries begin, and the size of one
DEEPEST_LEVEL = 4  # ACCESS_MAX_LEVEL
MOST_TYPES = 0x1000

OBJECT_TYPE_LIST = Annotated[int, Scalar("POBJECT_TYPE_LIST", kind="pointer")]


class GENERIC_MAPPING(UserStruct, size=0x10):
    GenericRead: ACCESS_MASK
    GenericWrite: ACCESS_MASK
    GenericExecute: ACCESS_MASK
    GenericAll: ACCESS_MASK


def mapping_of(pointer: In[GENERIC_MAPPING]) -> GenericMapping:
    given = pointer.read()
    return GenericMapping(
        given.GenericRead, given.GenericWrite, given.GenericExecute, given.GenericAll
    )


def client_token(caller: Thread, handle: int) -> Token:
    """An impersonation token that may at least be looked at; raises NtError."""
    token = token_of(caller, handle, TOKEN_QUERY)
    if token.is_primary:
        raise NtError(ntstatus.STATUS_NO_IMPERSONATION_TOKEN)
    if token.view.ImpersonationLevel < SecurityIdentification:
        raise NtError(ntstatus.STATUS_BAD_IMPERSONATION_LEVEL)
    return token


def capture_request(
    caller: Thread,
    descriptor_at: int,
    token: Token,
    desired: int,
    mapping: In[GENERIC_MAPPING],
    self_sid: int = 0,
) -> Request:
    """Raises NtError and AccessViolation."""
    descriptor = capture.descriptor(caller.memory, descriptor_at)
    if descriptor.owner is None or descriptor.group is None:
        raise NtError(ntstatus.STATUS_INVALID_SECURITY_DESCR)
    principal = capture.sid(caller.memory, self_sid) if self_sid else None
    return Request(descriptor, token, desired, mapping_of(mapping), principal)


def object_types(memory: UserMemory, address: int, count: int) -> list[Node]:
    """OBJECT_TYPE_LIST: a tree in the order of its levels; raises STATUS_INVALID_PARAMETER."""
    if not address or not count:
        return []
    if count > MOST_TYPES:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    nodes: list[Node] = []
    for level, _, guid in struct.iter_unpack("<HHI", memory.read(address, 8 * count)):
        deepest = nodes[-1].level + 1 if nodes else 0
        if level > min(deepest, DEEPEST_LEVEL) or (nodes and not level):
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
        nodes.append(Node(level, memory.read(guid, GUID_SIZE)))
    return nodes


class _PrivilegeSet:
    """Where the privileges go that a check has used."""

    def __init__(self, caller: Thread, address: int, length: InOut[ULONG]) -> None:
        self.memory = caller.memory
        self.address = address
        self._length = length
        self.room = length.read()
        length.probe()
        self.memory.probe_for_write(address, self.room)

    def check_room(self, used: Sequence[int]) -> None:
        """Raises STATUS_BUFFER_TOO_SMALL, having told the size."""
        needed = max(LEAST_PRIVILEGE_SET, PRIVILEGE_SET_ENTRIES + ENTRY_SIZE * len(used))
        if self.room < needed:
            self._length.write(needed)
            raise NtError(ntstatus.STATUS_BUFFER_TOO_SMALL)

    def write(self, used: Sequence[int]) -> None:
        entries = (struct.pack("<QI", luid, SE_PRIVILEGE_USED_FOR_ACCESS) for luid in used)
        self.memory.write(self.address, struct.pack("<2I", len(used), 0) + b"".join(entries))


@service()
def NtAccessCheck(
    caller: Thread,
    pSecurityDescriptor: PVOID,
    ClientToken: HANDLE,
    DesiaredAccess: ACCESS_MASK,
    GenericMapping: In[GENERIC_MAPPING],
    PrivilegeSet: PVOID,
    PrivilegeSetLength: InOut[ULONG],
    GrantedAccess: Out[ACCESS_MASK],
    AccessStatus: Out[NTSTATUS],
) -> Outcome:
    """What a descriptor grants to the holder of an impersonation token."""
    return _check(
        caller, pSecurityDescriptor, 0, ClientToken, DesiaredAccess, (0, 0), GenericMapping,
        PrivilegeSet, PrivilegeSetLength, GrantedAccess.address, AccessStatus.address,
        every=False,
    )  # fmt: skip


@service()
def NtAccessCheckByType(
    caller: Thread,
    SecurityDescriptor: PVOID,
    PrincipalSelfSid: PVOID,
    ClientToken: HANDLE,
    DesiredAccess: ACCESS_MASK,
    ObjectTypeList: OBJECT_TYPE_LIST,
    ObjectTypeListLength: ULONG,
    GenericMapping: In[GENERIC_MAPPING],
    PrivilegeSet: PVOID,
    PrivilegeSetLength: InOut[ULONG],
    GrantedAccess: Out[ACCESS_MASK],
    AccessStatus: Out[NTSTATUS],
) -> Outcome:
    """The same for an object with parts that have types: what the whole grants."""
    return _check(
        caller, SecurityDescriptor, PrincipalSelfSid, ClientToken, DesiredAccess,
        (ObjectTypeList, ObjectTypeListLength), GenericMapping, PrivilegeSet,
        PrivilegeSetLength, GrantedAccess.address, AccessStatus.address, every=False,
    )  # fmt: skip


@service()
def NtAccessCheckByTypeResultList(
    caller: Thread,
    SecurityDescriptor: PVOID,
    PrincipalSelfSid: PVOID,
    ClientToken: HANDLE,
    DesiredAccess: ACCESS_MASK,
    ObjectTypeList: OBJECT_TYPE_LIST,
    ObjectTypeListLength: ULONG,
    GenericMapping: In[GENERIC_MAPPING],
    PrivilegeSet: PVOID,
    PrivilegeSetLength: InOut[ULONG],
    GrantedAccess: Out[ACCESS_MASK],
    AccessStatus: Out[NTSTATUS],
) -> Outcome:
    """The same, with an answer for each part: arrays as long as the list."""
    return _check(
        caller, SecurityDescriptor, PrincipalSelfSid, ClientToken, DesiredAccess,
        (ObjectTypeList, ObjectTypeListLength), GenericMapping, PrivilegeSet,
        PrivilegeSetLength, GrantedAccess.address, AccessStatus.address, every=True,
    )  # fmt: skip


def _check(
    caller: Thread,
    descriptor: int,
    self_sid: int,
    client: int,
    desired: int,
    types: tuple[int, int],
    mapping: In[GENERIC_MAPPING],
    privileges_at: int,
    privileges_length: InOut[ULONG],
    granted_at: int,
    status_at: int,
    *,
    every: bool,
) -> int:
    answers = types[1] if every else 1
    if every and not 0 < answers <= MOST_TYPES:
        return ntstatus.STATUS_INVALID_PARAMETER
    memory = caller.memory
    memory.probe_for_write(status_at, 4 * answers)
    memory.probe_for_write(granted_at, 4 * answers)
    privileges = _PrivilegeSet(caller, privileges_at, privileges_length)
    if desired & GENERIC:
        return ntstatus.STATUS_GENERIC_NOT_MAPPED
    token = client_token(caller, client)
    request = capture_request(caller, descriptor, token, desired, mapping, self_sid)
    results = access_check(request, object_types(memory, *types))[:answers]
    privileges.check_room(request.used)
    privileges.write(request.used)
    memory.write(status_at, struct.pack(f"<{answers}I", *(status for _, status in results)))
    memory.write(granted_at, struct.pack(f"<{answers}I", *(granted for granted, _ in results)))
    return ntstatus.STATUS_SUCCESS


@service()
def NtPrivilegeCheck(
    caller: Thread, ClientToken: HANDLE, RequiredPrivileges: InOut[ULONG], Result: Out[BOOLEAN]
) -> Outcome:
    """Whether a token has one, or all, of the enabled privileges of a PRIVILEGE_SET."""
    memory, address = caller.memory, RequiredPrivileges.address
    count, control = struct.unpack("<2I", memory.read(address, PRIVILEGE_SET_ENTRIES))
    wanted = capture.privilege_array(memory, address + PRIVILEGE_SET_ENTRIES, count)
    memory.probe_for_write(address, PRIVILEGE_SET_ENTRIES + ENTRY_SIZE * count)
    Result.probe()
    token = token_of(caller, ClientToken, TOKEN_QUERY)
    if not token.is_primary and token.view.ImpersonationLevel < SecurityIdentification:
        return ntstatus.STATUS_BAD_IMPERSONATION_LEVEL
    held = {privilege.luid for privilege in token.privileges if privilege.is_enabled}
    entries = bytearray()
    for privilege in wanted:
        used = SE_PRIVILEGE_USED_FOR_ACCESS if privilege.luid in held else 0
        entries += struct.pack("<QI", privilege.luid, privilege.attributes | used)
    memory.write(address + PRIVILEGE_SET_ENTRIES, entries)
    found = [privilege.luid in held for privilege in wanted]
    result = all(found) if control & PRIVILEGE_SET_ALL_NECESSARY else any(found)
    Result.write(int(result))
    return ntstatus.STATUS_SUCCESS
