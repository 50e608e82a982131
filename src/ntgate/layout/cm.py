"""Configuration manager: the types of values, and what a key handle leads to in system space."""

from __future__ import annotations

from ntgate.layout.ke import LIST_ENTRY
from ntgate.memory.structs import Struct, bits, embed, u8, u16, u32, u64

# Value types, from winnt.h.
REG_NONE                       = 0
REG_SZ                         = 1
REG_EXPAND_SZ                  = 2
REG_BINARY                     = 3
REG_DWORD                      = 4
REG_DWORD_BIG_ENDIAN           = 5
REG_LINK                       = 6
REG_MULTI_SZ                   = 7
REG_RESOURCE_LIST              = 8
REG_FULL_RESOURCE_DESCRIPTOR   = 9
REG_RESOURCE_REQUIREMENTS_LIST = 10
REG_QWORD                      = 11

KEY_BODY_TYPE = 0x6B793032  # "20yk": CM_KEY_BODY.Type of a key that is open


class CM_KEY_BODY(Struct, size=0x44):
    Type            = u32(0x00)
    KeyControlBlock = u32(0x04)
    NotifyBlock     = u32(0x08)
    ProcessID       = u32(0x0C)
    Callers         = u32(0x10)
    KeyBodyList     = embed(0x3C, LIST_ENTRY)


class CM_KEY_CONTROL_BLOCK(Struct, size=0x50):
    RefCount         = u32(0x00)
    Delete           = bits(0x04, 9)
    TotalLevels      = bits(0x04, 22, 10)
    ParentKcb        = u32(0x18)
    NameBlock        = u32(0x1C)
    KeyBodyListHead  = embed(0x30, LIST_ENTRY)
    KcbLastWriteTime = u64(0x38)
    Flags            = bits(0x48, 16, 16)


class CM_NAME_CONTROL_BLOCK(Struct, size=0x10):
    Compressed = u8(0x00)
    RefCount   = u16(0x02)
    NameLength = u16(0x0C)
    Name       = u16(0x0E)
