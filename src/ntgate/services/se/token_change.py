"""Tokens: changing what they hold, and making new ones."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    ACCESS_MASK,
    BOOLEAN,
    HANDLE,
    LARGE_INTEGER,
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
from ntgate.errors import NtError
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se import privileges as p
from ntgate.executive.se.acl import Acl
from ntgate.executive.se.token import (
    SE_GROUP_ENABLED,
    SE_GROUP_ENABLED_BY_DEFAULT,
    SE_GROUP_LOGON_ID,
    SE_GROUP_MANDATORY,
    TOKEN_SESSION_NOT_REFERENCED,
    Group,
    Privilege,
    SecurityAnonymous,
    SecurityDelegation,
    Token,
    TokenContents,
    TokenImpersonation,
    TokenPrimary,
    filtered,
)
from ntgate.layout import ntstatus
from ntgate.layout.access import (
    TOKEN_ADJUST_DEFAULT,
    TOKEN_ADJUST_GROUPS,
    TOKEN_ADJUST_PRIVILEGES,
    TOKEN_ADJUST_SESSIONID,
    TOKEN_DUPLICATE,
    TOKEN_QUERY,
)
from ntgate.services.capture import object_attributes
from ntgate.services.ex.unique_id import LUID
from ntgate.services.se import security_capture as capture
from ntgate.services.se import token as t
from ntgate.services.se.token import token_groups, token_of

DISABLE_MAX_PRIVILEGE, SANDBOX_INERT = 1, 2
MOST_CHANGES_SIZE = 0x10000

TOKEN_TYPE = Annotated[int, Scalar("TOKEN_TYPE")]
SetBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("TokenInformationLength")]
PreviousBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("BufferLength", "out")]


# NtSetInformationToken


def _demand(caller: Thread, privilege: int) -> None:
    if not caller.executive.security.effective(caller.ethread).has_privilege(privilege):
        raise NtError(ntstatus.STATUS_PRIVILEGE_NOT_HELD)


def _set_owner(caller: Thread, token: Token, address: int) -> None:
    wanted = capture.sid(caller.memory, caller.memory.u32(address))
    token.view.DefaultOwnerIndex = token.index_of_owner(wanted)


def _set_primary_group(caller: Thread, token: Token, address: int) -> None:
    wanted = capture.sid(caller.memory, caller.memory.u32(address))
    if all(group.sid != wanted for group in token.groups):
        raise NtError(ntstatus.STATUS_INVALID_PRIMARY_GROUP)
    token.set_dynamic(wanted, token.default_dacl)


def _set_default_dacl(caller: Thread, token: Token, address: int) -> None:
    pointer = caller.memory.u32(address)
    dacl = capture.acl(caller.memory, pointer) if pointer else None
    token.set_dynamic(token.primary_group, dacl)


def _set_session(caller: Thread, token: Token, address: int) -> None:
    session = caller.memory.u32(address)
    _demand(caller, p.SE_TCB)
    token.view.SessionId = session


def _set_origin(caller: Thread, token: Token, address: int) -> None:
    origin = caller.memory.u64(address)
    _demand(caller, p.SE_TCB)
    if not token.view.OriginatingLogonSession:
        token.view.OriginatingLogonSession = origin


def _set_session_reference(caller: Thread, token: Token, address: int) -> None:
    """Whether the token counts as one of its logon session's."""
    counts = caller.memory.u32(address)
    _demand(caller, p.SE_TCB)
    flags = token.view.TokenFlags & ~TOKEN_SESSION_NOT_REFERENCED
    token.view.TokenFlags = flags | (0 if counts else TOKEN_SESSION_NOT_REFERENCED)


def _set_audit_policy(caller: Thread, token: Token, address: int) -> None:
    policy = caller.memory.u64(address)
    _demand(caller, p.SE_TCB)
    token.view.AuditPolicy = policy


def _set_label(caller: Thread, token: Token, address: int) -> None:
    """A level as high as the token's own at most."""
    label = capture.sid(caller.memory, caller.memory.u32(address))
    if label[1] != 1 or label[:8] != token.label[:8]:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    raised = struct.unpack_from("<I", label, 8) > struct.unpack_from("<I", token.label, 8)
    if raised:
        _demand(caller, p.SE_TCB)
    token.extra.label = label


