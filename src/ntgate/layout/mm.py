"""Memory manager structures: VADs, sections and their control areas, page frames.

The flag unions lie in their structures member by member, as `dt` prints them one level down.
"""

from __future__ import annotations

from ntgate.layout.ke import LIST_ENTRY
from ntgate.layout.ps import EPROCESS
from ntgate.memory.structs import Struct, bits, embed, u8, u16, u32, u64

# The protection codes of the Protection fields of PTEs and VADs.
MM_ZERO_ACCESS       = 0
MM_READONLY          = 1
MM_EXECUTE           = 2
MM_EXECUTE_READ      = 3
MM_READWRITE         = 4
MM_WRITECOPY         = 5
MM_EXECUTE_READWRITE = 6
MM_EXECUTE_WRITECOPY = 7
MM_NOCACHE           = 0x08
MM_GUARD_PAGE        = 0x10
MM_DECOMMIT          = 0x10  # alone in a PTE: not committed, whatever the VAD says
MM_NOACCESS          = 0x18

IMAGE_SECTOR = 512  # bytes: the unit of places in an image's file
MM_MAX_COMMIT = 0x7FFFF  # CommitCharge of a VAD that charges nothing

# PTEs: PAE's self map, and bits of entries that are not valid.
PTE_BASE       = 0xC000_0000
PTE_PROTOTYPE  = 1 << 10
PTE_TRANSITION = 1 << 11

# What the memory services take and tell, from winnt.h.
ALLOCATION_GRANULARITY = 0x10000

MEM_COMMIT      = 0x0000_1000
MEM_RESERVE     = 0x0000_2000
MEM_DECOMMIT    = 0x0000_4000
MEM_RELEASE     = 0x0000_8000
MEM_FREE        = 0x0001_0000
MEM_PRIVATE     = 0x0002_0000
MEM_MAPPED      = 0x0004_0000
MEM_RESET       = 0x0008_0000
MEM_TOP_DOWN    = 0x0010_0000
MEM_WRITE_WATCH = 0x0020_0000
MEM_PHYSICAL    = 0x0040_0000
MEM_IMAGE       = 0x0100_0000

PAGE_NOACCESS          = 0x001
PAGE_READONLY          = 0x002
PAGE_READWRITE         = 0x004
PAGE_WRITECOPY         = 0x008
PAGE_EXECUTE           = 0x010
PAGE_EXECUTE_READ      = 0x020
PAGE_EXECUTE_READWRITE = 0x040
PAGE_EXECUTE_WRITECOPY = 0x080
PAGE_GUARD             = 0x100
PAGE_NOCACHE           = 0x200

SEC_BASED     = 0x0020_0000
SEC_NO_CHANGE = 0x0040_0000
SEC_FILE      = 0x0080_0000
SEC_IMAGE     = 0x0100_0000
SEC_RESERVE   = 0x0400_0000
SEC_COMMIT    = 0x0800_0000
SEC_NOCACHE   = 0x1000_0000


class MMVAD_SHORT(Struct, size=0x18):
    StartingVpn       = u32(0x00)
    EndingVpn         = u32(0x04)
    Parent            = u32(0x08)
    LeftChild         = u32(0x0C)
    RightChild        = u32(0x10)
    LongFlags         = u32(0x14)
    CommitCharge      = bits(0x14, 0, 19)
    PhysicalMapping   = bits(0x14, 19)
    ImageMap          = bits(0x14, 20)
    UserPhysicalPages = bits(0x14, 21)
    NoChange          = bits(0x14, 22)
    WriteWatch        = bits(0x14, 23)
    Protection        = bits(0x14, 24, 5)
    LargePages        = bits(0x14, 29)
    MemCommit         = bits(0x14, 30)
    PrivateMemory     = bits(0x14, 31)


class MMVAD(MMVAD_SHORT, size=0x28):
    ControlArea       = u32(0x18)
    FirstPrototypePte = u32(0x1C)
    LastContiguousPte = u32(0x20)
    LongFlags2        = u32(0x24)
    FileOffset        = bits(0x24, 0, 24)  # 64 KB units
    SecNoChange       = bits(0x24, 24)
    OneSecured        = bits(0x24, 25)
    MultipleSecured   = bits(0x24, 26)
    ReadOnly          = bits(0x24, 27)
    LongVad           = bits(0x24, 28)
    ExtendableFile    = bits(0x24, 29)
    Inherit           = bits(0x24, 30)
    CopyOnWrite       = bits(0x24, 31)


class MMADDRESS_LIST(Struct, size=0x08):
    StartVpn = u32(0x00)
    EndVpn   = u32(0x04)


class MMVAD_LONG(MMVAD, size=0x34):
    Secured = embed(0x28, MMADDRESS_LIST)


