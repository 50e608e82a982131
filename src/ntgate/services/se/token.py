"""Tokens: opening those of processes and threads, and asking what they hold."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    ACCESS_MASK,
    BOOLEAN,
    HANDLE,
    ULONG,
    Out,
    Scalar,
    SizedBy,
)
from ntgate.errors import NtError
from ntgate.executive.ob.attributes import OBJ_KERNEL_HANDLE, OBJ_VALID_ATTRIBUTES
from ntgate.executive.ps.thread import Process, Thread
from ntgate.executive.se.sids import Sid
from ntgate.executive.se.token import (
    SE_GROUP_LOGON_ID,
    TOKEN_IS_RESTRICTED,
    TOKEN_SANDBOX_INERT,
    Group,
    SecurityAnonymous,
    Token,
)
from ntgate.layout import ntstatus
from ntgate.layout.access import (
    PROCESS_QUERY_INFORMATION,
    THREAD_QUERY_INFORMATION,
    TOKEN_QUERY,
    TOKEN_QUERY_SOURCE,
)

# Handles that Wine's DLLs use instead of opening one; XP has none such.
PROCESS_TOKEN, THREAD_TOKEN, EFFECTIVE_TOKEN = 0xFFFFFFFC, 0xFFFFFFFB, 0xFFFFFFFA
PSEUDO_ACCESS = TOKEN_QUERY | TOKEN_QUERY_SOURCE

SE_GROUP_INTEGRITY, SE_GROUP_INTEGRITY_ENABLED = 0x20, 0x40
TokenElevationTypeDefault = 1

# TOKEN_INFORMATION_CLASS; those from TokenElevationType on are newer than XP.
(
    TokenUser, TokenGroups, TokenPrivileges, TokenOwner, TokenPrimaryGroup, TokenDefaultDacl,
    TokenSource, TokenType, TokenImpersonationLevel, TokenStatistics, TokenRestrictedSids,
    TokenSessionId, TokenGroupsAndPrivileges, TokenSessionReference, TokenSandBoxInert,
    TokenAuditPolicy, TokenOrigin, TokenElevationType, TokenLinkedToken, TokenElevation,
    TokenHasRestrictions, TokenAccessInformation, TokenVirtualizationAllowed,
    TokenVirtualizationEnabled, TokenIntegrityLevel, TokenUIAccess, TokenMandatoryPolicy,
    TokenLogonSid, TokenIsAppContainer, TokenCapabilities, TokenAppContainerSid,
    TokenAppContainerNumber,
) = range(1, 33)  # fmt: skip
TokenIsRestricted = 40

TOKEN_INFORMATION_CLASS = Annotated[int, Scalar("TOKEN_INFORMATION_CLASS")]
QueryBuffer = Annotated[
    int, Scalar("PVOID", kind="pointer"), SizedBy("TokenInformationLength", "out")
]


def token_of(caller: Thread, handle: int, access: int) -> Token:
    """The token of a handle or of Wine's pseudo handles; raises NtError."""
    security = caller.executive.security
    if handle not in (PROCESS_TOKEN, THREAD_TOKEN, EFFECTIVE_TOKEN):
        return security.token(caller.object(handle, "Token", access))
    if access & ~PSEUDO_ACCESS:
        raise NtError(ntstatus.STATUS_ACCESS_DENIED)
    if handle == PROCESS_TOKEN:
        return security.primary(caller.process.eprocess)
    if handle == THREAD_TOKEN and security.impersonation(caller.ethread) is None:
        raise NtError(ntstatus.STATUS_NO_TOKEN)
    return security.effective(caller.ethread)


# Opening


def _open(
    caller: Thread, body: int, access: int, attributes: int, handle: Out[HANDLE], *,
    as_self: bool = False,
) -> int:  # fmt: skip
    """as_self: the process asks, whatever its thread acts as."""
    objects, security = caller.executive.objects, caller.executive.security
    flags = attributes & OBJ_VALID_ATTRIBUTES & ~OBJ_KERNEL_HANDLE
    if as_self:
        subject = security.primary(caller.process.eprocess)
        granted = security.descriptors.check(body, access, subject)
        handle.write(objects.create_handle(caller.process.handles, body, granted, flags))
    else:
        handle.write(objects.open_by_pointer(caller.process.handles, body, access, flags))
    return ntstatus.STATUS_SUCCESS


def _open_process_token(
    caller: Thread, process_handle: int, access: int, attributes: int, handle: Out[HANDLE]
) -> int:
    handle.probe()
    body = caller.object(process_handle, "Process", PROCESS_QUERY_INFORMATION)
    process = caller.executive.objects.companion(body, Process)
    token = caller.executive.security.primary(process.eprocess)
    return _open(caller, token.body, access, attributes, handle)


