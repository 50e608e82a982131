"""What the engine reports instead of doing: answered here as the silicon answers it.

Each answer is one save, one patch and one restore of the engine's context.  Hot paths (sysenter,
and gate_entry.py's `int n`) are closures over local names: an attribute costs as much as the
work it names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.delivery import (
    BREAKPOINT,
    DEBUG,
    DR6_BS,
    GENERAL_PROTECTION,
    IF,
    INVALID_OPCODE,
    NO_EXCEPTION,
    PAGE_FAULT,
    RF,
    TF,
    VM,
)
from ntgate.cpu.descriptors import FLAT_CODE, FLAT_DATA
from ntgate.cpu.instructions import (
    LONGEST_INSTRUCTION,
    PREFIXES,
    RDTSC,
    SYSENTER_WORD,
    VEX_LENGTHS,
    cpuid,
    refused_instruction,
    software_interrupt_length,
)
from ntgate.cpu.mmu import FAULT_FETCH, FAULT_USER, FRAME_MASK, entries
from ntgate.cpu.unicorn_abi import const, x86

if TYPE_CHECKING:
    from ntgate.cpu.processor import Processor


class EventHooks:
    def __init__(self, cpu: Processor) -> None:
        self.cpu = cpu
        self.engine = cpu.engine
        self.layout = cpu.layout
        self.delivery = cpu.delivery
        self.cr2 = 0  # of the last fault that the guest has seen
        # By eip: CR3, index and value of the page's PDE and PTE, index of the word.
        self.plain: dict[int, tuple[int, int, int, int, int, int]] = {}

    def install(self) -> None:
        cpu, insn = self.cpu, const.UC_HOOK_INSN
        sysenter = self._make_sysenter() if cpu.has_sep else cpu.guard(self._undefined)
        cpu.hook(abi.HOOK_SYSENTER, insn, sysenter, x86.UC_X86_INS_SYSENTER)
        cpu.hook(abi.HOOK_SYSENTER, insn, cpu.guard(self._undefined), x86.UC_X86_INS_SYSCALL)
        interrupt = cpu.gate_entry.make_hook(self.engine, self._interrupt, cpu.fail)
        cpu.hook(abi.HOOK_INTR, const.UC_HOOK_INTR, interrupt)
        cpu.hook(abi.HOOK_INVALID, const.UC_HOOK_INSN_INVALID, cpu.guard(self._invalid, True))
        cpu.hook(abi.HOOK_CPUID, insn, cpu.guard(self._cpuid, 1), x86.UC_X86_INS_CPUID)
        cpu.hook(abi.HOOK_CPUID, insn, cpu.guard(self._rdtsc, 1), x86.UC_X86_INS_RDTSC)

    def _make_sysenter(self) -> Callable[..., None]:
        """SYSENTER (SDM volume 2): CS, SS, ESP and EIP from MSRs 174h to 176h."""
        cpu, layout = self.cpu, self.layout
        save, restore = abi.context_save, abi.context_restore
        engine = abi.argument(cpu.engine.value)
        pointer, context = abi.argument(cpu.context.pointer.value), cpu.context.dwords
        eip, esp, eflags, hflags = layout.eip, layout.general[4], layout.eflags, layout.hflags
        cs, ss = layout.segments[1], layout.segments[2]
        msr_cs, msr_esp, msr_eip = layout.sysenter_cs, layout.sysenter_esp, layout.sysenter_eip
        cleared = ~(IF | VM | RF)
        segments = slice(cs, ss + 6)  # SS follows CS
        ring0 = memoryview(bytearray(48)).cast("I")
        ring0[4], ring0[5] = FLAT_CODE.limit, FLAT_CODE.flags
        ring0[10], ring0[11] = FLAT_DATA.limit, FLAT_DATA.flags
        qwords, words, plain, cr3 = cpu.ram.qwords, cpu.ram.words, self.plain, layout.cr3

        def sysenter(_engine: object) -> None:
            try:
                save(engine, pointer)
                if cpu.on_sysenter is not None:
                    cpu.on_sysenter(context[eip])
                selector = context[msr_cs] & 0xFFFC
                at = plain.get(context[eip])
                if (
                    at is not None
                    and context[cr3] == at[0]
                    and qwords[at[1]] == at[2]
                    and qwords[at[3]] == at[4]
                    and words[at[5]] == SYSENTER_WORD
                ):
                    length, is_valid = 2, True
                else:
                    length, is_valid = self._encoding(context)
                if selector and is_valid:
                    ring0[0], ring0[6] = selector, selector + 8
                    context[segments] = ring0
                    context[esp] = context[msr_esp]
                    # The engine adds the length of the instruction to what it finds.
                    context[eip] = (context[msr_eip] - length) & 0xFFFFFFFF
                    context[eflags] &= cleared
                    context[hflags] = context[hflags] & ~3 | 0x30
                    restore(engine, pointer)
                else:
                    self._fault_with_length(GENERAL_PROTECTION if is_valid else INVALID_OPCODE)
            except BaseException as error:
                cpu.fail(error)

        return sysenter

    def _undefined(self, _engine: object) -> None:
        """`syscall`, which a 32-bit Intel processor has not, or `sysenter` without SEP."""
        self._fault_with_length(INVALID_OPCODE)

    def _encoding(self, context: memoryview) -> tuple[int, bool]:
        """The length of the sysenter or syscall at eip, which the engine does not tell.

        And whether it is one: the engine takes what VEX makes of it (c4, c5) for it as well.
        Where a sysenter of two bytes was found is kept, with what shows that it is still there.
        """
        code = self.cpu.peek(context, LONGEST_INSTRUCTION)
        opcode = code.lstrip(PREFIXES)
        own_length = VEX_LENGTHS.get(opcode[:1], 2)
        length = len(code) - len(opcode) + own_length
        eip, cr3 = context[self.layout.eip], context[self.layout.cr3]
        if length == 2 and not eip & 1 and not context[self.layout.segments[1] + 2]:
            qwords = self.cpu.ram.qwords
            places = entries(qwords, cr3, eip)
            if places is not None:
                pde, pte = places
                word = qwords[pte] & FRAME_MASK | eip & 0xFFF
                self.plain[eip] = (cr3, pde, qwords[pde], pte, qwords[pte], word >> 1)
        return length, own_length == 2

    def _fault_with_length(self, vector: int) -> None:
        """Of an instruction whose length the engine adds to EIP afterwards."""
        cpu = self.cpu
        if cpu.ports.refused is not None:
            return
        context = cpu.context.save(self.engine)
        length, _ = self._encoding(context)
        self.delivery.deliver(context, vector, eflags=cpu.flags(context, in_instruction=True))
        eip = self.layout.eip
        context[eip] = (context[eip] - length) & 0xFFFFFFFF
        cpu.restore()

    def _interrupt(self, vector: int) -> None:
        """Any interrupt or exception of the engine, with the context saved: through the IDT."""
        cpu, layout, context = self.cpu, self.layout, self.cpu.context.dwords
        if cpu.ports.refused is not None:
            return  # the address space is a stand-in
        context[layout.old_exception] = NO_EXCEPTION
        error, length = 0, 0
        if context[layout.exception_is_int]:
            if vector == BREAKPOINT and self._intercepted(context):
                return
            length = software_interrupt_length(cpu, context, vector)
        else:
            error = context[layout.error_code]
            if self._answered(context, vector, error):
                cpu.restore()
                return
        # #DB, and a fetch that faults, come between instructions.
        between = vector == DEBUG or (vector == PAGE_FAULT and error & FAULT_FETCH)
        eflags = cpu.flags(context, in_instruction=not between)
        self.delivery.deliver(context, vector, error, eflags=eflags, software=length)
        self.cr2 = context[layout.cr2]
        cpu.restore()

    def _answered(self, context: memoryview, vector: int, error: int) -> bool:
        """Whether an exception was the engine's own affair, of which the guest sees nothing."""
        cr2 = self.layout.cr2
        if vector == PAGE_FAULT:
            if not error & FAULT_FETCH or not self._first_fetch(context[cr2], error):
                return False
            context[cr2] = self.cr2
            return True
        return vector == GENERAL_PROTECTION and self._emulate(context)

    def _first_fetch(self, linear: int, error: int) -> bool:
        if not self.cpu.first_fetch(linear):
            return False
        if not error & FAULT_USER:
            self.cpu.control_loads.scan(linear)
        return True

    def _intercepted(self, context: memoryview) -> bool:
        """An int3 that the debugger takes for itself: the run stops at the instruction."""
        cpu, eip = self.cpu, self.layout.eip
        if not cpu.intercept(BREAKPOINT):
            return False
        length = software_interrupt_length(cpu, context, BREAKPOINT)
        context[eip] = (context[eip] - length) & 0xFFFFFFFF
        cpu.restore()
        cpu.stop_requested = True
        cpu.break_off(before=True)
        return True

    def _invalid(self, _engine: object, _data: object) -> bool:
        """Mostly #UD; the engine reports `int 6` here as well."""
        cpu, layout = self.cpu, self.layout
        if cpu.ports.refused is not None:
            return True
        context = cpu.context.save(self.engine)
        context[layout.old_exception] = NO_EXCEPTION
        is_int_6 = context[layout.exception_is_int]
        if is_int_6:
            vector, length = INVALID_OPCODE, 2
        else:
            vector, length = refused_instruction(cpu.peek(context, LONGEST_INSTRUCTION))
        context[layout.eip] = (context[layout.eip] + length) & 0xFFFFFFFF
        software = length if is_int_6 else 0
        eflags = cpu.flags(context, in_instruction=True)
        self.delivery.deliver(context, vector, eflags=eflags, software=software)
        cpu.restore()
        return True

    def _emulate(self, context: memoryview) -> bool:
        """`rdtsc` in ring 3 while CR4.TSD is set: NT lets it through."""
        if self.cpu.peek(context, 2) != RDTSC:
            return False
        layout = self.layout
        eflags = self.cpu.flags(context, in_instruction=True)
        self._load_ticks(context)
        context[layout.eip] = (context[layout.eip] + 2) & 0xFFFFFFFF
        if eflags & TF:
            context[layout.dr6] |= DR6_BS
            self.delivery.deliver(context, DEBUG, eflags=eflags)
        return True

    def _rdtsc(self, _engine: object, _data: object) -> int:
        context = self.cpu.context.save(self.engine)
        self.cpu.flags(context, in_instruction=True)
        self._load_ticks(context)
        self.cpu.restore()
        return 1

    def _load_ticks(self, context: memoryview) -> None:
        """The virtual clock's, so that equal runs read equal times."""
        ticks = self.cpu.timestamp()
        context[self.layout.general[0]] = ticks & 0xFFFFFFFF
        context[self.layout.general[2]] = ticks >> 32 & 0xFFFFFFFF

    def _cpuid(self, _engine: object, _data: object) -> int:
        context, general = self.cpu.context.save(self.engine), self.layout.general
        self.cpu.flags(context, in_instruction=True)
        eax, ebx, ecx, edx = cpuid(context[general[0]], has_sep=self.cpu.has_sep)
        for index, value in ((0, eax), (3, ebx), (1, ecx), (2, edx)):
            context[general[index]] = value
        self.cpu.restore()
        return 1