class SECTION_OBJECT(Struct, size=0x18):
    StartingVa = u32(0x00)
    EndingVa   = u32(0x04)
    Segment    = u32(0x14)


class SEGMENT(Struct, size=0x48):
    ControlArea            = u32(0x00)
    TotalNumberOfPtes      = u32(0x04)
    NonExtendedPtes        = u32(0x08)
    WritableUserReferences = u32(0x0C)
    SizeOfSegment          = u64(0x10)
    SegmentPteTemplate     = u64(0x18)
    NumberOfCommittedPages = u32(0x20)
    ExtendInfo             = u32(0x24)
    SystemImageBase        = u32(0x28)
    BasedAddress           = u32(0x2C)
    ImageCommitment        = u32(0x30)
    ImageInformation       = u32(0x34)
    PrototypePte           = u32(0x38)
    ThePtes                = u64(0x40)


class CONTROL_AREA(Struct, size=0x30):
    Segment                   = u32(0x00)
    DereferenceList           = embed(0x04, LIST_ENTRY)
    NumberOfSectionReferences = u32(0x0C)
    NumberOfPfnReferences     = u32(0x10)
    NumberOfMappedViews       = u32(0x14)
    NumberOfSubsections       = u16(0x18)
    NumberOfUserReferences    = u32(0x1C)
    LongFlags                 = u32(0x20)
    BeingDeleted              = bits(0x20, 0)
    Image                     = bits(0x20, 5)
    Based                     = bits(0x20, 6)
    File                      = bits(0x20, 7)
    NoCache                   = bits(0x20, 9)
    PhysicalMemory            = bits(0x20, 10)
    Reserve                   = bits(0x20, 12)
    Commit                    = bits(0x20, 13)
    NoChange                  = bits(0x20, 23)
    UserWritable              = bits(0x20, 26)
    FilePointer               = u32(0x24)


class SUBSECTION(Struct, size=0x20):
    ControlArea         = u32(0x00)
    ReadOnly            = bits(0x04, 0)
    ReadWrite           = bits(0x04, 1)
    GlobalMemory        = bits(0x04, 3)
    Protection          = bits(0x04, 4, 5)
    StartingSector4132  = bits(0x04, 10, 10)
    SectorEndOffset     = bits(0x04, 20, 12)
    StartingSector      = u32(0x08)  # 512-byte units in an image, 4 KB units in a data file
    NumberOfFullSectors = u32(0x0C)
    SubsectionBase      = u32(0x10)
    UnusedPtes          = u32(0x14)
    PtesInSubsection    = u32(0x18)
    NextSubsection      = u32(0x1C)


class SECTION_IMAGE_INFORMATION(Struct, size=0x30):
    TransferAddress       = u32(0x00)
    ZeroBits              = u32(0x04)
    MaximumStackSize      = u32(0x08)
    CommittedStackSize    = u32(0x0C)
    SubSystemType         = u32(0x10)
    SubSystemMinorVersion = u16(0x14)
    SubSystemMajorVersion = u16(0x16)
    GpValue               = u32(0x18)
    ImageCharacteristics  = u16(0x1C)
    DllCharacteristics    = u16(0x1E)
    Machine               = u16(0x20)
    ImageContainsCode     = u8(0x22)
    LoaderFlags           = u32(0x24)
    ImageFileSize         = u32(0x28)


class RTL_BITMAP(Struct, size=0x08):
    SizeOfBitMap = u32(0x00)  # bits
    Buffer       = u32(0x04)


class MMPFN(Struct, size=0x1C):
    WsIndex        = u32(0x00)
    PteAddress     = u32(0x04)
    ShareCount     = u32(0x08)
    ShortFlags     = u16(0x0C)
    ReferenceCount = u16(0x0E)
    OriginalPte    = u64(0x10)
    PteFrame       = bits(0x18, 0, 26)


class MMSUPPORT(Struct, size=0x40):
    PageFaultCount        = u32(0x0C)
    PeakWorkingSetSize    = u32(0x10)
    WorkingSetSize        = u32(0x14)  # pages
    MinimumWorkingSetSize = u32(0x18)
    MaximumWorkingSetSize = u32(0x1C)


class EPROCESS_VM(EPROCESS, size=0x260):
    """An EPROCESS with the members that only the memory manager keeps."""

    NumberOfPrivatePages = u32(0x128)
    VadFreeHint          = u32(0x154)
    CommitChargeLimit    = u32(0x1E8)
    CommitChargePeak     = u32(0x1EC)
    Vm                   = embed(0x1F8, MMSUPPORT)


def bytes_of(pages: int) -> int:
    """As a ULONG, whatever a debugger has written for the pages."""
    return pages << 12 & 0xFFFFFFFF
