"""Process structures: EPROCESS, ETHREAD, and what ring 3 sees of them (PEB, TEB)."""

from __future__ import annotations

from ntgate.layout.io import KEVENT
from ntgate.layout.ke import KPROCESS, KSEMAPHORE, KTHREAD, LIST_ENTRY, NT_TIB
from ntgate.layout.ob import UNICODE_STRING
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
    Job                          = u32(0x134)
    SectionObject                = u32(0x138)
    SectionBaseAddress           = u32(0x13C)
    Win32WindowStation           = u32(0x148)
    InheritedFromUniqueProcessId = u32(0x14C)
    DeviceMap                    = u32(0x15C)
    ImageFileName                = raw(0x174, 16)
    JobLinks                     = embed(0x184, LIST_ENTRY)
    ThreadListHead               = embed(0x190, LIST_ENTRY)
    ActiveThreads                = u32(0x1A0)
    DefaultHardErrorProcessing   = u32(0x1A8)
    LastThreadExitStatus         = u32(0x1AC)
    Peb                          = u32(0x1B0)
    NumberOfVads                 = u32(0x240)
    Flags                        = u32(0x248)
    NoDebugInherit               = bits(0x248, 1)
    ProcessExiting               = bits(0x248, 2)
    ProcessDelete                = bits(0x248, 3)
    VmDeleted                    = bits(0x248, 5)
    BreakOnTermination           = bits(0x248, 13)
    ExitStatus                   = u32(0x24C)
    SubSystemMinorVersion        = u8(0x252)
    SubSystemMajorVersion        = u8(0x253)
    PriorityClass                = u8(0x254)
    Cookie                       = u32(0x258)


class ETHREAD(Struct, size=0x258):
    Tcb               = embed(0x000, KTHREAD)
    CreateTime        = u64(0x1C0)
    ExitTime          = u64(0x1C8)
    ExitStatus        = u32(0x1D0)
    KeyedWaitChain    = embed(0x1C8, LIST_ENTRY)
    TerminationPort   = u32(0x1DC)
    KeyedWaitValue    = u32(0x1DC)
    ActiveTimerListHead = embed(0x1E4, LIST_ENTRY)
    Cid               = embed(0x1EC, CLIENT_ID)
    KeyedWaitSemaphore = embed(0x1F4, KSEMAPHORE)
    IrpList           = embed(0x210, LIST_ENTRY)
    ImpersonationInfo = u32(0x20C)
    ThreadsProcess    = u32(0x220)
    StartAddress      = u32(0x224)
    Win32StartAddress = u32(0x228)
    ThreadListEntry   = embed(0x22C, LIST_ENTRY)
    CrossThreadFlags  = u32(0x248)
    Terminated        = bits(0x248, 0)
    DeadThread        = bits(0x248, 1)
    HideFromDebugger  = bits(0x248, 2)
    ActiveImpersonationInfo = bits(0x248, 3)
    SystemThread      = bits(0x248, 4)
    HardErrorsAreDisabled = bits(0x248, 5)
    BreakOnTermination = bits(0x248, 6)


class EJOB(Struct, size=0x180):
    Event                    = embed(0x000, KEVENT)
    JobLinks                 = embed(0x010, LIST_ENTRY)
    ProcessListHead          = embed(0x018, LIST_ENTRY)
    TotalUserTime            = u64(0x058)
    TotalKernelTime          = u64(0x060)
    ThisPeriodTotalUserTime  = u64(0x068)
    ThisPeriodTotalKernelTime = u64(0x070)
    TotalPageFaultCount      = u32(0x078)
    TotalProcesses           = u32(0x07C)
    ActiveProcesses          = u32(0x080)
    TotalTerminatedProcesses = u32(0x084)
    PerProcessUserTimeLimit  = u64(0x088)
    PerJobUserTimeLimit      = u64(0x090)
    LimitFlags               = u32(0x098)
    MinimumWorkingSetSize    = u32(0x09C)
    MaximumWorkingSetSize    = u32(0x0A0)
    ActiveProcessLimit       = u32(0x0A4)
    Affinity                 = u32(0x0A8)
    PriorityClass            = u8(0x0AC)
    UIRestrictionsClass      = u32(0x0B0)
    SecurityLimitFlags       = u32(0x0B4)
    EndOfJobTimeAction       = u32(0x0C0)
    CompletionPort           = u32(0x0C4)
    CompletionKey            = u32(0x0C8)
    SessionId                = u32(0x0CC)
    SchedulingClass          = u32(0x0D0)
    ProcessMemoryLimit       = u32(0x138)
    JobMemoryLimit           = u32(0x13C)
    PeakProcessMemoryUsed    = u32(0x140)
    PeakJobMemoryUsed        = u32(0x144)
    CurrentJobMemoryUsed     = u32(0x148)
    JobFlags                 = u32(0x178)


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
    DeallocationStack = u32(0xE0C)
    GdiBatchCount  = u32(0xF70)
    FreeStackOnTermination = u8(0xF75)


class LDR_DATA_TABLE_ENTRY(Struct, size=0x50):
    InLoadOrderLinks = embed(0x00, LIST_ENTRY)
    DllBase          = u32(0x18)
    EntryPoint       = u32(0x1C)
    SizeOfImage      = u32(0x20)
    FullDllName      = embed(0x24, UNICODE_STRING)
    BaseDllName      = embed(0x2C, UNICODE_STRING)
    Flags            = u32(0x34)
    LoadCount        = u16(0x38)


class EXCEPTION_RECORD(Struct, size=0x50):
    ExceptionCode        = u32(0x00)
    ExceptionFlags       = u32(0x04)
    ExceptionRecord      = u32(0x08)
    ExceptionAddress     = u32(0x0C)
    NumberParameters     = u32(0x10)
    ExceptionInformation = raw(0x14, 60)
