"""Where objects keep their security descriptors, and the check when one is opened.

OBJECT_HEADER.SecurityDescriptor points at the self-relative form in pool, behind a header that
counts how many objects share it: equal descriptors are one block, as on XP.  Types with a place
of their own for it (files, keys) have procedures for that.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.ob import ObjectManager
from ntgate.executive.se import privileges as p
from ntgate.executive.se import sids
from ntgate.executive.se.access import GenericMapping, Request, access_check
from ntgate.executive.se.acl import (
    CONTAINER_INHERIT_ACE,
    INHERITED_ACE,
    OBJECT_INHERIT_ACE,
    allow,
    make_acl,
)
from ntgate.executive.se.acl import HEADER_SIZE as ACL_HEADER_SIZE
from ntgate.executive.se.assign import assign, with_mapped_acls
from ntgate.executive.se.descriptor import HEADER, Descriptor, parse_descriptor
from ntgate.executive.se.token import SE_GROUP_OWNER, Token
from ntgate.layout import ntstatus
from ntgate.layout.access import (
    ACCESS_SYSTEM_SECURITY,
    GENERIC_ALL,
    GENERIC_EXECUTE,
    GENERIC_READ,
    MAXIMUM_ALLOWED,
)
from ntgate.layout.se import FAST_REF_MASK, SE_DACL_AUTO_INHERITED, SE_DACL_PRESENT, SID_FIXED_SIZE

if TYPE_CHECKING:
    from ntgate.executive.ob.types import ObjectType

# SECURITY_DESCRIPTOR_HEADER, which the public type table lacks: link, RefCount, FullHash.
SHARED_HEADER_SIZE = 0x10
REF_COUNT = 0x08
RESERVED_ACCESS = 0x0C00_0000  # bits of an ACCESS_MASK that stand for nothing
TAG = b"ObSc"
OPENED_FOR_DEBUG = ("Process", "Thread")


def mapping_of(kind: ObjectType) -> GenericMapping:
    mapping = kind.view.TypeInfo.GenericMapping
    return GenericMapping(
        mapping.GenericRead, mapping.GenericWrite, mapping.GenericExecute, mapping.GenericAll
    )


class Descriptors:
    """The descriptors of one machine's objects."""

    def __init__(self, objects: ObjectManager) -> None:
        self.objects = objects
        self.memory = objects.memory
        self._shared: dict[bytes, int] = {}
        objects.release_descriptor = self.release

    # Blocks

    def read(self, body: int) -> bytes:
        """The self-relative descriptor of an object; empty for none."""
        get = self.objects.type_of(body).get_security
        if get is not None:
            return get(body)
        address = self.objects.header(body).SecurityDescriptor & ~FAST_REF_MASK
        if not address:
            return b""
        return self.memory.read(address, self._length(address))

    def write(self, body: int, data: bytes) -> None:
        """Raises STATUS_INSUFFICIENT_RESOURCES."""
        put = self.objects.type_of(body).set_security
        if put is not None:
            put(body, data)
            return
        header = self.objects.header(body)
        before = header.SecurityDescriptor
        header.SecurityDescriptor = self._share(data)
        if before:
            self.release(before)

    def release(self, pointer: int) -> None:
        """An object gives up its descriptor; the last one frees it."""
        address = pointer & ~FAST_REF_MASK
        count = address - SHARED_HEADER_SIZE + REF_COUNT
        left = self.memory.u32(count) - 1
        self.memory.set_u32(count, left)
        if not left:
            shared = {data: at for data, at in self._shared.items() if at == address}
            for data in shared:
                del self._shared[data]
            self.objects.blocks.free(address - SHARED_HEADER_SIZE)

    def size(self, body: int) -> int:
        return len(self.read(body))

    def _share(self, data: bytes) -> int:
        address = self._shared.get(data)
        # A debugger may have edited the block: then it is no longer this descriptor.
        if not address or self.memory.read(address, len(data)) != data:
            block = self.objects.blocks.allocate(SHARED_HEADER_SIZE + len(data), TAG)
            address = self._shared[data] = block + SHARED_HEADER_SIZE
            self.memory.write(address, data)
        count = address - SHARED_HEADER_SIZE + REF_COUNT
        self.memory.set_u32(count, self.memory.u32(count) + 1)
        return address

    def _length(self, address: int) -> int:
        """Where the last of its parts ends."""
        _, _, _, owner, group, *acls = HEADER.unpack(self.memory.read(address, HEADER.size))
        end = int(HEADER.size)
        for offset in (owner, group):
            if offset:
                subs = self.memory.u8(address + offset + 1)
                end = max(end, offset + SID_FIXED_SIZE + 4 * subs)
        for offset in acls:
            if offset:
                header = self.memory.read(address + offset, ACL_HEADER_SIZE)
                end = max(end, offset + struct.unpack_from("<H", header, 2)[0])
        return end

    # What they say

    def of(self, body: int) -> Descriptor | None:
        data = self.read(body)
        return parse_descriptor(data) if data else None

    def assign(self, body: int, explicit: bytes, parent: int, token: Token) -> None:
        """Give a new object its descriptor; parent is the directory that it is in, or 0."""
        kind = self.objects.type_of(body)
        given = parse_descriptor(explicit) if explicit else None
        above = self.of(parent) if parent else None
        container = kind.name == "Directory"
        made = assign(given, above, token, mapping_of(kind), container=container)
        self.write(body, made.pack())

    def assign_public(
        self, body: int, everybody: int = GENERIC_READ | GENERIC_EXECUTE
    ) -> None:
        """The system and its administrators may do everything, everybody what is given."""
        kind = self.objects.type_of(body)
        read = GENERIC_READ | GENERIC_EXECUTE
        dacl = make_acl(
            (
                allow(sids.WORLD, everybody),
                allow(sids.LOCAL_SYSTEM, GENERIC_ALL),
                allow(sids.ADMINISTRATORS, GENERIC_ALL),
                allow(sids.RESTRICTED, read),
            )
        )
        public = Descriptor(
            SE_DACL_PRESENT, sids.ADMINISTRATORS, sids.LOCAL_SYSTEM, dacl=dacl
        )
        self.write(body, with_mapped_acls(public, mapping_of(kind)).pack())

    def default_file(self, owner: bytes, group: bytes, *, directory: bool) -> bytes:
        """What a file inherits below a folder that XP has set up for its users."""
        flags = OBJECT_INHERIT_ACE | CONTAINER_INHERIT_ACE if directory else 0
        kind = self.objects.types["File"]
        mapping = mapping_of(kind)
        dacl = make_acl(
            allow(sid, mask, INHERITED_ACE | flags)
            for sid, mask in (
                (sids.ADMINISTRATORS, mapping.all),
                (sids.LOCAL_SYSTEM, mapping.all),
                (owner, mapping.all),
                (sids.USERS, mapping.read | mapping.execute),
            )
        )
        control = SE_DACL_PRESENT | SE_DACL_AUTO_INHERITED
        return Descriptor(control, owner, group, dacl=dacl).pack()

    def change(self, body: int, change: Descriptor, information: int, token: Token) -> None:
        """Set parts; raises STATUS_NO_SECURITY_ON_OBJECT and STATUS_INVALID_OWNER."""
        before = self.of(body)
        if before is None:
            raise NtError(ntstatus.STATUS_NO_SECURITY_ON_OBJECT)
        after = before.changed(change, information)
        if after.owner != before.owner and not _may_own(token, after.owner):
            raise NtError(ntstatus.STATUS_INVALID_OWNER)
        kind = self.objects.type_of(body)
        self.write(body, with_mapped_acls(after, mapping_of(kind)).pack())

    def check(self, body: int, desired: int, token: Token) -> int:
        """The rights that a handle gets; raises STATUS_ACCESS_DENIED, _PRIVILEGE_NOT_HELD."""
        kind = self.objects.type_of(body)
        if desired & RESERVED_ACCESS:
            raise NtError(ntstatus.STATUS_ACCESS_DENIED)
        data = b"" if kind.get_security is not None else self.read(body)
        return self.check_descriptor(kind, data, desired, token)

    def check_descriptor(
        self, kind: ObjectType, data: bytes, desired: int, token: Token
    ) -> int:
        """What a descriptor of an object of a type grants; an empty one grants everything."""
        if not data:
            return kind.grant(desired)
        descriptor = parse_descriptor(data)
        # Rights of later systems that XP's types lack fall away.
        known = kind.view.TypeInfo.ValidAccessMask | MAXIMUM_ALLOWED | ACCESS_SYSTEM_SECURITY
        mapped = kind.map_generic(desired) & known
        if kind.name in OPENED_FOR_DEBUG and token.has_privilege(p.SE_DEBUG):
            return kind.grant(desired)
        request = Request(descriptor, token, mapped, mapping_of(kind))
        ((granted, status),) = access_check(request)
        if status:
            raise NtError(status)
        return granted


def _may_own(token: Token, owner: bytes | None) -> bool:
    if token.has_privilege(p.SE_RESTORE):
        return True
    groups = token.groups
    return owner == groups[0].sid or any(
        group.sid == owner and group.attributes & SE_GROUP_OWNER and not group.is_deny_only
        for group in groups
    )
