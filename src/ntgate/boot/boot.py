"""From power-on to a machine whose kernel could take its first call.

The executive makes the first process and thread afterwards.
"""

from __future__ import annotations

from ntgate.boot import tables
from ntgate.boot.memory_map import MemoryMap
from ntgate.boot.nt_image import KernelImage, build_kernel_images
from ntgate.cpu.processor import Processor
from ntgate.cpu.ram import PAGE_SIZE, PhysicalMemory
from ntgate.cpu.unicorn_abi import x86
from ntgate.image.pe_view import map_image
from ntgate.layout import machine as m
from ntgate.memory.kernel import DIRECT_BASE
from ntgate.records import dataclass

CR4_PAE, CR4_PGE, CR4_OSFXSR, CR4_OSXMMEXCPT = 1 << 5, 1 << 7, 1 << 9, 1 << 10
CR0_NT = 0x8001_0033  # PG, WP, NE, ET, MP, PE
EFER, EFER_NXE = 0xC0000080, 1 << 11


@dataclass
class BootedSystem:
    """The processor, the memory, and the images with their symbols."""

    cpu: Processor
    memory: MemoryMap
    images: tuple[KernelImage, ...]
    symbols: dict[str, int]  # of all images


def boot(
    *, pages: int = m.MEMORY_PAGES, has_sep: bool = True, debugger: bool = False
) -> BootedSystem:
    """Build everything in memory and load the processor's registers.

    pages: RAM in 4 KB frames.  has_sep: whether the processor has sysenter.  debugger: what
    SharedUserData says of a kernel debugger.
    """
    cpu = Processor(PhysicalMemory(pages), has_sep=has_sep)
    memory = MemoryMap(cpu)
    images = build_kernel_images()
    symbols: dict[str, int] = {}
    for image in images:
        symbols |= image.symbols
        _load(cpu, memory, image)
    if has_sep:
        # XP finds SEP at boot and turns this jump's target from iretd to sysexit.
        branch = memory.kernel.physical(symbols["KiSystemCallExitBranch"] + 1)
        cpu.ram.bytes[branch] += 1
    tables.build_gdt(memory.kernel, symbols)
    tables.build_idt(memory.kernel, symbols)
    tables.build_tss(memory.kernel)
    tables.build_pcr(memory.kernel)
    tables.build_shared_user_data(
        memory.kernel, pages=pages, has_sep=has_sep, debugger=debugger
    )
    _load_registers(cpu, symbols, has_sep=has_sep)
    return BootedSystem(cpu, memory, images, symbols)


def _load(cpu: Processor, memory: MemoryMap, image: KernelImage) -> None:
    """Copy an image to its place; its code sections may run, its data may not."""
    mapped, code = map_image(image.file)
    direct_end = DIRECT_BASE + memory.kernel.direct
    for offset in range(0, len(mapped), PAGE_SIZE):
        linear = image.base + offset
        if linear >= direct_end:
            memory.map(linear, memory.low.allocate())
        start = memory.kernel.physical(linear)
        page = mapped[offset : offset + PAGE_SIZE]
        cpu.ram.bytes[start : start + len(page)] = page
    for rva, size in code:
        memory.allow_execution(image.base + rva, size, cpu.ran)


def _load_registers(cpu: Processor, symbols: dict[str, int], *, has_sep: bool) -> None:
    registers = cpu.registers
    registers.write_msr(EFER, EFER_NXE)
    registers.write("cr4", CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT)
    registers.write("cr3", m.SYSTEM_PDPT)
    registers.write("cr0", CR0_NT)
    registers.write_structured(x86.UC_X86_REG_GDTR, 0, m.GDT, m.GDT_LIMIT)
    registers.write_structured(x86.UC_X86_REG_IDTR, 0, m.IDT, m.IDT_LIMIT)
    registers.write_structured(
        x86.UC_X86_REG_TR, m.KGDT_TSS, m.TSS, tables.TSS_SIZE - 1, 0x8B00
    )
    registers.write_structured(x86.UC_X86_REG_LDTR, 0, 0, 0, 0)
    for name, selector in (
        ("cs", m.KGDT_R0_CODE), ("ss", m.KGDT_R0_DATA), ("ds", m.KGDT_R3_DATA),
        ("es", m.KGDT_R3_DATA), ("fs", m.KGDT_R0_PCR), ("gs", 0),
    ):  # fmt: skip
        registers.write(name, selector)
    if has_sep:
        registers.write_msr(m.MSR_SYSENTER_CS, m.KGDT_R0_CODE)
        registers.write_msr(m.MSR_SYSENTER_ESP, m.SYSENTER_STACK)
        registers.write_msr(m.MSR_SYSENTER_EIP, symbols["KiFastCallEntry"])
    registers.write("efl", 0x2)
    registers.write("dr6", 0xFFFF0FF0)
    registers.write("dr7", 0x400)


