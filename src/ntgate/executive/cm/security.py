"""The security descriptor that keys have before anybody changes it."""

from __future__ import annotations

import struct

KEY_ALL_ACCESS = 0xF003F
KEY_READ = 0x20019
CONTAINER_INHERIT_ACE = 2
SE_DACL_PRESENT, SE_SELF_RELATIVE = 0x0004, 0x8000
NT_AUTHORITY = 5
LOCAL_SYSTEM = (18,)
ADMINISTRATORS = (32, 544)
USERS = (32, 545)
HEADER_SIZE = 20


def _sid(authorities: tuple[int, ...]) -> bytes:
    head = struct.pack(">BBHI", 1, len(authorities), 0, NT_AUTHORITY)
    return head + struct.pack(f"<{len(authorities)}I", *authorities)


def _allow(authorities: tuple[int, ...], access: int) -> bytes:
    sid = _sid(authorities)
    return struct.pack("<BBHI", 0, CONTAINER_INHERIT_ACE, 8 + len(sid), access) + sid


def default_descriptor() -> bytes:
    """O:BAG:SYD:(A;CI;KA;;;BA)(A;CI;KA;;;SY)(A;CI;KR;;;BU), self-relative."""
    entries = (
        _allow(ADMINISTRATORS, KEY_ALL_ACCESS)
        + _allow(LOCAL_SYSTEM, KEY_ALL_ACCESS)
        + _allow(USERS, KEY_READ)
    )
    owner, group = _sid(ADMINISTRATORS), _sid(LOCAL_SYSTEM)
    dacl = struct.pack("<BBHHH", 2, 0, 8 + len(entries), 3, 0) + entries
    dacl_at = HEADER_SIZE + len(owner) + len(group)
    header = struct.pack(
        "<BBHIIII", 1, 0, SE_DACL_PRESENT | SE_SELF_RELATIVE, HEADER_SIZE,
        HEADER_SIZE + len(owner), 0, dacl_at,
    )  # fmt: skip
    return header + owner + group + dacl
