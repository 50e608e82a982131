"""The security descriptor that keys have before anybody changes it."""

from __future__ import annotations

from ntgate.executive.se.acl import CONTAINER_INHERIT_ACE, allow, make_acl
from ntgate.executive.se.descriptor import Descriptor
from ntgate.executive.se.sids import ADMINISTRATORS, LOCAL_SYSTEM, USERS
from ntgate.layout.access import KEY_ALL_ACCESS, KEY_READ
from ntgate.layout.se import SE_DACL_PRESENT


def default_descriptor() -> bytes:
    """O:BAG:SYD:(A;CI;KA;;;BA)(A;CI;KA;;;SY)(A;CI;KR;;;BU), self-relative."""
    dacl = make_acl(
        allow(sid, access, CONTAINER_INHERIT_ACE)
        for sid, access in (
            (ADMINISTRATORS, KEY_ALL_ACCESS),
            (LOCAL_SYSTEM, KEY_ALL_ACCESS),
            (USERS, KEY_READ),
        )
    )
    return Descriptor(SE_DACL_PRESENT, ADMINISTRATORS, LOCAL_SYSTEM, dacl=dacl).pack()
