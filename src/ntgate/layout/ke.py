"""Kernel structures: processor, thread and process control, dispatcher objects, trap frames."""

from __future__ import annotations

from ntgate.memory.structs import Struct, embed, raw, u8, u16, u32, u64

# DISPATCHER_HEADER.Type: NT's KOBJECTS.
NOTIFICATION_EVENT, SYNCHRONIZATION_EVENT, MUTANT_OBJECT, PROCESS_OBJECT = 0, 1, 2, 3
QUEUE_OBJECT, SEMAPHORE_OBJECT, THREAD_OBJECT = 4, 5, 6
NOTIFICATION_TIMER, SYNCHRONIZATION_TIMER = 8, 9

# KTHREAD.State and WaitReason.
INITIALIZED, READY, RUNNING, STANDBY, TERMINATED, WAITING, TRANSITION = range(7)
SUSPENDED, USER_REQUEST, WR_EVENT_PAIR, WR_LPC_RECEIVE, WR_LPC_REPLY = 5, 6, 14, 16, 17

USER_MODE = 1  # KPROCESSOR_MODE
EXECUTE_DISABLE = 1 << 0  # KPROCESS.ExecuteOptions
SERVICE_DESCRIPTORS, SERVICE_DESCRIPTOR_SIZE = 4, 0x10  # of KeServiceDescriptorTable


class LIST_ENTRY(Struct, size=0x08):
    Flink = u32(0x00)
    Blink = u32(0x04)


class NT_TIB(Struct, size=0x1C):
    ExceptionList = u32(0x00)
    StackBase     = u32(0x04)
    StackLimit    = u32(0x08)
    Self          = u32(0x18)


class KTRAP_FRAME(Struct, size=0x8C):
    DbgEbp               = u32(0x00)
    DbgEip               = u32(0x04)
    DbgArgMark           = u32(0x08)
    DbgArgPointer        = u32(0x0C)
    TempSegCs            = u32(0x10)
    TempEsp              = u32(0x14)
    Dr0                  = u32(0x18)
    Dr1                  = u32(0x1C)
    Dr2                  = u32(0x20)
    Dr3                  = u32(0x24)
    Dr6                  = u32(0x28)
    Dr7                  = u32(0x2C)
    SegGs                = u32(0x30)
    SegEs                = u32(0x34)
    SegDs                = u32(0x38)
    Edx                  = u32(0x3C)
    Ecx                  = u32(0x40)
    Eax                  = u32(0x44)
    PreviousPreviousMode = u32(0x48)
    ExceptionList        = u32(0x4C)
    SegFs                = u32(0x50)
    Edi                  = u32(0x54)
    Esi                  = u32(0x58)
    Ebx                  = u32(0x5C)
    Ebp                  = u32(0x60)
    ErrCode              = u32(0x64)
    Eip                  = u32(0x68)
    SegCs                = u32(0x6C)
    EFlags               = u32(0x70)
    HardwareEsp          = u32(0x74)
    HardwareSegSs        = u32(0x78)
    V86Es                = u32(0x7C)
    V86Ds                = u32(0x80)
    V86Fs                = u32(0x84)
    V86Gs                = u32(0x88)


class KTSS(Struct, size=0x20AC):
    Esp0      = u32(0x04)
    Ss0       = u16(0x08)
    CR3       = u32(0x1C)
    Eip       = u32(0x20)
    IoMapBase = u16(0x66)


class KPRCB(Struct, size=0xC50):
    MinorVersion      = u16(0x000)
    MajorVersion      = u16(0x002)
    CurrentThread     = u32(0x004)
    NextThread        = u32(0x008)
    IdleThread        = u32(0x00C)
    SetMember         = u32(0x014)
    CpuType           = u8(0x018)
    CpuID             = u8(0x019)
    CpuStep           = u16(0x01A)
    KeContextSwitches = u32(0x4FC)
    KeSystemCalls     = u32(0x518)
    MHz               = u32(0x910)


