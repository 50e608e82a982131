"""SIDs, ACLs, privileges and security descriptors of user memory, copied once and checked."""

from __future__ import annotations

import struct

from ntgate.dispatch.types import UCHAR, ULONG, In, UserStruct
from ntgate.errors import NtError
from ntgate.executive.se.acl import HEADER_SIZE, Acl, parse_acl
from ntgate.executive.se.descriptor import HEADER, Descriptor
from ntgate.executive.se.sids import Sid
from ntgate.executive.se.token import Group, Privilege
from ntgate.layout import ntstatus
from ntgate.layout.se import (
    SE_DACL_PRESENT,
    SE_SACL_PRESENT,
    SE_SELF_RELATIVE,
    SECURITY_DESCRIPTOR_REVISION,
    SID_FIXED_SIZE,
    SID_MAX_SUB_AUTHORITIES,
    SID_REVISION,
)
from ntgate.memory.user import UserMemory

MOST_ENTRIES = 0x1000  # of a group or privilege array


class SECURITY_QUALITY_OF_SERVICE(UserStruct, size=0x0C):
    Length: ULONG
    ImpersonationLevel: ULONG
    ContextTrackingMode: UCHAR
    EffectiveOnly: UCHAR


def quality_of_service(memory: UserMemory, address: int) -> SECURITY_QUALITY_OF_SERVICE:
    """Raises AccessViolation, and STATUS_INVALID_PARAMETER for a wrong Length."""
    read = In[SECURITY_QUALITY_OF_SERVICE](memory, address, SECURITY_QUALITY_OF_SERVICE).read()
    if read.Length != SECURITY_QUALITY_OF_SERVICE.SIZE:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    return read


def sid(memory: UserMemory, address: int) -> Sid:
    """Raises AccessViolation, and STATUS_INVALID_SID."""
    head = memory.read(address, SID_FIXED_SIZE)
    if head[0] != SID_REVISION or head[1] > SID_MAX_SUB_AUTHORITIES:
        raise NtError(ntstatus.STATUS_INVALID_SID)
    return head + memory.read(address + SID_FIXED_SIZE, 4 * head[1])


def acl(memory: UserMemory, address: int) -> Acl:
    """Raises AccessViolation, and STATUS_INVALID_ACL."""
    _, _, size, _, _ = struct.unpack("<BBHHH", memory.read(address, HEADER_SIZE))
    return parse_acl(memory.read(address, max(size, HEADER_SIZE)))


def sid_array(memory: UserMemory, address: int, count: int) -> list[Group]:
    """An array of SID_AND_ATTRIBUTES."""
    if count > MOST_ENTRIES:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    entries = struct.iter_unpack("<2I", memory.read(address, 8 * count))
    return [Group(sid(memory, at), attributes) for at, attributes in entries]


def groups(memory: UserMemory, address: int) -> list[Group]:
    """TOKEN_GROUPS."""
    return sid_array(memory, address + 4, memory.u32(address))


def privilege_array(memory: UserMemory, address: int, count: int) -> list[Privilege]:
    """An array of LUID_AND_ATTRIBUTES."""
    if count > MOST_ENTRIES:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    entries = struct.iter_unpack("<QI", memory.read(address, 12 * count))
    return [Privilege(luid, attributes) for luid, attributes in entries]


def privileges(memory: UserMemory, address: int) -> list[Privilege]:
    """TOKEN_PRIVILEGES."""
    return privilege_array(memory, address + 4, memory.u32(address))


def descriptor(memory: UserMemory, address: int) -> Descriptor:
    """A SECURITY_DESCRIPTOR, absolute or self-relative.

    Raises AccessViolation, STATUS_UNKNOWN_REVISION, STATUS_INVALID_SID and STATUS_INVALID_ACL.
    """
    revision, _, control, *parts = HEADER.unpack(memory.read(address, HEADER.size))
    if revision != SECURITY_DESCRIPTOR_REVISION:
        raise NtError(ntstatus.STATUS_UNKNOWN_REVISION)
    base = address if control & SE_SELF_RELATIVE else 0
    owner, group, sacl, dacl = (base + part & 0xFFFFFFFF if part else 0 for part in parts)
    return Descriptor(
        control & ~SE_SELF_RELATIVE,
        sid(memory, owner) if owner else None,
        sid(memory, group) if group else None,
        acl(memory, sacl) if sacl and control & SE_SACL_PRESENT else None,
        acl(memory, dacl) if dacl and control & SE_DACL_PRESENT else None,
    )
