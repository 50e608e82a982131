"""The access check: what a descriptor grants to the holder of a token.

The rules are those that Microsoft documents for AccessCheck and AccessCheckByType.  An allowing
ACE grants what no earlier ACE denied; a denying one denies what no earlier ACE granted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field

from ntgate.executive.se import privileges as p
from ntgate.executive.se import sids
from ntgate.executive.se.acl import (
    ACCESS_ALLOWED_ACE_TYPE,
    ACCESS_ALLOWED_OBJECT_ACE_TYPE,
    ACCESS_DENIED_ACE_TYPE,
    ACCESS_DENIED_OBJECT_ACE_TYPE,
    INHERIT_ONLY_ACE,
    Ace,
    Acl,
)
from ntgate.executive.se.descriptor import Descriptor
from ntgate.executive.se.sids import Sid
from ntgate.executive.se.token import Token
from ntgate.layout import ntstatus
from ntgate.layout.access import (
    ACCESS_SYSTEM_SECURITY,
    GENERIC_ALL,
    GENERIC_EXECUTE,
    GENERIC_READ,
    GENERIC_WRITE,
    MAXIMUM_ALLOWED,
    READ_CONTROL,
    WRITE_DAC,
    WRITE_OWNER,
)
from ntgate.layout.se import SE_DACL_PRESENT
from ntgate.records import dataclass

SPECIFIC_AND_STANDARD = 0x01FF_FFFF


@dataclass(frozen=True, slots=True)
class GenericMapping:
    read: int
    write: int
    execute: int
    all: int

    def map(self, access: int) -> int:
        """The specific rights in place of the generic ones."""
        for generic, specific in (
            (GENERIC_READ, self.read), (GENERIC_WRITE, self.write),
            (GENERIC_EXECUTE, self.execute), (GENERIC_ALL, self.all),
        ):  # fmt: skip
            if access & generic:
                access |= specific
        return access & 0x0FFF_FFFF


@dataclass(slots=True)
class Node:
    """An entry of an object type list: its level, its GUID, and what it has got so far."""

    level: int = 0
    guid: bytes = b""
    granted: int = 0
    denied: int = 0


@dataclass(slots=True)
class Request:
    """One check: `desired` without generic rights, MAXIMUM_ALLOWED and
    ACCESS_SYSTEM_SECURITY among them as asked.  `used` fills with the LUIDs of privileges."""

    descriptor: Descriptor
    token: Token
    desired: int
    mapping: GenericMapping
    self_sid: Sid | None = None
    used: list[int] = field(default_factory=list)


def access_check(
    request: Request, nodes: Sequence[Node] = ()
) -> list[tuple[int, int]]:
    """For each node (one, where none are given) the granted rights and the status.

    The status is STATUS_SUCCESS, STATUS_ACCESS_DENIED or STATUS_PRIVILEGE_NOT_HELD.
    """
    base = _by_privilege(request)
    if base is None:
        return [(0, ntstatus.STATUS_PRIVILEGE_NOT_HELD)] * max(1, len(nodes))
    granted = _evaluate(request, nodes, restricted=False)
    if request.token.is_restricted:
        limits = _evaluate(request, nodes, restricted=True)
        granted = [one & other for one, other in zip(granted, limits, strict=True)]
    return [_result(request.desired, base | one) for one in granted]


def _result(desired: int, available: int) -> tuple[int, int]:
    wanted = desired & ~MAXIMUM_ALLOWED
    if wanted & ~available:
        return 0, ntstatus.STATUS_ACCESS_DENIED
    granted = available if desired & MAXIMUM_ALLOWED else wanted
    if not granted:
        return 0, ntstatus.STATUS_ACCESS_DENIED
    return granted, ntstatus.STATUS_SUCCESS


def _by_privilege(request: Request) -> int | None:
    """Rights that privileges give; None where one that is needed isn't held."""
    granted = 0
    if request.desired & ACCESS_SYSTEM_SECURITY:
        if not request.token.has_privilege(p.SE_SECURITY):
            return None
        granted |= ACCESS_SYSTEM_SECURITY
        request.used.append(p.SE_SECURITY)
    wants_owner = request.desired & (WRITE_OWNER | MAXIMUM_ALLOWED)
    if wants_owner and request.token.has_privilege(p.SE_TAKE_OWNERSHIP):
        granted |= WRITE_OWNER
        if request.desired & WRITE_OWNER:
            request.used.append(p.SE_TAKE_OWNERSHIP)
    return granted


