"""Access control lists in the form of winnt.h's ACL, read, checked and made."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from ntgate.errors import NtError
from ntgate.executive.se.sids import Sid, size_at
from ntgate.executive.uuids import GUID_SIZE
from ntgate.layout import ntstatus
from ntgate.records import dataclass

ACL_REVISION, ACL_REVISION_DS = 2, 4
HEADER_SIZE = 8
LARGEST = 0xFFFF

ACCESS_ALLOWED_ACE_TYPE          = 0
ACCESS_DENIED_ACE_TYPE           = 1
SYSTEM_AUDIT_ACE_TYPE            = 2
SYSTEM_ALARM_ACE_TYPE            = 3
ACCESS_ALLOWED_COMPOUND_ACE_TYPE = 4
ACCESS_ALLOWED_OBJECT_ACE_TYPE   = 5
ACCESS_DENIED_OBJECT_ACE_TYPE    = 6
SYSTEM_AUDIT_OBJECT_ACE_TYPE     = 7
SYSTEM_ALARM_OBJECT_ACE_TYPE     = 8
SYSTEM_MANDATORY_LABEL_ACE_TYPE  = 0x11

SIMPLE_TYPES = (
    ACCESS_ALLOWED_ACE_TYPE, ACCESS_DENIED_ACE_TYPE, SYSTEM_AUDIT_ACE_TYPE,
    SYSTEM_ALARM_ACE_TYPE, SYSTEM_MANDATORY_LABEL_ACE_TYPE,
)  # fmt: skip
OBJECT_TYPES = (
    ACCESS_ALLOWED_OBJECT_ACE_TYPE, ACCESS_DENIED_OBJECT_ACE_TYPE, SYSTEM_AUDIT_OBJECT_ACE_TYPE,
    SYSTEM_ALARM_OBJECT_ACE_TYPE,
)  # fmt: skip

OBJECT_INHERIT_ACE       = 0x01
CONTAINER_INHERIT_ACE    = 0x02
NO_PROPAGATE_INHERIT_ACE = 0x04
INHERIT_ONLY_ACE         = 0x08
INHERITED_ACE            = 0x10

ACE_OBJECT_TYPE_PRESENT, ACE_INHERITED_OBJECT_TYPE_PRESENT = 1, 2


@dataclass(frozen=True, slots=True)
class Ace:
    """`rest` is what follows ACE_HEADER: for most types the mask and the SID."""

    type: int
    flags: int
    rest: bytes

    @property
    def mask(self) -> int:
        return int.from_bytes(self.rest[:4], "little")

    @property
    def object_type(self) -> bytes:
        """The GUID that an object ACE is for; empty for every object."""
        if self.type in OBJECT_TYPES and self.rest[4] & ACE_OBJECT_TYPE_PRESENT:
            return self.rest[8 : 8 + GUID_SIZE]
        return b""

    @property
    def sid(self) -> Sid:
        """Empty for a type that has none in a known place."""
        at = self._sid_at()
        return self.rest[at : at + size_at(self.rest, at)] if at else b""

    def _sid_at(self) -> int:
        if self.type in SIMPLE_TYPES:
            return 4
        if self.type in OBJECT_TYPES and len(self.rest) >= 8:
            return 8 + GUID_SIZE * (self.rest[4] & 3).bit_count()
        return 0

    def changed(self, *, flags: int, mask: int | None = None, sid: Sid | None = None) -> Ace:
        """The same with other flags, and perhaps another mask and SID."""
        rest = self.rest
        if mask is not None:
            rest = struct.pack("<I", mask) + rest[4:]
        at = self._sid_at()
        if sid is not None and at:
            rest = rest[:at] + sid + rest[at + size_at(rest, at) :]
        return Ace(self.type, flags, rest)

    def pack(self) -> bytes:
        return struct.pack("<BBH", self.type, self.flags, 4 + len(self.rest)) + self.rest

    def is_valid(self) -> bool:
        if self.type in SIMPLE_TYPES or self.type in OBJECT_TYPES:
            return len(self.rest) >= 8 and bool(self.sid)
        return True


@dataclass(frozen=True, slots=True)
class Acl:
    """An empty one grants nothing; no Acl at all (None) grants everything."""

    aces: tuple[Ace, ...] = ()
    revision: int = ACL_REVISION

    def pack(self) -> bytes:
        body = b"".join(ace.pack() for ace in self.aces)
        size = HEADER_SIZE + len(body) + 3 & ~3
        if size > LARGEST:
            raise NtError(ntstatus.STATUS_INVALID_ACL)
        header = struct.pack("<BBHHH", self.revision, 0, size, len(self.aces), 0)
        return (header + body).ljust(size, b"\0")


def parse_acl(data: bytes) -> Acl:
    """An ACL whose AclSize is the length of `data`; raises STATUS_INVALID_ACL."""
    if len(data) < HEADER_SIZE:
        raise NtError(ntstatus.STATUS_INVALID_ACL)
    revision, _, size, count, _ = struct.unpack_from("<BBHHH", data)
    if not ACL_REVISION <= revision <= ACL_REVISION_DS or size > len(data) or size & 3:
        raise NtError(ntstatus.STATUS_INVALID_ACL)
    aces = []
    at = HEADER_SIZE
    for _ in range(count):
        if at + 4 > size:
            raise NtError(ntstatus.STATUS_INVALID_ACL)
        kind, flags, length = struct.unpack_from("<BBH", data, at)
        ace = Ace(kind, flags, bytes(data[at + 4 : at + length]))
        if length < 4 or length & 3 or at + length > size or not ace.is_valid():
            raise NtError(ntstatus.STATUS_INVALID_ACL)
        aces.append(ace)
        at += length
    return Acl(tuple(aces), revision)


def allow(sid: Sid, mask: int, flags: int = 0) -> Ace:
    return Ace(ACCESS_ALLOWED_ACE_TYPE, flags, struct.pack("<I", mask) + sid)


def make_acl(aces: Iterable[Ace]) -> Acl:
    """With the revision that its ACEs need."""
    kept = tuple(aces)
    special = any(ace.type in OBJECT_TYPES for ace in kept)
    return Acl(kept, ACL_REVISION_DS if special else ACL_REVISION)
