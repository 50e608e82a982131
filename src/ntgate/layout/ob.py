"""Object manager structures: headers, types, handle tables, directories; and the pool header."""

from __future__ import annotations

from ntgate.layout.ke import LIST_ENTRY
from ntgate.memory.structs import Struct, embed, raw, u8, u16, u32


class UNICODE_STRING(Struct, size=0x08):
    Length        = u16(0x00)
    MaximumLength = u16(0x02)
    Buffer        = u32(0x04)

    @property
    def text(self) -> str:
        return self.memory.read(self.Buffer, self.Length).decode("utf-16-le", "replace")


class POOL_HEADER(Struct, size=0x08):
    PreviousSize = u16(0x00)  # 9 bits, then PoolIndex: sizes count 8-byte blocks
    BlockSize    = u16(0x02)  # 9 bits, then PoolType: 0 is free
    PoolTag      = u32(0x04)


class OBJECT_HEADER(Struct, size=0x20):
    PointerCount       = u32(0x00)
    HandleCount        = u32(0x04)
    Type               = u32(0x08)
    NameInfoOffset     = u8(0x0C)
    HandleInfoOffset   = u8(0x0D)
    QuotaInfoOffset    = u8(0x0E)
    Flags              = u8(0x0F)
    ObjectCreateInfo   = u32(0x10)
    SecurityDescriptor = u32(0x14)


class OBJECT_HEADER_NAME_INFO(Struct, size=0x10):
    Directory = u32(0x00)
    Name      = embed(0x04, UNICODE_STRING)


class OBJECT_TYPE(Struct, size=0x190):
    TypeList             = embed(0x038, LIST_ENTRY)
    Name                 = embed(0x040, UNICODE_STRING)
    Index                = u32(0x04C)
    TotalNumberOfObjects = u32(0x050)
    TotalNumberOfHandles = u32(0x054)
    Key                  = u32(0x0AC)


class HANDLE_TABLE(Struct, size=0x44):
    TableCode            = u32(0x00)
    QuotaProcess         = u32(0x04)
    UniqueProcessId      = u32(0x08)
    HandleTableList      = embed(0x1C, LIST_ENTRY)
    FirstFree            = u32(0x30)
    LastFree             = u32(0x34)
    NextHandleNeedingPool = u32(0x38)
    HandleCount          = u32(0x3C)


class HANDLE_TABLE_ENTRY(Struct, size=0x08):
    Object        = u32(0x00)
    GrantedAccess = u32(0x04)


class OBJECT_DIRECTORY(Struct, size=0xA0):
    HashBuckets = raw(0x00, 37 * 4)
