"""GDT, IDT, TSS, KPCR and SharedUserData, as they stand before the first instruction."""

from __future__ import annotations

from ntgate.boot.nt_image import FIRST_DEVICE_VECTOR, UNEXPECTED_STUB_SIZE
from ntgate.cpu.descriptors import (
    INTERRUPT_GATE,
    TASK_GATE,
    gate_descriptor,
    segment_descriptor,
)
from ntgate.layout import machine as m
from ntgate.layout.ke import KPCR, KTSS, KUSER_SHARED_DATA
from ntgate.layout.pe import IMAGE_FILE_MACHINE_I386
from ntgate.memory.kernel import KernelMemory

TSS_SIZE = 0x20AC
IO_MAP_OFFSET = 0x88  # the first I/O map follows the hardware part of KTSS
DPL3 = 3
TRAP_GATES_RING3 = {0x03: "KiTrap03", 0x04: "KiTrap04", 0x2A: "KiGetTickCount",
                    0x2B: "KiCallbackReturn", 0x2C: "KiSetLowWaitHighThread",
                    0x2D: "KiDebugService", 0x2E: "KiSystemService"}  # fmt: skip


def build_gdt(kernel: KernelMemory, symbols: dict[str, int]) -> None:
    def put(selector: int, descriptor: int) -> None:
        kernel.set_u64(m.GDT + (selector & 0xFFF8), descriptor)

    put(m.KGDT_R0_CODE, segment_descriptor(0, 0xFFFFF, 0x9B))
    put(m.KGDT_R0_DATA, segment_descriptor(0, 0xFFFFF, 0x93))
    put(m.KGDT_R3_CODE, segment_descriptor(0, 0xFFFFF, 0xFB))
    put(m.KGDT_R3_DATA, segment_descriptor(0, 0xFFFFF, 0xF3))
    put(m.KGDT_TSS, segment_descriptor(m.TSS, TSS_SIZE - 1, 0x8B, flags=0))
    put(m.KGDT_R0_PCR, segment_descriptor(m.KPCR_ADDRESS, 1, 0x93))
    put(m.KGDT_R3_TEB, segment_descriptor(0, 0xFFF, 0xF3, flags=0x4))
    for selector, name in ((m.KGDT_DF_TSS, "KiDoubleFaultTSS"), (m.KGDT_NMI_TSS, "KiNMITSS")):
        put(selector, segment_descriptor(symbols[name], 0x67, 0x89, flags=0))
        kernel.set_u32(symbols[name] + KTSS.CR3.offset, m.SYSTEM_PDPT)


def build_idt(kernel: KernelMemory, symbols: dict[str, int]) -> None:
    """XP's vectors: traps, the four services of 2a-2e, and unexpected interrupts from 30h.

    20h-29h are empty, 14h-1fh and 2fh go to KiTrap0F; only vectors 3, 4 and 2ah-2eh may be
    called from ring 3.
    """
    reserved = symbols["KiTrap0F"]
    for vector in range(0x100):
        dpl, kind, selector = 0, INTERRUPT_GATE, m.KGDT_R0_CODE
        if vector in TRAP_GATES_RING3:
            target, dpl = symbols[TRAP_GATES_RING3[vector]], DPL3
        elif vector in (0x02, 0x08):
            kind, target = TASK_GATE, 0x113E if vector == 2 else 0x1178
            selector = m.KGDT_NMI_TSS if vector == 2 else m.KGDT_DF_TSS
        elif vector < 0x14:
            target = symbols.get(f"KiTrap{vector:02X}", reserved)
        elif 0x20 <= vector < 0x2A:
            continue
        elif vector < 0x30:
            target = reserved
        elif vector == m.CLOCK_VECTOR:
            target = symbols["HalpClockInterrupt"]
        else:
            target = symbols["KiStartUnexpectedRange"] + (
                vector - FIRST_DEVICE_VECTOR
            ) * UNEXPECTED_STUB_SIZE
        kernel.set_u64(m.IDT + 8 * vector, gate_descriptor(selector, target, kind, dpl))


def build_tss(kernel: KernelMemory) -> None:
    """Ring 0's stack is set by each thread switch; every port is closed to ring 3."""
    tss = KTSS(kernel, m.TSS)
    tss.Ss0 = m.KGDT_R0_DATA
    tss.CR3 = m.SYSTEM_PDPT
    tss.IoMapBase = TSS_SIZE  # beyond the limit: no map
    kernel.write(m.TSS + IO_MAP_OFFSET, b"\xff" * (TSS_SIZE - IO_MAP_OFFSET))


def build_pcr(kernel: KernelMemory) -> None:
    pcr = KPCR(kernel, m.KPCR_ADDRESS)
    pcr.NtTib.ExceptionList = 0xFFFFFFFF
    pcr.SelfPcr = m.KPCR_ADDRESS
    pcr.Prcb = m.KPCR_ADDRESS + KPCR.PrcbData.offset
    pcr.IDT, pcr.GDT, pcr.TSS = m.IDT, m.GDT, m.TSS
    pcr.MajorVersion, pcr.MinorVersion = 1, 1
    pcr.SetMember = 1
    prcb = pcr.PrcbData
    prcb.MajorVersion, prcb.MinorVersion = 1, 1
    prcb.SetMember = 1
    prcb.CpuType, prcb.CpuID, prcb.CpuStep = 6, 1, 0x1A05
    prcb.MHz = 2400


def build_shared_user_data(
    kernel: KernelMemory, *, pages: int, has_sep: bool, debugger: bool
) -> None:
    """The study's listing at the initial break, where it names a value (facts: XP SP3)."""
    data = KUSER_SHARED_DATA(kernel, m.SHARED_USER_DATA_KERNEL)
    data.TickCountLow = 0x6590
    data.TickCountMultiplier = 0x0FA00000
    data.ImageNumberLow = data.ImageNumberHigh = IMAGE_FILE_MACHINE_I386
    data.NtSystemRoot = "C:\\WINDOWS".encode("utf-16-le")
    data.NtProductType = 1
    data.ProductTypeIsValid = 1
    data.NtMajorVersion, data.NtMinorVersion = 5, 1
    # CMPXCHG8B, MMX, SSE, RDTSC, PAE, SSE2 and NX, of what the processor reports.
    for feature in (2, 3, 6, 8, 9, 10, 12):
        kernel.set_u8(data.address + KUSER_SHARED_DATA.ProcessorFeatures.offset + feature, 1)
    data.Reserved1, data.Reserved3 = m.MM_HIGHEST_USER_ADDRESS, m.MM_SYSTEM_RANGE_START
    data.SuiteMask = 0x110
    data.KdDebuggerEnabled = 3 if debugger else 0
    data.NXSupportPolicy = 2
    data.ComPlusPackage = 0xFFFFFFFF
    data.LastSystemRITEventTickCount = 0x53B2C
    data.NumberOfPhysicalPages = pages
    data.TestRetInstruction = 0xC3
    data.SystemCall = m.KI_FAST_SYSTEM_CALL if has_sep else m.KI_INT_SYSTEM_CALL
    data.SystemCallReturn = m.KI_FAST_SYSTEM_CALL_RET
    data.Cookie = 0xFF08DEAC
