"""I/O structures: file, device and driver objects, volumes, requests, completion ports."""

from __future__ import annotations

from ntgate.layout.ke import DISPATCHER_HEADER, LIST_ENTRY
from ntgate.layout.ob import UNICODE_STRING
from ntgate.memory.structs import Struct, embed, raw, u8, u16, u32, u64

# The Type member: what kind of I/O object a structure is.
IO_TYPE_DEVICE, IO_TYPE_DRIVER, IO_TYPE_FILE = 3, 4, 5
IO_TYPE_IRP, IO_TYPE_VPB = 6, 10

# FILE_OBJECT.Flags.
FO_SYNCHRONOUS_IO            = 0x0000_0002
FO_ALERTABLE_IO              = 0x0000_0004
FO_NO_INTERMEDIATE_BUFFERING = 0x0000_0008
FO_WRITE_THROUGH             = 0x0000_0010
FO_SEQUENTIAL_ONLY           = 0x0000_0020
FO_CACHE_SUPPORTED           = 0x0000_0040
FO_NAMED_PIPE                = 0x0000_0080
FO_MAILSLOT                  = 0x0000_0200
FO_FILE_MODIFIED             = 0x0000_1000
FO_CLEANUP_COMPLETE          = 0x0000_4000
FO_TEMPORARY_FILE            = 0x0000_8000
FO_DELETE_ON_CLOSE           = 0x0001_0000
FO_HANDLE_CREATED            = 0x0004_0000
FO_RANDOM_ACCESS             = 0x0010_0000
# From Vista on, in bits that XP leaves clear.
FO_SKIP_COMPLETION_PORT = 0x02000000
FO_SKIP_SET_EVENT = 0x04000000

# DEVICE_OBJECT.Flags and Characteristics.
DO_BUFFERED_IO, DO_DIRECT_IO, DO_DEVICE_HAS_NAME = 0x04, 0x10, 0x40
FILE_DEVICE_IS_MOUNTED, FILE_DEVICE_SECURE_OPEN = 0x20, 0x100

SECTOR_SIZE = 512  # bytes, of the disk

# VPB.Flags.
VPB_MOUNTED = 1


class KEVENT(Struct, size=0x10):
    Header = embed(0x00, DISPATCHER_HEADER)


class FILE_OBJECT(Struct, size=0x70):
    Type                 = u16(0x00)
    Size                 = u16(0x02)
    DeviceObject         = u32(0x04)
    Vpb                  = u32(0x08)
    FsContext            = u32(0x0C)
    FsContext2           = u32(0x10)
    SectionObjectPointer = u32(0x14)
    FinalStatus          = u32(0x1C)
    RelatedFileObject    = u32(0x20)
    LockOperation        = u8(0x24)
    DeletePending        = u8(0x25)
    ReadAccess           = u8(0x26)
    WriteAccess          = u8(0x27)
    DeleteAccess         = u8(0x28)
    SharedRead           = u8(0x29)
    SharedWrite          = u8(0x2A)
    SharedDelete         = u8(0x2B)
    Flags                = u32(0x2C)
    FileName             = embed(0x30, UNICODE_STRING)
    CurrentByteOffset    = u64(0x38)
    Lock                 = embed(0x4C, KEVENT)
    Event                = embed(0x5C, KEVENT)
    CompletionContext    = u32(0x6C)


class IO_COMPLETION_CONTEXT(Struct, size=0x08):
    Port = u32(0x00)
    Key  = u32(0x04)


class DEVICE_OBJECT(Struct, size=0xB8):
    Type                  = u16(0x00)
    Size                  = u16(0x02)
    ReferenceCount        = u32(0x04)
    DriverObject          = u32(0x08)
    NextDevice            = u32(0x0C)
    AttachedDevice        = u32(0x10)
    Flags                 = u32(0x1C)
    Characteristics       = u32(0x20)
    Vpb                   = u32(0x24)
    DeviceExtension       = u32(0x28)
    DeviceType            = u32(0x2C)
    StackSize             = u8(0x30)
    AlignmentRequirement  = u32(0x5C)
    SectorSize            = u16(0xAC)


class DRIVER_OBJECT(Struct, size=0xA8):
    Type         = u16(0x00)
    Size         = u16(0x02)
    DeviceObject = u32(0x04)
    DriverName   = embed(0x1C, UNICODE_STRING)


class VPB(Struct, size=0x58):
    Type              = u16(0x00)
    Size              = u16(0x02)
    Flags             = u16(0x04)
    VolumeLabelLength = u16(0x06)
    DeviceObject      = u32(0x08)
    RealDevice        = u32(0x0C)
    SerialNumber      = u32(0x10)
    ReferenceCount    = u32(0x14)
    VolumeLabel       = raw(0x18, 64)


class IO_STATUS_BLOCK(Struct, size=0x08):
    Status      = u32(0x00)
    Information = u32(0x04)


class IRP(Struct, size=0x70):
    Type            = u16(0x00)
    Size            = u16(0x02)
    Flags           = u32(0x08)
    ThreadListEntry = embed(0x10, LIST_ENTRY)
    IoStatus        = embed(0x18, IO_STATUS_BLOCK)
    RequestorMode   = u8(0x20)
    PendingReturned = u8(0x21)
    StackCount      = u8(0x22)
    CurrentLocation = u8(0x23)
    Cancel          = u8(0x24)
    UserIosb        = u32(0x28)
    UserEvent       = u32(0x2C)
    UserBuffer      = u32(0x3C)


class KQUEUE(Struct, size=0x28):
    Header         = embed(0x00, DISPATCHER_HEADER)
    EntryListHead  = embed(0x10, LIST_ENTRY)
    CurrentCount   = u32(0x18)
    MaximumCount   = u32(0x1C)
    ThreadListHead = embed(0x20, LIST_ENTRY)