# Class: least length, right to the token, what it does.
CHANGES: dict[int, tuple[int, int, Callable[[Thread, Token, int], None]]] = {
    t.TokenOwner:            (4, TOKEN_ADJUST_DEFAULT, _set_owner),
    t.TokenPrimaryGroup:     (4, TOKEN_ADJUST_DEFAULT, _set_primary_group),
    t.TokenDefaultDacl:      (4, TOKEN_ADJUST_DEFAULT, _set_default_dacl),
    t.TokenSessionId:        (4, TOKEN_ADJUST_DEFAULT | TOKEN_ADJUST_SESSIONID, _set_session),
    t.TokenSessionReference: (4, TOKEN_ADJUST_DEFAULT, _set_session_reference),
    t.TokenAuditPolicy:      (8, TOKEN_ADJUST_DEFAULT, _set_audit_policy),
    t.TokenOrigin:           (8, TOKEN_ADJUST_DEFAULT, _set_origin),
    t.TokenIntegrityLevel:   (8, TOKEN_ADJUST_DEFAULT, _set_label),
}  # fmt: skip


@service(partial="an audit policy is kept and not followed")
def NtSetInformationToken(
    caller: Thread,
    TokenHandle: HANDLE,
    TokenInformationClass: t.TOKEN_INFORMATION_CLASS,
    TokenInformation: SetBuffer,
    TokenInformationLength: ULONG,
) -> Outcome:
    """Change the owner, primary group, default DACL, session, origin and the like."""
    caller.memory.probe(TokenInformation, TokenInformationLength)
    if TokenInformationClass not in CHANGES:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    least, access, change = CHANGES[TokenInformationClass]
    if TokenInformationLength < least:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    token = token_of(caller, TokenHandle, access)
    change(caller, token, TokenInformation)
    caller.executive.security.modified(token)
    return ntstatus.STATUS_SUCCESS


# Privileges and groups


def _answer_previous(
    caller: Thread, data: bytes, buffer: int, length: int, returned: OutOpt[ULONG]
) -> int:
    """Tell what was there before; STATUS_BUFFER_TOO_SMALL when it doesn't fit."""
    returned.write(len(data))
    if length < len(data):
        return ntstatus.STATUS_BUFFER_TOO_SMALL
    caller.memory.write(buffer, data)
    return ntstatus.STATUS_SUCCESS


def _privilege_changes(
    held: list[Privilege], wanted: list[Privilege] | None
) -> tuple[list[tuple[int, int]], bool]:
    """Index and new attributes of what changes, and whether every wanted one is held.

    wanted: None disables all.  SE_PRIVILEGE_REMOVED is among the attributes of what goes.
    """
    if wanted is None:
        enabled = [(i, one) for i, one in enumerate(held) if one.is_enabled]
        return [(i, one.attributes & ~p.SE_PRIVILEGE_ENABLED) for i, one in enabled], True
    by_luid = {one.luid: one.attributes for one in wanted}
    changes = []
    for index, one in enumerate(held):
        if one.luid not in by_luid:
            continue
        asked = by_luid[one.luid]
        if asked & p.SE_PRIVILEGE_REMOVED:
            changes.append((index, p.SE_PRIVILEGE_REMOVED))
        elif (asked ^ one.attributes) & p.SE_PRIVILEGE_ENABLED:
            changes.append((index, one.attributes ^ p.SE_PRIVILEGE_ENABLED))
    return changes, by_luid.keys() <= {one.luid for one in held}