@service()
def NtOpenProcessToken(
    caller: Thread, ProcessHandle: HANDLE, DesiredAccess: ACCESS_MASK, TokenHandle: Out[HANDLE]
) -> Outcome:
    """Open the primary token of a process."""
    return _open_process_token(caller, ProcessHandle, DesiredAccess, 0, TokenHandle)


@service()
def NtOpenProcessTokenEx(
    caller: Thread,
    ProcessHandle: HANDLE,
    DesiredAccess: ACCESS_MASK,
    HandleAttributes: ULONG,
    TokenHandle: Out[HANDLE],
) -> Outcome:
    """Open the primary token of a process, with attributes for the handle."""
    return _open_process_token(
        caller, ProcessHandle, DesiredAccess, HandleAttributes, TokenHandle
    )


def _open_thread_token(
    caller: Thread, thread_handle: int, access: int, attributes: int, handle: Out[HANDLE], *,
    as_self: int,
) -> int:  # fmt: skip
    handle.probe()
    body = caller.object(thread_handle, "Thread", THREAD_QUERY_INFORMATION)
    thread = caller.executive.objects.companion(body, Thread)
    info = caller.executive.security.impersonation(thread.ethread)
    if info is None:
        return ntstatus.STATUS_NO_TOKEN
    if info.ImpersonationLevel == SecurityAnonymous:
        return ntstatus.STATUS_CANT_OPEN_ANONYMOUS
    return _open(caller, info.Token, access, attributes, handle, as_self=bool(as_self))


@service()
def NtOpenThreadToken(
    caller: Thread,
    ThreadHandle: HANDLE,
    DesiredAccess: ACCESS_MASK,
    OpenAsSelf: BOOLEAN,
    TokenHandle: Out[HANDLE],
) -> Outcome:
    """Open the token that a thread impersonates with."""
    return _open_thread_token(
        caller, ThreadHandle, DesiredAccess, 0, TokenHandle, as_self=OpenAsSelf
    )


@service()
def NtOpenThreadTokenEx(
    caller: Thread,
    ThreadHandle: HANDLE,
    DesiredAccess: ACCESS_MASK,
    OpenAsSelf: BOOLEAN,
    HandleAttributes: ULONG,
    TokenHandle: Out[HANDLE],
) -> Outcome:
    """Open the token that a thread impersonates with, with attributes for the handle."""
    return _open_thread_token(
        caller, ThreadHandle, DesiredAccess, HandleAttributes, TokenHandle, as_self=OpenAsSelf
    )


# Asking: each function gives the bytes that go to `base`, with pointers into themselves.


def groups_at(base: int, header: bytes, groups: Sequence[Group]) -> bytes:
    """A header, SID_AND_ATTRIBUTES for each group, and their SIDs."""
    text = base + len(header) + 8 * len(groups)
    entries, tail = bytearray(), bytearray()
    for group in groups:
        entries += struct.pack("<2I", text + len(tail), group.attributes)
        tail += group.sid
    return bytes(header + entries + tail)


def token_groups(base: int, groups: Sequence[Group]) -> bytes:
    return groups_at(base, struct.pack("<I", len(groups)), groups)


def _pointed(base: int, data: bytes) -> bytes:
    """A pointer and what it leads to; NULL for nothing."""
    return struct.pack("<I", base + 4 if data else 0) + data


def _sid(base: int, sid: Sid) -> bytes:
    return _pointed(base, sid)


def token_privileges(token: Token) -> bytes:
    held = token.privileges
    entries = (struct.pack("<QI", one.luid, one.attributes) for one in held)
    return struct.pack("<I", len(held)) + b"".join(entries)


def _default_dacl(token: Token, base: int) -> bytes:
    dacl = token.default_dacl
    return _pointed(base, dacl.pack() if dacl is not None else b"")


def _source(token: Token, _base: int) -> bytes:
    source = token.view.TokenSource
    return token.memory.read(source.address, source.SIZE)


def _level(token: Token, _base: int) -> bytes:
    if token.is_primary:
        raise NtError(ntstatus.STATUS_INVALID_INFO_CLASS)
    return _ulong(token.view.ImpersonationLevel)


def _statistics(token: Token, _base: int) -> bytes:
    view = token.view
    return struct.pack(
        "<3Q6IQ", view.TokenId, view.AuthenticationId, view.ExpirationTime, view.TokenType,
        view.ImpersonationLevel, view.DynamicCharged, view.DynamicAvailable,
        view.UserAndGroupCount - 1, view.PrivilegeCount, view.ModifiedId,
    )  # fmt: skip


