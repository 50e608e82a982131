"""The processor: Unicorn, with the events that Unicorn leaves out delivered here.

The engine executes instructions, walks page tables and enforces most protection.  It only
reports `sysenter`, interrupts, exceptions and port I/O; this module answers each of them the
way the silicon does, with one save and one restore of the engine's context.

Hot paths are closures over local names: an attribute costs as much as the work it names.
"""

from __future__ import annotations

import ctypes as C
from collections.abc import Callable
from typing import Any

from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.breakpoints import CodeBreakpoints
from ntgate.cpu.calibration import Context, calibrate
from ntgate.cpu.delivery import (
    BREAKPOINT,
    DEBUG,
    FAULTS,
    GENERAL_PROTECTION,
    HFLAG_INHIBIT_IRQ,
    IF,
    INVALID_OPCODE,
    PAGE_FAULT,
    RF,
    VM,
    Delivery,
)
from ntgate.cpu.descriptors import Segment
from ntgate.cpu.gate_entry import GateEntry
from ntgate.cpu.instructions import RDTSC, cpuid, refused_instruction, software_interrupt_length
from ntgate.cpu.mmu import FAULT_FETCH, PageFault, translate
from ntgate.cpu.ports import io_allowed
from ntgate.cpu.ram import PAGE_SIZE, PhysicalMemory
from ntgate.cpu.registers import Registers
from ntgate.cpu.unicorn_abi import const, x86
from ntgate.cpu.watchpoints import Watchpoints
from ntgate.errors import InternalFault, MachineError, NtgateError

FOREVER = 1 << 40  # an end address that no 32-bit program reaches
NO_EXCEPTION = 0xFFFFFFFF
END_OF_RUN = 0xFFFFFFFF
CS_RING0 = 0x00CF_9B00
SS_RING0 = 0x00CF_9300