@service()
def NtAdjustPrivilegesToken(
    caller: Thread,
    TokenHandle: HANDLE,
    DisableAllPrivileges: BOOLEAN,
    NewState: PVOID,
    BufferLength: ULONG,
    PreviousState: PreviousBuffer,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """Enable, disable or remove privileges; STATUS_NOT_ALL_ASSIGNED for some it hasn't."""
    if not DisableAllPrivileges and not NewState:
        return ntstatus.STATUS_INVALID_PARAMETER
    access = TOKEN_ADJUST_PRIVILEGES
    if PreviousState:
        access |= TOKEN_QUERY
        caller.memory.probe_for_write(PreviousState, min(BufferLength, MOST_CHANGES_SIZE))
        caller.memory.probe_for_write(ReturnLength.address, 4)
    wanted = None if DisableAllPrivileges else capture.privileges(caller.memory, NewState)
    token = token_of(caller, TokenHandle, access)
    held = token.privileges
    changes, has_all = _privilege_changes(held, wanted)
    if PreviousState:
        entries = (struct.pack("<QI", held[i].luid, held[i].attributes) for i, _ in changes)
        data = struct.pack("<I", len(changes)) + b"".join(entries)
        status = _answer_previous(caller, data, PreviousState, BufferLength, ReturnLength)
        if status:
            return status
    for index, attributes in reversed(changes):  # a removal moves only what is behind it
        if attributes & p.SE_PRIVILEGE_REMOVED:
            token.remove_privilege(index)
        else:
            token.set_privilege(index, attributes)
    if changes:
        caller.executive.security.modified(token)
    return ntstatus.STATUS_SUCCESS if has_all else ntstatus.STATUS_NOT_ALL_ASSIGNED


def _group_changes(
    held: list[Group], wanted: list[Group] | None
) -> tuple[list[tuple[int, int]], bool]:
    """As _privilege_changes; wanted: None resets all to their default."""
    changes = []
    by_sid = {group.sid: group.attributes for group in wanted or ()}
    for index, group in enumerate(held):
        mandatory = not index or group.attributes & SE_GROUP_MANDATORY
        if wanted is None:
            enable = bool(group.attributes & SE_GROUP_ENABLED_BY_DEFAULT)
            if mandatory or group.is_deny_only:
                continue
        elif group.sid in by_sid:
            enable = bool(by_sid[group.sid] & SE_GROUP_ENABLED)
        else:
            continue
        if enable and group.is_deny_only:
            raise NtError(ntstatus.STATUS_CANT_ENABLE_DENY_ONLY)
        if not enable and (mandatory or group.attributes & SE_GROUP_LOGON_ID == SE_GROUP_LOGON_ID):
            raise NtError(ntstatus.STATUS_CANT_DISABLE_MANDATORY)
        if enable != group.is_enabled and index:
            changes.append((index, group.attributes ^ SE_GROUP_ENABLED))
    return changes, by_sid.keys() <= {group.sid for group in held}


@service()
def NtAdjustGroupsToken(
    caller: Thread,
    TokenHandle: HANDLE,
    ResetToDefault: BOOLEAN,
    NewState: PVOID,
    BufferLength: ULONG,
    PreviousState: PreviousBuffer,
    ReturnLength: Out[ULONG],
) -> Outcome:
    """Enable and disable groups that aren't mandatory."""
    if not ResetToDefault and not NewState:
        return ntstatus.STATUS_INVALID_PARAMETER
    access = TOKEN_ADJUST_GROUPS
    if PreviousState:
        access |= TOKEN_QUERY
        caller.memory.probe_for_write(PreviousState, min(BufferLength, MOST_CHANGES_SIZE))
        ReturnLength.probe()
    wanted = None if ResetToDefault else capture.groups(caller.memory, NewState)
    token = token_of(caller, TokenHandle, access)
    held = token.groups
    changes, has_all = _group_changes(held, wanted)
    if PreviousState:
        data = token_groups(PreviousState, [held[index] for index, _ in changes])
        returned = OutOpt[ULONG](caller.memory, ReturnLength.address, ReturnLength.target)
        status = _answer_previous(caller, data, PreviousState, BufferLength, returned)
        if status:
            return status
    for index, attributes in changes:
        token.set_group(index, attributes)
    if changes:
        caller.executive.security.modified(token)
    return ntstatus.STATUS_SUCCESS if has_all else ntstatus.STATUS_NOT_ALL_ASSIGNED


# New tokens


def _level(caller: Thread, pointer: In[OBJECT_ATTRIBUTES]) -> int | None:
    """The impersonation level that SecurityQualityOfService asks for; None without it."""
    address = pointer.read().SecurityQualityOfService if pointer else 0
    if not address:
        return None
    quality = capture.quality_of_service(caller.memory, address)
    if quality.ImpersonationLevel > SecurityDelegation:
        raise NtError(ntstatus.STATUS_BAD_IMPERSONATION_LEVEL)
    level: int = quality.ImpersonationLevel
    return level


@service()
def NtDuplicateToken(
    caller: Thread,
    ExistingTokenHandle: HANDLE,
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
    EffectiveOnly: BOOLEAN,
    TokenType: TOKEN_TYPE,
    NewTokenHandle: Out[HANDLE],
) -> Outcome:
    """A copy as a primary or impersonation token; access 0 is that of the given handle.

    Wine's kernelbase gives no quality of service, and the level in place of EffectiveOnly.
    """
    if TokenType not in (TokenPrimary, TokenImpersonation):
        return ntstatus.STATUS_INVALID_PARAMETER
    NewTokenHandle.probe()
    attributes = object_attributes(caller, ObjectAttributes)
    level, effective_only = _level(caller, ObjectAttributes), bool(EffectiveOnly)
    if level is None:
        level, effective_only = EffectiveOnly, False
        if level > SecurityDelegation:
            return ntstatus.STATUS_BAD_IMPERSONATION_LEVEL
    source = token_of(caller, ExistingTokenHandle, TOKEN_DUPLICATE)
    objects = caller.executive.objects
    granted = objects.query_handle(caller.process.handles, ExistingTokenHandle).granted_access
    body = caller.executive.security.duplicate(
        source, TokenType, level, attributes, effective_only=effective_only
    )
    access = DesiredAccess or granted
    inserted = objects.insert(caller.process.handles, body, access, attributes)
    NewTokenHandle.write(inserted.handle)
    return inserted.status


@service()
def NtFilterToken(
    caller: Thread,
    ExistingTokenHandle: HANDLE,
    Flags: ULONG,
    SidsToDisable: PVOID,
    PrivilegesToDelete: PVOID,
    RestrictedSids: PVOID,
    NewTokenHandle: Out[HANDLE],
) -> Outcome:
    """A copy that may do less."""
    if Flags & ~(DISABLE_MAX_PRIVILEGE | SANDBOX_INERT):
        return ntstatus.STATUS_INVALID_PARAMETER
    NewTokenHandle.probe()
    memory = caller.memory
    disabled = capture.groups(memory, SidsToDisable) if SidsToDisable else []
    removed = capture.privileges(memory, PrivilegesToDelete) if PrivilegesToDelete else []
    restricted = capture.groups(memory, RestrictedSids) if RestrictedSids else []
    if any(group.attributes for group in restricted):
        return ntstatus.STATUS_INVALID_PARAMETER
    source = token_of(caller, ExistingTokenHandle, TOKEN_DUPLICATE)
    objects, security = caller.executive.objects, caller.executive.security
    granted = objects.query_handle(caller.process.handles, ExistingTokenHandle).granted_access
    contents = filtered(
        source.contents(),
        disable_max_privilege=bool(Flags & DISABLE_MAX_PRIVILEGE),
        sandbox_inert=bool(Flags & SANDBOX_INERT),
        disabled=[group.sid for group in disabled],
        removed=[privilege.luid for privilege in removed],
        restricted=[group.sid for group in restricted],
        parent=source.view.TokenId,
    )
    body = security.create_token(contents)
    NewTokenHandle.write(objects.open_by_pointer(caller.process.handles, body, granted))
    objects.dereference(body)
    return ntstatus.STATUS_SUCCESS


@service()
def NtCreateToken(
    caller: Thread,
    TokenHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: InOpt[OBJECT_ATTRIBUTES],
    TokenType: TOKEN_TYPE,
    AuthenticationId: In[LUID],
    ExpirationTime: In[LARGE_INTEGER],
    User: PVOID,
    Groups: PVOID,
    Privileges: PVOID,
    Owner: PVOID,
    PrimaryGroup: PVOID,
    DefaultDacl: PVOID,
    TokenSource: PVOID,
) -> Outcome:
    """A token of any contents, for whoever has SeCreateTokenPrivilege."""
    if TokenType not in (TokenPrimary, TokenImpersonation):
        return ntstatus.STATUS_BAD_TOKEN_TYPE
    TokenHandle.probe()
    memory = caller.memory
    attributes = object_attributes(caller, ObjectAttributes)
    level = _level(caller, ObjectAttributes)
    groups = (*capture.sid_array(memory, User, 1), *capture.groups(memory, Groups))
    owner = capture.sid(memory, memory.u32(Owner)) if Owner else groups[0].sid
    dacl_at = memory.u32(DefaultDacl) if DefaultDacl else 0
    dacl: Acl | None = capture.acl(memory, dacl_at) if dacl_at else None
    name, source_id = struct.unpack("<8sQ", memory.read(TokenSource, 16))
    primary_group = capture.sid(memory, memory.u32(PrimaryGroup))
    contents = TokenContents(
        groups=groups,
        privileges=tuple(capture.privileges(memory, Privileges)),
        primary_group=primary_group,
        default_dacl=dacl,
        authentication_id=AuthenticationId.read(),
        type=TokenType,
        level=SecurityAnonymous if level is None else level,
        source_name=name,
        source_id=source_id,
        expiration=ExpirationTime.read(),
    )
    _demand(caller, p.SE_CREATE_TOKEN)
    if all(group.sid != primary_group for group in groups):
        return ntstatus.STATUS_INVALID_PRIMARY_GROUP
    objects, security = caller.executive.objects, caller.executive.security
    body = security.create_token(contents, attributes)
    token = security.token(body)
    try:
        token.view.DefaultOwnerIndex = token.index_of_owner(owner)
    except NtError:
        objects.dereference(body)
        raise
    inserted = objects.insert(caller.process.handles, body, DesiredAccess, attributes)
    TokenHandle.write(inserted.handle)
    return inserted.status


@service()
def NtCompareTokens(
    caller: Thread, FirstTokenHandle: HANDLE, SecondTokenHandle: HANDLE, Equal: Out[BOOLEAN]
) -> Outcome:
    """Whether two tokens grant the same: user, groups, restrictions and privileges."""
    Equal.probe()
    first = token_of(caller, FirstTokenHandle, TOKEN_QUERY)
    second = token_of(caller, SecondTokenHandle, TOKEN_QUERY)
    Equal.write(int(_identity(first) == _identity(second)))
    return ntstatus.STATUS_SUCCESS


def _identity(token: Token) -> tuple[object, ...]:
    groups = token.groups
    return (
        groups[0],
        frozenset(groups[1:]),
        frozenset(token.restricted),
        frozenset(held.luid for held in token.privileges),
    )
