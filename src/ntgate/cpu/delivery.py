"""How a processor enters the kernel: sysenter, and interrupts and exceptions through the IDT.

Written from the Intel SDM, volume 2 (SYSENTER, INT n) and volume 3 (6.12 to 6.15).  Everything
works on a saved context (dwords, see calibration.py) and on RAM, so that it can be tested
without an engine.  Known gaps: virtual-8086 mode (#GP), 16-bit gates (#GP here), segment limits,
and accessed and dirty bits of the pages that the processor itself touches here.
"""

from __future__ import annotations

from ntgate.cpu import mmu
from ntgate.cpu.calibration import CC_OP_EFLAGS, ContextLayout
from ntgate.cpu.descriptors import (
    BIG,
    CODE,
    CONFORMING,
    INTERRUPT_GATE,
    NOT_SYSTEM,
    PRESENT,
    TASK_GATE,
    TRAP_GATE,
    WRITABLE_DATA,
    Segment,
    parse_segment,
)
from ntgate.cpu.ram import PAGE_SIZE, PhysicalMemory
from ntgate.cpu.task_switch import TaskSwitch
from ntgate.errors import TripleFault

ARITHMETIC = 0x8D5  # CF PF AF ZF SF OF
TF = 1 << 8
IF = 1 << 9
DF = 1 << 10
IOPL = 3 << 12
NT = 1 << 14
RF = 1 << 16
VM = 1 << 17

DIVIDE_ERROR, DEBUG, NMI, BREAKPOINT, OVERFLOW, BOUND, INVALID_OPCODE = range(7)
DOUBLE_FAULT, INVALID_TSS, NOT_PRESENT, STACK_FAULT, GENERAL_PROTECTION = 8, 10, 11, 12, 13
PAGE_FAULT, ALIGNMENT_CHECK = 14, 17

# Vectors whose frames carry an error code (SDM table 6-1).
WITH_ERROR_CODE = frozenset((8, 10, 11, 12, 13, 14, 17))
# Vectors that report an instruction which has not completed: their frames have RF set.
FAULTS = frozenset((0, 5, 6, 7, 10, 11, 12, 13, 14, 16, 17, 19))
CONTRIBUTORY = frozenset((0, 10, 11, 12, 13))

EXTERNAL = 1  # error code bit: not caused by an `int n`
IN_IDT = 2  # error code bit: the selector index is an IDT vector

NO_EXCEPTION = 0xFFFFFFFF  # in the engine's record of the last contributory one

GATE_KINDS = frozenset((TASK_GATE, INTERRUPT_GATE, TRAP_GATE))

RING3 = 3
HFLAG_CPL = 3
HFLAG_INHIBIT_IRQ = 1 << 3  # the last instruction was sti, or loaded ss
HFLAG_CS32 = 1 << 4
HFLAG_SS32 = 1 << 5
HFLAG_ADDSEG = 1 << 6


class GuestFault(Exception):
    """A fault met while an event was being delivered."""

    def __init__(self, vector: int, error: int, address: int = 0) -> None:
        super().__init__(f"vector {vector:x}, error code {error:x}")
        self.vector = vector
        self.error = error
        self.address = address