class Processor:
    """One processor on `ram`.

    The owner fills in the callbacks below before the first `run`.  An exception that one of
    them raises stops the run and leaves it as InternalFault, or as itself when it is one of
    ntgate's own errors.
    """

    def __init__(self, ram: PhysicalMemory, *, has_sep: bool = True) -> None:
        self.ram = ram
        self.has_sep = has_sep
        self.engine = C.c_void_p()
        abi.check(abi.uc_open(const.UC_ARCH_X86, const.UC_MODE_32, C.byref(self.engine)))
        abi.control(
            self.engine, const.UC_CTL_CPU_MODEL, 1, C.c_int(x86.UC_CPU_X86_CORE2DUO)
        )
        abi.check(abi.uc_mem_map_ptr(self.engine, 0, ram.size, const.UC_PROT_ALL, ram.address))
        self.layout = calibrate(self.engine, ram)
        self.context = Context(self.engine)
        self.delivery = Delivery(self.layout, ram)
        self.gate_entry = GateEntry(self.delivery, self.context)
        self.registers = Registers(self.engine)
        self.breakpoints = CodeBreakpoints(self.engine)
        self.watchpoints = Watchpoints(self)
        self.ran: set[int] = set()  # frames whose bytes may have been translated

        self.host_port = -1
        self.host_call: Callable[[int], bool] = lambda _value: False
        self.first_fetch: Callable[[int], bool] = lambda _linear: False
        # A tracer's: the processor alone knows where a sysenter was.
        self.on_sysenter: Callable[[int], None] | None = None
        # A debugger that takes an int3 for itself: the run stops with eip at the instruction.
        self.intercept: Callable[[int], bool] = lambda _vector: False
        self.timestamp: Callable[[], int] = lambda: 0
        self.port_read: Callable[[int, int], int] = lambda _port, size: (1 << 8 * size) - 1
        self.port_write: Callable[[int, int, int], None] = lambda _port, _size, _value: None

        self.stop_requested = False
        self.failure: BaseException | None = None
        self._denied_io: list[int] | None = None
        self._cr2 = 0  # of the last fault that the guest has seen
        self._callbacks: list[Any] = []
        self._start_in_ring0()
        self._install_hooks()

    def _start_in_ring0(self) -> None:
        """Flat segments of ring 0, as a boot loader leaves them; calibration ended in ring 3.

        The markers that calibration wrote are cleared.
        """
        context, layout = self.context.save(self.engine), self.layout
        for index in (
            *layout.general, layout.cr2, layout.sysenter_cs, layout.sysenter_esp,
            layout.sysenter_eip,
        ):  # fmt: skip
            context[index] = 0
        self.delivery.load(context, 1, 0x08, Segment(0, 0xFFFFFFFF, CS_RING0))
        self.delivery.load(context, 2, 0x10, Segment(0, 0xFFFFFFFF, SS_RING0))
        self.delivery.set_control_flags(context, 0)
        self.delivery.update_hflags(context, 0)
        context[self.layout.old_exception] = NO_EXCEPTION
        self.restore()

    # Running.

    def run(self, instructions: int = 0, timeout_us: int = 0) -> bool:
        """Run a number of instructions (0: no limit); False when something stopped it early.

        Stops early at a breakpoint, at a watched access and after `stop()`; raises
        MachineError subclasses.  The counts are exact: equal runs stop at equal instructions.
        """
        self.stop_requested = False
        self.breakpoints.hits.clear()
        context = self.context.save(self.engine)
        self._cr2 = context[self.layout.cr2]
        self.watchpoints.begin(context)
        code = self.start_engine(context[self.layout.eip], timeout_us, instructions)
        if self.failure is not None:
            failure, self.failure = self.failure, None
            if isinstance(failure, NtgateError | KeyboardInterrupt):
                raise failure
            raise InternalFault(f"{type(failure).__name__}: {failure}") from failure
        if self._denied_io is not None:
            self._finish_denied_io()
            return False
        if self.watchpoints.stopped:
            return self.watchpoints.finish()
        if code:
            error = abi.UnicornError(code)
            raise MachineError(f"machine check at eip {self.registers.eip:08x}: {error}")
        return not (self.stop_requested or self.breakpoints.hits)

    def start_engine(self, eip: int, timeout_us: int, instructions: int) -> int:
        """Run the engine, and take back what the end of a run leaves behind.

        The engine ends a run with a fault of its own at ffffffff: it stays in CR2, and in what
        the next page fault is compared with (two of those, and it would be a triple fault).
        """
        code: int = abi.uc_emu_start(self.engine, eip, FOREVER, timeout_us, instructions)
        context, layout = self.context.save(self.engine), self.layout
        if context[layout.old_exception] != NO_EXCEPTION:
            context[layout.old_exception] = NO_EXCEPTION
            if context[layout.cr2] == END_OF_RUN:
                context[layout.cr2] = self._cr2
            self.restore()
        return code

    def step(self) -> None:
        """One instruction, whatever breakpoint is on it; an event in it is delivered."""
        self.breakpoints.ignored = True
        try:
            self.run(1)
        finally:
            self.breakpoints.ignored = False

    def stop(self) -> None:
        """End the run; from a callback, or from another thread."""
        self.stop_requested = True
        abi.uc_emu_stop(self.engine)

    def interrupt(self, vector: int) -> bool:
        """Deliver an external interrupt between instructions; False when none can come here."""
        context = self.context.save(self.engine)
        shadow = context[self.layout.hflags] & HFLAG_INHIBIT_IRQ  # after sti and mov ss
        if not context[self.layout.eflags] & IF or shadow:
            return False
        self._deliver(context, vector, external=True)
        return True

    def raise_exception(self, vector: int, error: int = 0) -> None:
        """Deliver an exception between instructions."""
        self._deliver(self.context.save(self.engine), vector, error)

    def _deliver(
        self, context: memoryview, vector: int, error: int = 0, *, external: bool = False
    ) -> None:
        self.delivery.deliver(
            context, vector, error, eflags=self.registers.eflags, external=external
        )
        self.restore()

    def restore(self) -> None:
        abi.check(abi.uc_context_restore(self.engine, self.context.pointer))
        if self.delivery.tlb_is_stale:
            self.delivery.tlb_is_stale = False
            self.flush_tlb()

    @property
    def cpl(self) -> int:
        return self.registers.cs & 3

    # Memory from the host's side.

    def write_physical(self, address: int, data: bytes) -> None:
        """Write RAM from the host; code that ran there is translated anew."""
        self.ram.bytes[address : address + len(data)] = data
        first, last = address // PAGE_SIZE, (address + len(data) - 1) // PAGE_SIZE
        if any(frame in self.ran for frame in range(first, last + 1)):
            self.flush_code()

    def flush_code(self) -> None:
        """Forget all translations (30 us, and the retranslation of what runs again)."""
        abi.control(self.engine, const.UC_CTL_TB_FLUSH, const.UC_CTL_IO_WRITE)

    def flush_tlb(self) -> None:
        self.gate_entry.forget()
        abi.control(self.engine, const.UC_CTL_TLB_FLUSH, const.UC_CTL_IO_WRITE)

    # Events.

    def _guard(self, function: Callable[..., Any], default: Any = None) -> Callable[..., Any]:
        """Keep an exception out of the engine, which would swallow it and run on."""

        def guarded(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except BaseException as error:
                self._failed(error)
                return default

        return guarded

    def _failed(self, error: BaseException) -> None:
        self.failure = error
        abi.uc_emu_stop(self.engine)

    def _hook(self, prototype: Any, kind: int, function: Any, insn: int = 0) -> None:
        callback = prototype(function)
        self._callbacks.append(callback)
        abi.hook_add(self.engine, kind, callback, insn=insn)

    def _install_hooks(self) -> None:
        insn = const.UC_HOOK_INSN
        not_there = self._guard(self._not_there)
        sysenter = self._make_sysenter() if self.has_sep else not_there
        self._hook(abi.HOOK_SYSENTER, insn, sysenter, x86.UC_X86_INS_SYSENTER)
        self._hook(abi.HOOK_SYSENTER, insn, not_there, x86.UC_X86_INS_SYSCALL)
        interrupt = self.gate_entry.make_hook(self.engine, self._interrupt, self._failed)
        self._hook(abi.HOOK_INTR, const.UC_HOOK_INTR, interrupt)
        self._hook(abi.HOOK_OUT, insn, self._make_out(), x86.UC_X86_INS_OUT)
        self._hook(abi.HOOK_IN, insn, self._guard(self._on_in, 0), x86.UC_X86_INS_IN)
        invalid = self._guard(self._on_invalid, True)
        self._hook(abi.HOOK_INVALID, const.UC_HOOK_INSN_INVALID, invalid)
        cpuid_hook = self._guard(self._on_cpuid, 1)
        self._hook(abi.HOOK_CPUID, insn, cpuid_hook, x86.UC_X86_INS_CPUID)

    def _make_sysenter(self) -> Callable[..., None]:
        """SYSENTER (SDM volume 2): CS, SS, ESP and EIP from MSRs 174h to 176h."""
        layout, engine = self.layout, abi.argument(self.engine.value)
        save, restore = abi.context_save, abi.context_restore
        pointer, context = abi.argument(self.context.pointer.value), self.context.dwords
        eip, esp, eflags, hflags = layout.eip, layout.general[4], layout.eflags, layout.hflags
        cs, ss = layout.segments[1], layout.segments[2]
        msr_cs, msr_esp, msr_eip = layout.sysenter_cs, layout.sysenter_esp, layout.sysenter_eip
        cleared = ~(IF | VM | RF)
        segments = slice(cs, ss + 6)  # SS follows CS
        ring0 = memoryview(bytearray(48)).cast("I")
        ring0[4], ring0[5] = 0xFFFFFFFF, CS_RING0
        ring0[10], ring0[11] = 0xFFFFFFFF, SS_RING0

        def sysenter(_engine: object) -> None:
            try:
                save(engine, pointer)
                if self.on_sysenter is not None:
                    self.on_sysenter(context[eip])
                selector = context[msr_cs] & 0xFFFC
                if selector:
                    ring0[0], ring0[6] = selector, selector + 8
                    context[segments] = ring0
                    context[esp] = context[msr_esp]
                    # The engine adds the length of the instruction, 2, to what it finds.
                    context[eip] = (context[msr_eip] - 2) & 0xFFFFFFFF
                    context[eflags] &= cleared
                    context[hflags] = context[hflags] & ~3 | 0x30
                else:
                    self._fault_in_sysenter(context, GENERAL_PROTECTION)
                restore(engine, pointer)
            except BaseException as error:
                self._failed(error)

        return sysenter

    def _fault_in_sysenter(self, context: memoryview, vector: int) -> None:
        self.delivery.deliver(context, vector, eflags=self.registers.eflags)
        context[self.layout.eip] = (context[self.layout.eip] - 2) & 0xFFFFFFFF

    def _not_there(self, _engine: object) -> None:
        self._fault_in_sysenter(self.context.save(self.engine), INVALID_OPCODE)
        self.restore()

    def _interrupt(self, vector: int) -> None:
        """Any interrupt or exception of the engine, with the context saved: through the IDT."""
        if self._denied_io is not None:
            return  # the address space is a stand-in: see _deny_io
        layout, context = self.layout, self.context.dwords
        context[layout.old_exception] = NO_EXCEPTION
        if vector == BREAKPOINT and self.intercept(vector):
            length = software_interrupt_length(self, context, vector)
            context[layout.eip] = (context[layout.eip] - length) & 0xFFFFFFFF
            self.restore()
            abi.uc_emu_stop(self.engine)
            return
        if context[layout.exception_is_int]:
            length = software_interrupt_length(self, context, vector)
            self.delivery.deliver(
                context, vector, eflags=self.registers.eflags, software=length
            )
        elif not self._answered(context, vector):
            error = context[layout.error_code]
            self.delivery.deliver(context, vector, error, eflags=self.registers.eflags)
            self._cr2 = context[layout.cr2]
        self.restore()

    def _answered(self, context: memoryview, vector: int) -> bool:
        """Whether an exception was the engine's own affair, of which the guest sees nothing."""
        layout = self.layout
        if vector == PAGE_FAULT:
            is_fetch = context[layout.error_code] & FAULT_FETCH
            if not is_fetch or not self.first_fetch(context[layout.cr2]):
                return False
            context[layout.cr2] = self._cr2
            return True
        return vector == GENERAL_PROTECTION and self._emulate(context)

    def _on_invalid(self, _engine: object, _data: object) -> bool:
        context, eip = self.context.save(self.engine), self.layout.eip
        is_int_6 = context[self.layout.exception_is_int]
        vector, length = (INVALID_OPCODE, 2) if is_int_6 else refused_instruction(self, context)
        context[eip] = (context[eip] + length) & 0xFFFFFFFF
        software = length if is_int_6 else 0
        self.delivery.deliver(context, vector, eflags=self.registers.eflags, software=software)
        self.restore()
        return True

    def _emulate(self, context: memoryview) -> bool:
        """`rdtsc` in ring 3: CR4.TSD is set so that it gives the virtual clock, not the host's."""
        try:
            code = self.fetch(context, 2)
        except PageFault:
            return False
        if code != RDTSC:
            return False
        ticks = self.timestamp()
        layout = self.layout
        context[layout.general[0]] = ticks & 0xFFFFFFFF
        context[layout.general[2]] = ticks >> 32 & 0xFFFFFFFF
        context[layout.eip] = (context[layout.eip] + 2) & 0xFFFFFFFF
        return True

    def fetch(self, context: memoryview, size: int, offset: int = 0) -> bytes:
        """Code bytes at eip+offset; raises PageFault."""
        layout = self.layout
        base = context[layout.segments[1] + 2] + context[layout.eip] + offset
        cr3 = context[layout.cr3]
        return bytes(
            self.ram.bytes[translate(self.ram.qwords, cr3, (base + i) & 0xFFFFFFFF)]
            for i in range(size)
        )

    def _on_cpuid(self, _engine: object, _data: object) -> int:
        context, general = self.context.save(self.engine), self.layout.general
        leaf = context[general[0]]
        eax, ebx, ecx, edx = cpuid(leaf, has_sep=self.has_sep)
        for index, value in ((0, eax), (3, ebx), (1, ecx), (2, edx)):
            context[general[index]] = value
        self.restore()
        return 1

    # Port I/O.

    def _make_out(self) -> Callable[..., None]:
        def out(_engine: object, port: int, size: int, value: int) -> None:
            try:
                if port == self.host_port and self.host_call(value):
                    return
                if self._may_do_io(port, size):
                    self.port_write(port, size, value)
            except BaseException as error:
                self._failed(error)

        return out

    def _on_in(self, _engine: object, port: int, size: int, _data: object) -> int:
        return self.port_read(port, size) if self._may_do_io(port, size) else 0

    def _may_do_io(self, port: int, size: int) -> bool:
        context = self.context.save(self.engine)
        if io_allowed(self.delivery, context, port, size):
            return True
        self._deny_io(context)
        return False

    def _deny_io(self, context: memoryview) -> None:
        """Refuse the `in` or `out` at eip, which the engine goes on from whatever is done here.

        The rest of its translation block runs on in an empty address space, so that no
        instruction after it can read or write memory; then everything is put back as it was
        at the instruction, and #GP(0) is delivered.
        """
        self._denied_io = list(context)
        context[self.layout.cr3] = self._empty_pdpt()
        abi.check(abi.uc_context_restore(self.engine, self.context.pointer))
        self.flush_tlb()
        abi.uc_emu_stop(self.engine)

    def _empty_pdpt(self) -> int:
        """Physical address of four absent PDPT entries: the zeroed frame 0 of an NT machine."""
        return 0

    def _finish_denied_io(self) -> None:
        saved, self._denied_io = self._denied_io, None
        assert saved is not None
        context = self.context.dwords
        for index, value in enumerate(saved):
            context[index] = value
        context[self.layout.old_exception] = NO_EXCEPTION
        abi.check(abi.uc_context_restore(self.engine, self.context.pointer))
        self.flush_tlb()
        self.raise_exception(GENERAL_PROTECTION)

    def close(self) -> None:
        abi.uc_close(self.engine)


__all__ = ["DEBUG", "FAULTS", "Processor"]