def _evaluate(request: Request, given: Sequence[Node], *, restricted: bool) -> list[int]:
    """What the DACL grants each node to the token's groups, or to its restricting SIDs."""
    nodes = [Node(node.level, node.guid) for node in given] or [Node()]
    descriptor = request.descriptor
    if not descriptor.control & SE_DACL_PRESENT or descriptor.dacl is None:
        everything = request.mapping.all | request.desired & SPECIFIC_AND_STANDARD
        everything &= ~(MAXIMUM_ALLOWED | ACCESS_SYSTEM_SECURITY)
        return [everything] * len(nodes)
    matches = _matcher(request.token, restricted=restricted)
    if descriptor.owner is not None and matches(descriptor.owner, False):
        for node in nodes:
            node.granted |= READ_CONTROL | WRITE_DAC
    for ace in descriptor.dacl.aces:
        if not ace.flags & INHERIT_ONLY_ACE:
            _apply(ace, request, nodes, matches)
    return [node.granted for node in nodes]


def _matcher(token: Token, *, restricted: bool) -> Callable[[Sid, bool], bool]:
    """Whether an ACE's SID is one of the token's, for a grant or for a denial."""
    if restricted:
        limits = {group.sid for group in token.restricted}
        return lambda sid, _deny: sid in limits
    groups = token.groups
    user = groups[0]
    allowing = {group.sid for group in groups[1:] if group.is_enabled and not group.is_deny_only}
    if not user.is_deny_only:
        allowing.add(user.sid)
    denying = allowing | {group.sid for group in groups if group.is_deny_only}
    return lambda sid, deny: sid in (denying if deny else allowing)


def _apply(
    ace: Ace, request: Request, nodes: list[Node], matches: Callable[[Sid, bool], bool]
) -> None:
    allows = ace.type in (ACCESS_ALLOWED_ACE_TYPE, ACCESS_ALLOWED_OBJECT_ACE_TYPE)
    denies = ace.type in (ACCESS_DENIED_ACE_TYPE, ACCESS_DENIED_OBJECT_ACE_TYPE)
    if not allows and not denies:
        return
    sid = ace.sid
    if sid == sids.PRINCIPAL_SELF and request.self_sid is not None:
        sid = request.self_sid
    if not matches(sid, denies):
        return
    mask = request.mapping.map(ace.mask)
    first = _place(nodes, ace.object_type)
    if first is None:
        return
    last = _end_of_subtree(nodes, first)
    for node in nodes[first:last]:
        if allows:
            node.granted |= mask & ~node.denied
        else:
            node.denied |= mask & ~node.granted
    _tell_parents(nodes, first, mask, allows=allows)


def _place(nodes: list[Node], object_type: bytes) -> int | None:
    """Where an ACE applies: everywhere without a type, else at the node of that GUID."""
    if not object_type:
        return 0
    for index, node in enumerate(nodes):
        if node.guid == object_type:
            return index
    return None


def _end_of_subtree(nodes: list[Node], first: int) -> int:
    end = first + 1
    while end < len(nodes) and nodes[end].level > nodes[first].level:
        end += 1
    return end


def _tell_parents(nodes: list[Node], child: int, mask: int, *, allows: bool) -> None:
    """A parent has what all its children have, and lacks what one is denied."""
    index, level = child, nodes[child].level
    while level and index:
        index -= 1
        parent = nodes[index]
        if parent.level != level - 1:
            continue
        level = parent.level
        if allows:
            end = _end_of_subtree(nodes, index)
            children = [n for n in nodes[index + 1 : end] if n.level == level + 1]
            common = mask
            for node in children:
                common &= node.granted
            parent.granted |= common & ~parent.denied
        else:
            parent.denied |= mask & ~parent.granted


def with_mapped_rights(acl: Acl | None, mapping: GenericMapping) -> Acl | None:
    """The ACL as an object keeps it: generic rights of ACEs that count are replaced."""
    if acl is None:
        return None
    aces = tuple(
        ace if ace.flags & INHERIT_ONLY_ACE or not ace.sid
        else ace.changed(flags=ace.flags, mask=mapping.map(ace.mask))
        for ace in acl.aces
    )  # fmt: skip
    return Acl(aces, acl.revision)