class KPCR(Struct, size=0xD70):
    NtTib          = embed(0x000, NT_TIB)
    SelfPcr        = u32(0x01C)
    Prcb           = u32(0x020)
    Irql           = u8(0x024)
    KdVersionBlock = u32(0x034)
    IDT            = u32(0x038)
    GDT            = u32(0x03C)
    TSS            = u32(0x040)
    MajorVersion   = u16(0x044)
    MinorVersion   = u16(0x046)
    SetMember      = u32(0x048)
    DebugActive    = u8(0x050)
    PrcbData       = embed(0x120, KPRCB)


class KSYSTEM_TIME(Struct, size=0x0C):
    LowPart   = u32(0x00)
    High1Time = u32(0x04)
    High2Time = u32(0x08)

    def set(self, value: int) -> None:
        """In the order that a reader without a lock relies on."""
        self.High2Time = value >> 32 & 0xFFFFFFFF
        self.LowPart = value & 0xFFFFFFFF
        self.High1Time = value >> 32 & 0xFFFFFFFF

    def get(self) -> int:
        return self.LowPart | self.High1Time << 32


class KUSER_SHARED_DATA(Struct, size=0x338):
    TickCountLow                = u32(0x000)
    TickCountMultiplier         = u32(0x004)
    InterruptTime               = embed(0x008, KSYSTEM_TIME)
    SystemTime                  = embed(0x014, KSYSTEM_TIME)
    TimeZoneBias                = embed(0x020, KSYSTEM_TIME)
    ImageNumberLow              = u16(0x02C)
    ImageNumberHigh             = u16(0x02E)
    NtSystemRoot                = raw(0x030, 0x208)
    NtProductType               = u32(0x264)
    ProductTypeIsValid          = u8(0x268)
    NtMajorVersion              = u32(0x26C)
    NtMinorVersion              = u32(0x270)
    ProcessorFeatures           = raw(0x274, 0x40)
    Reserved1                   = u32(0x2B4)
    Reserved3                   = u32(0x2B8)
    SuiteMask                   = u32(0x2D0)
    KdDebuggerEnabled           = u8(0x2D4)
    NXSupportPolicy             = u8(0x2D5)
    ComPlusPackage              = u32(0x2E0)
    LastSystemRITEventTickCount = u32(0x2E4)
    NumberOfPhysicalPages       = u32(0x2E8)
    TestRetInstruction          = u64(0x2F8)
    SystemCall                  = u32(0x300)
    SystemCallReturn            = u32(0x304)
    TickCount                   = embed(0x320, KSYSTEM_TIME)
    Cookie                      = u32(0x330)


class DISPATCHER_HEADER(Struct, size=0x10):
    Type         = u8(0x00)
    Absolute     = u8(0x01)
    Size         = u8(0x02)
    Inserted     = u8(0x03)
    SignalState  = u32(0x04)
    WaitListHead = embed(0x08, LIST_ENTRY)


class KAPC_STATE(Struct, size=0x18):
    ApcListHead          = embed(0x00, LIST_ENTRY)  # kernel mode; user mode's is at +8
    Process              = u32(0x10)
    KernelApcInProgress  = u8(0x14)
    KernelApcPending     = u8(0x15)
    UserApcPending       = u8(0x16)


class KAPC(Struct, size=0x30):
    Type            = u16(0x00)
    Size            = u16(0x02)
    Thread          = u32(0x08)
    ApcListEntry    = embed(0x0C, LIST_ENTRY)
    KernelRoutine   = u32(0x14)
    NormalRoutine   = u32(0x1C)
    NormalContext   = u32(0x20)
    SystemArgument1 = u32(0x24)
    SystemArgument2 = u32(0x28)
    ApcMode         = u8(0x2D)
    Inserted        = u8(0x2E)


class KWAIT_BLOCK(Struct, size=0x18):
    WaitListEntry = embed(0x00, LIST_ENTRY)
    Thread        = u32(0x08)
    Object        = u32(0x0C)
    NextWaitBlock = u32(0x10)
    WaitKey       = u16(0x14)
    WaitType      = u16(0x16)


class KMUTANT(Struct, size=0x20):
    Header          = embed(0x00, DISPATCHER_HEADER)
    MutantListEntry = embed(0x10, LIST_ENTRY)
    OwnerThread     = u32(0x18)
    Abandoned       = u8(0x1C)
    ApcDisable      = u8(0x1D)


