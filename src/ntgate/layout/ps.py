"""Process structures: EPROCESS, ETHREAD, and what ring 3 sees of them (PEB, TEB)."""

from __future__ import annotations

from ntgate.layout.ke import KPROCESS, KTHREAD, LIST_ENTRY, NT_TIB
from ntgate.memory.structs import Struct, bits, embed, raw, u8, u16, u32, u64


class CLIENT_ID(Struct, size=0x08):
    UniqueProcess = u32(0x00)
    UniqueThread  = u32(0x04)


class EPROCESS(Struct, size=0x260):
    Pcb                          = embed(0x000, KPROCESS)
    CreateTime                   = u64(0x070)
    ExitTime                     = u64(0x078)
    UniqueProcessId              = u32(0x084)
    ActiveProcessLinks           = embed(0x088, LIST_ENTRY)
    CommitCharge                 = u32(0x0A8)
    PeakVirtualSize              = u32(0x0AC)
    VirtualSize                  = u32(0x0B0)
    DebugPort                    = u32(0x0BC)
    ExceptionPort                = u32(0x0C0)
    ObjectTable                  = u32(0x0C4)
    Token                        = u32(0x0C8)
    VadRoot                      = u32(0x11C)
    VadHint                      = u32(0x120)
    SectionObject                = u32(0x138)
    SectionBaseAddress           = u32(0x13C)
    InheritedFromUniqueProcessId = u32(0x14C)
    DeviceMap                    = u32(0x15C)
    ImageFileName                = raw(0x174, 16)
    ThreadListHead               = embed(0x190, LIST_ENTRY)
    ActiveThreads                = u32(0x1A0)
    DefaultHardErrorProcessing   = u32(0x1A8)
    LastThreadExitStatus         = u32(0x1AC)
    Peb                          = u32(0x1B0)
    NumberOfVads                 = u32(0x240)
    Flags                        = u32(0x248)
    ProcessExiting               = bits(0x248, 2)
    ExitStatus                   = u32(0x24C)
    PriorityClass                = u8(0x254)


class ETHREAD(Struct, size=0x258):
    Tcb               = embed(0x000, KTHREAD)
    CreateTime        = u64(0x1C0)
    ExitTime          = u64(0x1C8)
    ExitStatus        = u32(0x1D0)
    Cid               = embed(0x1EC, CLIENT_ID)
    ThreadsProcess    = u32(0x220)
    StartAddress      = u32(0x224)
    Win32StartAddress = u32(0x228)
    ThreadListEntry   = embed(0x22C, LIST_ENTRY)
    CrossThreadFlags  = u32(0x248)
    Terminated        = bits(0x248, 0)
    DeadThread        = bits(0x248, 1)
    HideFromDebugger  = bits(0x248, 2)
    SystemThread      = bits(0x248, 4)


class PEB(Struct, size=0x210):
    BeingDebugged        = u8(0x002)
    ImageBaseAddress     = u32(0x008)
    Ldr                  = u32(0x00C)
    ProcessParameters    = u32(0x010)
    ProcessHeap          = u32(0x018)
    NumberOfProcessors   = u32(0x064)
    NtGlobalFlag         = u32(0x068)
    OSMajorVersion       = u32(0x0A4)
    OSMinorVersion       = u32(0x0A8)
    OSBuildNumber        = u16(0x0AC)
    OSCSDVersion         = u16(0x0AE)
    OSPlatformId         = u32(0x0B0)
    ImageSubsystem       = u32(0x0B4)
    SessionId            = u32(0x1D4)


class TEB(Struct, size=0xFB8):
    NtTib          = embed(0x000, NT_TIB)
    ClientId       = embed(0x020, CLIENT_ID)
    ProcessEnvironmentBlock = u32(0x030)
    LastErrorValue = u32(0x034)
    GdiBatchCount  = u32(0xF70)


class EXCEPTION_RECORD(Struct, size=0x50):
    ExceptionCode        = u32(0x00)
    ExceptionFlags       = u32(0x04)
    ExceptionRecord      = u32(0x08)
    ExceptionAddress     = u32(0x0C)
    NumberParameters     = u32(0x10)
    ExceptionInformation = raw(0x14, 60)
