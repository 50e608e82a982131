"""Object manager structures: headers, types, handle tables, directories; and the pool header."""

from __future__ import annotations

from ntgate.layout.ke import LIST_ENTRY
from ntgate.memory.structs import Struct, bits, embed, raw, u8, u16, u32, u64

NUMBER_HASH_BUCKETS = 37

# Handles that every process has without opening anything.
CURRENT_PROCESS, CURRENT_THREAD = 0xFFFF_FFFF, 0xFFFF_FFFE

# A HANDLE_TABLE_ENTRY: Object, with flags in its low bits, and GrantedAccess.
HANDLE_TABLE_ENTRY_SIZE = 8
HANDLE_UNLOCKED = 1                 # in Object
HANDLE_OBJECT_MASK = 0xFFFF_FFF8    # of Object, without its flags
HANDLE_PROTECT_CLOSE = 0x0200_0000  # in GrantedAccess


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
    Directory       = u32(0x00)
    Name            = embed(0x04, UNICODE_STRING)
    QueryReferences = u32(0x0C)


class OBJECT_HEADER_CREATOR_INFO(Struct, size=0x10):
    TypeList             = embed(0x00, LIST_ENTRY)
    CreatorUniqueProcess = u32(0x08)


class GENERIC_MAPPING(Struct, size=0x10):
    GenericRead    = u32(0x00)
    GenericWrite   = u32(0x04)
    GenericExecute = u32(0x08)
    GenericAll     = u32(0x0C)


class OBJECT_TYPE_INITIALIZER(Struct, size=0x4C):
    Length                    = u16(0x00)
    UseDefaultObject          = u8(0x02)
    CaseInsensitive           = u8(0x03)
    InvalidAttributes         = u32(0x04)
    GenericMapping            = embed(0x08, GENERIC_MAPPING)
    ValidAccessMask           = u32(0x18)
    SecurityRequired          = u8(0x1C)
    MaintainHandleCount       = u8(0x1D)
    MaintainTypeList          = u8(0x1E)
    PoolType                  = u32(0x20)
    DefaultPagedPoolCharge    = u32(0x24)
    DefaultNonPagedPoolCharge = u32(0x28)


class OBJECT_TYPE(Struct, size=0x190):
    TypeList                 = embed(0x038, LIST_ENTRY)
    Name                     = embed(0x040, UNICODE_STRING)
    DefaultObject            = u32(0x048)
    Index                    = u32(0x04C)
    TotalNumberOfObjects     = u32(0x050)
    TotalNumberOfHandles     = u32(0x054)
    HighWaterNumberOfObjects = u32(0x058)
    HighWaterNumberOfHandles = u32(0x05C)
    TypeInfo                 = embed(0x060, OBJECT_TYPE_INITIALIZER)
    Key                      = u32(0x0AC)


class HANDLE_TABLE(Struct, size=0x44):
    TableCode            = u32(0x00)
    QuotaProcess         = u32(0x04)
    UniqueProcessId      = u32(0x08)
    HandleTableList      = embed(0x1C, LIST_ENTRY)
    ExtraInfoPages       = u32(0x2C)
    FirstFree            = u32(0x30)
    LastFree             = u32(0x34)
    NextHandleNeedingPool = u32(0x38)
    HandleCount          = u32(0x3C)
    StrictFIFO           = bits(0x40, 0)


class OBJECT_DIRECTORY_ENTRY(Struct, size=0x08):
    ChainLink = u32(0x00)
    Object    = u32(0x04)


class DEVICE_MAP(Struct, size=0x30):
    DosDevicesDirectory       = u32(0x00)
    GlobalDosDevicesDirectory = u32(0x04)
    ReferenceCount            = u32(0x08)
    DriveMap                  = u32(0x0C)
    DriveType                 = raw(0x10, 32)


class OBJECT_DIRECTORY(Struct, size=0xA4):
    HashBuckets            = raw(0x00, NUMBER_HASH_BUCKETS * 4)
    DeviceMap              = u32(0x98)
    SessionId              = u32(0x9C)
    SymbolicLinkUsageCount = u16(0xA2)


class OBJECT_SYMBOLIC_LINK(Struct, size=0x20):
    CreationTime        = u64(0x00)
    LinkTarget          = embed(0x08, UNICODE_STRING)
    LinkTargetRemaining = embed(0x10, UNICODE_STRING)
    LinkTargetObject    = u32(0x18)
    DosDeviceDriveIndex = u32(0x1C)
