"""Access tokens: TOKEN objects in guest memory, as XP lays them out.

Behind the fixed members lies the variable part: the privileges, then user and groups, then
restricted SIDs, and all their SIDs.  The primary group and the default DACL, which may change
their sizes, are a pool block of their own, the dynamic part.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from ntgate.errors import NtError
from ntgate.executive.ob.blocks import Blocks
from ntgate.executive.se import privileges as p
from ntgate.executive.se import sids
from ntgate.executive.se.acl import Acl, parse_acl
from ntgate.executive.se.sids import Sid
from ntgate.layout import ntstatus
from ntgate.layout.se import LUID_AND_ATTRIBUTES, SID_AND_ATTRIBUTES, SID_FIXED_SIZE, TOKEN
from ntgate.records import dataclass

TokenPrimary, TokenImpersonation = 1, 2
SecurityAnonymous, SecurityIdentification, SecurityImpersonation, SecurityDelegation = range(4)

SE_GROUP_MANDATORY          = 0x01
SE_GROUP_ENABLED_BY_DEFAULT = 0x02
SE_GROUP_ENABLED            = 0x04
SE_GROUP_OWNER              = 0x08
SE_GROUP_USE_FOR_DENY_ONLY  = 0x10
SE_GROUP_RESOURCE           = 0x2000_0000
SE_GROUP_LOGON_ID           = 0xC000_0000
MANDATORY = SE_GROUP_MANDATORY | SE_GROUP_ENABLED_BY_DEFAULT | SE_GROUP_ENABLED

# TOKEN.TokenFlags, from public write-ups of XP.
TOKEN_HAS_TRAVERSE_PRIVILEGE = 0x01
TOKEN_HAS_BACKUP_PRIVILEGE   = 0x02
TOKEN_HAS_RESTORE_PRIVILEGE  = 0x04
TOKEN_HAS_ADMIN_GROUP        = 0x08
TOKEN_IS_RESTRICTED          = 0x10
TOKEN_SESSION_NOT_REFERENCED = 0x20
TOKEN_SANDBOX_INERT          = 0x40

NEVER = 0x7FFF_FFFF_FFFF_FFFF
DYNAMIC_CHARGED = 500  # bytes of quota for a dynamic part of the usual size
TAG = b"Toke"
FIXED_SIZE = TOKEN.VariablePart.offset

PRIVILEGE_FLAGS = {
    p.SE_CHANGE_NOTIFY: TOKEN_HAS_TRAVERSE_PRIVILEGE,
    p.SE_BACKUP: TOKEN_HAS_BACKUP_PRIVILEGE,
    p.SE_RESTORE: TOKEN_HAS_RESTORE_PRIVILEGE,
}


@dataclass(frozen=True, slots=True)
class Group:
    sid: Sid
    attributes: int = MANDATORY

    @property
    def is_enabled(self) -> bool:
        return bool(self.attributes & SE_GROUP_ENABLED)

    @property
    def is_deny_only(self) -> bool:
        return bool(self.attributes & SE_GROUP_USE_FOR_DENY_ONLY)


@dataclass(frozen=True, slots=True)
class Privilege:
    luid: int
    attributes: int

    @property
    def is_enabled(self) -> bool:
        return bool(self.attributes & p.SE_PRIVILEGE_ENABLED)


@dataclass(frozen=True, slots=True)
class TokenContents:
    """What a new token holds.

    groups: the user first.  owner: an index of them.  label: the integrity level's SID, which
    XP's TOKEN has no place for; None derives it.  LUIDs are 64-bit numbers.
    """

    groups: tuple[Group, ...]
    privileges: tuple[Privilege, ...]
    primary_group: Sid
    default_dacl: Acl | None
    authentication_id: int
    owner: int = 0
    restricted: tuple[Group, ...] = ()
    type: int = TokenPrimary
    level: int = SecurityAnonymous
    source_name: bytes = b""
    source_id: int = 0
    session: int = 0
    origin: int = 0
    expiration: int = NEVER
    parent: int = 0
    modified: int = 0
    flags: int = 0
    label: Sid | None = None


@dataclass(slots=True)
class TokenExtra:
    """The companion of a token: the integrity level that was set, if any."""

    label: Sid | None = None


def computed_flags(contents: TokenContents) -> int:
    """What TokenFlags tells of groups and privileges."""
    flags = contents.flags & (TOKEN_SANDBOX_INERT | TOKEN_IS_RESTRICTED)
    for privilege in contents.privileges:
        if privilege.is_enabled:
            flags |= PRIVILEGE_FLAGS.get(privilege.luid, 0)
    if any(group.sid == sids.ADMINISTRATORS for group in contents.groups):
        flags |= TOKEN_HAS_ADMIN_GROUP
    return flags | (TOKEN_IS_RESTRICTED if contents.restricted else 0)


def body_size(contents: TokenContents) -> int:
    return FIXED_SIZE + max(_variable_length(contents), TOKEN.SIZE - FIXED_SIZE)


def _variable_length(contents: TokenContents) -> int:
    entries = (*contents.groups, *contents.restricted)
    arrays = LUID_AND_ATTRIBUTES.SIZE * len(contents.privileges)
    return arrays + sum(SID_AND_ATTRIBUTES.SIZE + len(entry.sid) for entry in entries)


class Token:
    """A view of a token: everything is read from guest memory, and written there."""

    def __init__(self, blocks: Blocks, body: int, extra: TokenExtra) -> None:
        self.blocks = blocks
        self.memory = blocks.memory
        self.body = body
        self.view = TOKEN(blocks.memory, body)
        self.extra = extra

    # Making and freeing

    def fill(self, contents: TokenContents, token_id: int) -> None:
        """Lay out a zeroed body of body_size(contents) bytes."""
        view = self.view
        view.TokenSource.SourceName = contents.source_name
        view.TokenSource.SourceIdentifier = contents.source_id
        view.TokenId, view.AuthenticationId = token_id, contents.authentication_id
        view.ParentTokenId, view.ExpirationTime = contents.parent, contents.expiration
        view.ModifiedId = contents.modified
        view.SessionId, view.OriginatingLogonSession = contents.session, contents.origin
        view.TokenType, view.ImpersonationLevel = contents.type, contents.level
        view.TokenFlags = computed_flags(contents)
        view.DefaultOwnerIndex = contents.owner
        view.UserAndGroupCount = len(contents.groups)
        view.RestrictedSidCount = len(contents.restricted)
        view.PrivilegeCount = len(contents.privileges)
        view.VariableLength = _variable_length(contents)
        view.Privileges = self.body + FIXED_SIZE
        for index, privilege in enumerate(contents.privileges):
            entry = self._privilege_entry(index)
            entry.Luid, entry.Attributes = privilege.luid, privilege.attributes
        groups = view.Privileges + LUID_AND_ATTRIBUTES.SIZE * len(contents.privileges)
        restricted = groups + SID_AND_ATTRIBUTES.SIZE * len(contents.groups)
        text = restricted + SID_AND_ATTRIBUTES.SIZE * len(contents.restricted)
        view.UserAndGroups = groups
        view.RestrictedSids = restricted if contents.restricted else 0
        for index, group in enumerate((*contents.groups, *contents.restricted)):
            entry_at = groups + SID_AND_ATTRIBUTES.SIZE * index
            self.memory.write(entry_at, struct.pack("<2I", text, group.attributes))
            self.memory.write(text, group.sid)
            text += len(group.sid)
        self.set_dynamic(contents.primary_group, contents.default_dacl)

    def set_dynamic(self, primary_group: Sid, default_dacl: Acl | None) -> None:
        """Put the primary group and the default DACL into a new dynamic part."""
        view = self.view
        dacl = default_dacl.pack() if default_dacl is not None else b""
        used = len(primary_group) + len(dacl)
        block = self.blocks.allocate(used, b"TokD")
        if view.DynamicPart:
            self.blocks.free(view.DynamicPart)
        self.memory.write(block, primary_group + dacl)
        view.DynamicPart = view.PrimaryGroup = block
        view.DefaultDacl = block + len(primary_group) if dacl else 0
        view.DynamicCharged = max(DYNAMIC_CHARGED, used)
        view.DynamicAvailable = view.DynamicCharged - used

    def free_dynamic(self) -> None:
        if self.view.DynamicPart:
            self.blocks.free(self.view.DynamicPart)
            self.view.DynamicPart = 0

    # What it says

    @property
    def groups(self) -> list[Group]:
        """The user, then the groups."""
        return self._sid_array(self.view.UserAndGroups, self.view.UserAndGroupCount)

    @property
    def restricted(self) -> list[Group]:
        return self._sid_array(self.view.RestrictedSids, self.view.RestrictedSidCount)

    @property
    def user(self) -> Sid:
        return self._sid(self.memory.u32(self.view.UserAndGroups))

    @property
    def owner(self) -> Sid:
        """What objects that the token's holder makes belong to."""
        at = self.view.UserAndGroups + SID_AND_ATTRIBUTES.SIZE * self.view.DefaultOwnerIndex
        return self._sid(self.memory.u32(at))

    @property
    def primary_group(self) -> Sid:
        return self._sid(self.view.PrimaryGroup)

    @property
    def default_dacl(self) -> Acl | None:
        at = self.view.DefaultDacl
        if not at:
            return None
        return parse_acl(self.memory.read(at, self.memory.u16(at + 2)))

    @property
    def privileges(self) -> list[Privilege]:
        size = LUID_AND_ATTRIBUTES.SIZE * self.view.PrivilegeCount
        entries = struct.iter_unpack("<QI", self.memory.read(self.view.Privileges, size))
        return [Privilege(luid, attributes) for luid, attributes in entries]

    def has_privilege(self, luid: int) -> bool:
        """Whether it is there and enabled."""
        return any(held.luid == luid and held.is_enabled for held in self.privileges)

    @property
    def is_primary(self) -> bool:
        return self.view.TokenType == TokenPrimary

    @property
    def is_restricted(self) -> bool:
        return bool(self.view.TokenFlags & TOKEN_IS_RESTRICTED)

    @property
    def label(self) -> Sid:
        """The integrity level: the one that was set, else what newer systems would give."""
        if self.extra.label is not None:
            return self.extra.label
        groups = self.groups
        if groups[0].sid == sids.LOCAL_SYSTEM:
            return sids.SYSTEM_LABEL
        return sids.HIGH_LABEL if self.is_administrator else sids.MEDIUM_LABEL

    @property
    def is_administrator(self) -> bool:
        return any(
            group.sid == sids.ADMINISTRATORS and group.is_enabled and not group.is_deny_only
            for group in self.groups
        )

    def contents(self) -> TokenContents:
        """For a copy of it."""
        view = self.view
        return TokenContents(
            groups=tuple(self.groups), privileges=tuple(self.privileges),
            primary_group=self.primary_group, default_dacl=self.default_dacl,
            authentication_id=view.AuthenticationId, owner=view.DefaultOwnerIndex,
            restricted=tuple(self.restricted), type=view.TokenType,
            level=view.ImpersonationLevel, source_name=view.TokenSource.SourceName,
            source_id=view.TokenSource.SourceIdentifier, session=view.SessionId,
            origin=view.OriginatingLogonSession, expiration=view.ExpirationTime,
            parent=view.ParentTokenId, modified=view.ModifiedId, flags=view.TokenFlags,
            label=self.extra.label,
        )  # fmt: skip

    # Changing it

    def set_group(self, index: int, attributes: int) -> None:
        at = self.view.UserAndGroups + SID_AND_ATTRIBUTES.SIZE * index
        self.memory.set_u32(at + SID_AND_ATTRIBUTES.Attributes.offset, attributes)

    def set_privilege(self, index: int, attributes: int) -> None:
        entry = self._privilege_entry(index)
        entry.Attributes = attributes
        flag = PRIVILEGE_FLAGS.get(entry.Luid, 0)
        enabled = attributes & p.SE_PRIVILEGE_ENABLED
        self.view.TokenFlags = self.view.TokenFlags & ~flag | (flag if enabled else 0)

    def remove_privilege(self, index: int) -> None:
        """The last one takes its place."""
        last = self._privilege_entry(self.view.PrivilegeCount - 1)
        entry = self._privilege_entry(index)
        self.set_privilege(index, 0)
        luid, attributes = last.Luid, last.Attributes
        entry.Luid, entry.Attributes = luid, attributes
        last.Luid = last.Attributes = 0
        self.view.PrivilegeCount -= 1

    def index_of_owner(self, sid: Sid) -> int:
        """Its index among the groups; raises STATUS_INVALID_OWNER."""
        for index, group in enumerate(self.groups):
            may_own = not index or group.attributes & SE_GROUP_OWNER
            if group.sid == sid and may_own and not group.is_deny_only:
                return index
        raise NtError(ntstatus.STATUS_INVALID_OWNER)

    # Within

    def _privilege_entry(self, index: int) -> LUID_AND_ATTRIBUTES:
        at = self.view.Privileges + LUID_AND_ATTRIBUTES.SIZE * index
        return LUID_AND_ATTRIBUTES(self.memory, at)

    def _sid_array(self, at: int, count: int) -> list[Group]:
        data = self.memory.read(self.body, FIXED_SIZE + self.view.VariableLength)
        found = _groups_in(data, self.body, at - self.body, count)
        if found is not None:
            return list(found)
        entries = (
            SID_AND_ATTRIBUTES(self.memory, at + SID_AND_ATTRIBUTES.SIZE * index)
            for index in range(count)
        )
        return [Group(self._sid(entry.Sid), entry.Attributes) for entry in entries]

    def _sid(self, address: int) -> Sid:
        subs = self.memory.u8(address + 1)
        return self.memory.read(address, SID_FIXED_SIZE + 4 * subs)


