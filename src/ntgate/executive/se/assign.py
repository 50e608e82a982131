"""The descriptor of a new object: what it was given, what its parent hands down, the default."""

from __future__ import annotations

from dataclasses import replace

from ntgate.executive.se import sids
from ntgate.executive.se.access import GenericMapping, with_mapped_rights
from ntgate.executive.se.acl import (
    CONTAINER_INHERIT_ACE,
    INHERIT_ONLY_ACE,
    INHERITED_ACE,
    NO_PROPAGATE_INHERIT_ACE,
    OBJECT_INHERIT_ACE,
    Ace,
    Acl,
    make_acl,
)
from ntgate.executive.se.descriptor import Descriptor
from ntgate.executive.se.sids import Sid
from ntgate.executive.se.token import Token
from ntgate.layout.se import SE_DACL_PRESENT, SE_DACL_PROTECTED, SE_SACL_PRESENT, SE_SACL_PROTECTED

INHERITANCE = OBJECT_INHERIT_ACE | CONTAINER_INHERIT_ACE


def assign(
    explicit: Descriptor | None,
    parent: Descriptor | None,
    token: Token,
    mapping: GenericMapping,
    *,
    container: bool = False,
) -> Descriptor:
    """As SeAssignSecurity: the creator's token gives what nobody else gives."""
    explicit = explicit or Descriptor()
    owner = explicit.owner or token.owner
    group = explicit.group or token.primary_group
    control = explicit.control & (SE_DACL_PROTECTED | SE_SACL_PROTECTED) | SE_DACL_PRESENT
    if explicit.control & SE_DACL_PRESENT:
        dacl = explicit.dacl
    else:
        handed_down = parent.dacl if parent is not None else None
        dacl = _inherited(handed_down, owner, group, container=container) or token.default_dacl
    sacl: Acl | None = None
    if explicit.control & SE_SACL_PRESENT:
        sacl = explicit.sacl
    elif parent is not None:
        sacl = _inherited(parent.sacl, owner, group, container=container)
    if sacl is not None:
        control |= SE_SACL_PRESENT
    return Descriptor(
        control, owner, group, with_mapped_rights(sacl, mapping),
        with_mapped_rights(dacl, mapping),
    )  # fmt: skip


def with_mapped_acls(descriptor: Descriptor, mapping: GenericMapping) -> Descriptor:
    """As an object of that mapping keeps it."""
    return replace(
        descriptor,
        sacl=with_mapped_rights(descriptor.sacl, mapping),
        dacl=with_mapped_rights(descriptor.dacl, mapping),
    )


def _inherited(acl: Acl | None, owner: Sid, group: Sid, *, container: bool) -> Acl | None:
    """What a parent's ACL hands down; None where that is nothing."""
    found: list[Ace] = []
    for ace in acl.aces if acl is not None else ():
        found += _handed_down(ace, owner, group, container=container)
    return make_acl(found) if found else None


def _handed_down(ace: Ace, owner: Sid, group: Sid, *, container: bool) -> list[Ace]:
    if not ace.flags & INHERITANCE:
        return []
    sid = {sids.CREATOR_OWNER: owner, sids.CREATOR_GROUP: group}.get(ace.sid, ace.sid)
    effective = ace.changed(flags=INHERITED_ACE, sid=sid)
    if not container:
        return [effective] if ace.flags & OBJECT_INHERIT_ACE else []
    passes_on = not ace.flags & NO_PROPAGATE_INHERIT_ACE
    kept = ace.flags & INHERITANCE | INHERITED_ACE
    if not ace.flags & CONTAINER_INHERIT_ACE:
        return [ace.changed(flags=kept | INHERIT_ONLY_ACE)] if passes_on else []
    if not passes_on:
        return [effective]
    if sid == ace.sid:
        return [ace.changed(flags=kept)]
    return [effective, ace.changed(flags=kept | INHERIT_ONLY_ACE)]
