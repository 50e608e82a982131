"""Security descriptors as SDDL, the text form of Windows' own tools.

From [MS-DTYP] 2.4.6 (SECURITY_DESCRIPTOR), 2.4.4 (ACEs) and 2.5.1 (SDDL).
"""

from __future__ import annotations

import struct

from ntgate.layout import access as a
from ntgate.layout.se import SE_DACL_PRESENT, SE_SACL_PRESENT, SE_SELF_RELATIVE
from ntgate.trace.peek import Peek

DESCRIPTOR = struct.Struct("<BBHIIII")
ACL = struct.Struct("<BBHHH")
DACL_FLAGS = ((0x1000, "P"), (0x0100, "AR"), (0x0400, "AI"))
SACL_FLAGS = ((0x2000, "P"), (0x0200, "AR"), (0x0800, "AI"))
MOST_ACES = 64

ALIASES = {
    "S-1-1-0": "WD", "S-1-3-0": "CO", "S-1-3-1": "CG", "S-1-5-2": "NU", "S-1-5-4": "IU",
    "S-1-5-6": "SU", "S-1-5-7": "AN", "S-1-5-10": "PS", "S-1-5-11": "AU", "S-1-5-12": "RC",
    "S-1-5-18": "SY", "S-1-5-19": "LS", "S-1-5-20": "NS", "S-1-5-32-544": "BA",
    "S-1-5-32-545": "BU", "S-1-5-32-546": "BG", "S-1-5-32-547": "PU", "S-1-5-32-551": "BO",
}  # fmt: skip
ACE_TYPES = {0: "A", 1: "D", 2: "AU", 3: "AL", 5: "OA", 6: "OD", 7: "OU", 8: "OL", 0x11: "ML"}
ACE_FLAGS = (
    (0x01, "OI"), (0x02, "CI"), (0x04, "NP"), (0x08, "IO"), (0x10, "ID"), (0x40, "SA"),
    (0x80, "FA"),
)  # fmt: skip
WHOLE_RIGHTS = {
    a.GENERIC_ALL: "GA", a.GENERIC_READ: "GR", a.GENERIC_WRITE: "GW", a.GENERIC_EXECUTE: "GX",
    0x1F01FF: "FA", 0x120089: "FR", 0x120116: "FW", 0x1200A0: "FX",
    a.KEY_ALL_ACCESS: "KA", a.KEY_READ: "KR", a.KEY_WRITE: "KW",
}  # fmt: skip
RIGHTS = (
    (a.GENERIC_ALL, "GA"), (a.GENERIC_READ, "GR"), (a.GENERIC_WRITE, "GW"),
    (a.GENERIC_EXECUTE, "GX"),
    (0x0001, "CC"), (0x0002, "DC"), (0x0004, "LC"), (0x0008, "SW"), (0x0010, "RP"), (0x0020, "WP"),
    (0x0040, "DT"), (0x0080, "LO"), (0x0100, "CR"), (a.DELETE, "SD"), (a.READ_CONTROL, "RC"),
    (a.WRITE_DAC, "WD"), (a.WRITE_OWNER, "WO"),
)  # fmt: skip


def sddl(peek: Peek, address: int) -> str:
    """Of the descriptor at an address, absolute or self-relative; raises Unreadable."""
    data = peek.read(address, DESCRIPTOR.size)
    _revision, _reserved, control, owner, group, sacl, dacl = DESCRIPTOR.unpack(data)
    base = address if control & SE_SELF_RELATIVE else 0
    parts = []
    if owner:
        parts.append(f"O:{_sid(peek, base + owner)}")
    if group:
        parts.append(f"G:{_sid(peek, base + group)}")
    if control & SE_DACL_PRESENT:
        parts.append("D:" + _acl(peek, base + dacl if dacl else 0, control, DACL_FLAGS))
    if control & SE_SACL_PRESENT:
        parts.append("S:" + _acl(peek, base + sacl if sacl else 0, control, SACL_FLAGS))
    return "".join(parts)


def _sid(peek: Peek, address: int) -> str:
    text = peek.sid(address & 0xFFFFFFFF)
    return ALIASES.get(text, text)


def _acl(peek: Peek, address: int, control: int, named: tuple[tuple[int, str], ...]) -> str:
    flags = "".join(name for bit, name in named if control & bit)
    if not address:
        return flags + "NO_ACCESS_CONTROL"
    address &= 0xFFFFFFFF
    _revision, _, _size, count, _ = ACL.unpack(peek.read(address, ACL.size))
    aces, at = [], address + ACL.size
    for _ in range(min(count, MOST_ACES)):
        kind, ace_flags, size = struct.unpack("<BBH", peek.read(at, 4))
        aces.append(_ace(peek, at, kind, ace_flags))
        at += size
        if size < 8:
            break
    return flags + "".join(aces)


def _ace(peek: Peek, at: int, kind: int, flags: int) -> str:
    name = ACE_TYPES.get(kind, f"{kind:#x}")
    inherited = "".join(text for bit, text in ACE_FLAGS if flags & bit)
    mask = peek.u32(at + 4)
    trustee = "" if kind in (5, 6, 7, 8) else _sid(peek, at + 8)  # object ACEs have GUIDs before
    return f"({name};{inherited};{_rights(mask)};;;{trustee})"


def _rights(mask: int) -> str:
    if mask in WHOLE_RIGHTS:
        return WHOLE_RIGHTS[mask]
    left, names = mask, []
    for bit, name in RIGHTS:
        if left & bit:
            names.append(name)
            left &= ~bit
    return f"{mask:#x}" if left or not names else "".join(names)