class Delivery:
    """Delivers events into a context that the caller has saved and restores afterwards."""

    def __init__(self, layout: ContextLayout, ram: PhysicalMemory) -> None:
        self.layout = layout
        self.ram = ram
        self.task_switch = TaskSwitch(self)
        self.tlb_is_stale = False  # a task switch has loaded CR3: the caller flushes
        self.last: int | None = None  # the vector that was delivered last

    # Memory as the processor reads it for itself: supervisor rights, linear addresses.

    def physical(self, context: memoryview, linear: int, access: int = 0) -> int:
        try:
            return mmu.translate(self.ram.qwords, context[self.layout.cr3], linear, access)
        except mmu.PageFault as fault:
            raise GuestFault(PAGE_FAULT, fault.error, fault.address) from None

    def read_dwords(self, context: memoryview, linear: int, count: int) -> tuple[int, ...]:
        linear &= 0xFFFFFFFF
        if linear & 3 == 0 and (linear & 0xFFF) + 4 * count <= PAGE_SIZE:
            start = self.physical(context, linear) >> 2
            return tuple(self.ram.dwords[start : start + count])
        data = bytes(
            self.ram.bytes[self.physical(context, (linear + i) & 0xFFFFFFFF)]
            for i in range(4 * count)
        )
        return tuple(int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4))

    def write_dwords(self, context: memoryview, linear: int, values: tuple[int, ...]) -> None:
        """All of them or none: every page is probed before the first byte changes."""
        linear &= 0xFFFFFFFF
        size = 4 * len(values)
        if linear & 3 == 0 and (linear & 0xFFF) + size <= PAGE_SIZE:
            index = self.physical(context, linear, mmu.FAULT_WRITE) >> 2
            dwords = self.ram.dwords
            for value in values:
                dwords[index] = value
                index += 1
            return
        data = b"".join(value.to_bytes(4, "little") for value in values)
        places = [
            self.physical(context, (linear + i) & 0xFFFFFFFF, mmu.FAULT_WRITE)
            for i in range(size)
        ]
        for place, byte in zip(places, data, strict=True):
            self.ram.bytes[place] = byte

    # Interrupts and exceptions.

    def deliver(
        self,
        context: memoryview,
        vector: int,
        error: int = 0,
        *,
        eflags: int,
        software: int = 0,
        external: bool = False,
    ) -> None:
        """Enter the handler of `vector`.

        context: at the instruction to report (faults) or after it (traps, `int n`).
        software: length in bytes of the `int n`, `int3` or `into` that asked, else 0.
        external: an interrupt from outside the processor.
        Raises TripleFault.
        """
        layout = self.layout
        first = vector
        if eflags & VM:
            eflags = self._leave_virtual_8086(context, eflags)
            vector, error, software, external = GENERAL_PROTECTION, 0, 0, False
        if software:
            eflags &= ~RF
        elif vector in FAULTS and not external:
            eflags |= RF
        while True:
            try:
                self.enter(context, vector, error, eflags, software, external)
                self.last = vector
                return
            except GuestFault as fault:
                if vector == DOUBLE_FAULT and not software and not external:
                    raise TripleFault(
                        f"triple fault: vector {first:02x}, then a double fault, then {fault}"
                    ) from None
                if software:
                    context[layout.eip] = (context[layout.eip] - software) & 0xFFFFFFFF
                contributes = vector in CONTRIBUTORY and not software and not external
                was_page_fault = vector == PAGE_FAULT and not software and not external
                if (contributes and fault.vector in CONTRIBUTORY) or (
                    was_page_fault and fault.vector in CONTRIBUTORY | {PAGE_FAULT}
                ):
                    vector, error = DOUBLE_FAULT, 0
                else:
                    vector, error = fault.vector, fault.error
                    eflags |= RF
                if fault.vector == PAGE_FAULT:
                    context[layout.cr2] = fault.address
                software, external = 0, False

    def _leave_virtual_8086(self, context: memoryview, eflags: int) -> int:
        """EFLAGS of ring 3, to which the processor goes back.

        The engine's iretd takes VM and IOPL from ring 3's stack, where a processor leaves them
        alone: whatever first stops the program in that mode is its general-protection fault.
        """
        for index in self.layout.segments:
            context[index : index + 6] = memoryview(bytes(24)).cast("I")
        for index in self.layout.segments[1:3]:
            context[index] = RING3
        self.set_control_flags(context, eflags & ~(VM | IOPL | NT))
        return eflags & ~(VM | IOPL | NT)

    def enter(
        self,
        context: memoryview,
        vector: int,
        error: int,
        eflags: int,
        software: int,
        external: bool,
    ) -> None:
        layout = self.layout
        ext = 0 if software else EXTERNAL
        position = vector << 3
        if position + 7 > context[layout.idt + 2]:
            raise GuestFault(GENERAL_PROTECTION, position | IN_IDT | ext)
        low, high = self.read_dwords(context, context[layout.idt] + position, 2)
        kind = high >> 8 & 0x1F
        if kind not in GATE_KINDS:
            raise GuestFault(GENERAL_PROTECTION, position | IN_IDT | ext)
        cpl = context[layout.hflags] & HFLAG_CPL
        if software and high >> 13 & 3 < cpl:
            raise GuestFault(GENERAL_PROTECTION, position | IN_IDT)
        if not high & PRESENT:
            raise GuestFault(NOT_PRESENT, position | IN_IDT | ext)
        has_error = vector in WITH_ERROR_CODE and not software and not external
        if kind == TASK_GATE:
            self.task_switch.enter(
                context, low >> 16, eflags, (error,) if has_error else (), ext
            )
            return
        target = low & 0xFFFF | high & 0xFFFF0000

        selector = low >> 16
        code = self.segment(context, selector, ext)
        if code.flags & (NOT_SYSTEM | CODE) != NOT_SYSTEM | CODE or code.dpl > cpl:
            raise GuestFault(GENERAL_PROTECTION, selector & 0xFFFC | ext)
        if not code.present:
            raise GuestFault(NOT_PRESENT, selector & 0xFFFC | ext)
        if target > code.limit:
            raise GuestFault(GENERAL_PROTECTION, ext)

        cs, ss = layout.segments[1], layout.segments[2]
        esp_index, eip_index = layout.general[4], layout.eip
        frame: tuple[int, ...] = (context[eip_index], context[cs] & 0xFFFF, eflags)
        if has_error:
            frame = (error, *frame)
        if code.flags & CONFORMING or code.dpl == cpl:
            ring, stack, stack_selector = cpl, None, context[ss]
            esp, base = context[esp_index], context[ss + 2]
            is_big = context[ss + 5] & BIG
        else:
            ring = code.dpl
            esp, stack_selector, stack = self.inner_stack(context, ring, ext)
            frame = (*frame, context[esp_index], context[ss] & 0xFFFF)
            base, is_big = stack.base, stack.flags & BIG
        bottom = esp - 4 * len(frame)
        bottom = bottom & 0xFFFFFFFF if is_big else esp & 0xFFFF0000 | bottom & 0xFFFF
        self.write_dwords(context, base + (bottom if is_big else bottom & 0xFFFF), frame)

        # Nothing can fault from here on.
        context[esp_index] = bottom
        context[eip_index] = target
        kept = eflags & ~(TF | NT | RF | VM)
        if kind == INTERRUPT_GATE:
            kept &= ~IF
        self.set_control_flags(context, kept)
        self.load(context, 1, selector & 0xFFFC | ring, code)
        if stack is not None:
            self.load(context, 2, stack_selector, stack)
        self.update_hflags(context, ring)

    def inner_stack(
        self, context: memoryview, ring: int, ext: int
    ) -> tuple[int, int, Segment]:
        """ESP, selector and descriptor of SS for `ring`, from the TSS."""
        layout = self.layout
        tss, limit = context[layout.tr + 2], context[layout.tr + 4]
        if 8 * ring + 4 + 5 > limit:
            raise GuestFault(INVALID_TSS, context[layout.tr] & 0xFFFC | ext)
        esp, selector = self.read_dwords(context, tss + 4 + 8 * ring, 2)
        selector &= 0xFFFF
        if not selector & 0xFFFC:
            raise GuestFault(INVALID_TSS, ext)
        error = selector & 0xFFFC | ext
        stack = self.segment(context, selector, ext, INVALID_TSS)
        is_data = stack.flags & (NOT_SYSTEM | CODE | WRITABLE_DATA) == NOT_SYSTEM | WRITABLE_DATA
        if not is_data or stack.dpl != ring or selector & 3 != ring:
            raise GuestFault(INVALID_TSS, error)
        if not stack.present:
            raise GuestFault(STACK_FAULT, error)
        return esp, selector, stack

    def segment(
        self, context: memoryview, selector: int, ext: int, vector: int = GENERAL_PROTECTION
    ) -> Segment:
        """The GDT's descriptor of `selector`; `vector` where there is none, or it is the LDT's."""
        if not selector & 0xFFFC:
            raise GuestFault(vector, ext)
        if selector & 4 or (selector | 7) > context[self.layout.gdt + 2]:
            raise GuestFault(vector, selector & 0xFFFC | ext)
        base = context[self.layout.gdt]
        return parse_segment(*self.read_dwords(context, base + (selector & 0xFFF8), 2))

    def load(self, context: memoryview, register: int, selector: int, segment: Segment) -> None:
        """Fill the cache of a segment register (its place in calibration.SEGMENTS)."""
        index = self.layout.segments[register]
        context[index] = selector
        context[index + 2] = segment.base
        context[index + 4] = segment.limit
        context[index + 5] = segment.flags

    def eflags(self, context: memoryview) -> int:
        """All of EFLAGS, where the context says CC_OP_EFLAGS."""
        layout, elsewhere = self.layout, ARITHMETIC | DF
        found = context[layout.cc_src] & ARITHMETIC | context[layout.df] & DF
        return int(context[layout.eflags] & ~elsewhere | found)

    def set_eflags(self, context: memoryview, eflags: int) -> None:
        layout = self.layout
        context[layout.eflags] = eflags
        context[layout.cc_src] = eflags & ARITHMETIC
        context[layout.cc_op] = CC_OP_EFLAGS
        context[layout.df] = 0xFFFFFFFF if eflags & DF else 1

    def set_control_flags(self, context: memoryview, eflags: int) -> None:
        """Change all flags but the arithmetic ones and DF, which the engine keeps elsewhere."""
        index, elsewhere = self.layout.eflags, ARITHMETIC | DF
        context[index] = context[index] & elsewhere | eflags & ~elsewhere

    def update_hflags(self, context: memoryview, cpl: int) -> None:
        layout = self.layout
        es, cs, ss, ds = layout.segments[:4]
        hflags = context[layout.hflags] & ~(
            HFLAG_CPL | HFLAG_INHIBIT_IRQ | HFLAG_CS32 | HFLAG_SS32 | HFLAG_ADDSEG
        )
        hflags |= cpl
        if context[cs + 5] & BIG:
            hflags |= HFLAG_CS32
        if context[ss + 5] & BIG:
            hflags |= HFLAG_SS32
        if context[ds + 2] | context[es + 2] | context[ss + 2] or not context[cs + 5] & BIG:
            hflags |= HFLAG_ADDSEG
        context[layout.hflags] = hflags