def _groups_and_privileges(token: Token, base: int) -> bytes:
    header_size = 44
    sids_at = base + header_size
    groups = groups_at(sids_at, b"", token.groups)
    restricted_at = sids_at + len(groups)
    restricted = groups_at(restricted_at, b"", token.restricted)
    privileges = token_privileges(token)[4:]
    header = struct.pack(
        "<9IQ", token.view.UserAndGroupCount, len(groups), sids_at,
        token.view.RestrictedSidCount, len(restricted), restricted_at if restricted else 0,
        token.view.PrivilegeCount, len(privileges), restricted_at + len(restricted),
        token.view.AuthenticationId,
    )  # fmt: skip
    return header + groups + restricted + privileges


def _linked(_token: Token, _base: int) -> bytes:
    """A logon that isn't split in two has no other half."""
    raise NtError(ntstatus.STATUS_NO_SUCH_LOGON_SESSION)


def _logon_sid(token: Token, base: int) -> bytes:
    wanted = [g for g in token.groups if g.attributes & SE_GROUP_LOGON_ID == SE_GROUP_LOGON_ID]
    return token_groups(base, wanted)


def _label(token: Token, base: int) -> bytes:
    attributes = SE_GROUP_INTEGRITY | SE_GROUP_INTEGRITY_ENABLED
    return groups_at(base, b"", [Group(token.label, attributes)])


def _ulong(value: int) -> bytes:
    return struct.pack("<I", value)


def _flag(mask: int) -> Callable[[Token, int], bytes]:
    return lambda token, _base: _ulong(bool(token.view.TokenFlags & mask))


def _constant(value: int) -> Callable[[Token, int], bytes]:
    return lambda _token, _base: _ulong(value)


QUERIES: dict[int, Callable[[Token, int], bytes]] = {
    TokenUser:                   lambda token, base: groups_at(base, b"", token.groups[:1]),
    TokenGroups:                 lambda token, base: token_groups(base, token.groups[1:]),
    TokenPrivileges:             lambda token, _base: token_privileges(token),
    TokenOwner:                  lambda token, base: _sid(base, token.owner),
    TokenPrimaryGroup:           lambda token, base: _sid(base, token.primary_group),
    TokenDefaultDacl:            _default_dacl,
    TokenSource:                 _source,
    TokenType:                   lambda token, _base: _ulong(token.view.TokenType),
    TokenImpersonationLevel:     _level,
    TokenStatistics:             _statistics,
    TokenRestrictedSids:         lambda token, base: token_groups(base, token.restricted),
    TokenSessionId:              lambda token, _base: _ulong(token.view.SessionId),
    TokenGroupsAndPrivileges:    _groups_and_privileges,
    TokenSandBoxInert:           _flag(TOKEN_SANDBOX_INERT),
    TokenOrigin:
        lambda token, _base: struct.pack("<Q", token.view.OriginatingLogonSession),
    TokenElevationType:          _constant(TokenElevationTypeDefault),
    TokenLinkedToken:            _linked,
    TokenElevation:              lambda token, _base: _ulong(token.is_administrator),
    TokenHasRestrictions:        _flag(TOKEN_IS_RESTRICTED),
    TokenVirtualizationAllowed:  _constant(0),
    TokenVirtualizationEnabled:  _constant(0),
    TokenIntegrityLevel:         _label,
    TokenUIAccess:               _constant(0),
    TokenMandatoryPolicy:        _constant(0),
    TokenLogonSid:               _logon_sid,
    TokenIsAppContainer:         _constant(0),
    TokenCapabilities:           lambda _token, _base: _ulong(0),
    TokenAppContainerSid:        _constant(0),
    TokenAppContainerNumber:     _constant(0),
    TokenIsRestricted:           _flag(TOKEN_IS_RESTRICTED),
}  # fmt: skip


@service()
def NtQueryInformationToken(
    caller: Thread,
    TokenHandle: HANDLE,
    TokenInformationClass: TOKEN_INFORMATION_CLASS,
    TokenInformation: QueryBuffer,
    TokenInformationLength: ULONG,
    ReturnLength: Out[ULONG],
) -> Outcome:
    """What a token holds; STATUS_BUFFER_TOO_SMALL tells how long it is."""
    caller.memory.probe(TokenInformation, TokenInformationLength, write=True)
    ReturnLength.probe()
    query = QUERIES.get(TokenInformationClass)
    if query is None:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    needed = TOKEN_QUERY_SOURCE if TokenInformationClass == TokenSource else TOKEN_QUERY
    token = token_of(caller, TokenHandle, needed)
    data = query(token, TokenInformation)
    ReturnLength.write(len(data))
    if TokenInformationLength < len(data):
        return ntstatus.STATUS_BUFFER_TOO_SMALL
    caller.memory.write(TokenInformation, data)
    return ntstatus.STATUS_SUCCESS
