"""What the engine reports instead of doing: answered here as the silicon answers it.

Each answer is one save, one patch and one restore of the engine's context.  Hot paths (sysenter,
and those of gate_entry.py) patch the registers in place (live.py), and are closures over local
names: an attribute costs as much as the work it names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.delivery import (
    BREAKPOINT,
    DEBUG,
    GENERAL_PROTECTION,
    IF,
    INVALID_OPCODE,
    NO_EXCEPTION,
    PAGE_FAULT,
    RF,
    VM,
)
from ntgate.cpu.descriptors import FLAT_CODE, FLAT_DATA
from ntgate.cpu.gate_entry import reader
from ntgate.cpu.instructions import (
    LONGEST_INSTRUCTION,
    PREFIXES,
    VEX_LENGTHS,
    cpuid,
    refused_instruction,
    software_interrupt_length,
)
from ntgate.cpu.mmu import FAULT_FETCH, FAULT_USER, FRAME_MASK, entries
from ntgate.cpu.unicorn_abi import const, x86

if TYPE_CHECKING:
    from ntgate.cpu.processor import Processor

MOST_PLAIN = 1024


class _Ring0(dict[int, memoryview]):
    """The caches of CS and SS behind a sysenter, by the value of MSR 174h."""

    def __missing__(self, cs: int) -> memoryview:
        caches = self[cs] = memoryview(bytearray(48)).cast("I")
        caches[0], caches[4], caches[5] = cs & 0xFFFC, FLAT_CODE.limit, FLAT_CODE.flags
        caches[6], caches[10], caches[11] = (cs & 0xFFFC) + 8, FLAT_DATA.limit, FLAT_DATA.flags
        return caches


class EventHooks:
    def __init__(self, cpu: Processor) -> None:
        self.cpu = cpu
        self.engine = cpu.engine
        self.layout = cpu.layout
        self.delivery = cpu.delivery
        self.cr2 = 0  # of the last fault that the guest has seen
        # By CR3 and EIP: how to read the page's PDE and PTE and the word, where, and their values.
        self.plain: dict[int, tuple[Callable[[memoryview, int], Any], int, Any]] = {}

    def install(self) -> None:
        cpu, insn = self.cpu, const.UC_HOOK_INSN
        sysenter = self._make_sysenter() if cpu.has_sep else cpu.guard(self._undefined)
        cpu.hook(abi.HOOK_SYSENTER, insn, sysenter, x86.UC_X86_INS_SYSENTER)
        cpu.hook(abi.HOOK_SYSENTER, insn, cpu.guard(self._undefined), x86.UC_X86_INS_SYSCALL)
        interrupt = cpu.gate_entry.make_hook(
            self.engine, self._interrupt, cpu.fail, cpu.is_hooked, self._fetched, self._faulted
        )
        cpu.hook(abi.HOOK_INTR, const.UC_HOOK_INTR, interrupt)
        cpu.hook(abi.HOOK_INVALID, const.UC_HOOK_INSN_INVALID, cpu.guard(self._invalid, True))
        cpu.hook(abi.HOOK_CPUID, insn, cpu.guard(self._cpuid, 1), x86.UC_X86_INS_CPUID)
        cpu.hook(abi.HOOK_CPUID, insn, cpu.guard(self._rdtsc, 1), x86.UC_X86_INS_RDTSC)

    def _make_sysenter(self) -> Callable[..., None]:
        """SYSENTER (SDM volume 2): CS, SS, ESP and EIP from MSRs 174h to 176h."""
        cpu, layout, live = self.cpu, self.layout, self.cpu.live
        eip_at, esp_at, eflags_at = layout.eip, layout.general[4], layout.eflags
        hflags_at, segments_at = layout.hflags, slice(layout.segments[1], layout.segments[2] + 6)
        cleared = ~(IF | VM | RF)
        state, state_at = reader(
            (4 * layout.eip, "I"),
            (4 * layout.eflags, "I"),
            (4 * layout.hflags, "I"),
            (4 * layout.cr3, "I"),
            (4 * layout.sysenter_cs, "H"),
            (4 * layout.sysenter_esp, "I"),
            (4 * layout.sysenter_eip, "I"),
        )
        unpack, state_bytes, memory = state.unpack_from, live.cast("B"), cpu.ram.bytes
        plain, ring0 = self.plain, _Ring0()

        def sysenter(_engine: object) -> None:
            try:
                eip, eflags, hflags, cr3, cs, esp, target = unpack(state_bytes, state_at)
                if cpu.on_sysenter is not None:
                    cpu.on_sysenter(eip)
                length, is_valid = 2, True
                try:
                    read, read_at, found = plain[cr3 << 32 | eip]
                    if read(memory, read_at) != found:
                        length, is_valid = self._encoding(live)
                except KeyError:
                    length, is_valid = self._encoding(live)
                if is_valid and cs & 0xFFFC:
                    live[segments_at] = ring0[cs]
                    live[esp_at] = esp
                    # The engine adds the length of the instruction to what it finds.
                    live[eip_at] = (target - length) & 0xFFFFFFFF
                    live[eflags_at] = eflags & cleared
                    live[hflags_at] = hflags & ~3 | 0x30
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
                if pde == pte or word >> 3 in places:
                    return length, own_length == 2
                parts, first = reader(*sorted(((8 * pde, "Q"), (8 * pte, "Q"), (word, "H"))))
                found = parts.unpack_from(self.cpu.ram.bytes, first)
                if len(self.plain) == MOST_PLAIN:  # address spaces come and go
                    self.plain.clear()
                self.plain[cr3 << 32 | eip] = (parts.unpack_from, first, found)
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
        """Any interrupt or exception of the engine: through the IDT."""
        cpu, layout = self.cpu, self.layout
        if cpu.ports.refused is not None:
            return  # the address space is a stand-in
        context = cpu.context.save(cpu.engine)
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
        return False

    def _fetched(self, linear: int) -> bool:
        """The same of a fetch from ring 3, in place."""
        if not self.cpu.first_fetch(linear):
            return False
        live, layout = self.cpu.live, self.layout
        live[layout.cr2], live[layout.old_exception] = self.cr2, NO_EXCEPTION
        return True

    def _faulted(self, linear: int) -> None:
        self.cr2 = linear
        self.delivery.last = PAGE_FAULT

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

    def _rdtsc(self, _engine: object, _data: object) -> int:
        """Of the virtual clock, so that equal runs read equal times."""
        context = self.cpu.context.save(self.engine)
        self.cpu.flags(context, in_instruction=True)
        ticks = self.cpu.timestamp()
        context[self.layout.general[0]] = ticks & 0xFFFFFFFF
        context[self.layout.general[2]] = ticks >> 32 & 0xFFFFFFFF
        self.cpu.restore()
        return 1

    def _cpuid(self, _engine: object, _data: object) -> int:
        context, general = self.cpu.context.save(self.engine), self.layout.general
        self.cpu.flags(context, in_instruction=True)
        eax, ebx, ecx, edx = cpuid(context[general[0]], has_sep=self.cpu.has_sep)
        for index, value in ((0, eax), (3, ebx), (1, ecx), (2, edx)):
            context[general[index]] = value
        self.cpu.restore()
        return 1