class KSEMAPHORE(Struct, size=0x14):
    Header = embed(0x00, DISPATCHER_HEADER)
    Limit  = u32(0x10)


class KTIMER(Struct, size=0x28):
    Header         = embed(0x00, DISPATCHER_HEADER)
    DueTime        = u64(0x10)
    TimerListEntry = embed(0x18, LIST_ENTRY)
    Dpc            = u32(0x20)
    Period         = u32(0x24)


class KDPC(Struct, size=0x20):
    Type            = u16(0x00)
    DpcListEntry    = embed(0x04, LIST_ENTRY)
    DeferredRoutine = u32(0x0C)
    DeferredContext = u32(0x10)


class ETIMER(Struct, size=0x98):
    KeTimer              = embed(0x00, KTIMER)
    TimerApc             = embed(0x28, KAPC)
    TimerDpc             = embed(0x58, KDPC)
    ActiveTimerListEntry = embed(0x78, LIST_ENTRY)
    Period               = u32(0x84)
    ApcAssociated        = u8(0x88)
    WakeTimer            = u8(0x89)


class KTHREAD(Struct, size=0x1C0):
    Header           = embed(0x000, DISPATCHER_HEADER)
    MutantListHead   = embed(0x010, LIST_ENTRY)
    InitialStack     = u32(0x018)
    StackLimit       = u32(0x01C)
    Teb              = u32(0x020)
    KernelStack      = u32(0x028)
    DebugActive      = u8(0x02C)
    State            = u8(0x02D)
    Alerted          = raw(0x02E, 2)
    Iopl             = u8(0x030)
    NpxState         = u8(0x031)
    Saturation       = u8(0x032)
    Priority         = u8(0x033)
    ApcState         = embed(0x034, KAPC_STATE)
    ContextSwitches  = u32(0x04C)
    WaitStatus       = u32(0x054)
    WaitMode         = u8(0x059)
    WaitReason       = u8(0x05B)
    WaitBlockList    = u32(0x05C)
    WaitTime         = u32(0x068)
    BasePriority     = u8(0x06C)
    Quantum          = u8(0x06F)
    WaitBlock        = raw(0x070, 4 * 0x18)
    KernelApcDisable = u32(0x0D4)
    UserAffinity     = u32(0x0D8)
    ServiceTable     = u32(0x0E0)
    WaitListEntry    = embed(0x060, LIST_ENTRY)
    Affinity         = u32(0x124)
    Win32Thread      = u32(0x130)
    TrapFrame        = u32(0x134)
    PreviousMode     = u8(0x140)
    LargeStack       = u8(0x142)
    KernelTime       = u32(0x144)
    UserTime         = u32(0x148)
    Alertable        = u8(0x164)
    AutoAlignment    = u8(0x167)
    StackBase        = u32(0x168)
    ThreadListEntry  = embed(0x1B0, LIST_ENTRY)
    FreezeCount      = u8(0x1B8)
    SuspendCount     = u8(0x1B9)
    IdealProcessor   = u8(0x1BA)
    DisableBoost     = u8(0x1BB)


class KPROCESS(Struct, size=0x6C):
    Header             = embed(0x00, DISPATCHER_HEADER)
    ProfileListHead    = embed(0x10, LIST_ENTRY)
    DirectoryTableBase = u32(0x18)
    LdtDescriptor      = raw(0x20, 8)
    IopmOffset         = u16(0x30)
    Iopl               = u8(0x32)
    KernelTime         = u32(0x38)
    UserTime           = u32(0x3C)
    ReadyListHead      = embed(0x40, LIST_ENTRY)
    ThreadListHead     = embed(0x50, LIST_ENTRY)
    Affinity           = u32(0x5C)
    BasePriority       = u8(0x62)
    ThreadQuantum      = u8(0x63)
    AutoAlignment      = u8(0x64)
    State              = u8(0x65)
    DisableBoost       = u8(0x67)
    ExecuteOptions     = u8(0x6B)