@lru_cache(maxsize=64)
def _groups_in(data: bytes, base: int, offset: int, count: int) -> tuple[Group, ...] | None:
    """Groups that lie in a token's own body; None where an edited pointer leads elsewhere."""
    found = []
    for index in range(count):
        entry = offset + SID_AND_ATTRIBUTES.SIZE * index
        if not 0 <= entry <= len(data) - SID_AND_ATTRIBUTES.SIZE:
            return None
        pointer, attributes = struct.unpack_from("<2I", data, entry)
        size = sids.size_at(data, pointer - base)
        if not size:
            return None
        found.append(Group(data[pointer - base : pointer - base + size], attributes))
    return tuple(found)


def effective_only(contents: TokenContents) -> TokenContents:
    """Without the groups and privileges that are not enabled; deny-only groups stay."""
    kept = [
        (index, group)
        for index, group in enumerate(contents.groups)
        if not index or group.is_enabled or group.is_deny_only
    ]
    places = [index for index, _group in kept]
    owner = places.index(contents.owner) if contents.owner in places else 0
    return replace(
        contents,
        groups=tuple(group for _index, group in kept),
        owner=owner,
        privileges=tuple(held for held in contents.privileges if held.is_enabled),
    )


def filtered(
    contents: TokenContents,
    *,
    disable_max_privilege: bool,
    sandbox_inert: bool,
    disabled: Sequence[Sid],
    removed: Sequence[int],
    restricted: Sequence[Sid],
    parent: int,
) -> TokenContents:
    """What NtFilterToken makes: groups for denial only, fewer privileges, restricting SIDs."""
    groups = []
    for group in contents.groups:
        attributes = group.attributes
        if group.sid in disabled:
            attributes &= ~(SE_GROUP_ENABLED | SE_GROUP_ENABLED_BY_DEFAULT)
            attributes &= ~(SE_GROUP_MANDATORY | SE_GROUP_OWNER)
            attributes |= SE_GROUP_USE_FOR_DENY_ONLY
        groups.append(Group(group.sid, attributes))
    if disable_max_privilege:
        kept = tuple(held for held in contents.privileges if held.luid == p.SE_CHANGE_NOTIFY)
    else:
        kept = tuple(held for held in contents.privileges if held.luid not in removed)
    limits = [Group(sid) for sid in restricted]
    if contents.restricted and limits:
        limits = [group for group in contents.restricted if group.sid in restricted]
    elif contents.restricted:
        limits = list(contents.restricted)
    owner = contents.owner if not groups[contents.owner].is_deny_only else 0
    flags = contents.flags | (TOKEN_SANDBOX_INERT if sandbox_inert else 0)
    flags |= TOKEN_IS_RESTRICTED if restricted else 0  # though nothing be in both lists
    return replace(
        contents, groups=tuple(groups), privileges=kept, restricted=tuple(limits), owner=owner,
        flags=flags, parent=parent, modified=0,
    )  # fmt: skip
