"""SIDs as bytes in the form of winnt.h's SID, and those that every machine knows.

The values are Microsoft's published well-known SIDs.
"""

from __future__ import annotations

import struct

from ntgate.layout.se import SID_FIXED_SIZE, SID_MAX_SUB_AUTHORITIES, SID_REVISION

Sid = bytes


def make(authority: int, *sub_authorities: int) -> Sid:
    head = struct.pack(">BBHI", SID_REVISION, len(sub_authorities), authority >> 32,
                       authority & 0xFFFFFFFF)  # fmt: skip
    return head + struct.pack(f"<{len(sub_authorities)}I", *sub_authorities)


def parse(text: str) -> Sid:
    """S-1-5-32-544; raises ValueError."""
    mark, revision, authority, *rest = text.split("-")
    if mark != "S" or revision != "1":
        raise ValueError(f"{text} is no SID")
    return make(int(authority), *(int(part) for part in rest))


def text_of(sid: Sid) -> str:
    authority = int.from_bytes(sid[2:8], "big")
    subs = struct.unpack(f"<{sid[1]}I", sid[SID_FIXED_SIZE : SID_FIXED_SIZE + 4 * sid[1]])
    return "-".join(["S", str(sid[0]), str(authority), *map(str, subs)])


def size_at(data: bytes, offset: int) -> int:
    """The size of the SID that starts at `offset`; 0 where there is none that is whole."""
    if offset < 0 or offset + SID_FIXED_SIZE > len(data):
        return 0
    revision, count = data[offset], data[offset + 1]
    size = SID_FIXED_SIZE + 4 * count
    if revision != SID_REVISION or count > SID_MAX_SUB_AUTHORITIES or offset + size > len(data):
        return 0
    return size


NULL_SID            = make(0, 0)
WORLD               = make(1, 0)
LOCAL               = make(2, 0)
CREATOR_OWNER       = make(3, 0)
CREATOR_GROUP       = make(3, 1)
OWNER_RIGHTS        = make(3, 4)
INTERACTIVE         = make(5, 4)
ANONYMOUS_LOGON     = make(5, 7)
PRINCIPAL_SELF      = make(5, 10)
AUTHENTICATED_USERS = make(5, 11)
RESTRICTED          = make(5, 12)
LOCAL_SYSTEM        = make(5, 18)
ADMINISTRATORS      = make(5, 32, 544)
USERS               = make(5, 32, 545)

MEDIUM_LABEL = make(16, 0x2000)
HIGH_LABEL   = make(16, 0x3000)
SYSTEM_LABEL = make(16, 0x4000)


def logon_session(luid: int) -> Sid:
    """S-1-5-5-X-Y of a logon session."""
    return make(5, 5, luid >> 32, luid & 0xFFFFFFFF)


def in_domain_of(user: Sid, relative_id: int) -> Sid:
    """The account with another RID beside a user of the same domain."""
    return user[:-4] + struct.pack("<I", relative_id)
