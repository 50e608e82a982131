"""The processor: Unicorn, with the events that Unicorn leaves out delivered by this package.

The engine executes instructions, walks page tables and enforces most protection.  It only
reports `sysenter`, interrupts, exceptions and port I/O: events.py and ports.py answer those.
"""

from __future__ import annotations

import ctypes as C
from collections.abc import Callable
from enum import Enum
from math import inf
from threading import get_ident
from time import monotonic
from typing import Any
from weakref import finalize

from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.block_counter import BlockCounter
from ntgate.cpu.breakpoints import CodeBreakpoints
from ntgate.cpu.calibration import CC_OP_EFLAGS, Context, calibrate
from ntgate.cpu.control_loads import ControlLoads
from ntgate.cpu.delivery import HFLAG_INHIBIT_IRQ, IF, NO_EXCEPTION, Delivery
from ntgate.cpu.descriptors import FLAT_CODE, FLAT_DATA
from ntgate.cpu.events import EventHooks
from ntgate.cpu.gate_entry import GateEntry
from ntgate.cpu.instructions import HLT
from ntgate.cpu.live import live_registers
from ntgate.cpu.microcode import Microcode
from ntgate.cpu.mmu import PageFault, translate
from ntgate.cpu.overdue import asked_again
from ntgate.cpu.ports import PortIO
from ntgate.cpu.ram import PAGE_SIZE, PhysicalMemory
from ntgate.cpu.registers import Registers
from ntgate.cpu.stop_checks import StopChecks
from ntgate.cpu.unicorn_abi import const, x86
from ntgate.cpu.watchpoints import Watchpoints
from ntgate.errors import GuestBugCheck, InternalFault, MachineError, NtgateError

# The engine keeps other threads out; between two of these it lets them in.
CHUNK = 100_000  # instructions, or blocks where those are counted: 5 ms
SLOT_US = 50_000
PAGE_FAULT_IN_NONPAGED_AREA = 0x50  # of the host, at an address that guest memory holds
BLOCK = 5  # instructions that a translation block counts for, where blocks are counted


class End(Enum):
    """Why the engine came back."""

    LIMIT = "limit"  # of instructions or of time
    HALT = "halt"
    BROKEN_OFF = "broken off"


class Counting(Enum):
    """What the engine counts: its translations are made for one of these."""

    NOTHING = "nothing"
    INSTRUCTIONS = "instructions"
    BLOCKS = "blocks"


class Processor:
    """One processor on `ram`; protocol.Cpu says what the rest of the machine uses of it.

    An exception that one of the owner's callbacks raises stops the run and leaves it as
    InternalFault, or as itself when it is one of ntgate's own errors.  A PageFault, of the
    kernel's own access to its memory, is GuestBugCheck PAGE_FAULT_IN_NONPAGED_AREA.
    """

    def __init__(self, ram: PhysicalMemory, *, has_sep: bool = True) -> None:
        self.ram = ram
        self.has_sep = has_sep
        self.engine = C.c_void_p()
        abi.check(abi.uc_open(const.UC_ARCH_X86, const.UC_MODE_32, C.byref(self.engine)))
        self._control(const.UC_CTL_CPU_MODEL, C.c_int(x86.UC_CPU_X86_NEHALEM))
        abi.check(abi.uc_mem_map_ptr(self.engine, 0, ram.size, const.UC_PROT_ALL, ram.address))
        self.layout = calibrate(self.engine, ram)
        assert self.engine.value is not None
        self._counter = C.c_size_t.from_address(self.engine.value + self.layout.counter)
        self._stop_checks = StopChecks(self.engine, self.layout.counter)
        self._stop_checks.set_at_accesses(False)
        self._block_counter = BlockCounter(self.engine, self.layout.counter)
        self.context = Context(self.engine)
        self._closing = finalize(self, _close, self.engine, self.context)
        self._closing.atexit = False
        self.delivery = Delivery(self.layout, ram)
        self.live = live_registers(self.engine, self.context, self.layout)
        self.gate_entry = GateEntry(self.delivery, self.live)
        self.microcode = Microcode(self.engine)
        self.registers = Registers(self.engine, self._load_debug_register)
        self.breakpoints = CodeBreakpoints(self)
        self.watchpoints = Watchpoints(self)
        self.control_loads = ControlLoads(self)
        self.ports = PortIO(self)
        self.ran: set[int] = set()

        self.host_port = -1
        self.host_call: Callable[[int], bool] = lambda _value: False
        self.first_fetch: Callable[[int], bool] = lambda _linear: False
        self.on_sysenter: Callable[[int], None] | None = None
        self.intercept: Callable[[int], bool] = lambda _vector: False
        self.timestamp: Callable[[], int] = lambda: 0
        self.port_read: Callable[[int, int], int] = lambda _port, size: (1 << 8 * size) - 1
        self.port_write: Callable[[int, int, int], None] = lambda _port, _size, _value: None

        self.executed = 0
        self.halted = False
        self.stop_requested = False
        self._thread = 0  # the one that is in the engine
        self._counting = Counting.NOTHING
        self.failure: BaseException | None = None
        self._broken_off_at: int | None = None
        self._flush_is_due = False
        self._callbacks: list[Any] = []
        self._start_in_ring0()
        self.events = EventHooks(self)
        self.events.install()
        self.ports.install()

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
        self.delivery.load(context, 1, 0x08, FLAT_CODE)
        self.delivery.load(context, 2, 0x10, FLAT_DATA)
        self.delivery.set_control_flags(context, 0)
        self.delivery.update_hflags(context, 0)
        context[layout.old_exception] = NO_EXCEPTION
        context[layout.dr6], context[layout.dr7] = 0xFFFF0FF0, 0x400
        self.restore()

    # Running.

    def run(self, instructions: int = 0, timeout_us: int = 0, *, exact: bool = True) -> bool:
        """Run a number of instructions (0: no limit); False when something stopped it early.

        Stops early at a breakpoint, at a watched access and after `stop()`; raises
        MachineError subclasses.  Equal runs stop at equal instructions, and `executed` counts
        those that a run with a limit has begun (one that faults and starts again counts
        twice).  True also when the time is up, and after `hlt`.

        Not `exact`: translation blocks are counted, as BLOCK instructions each, unless there
        are breakpoints or watched places; runs are as equal, and about four times as fast.
        """
        self.stop_requested = False
        self.executed = 0
        self.halted = False
        self.breakpoints.begin()
        self.watchpoints.hits.clear()
        self.events.cr2 = self.registers.read("cr2")
        deadline = monotonic() + timeout_us / 1e6 if timeout_us else inf
        while True:
            self.watchpoints.begin()
            if instructions or self.watchpoints.armed or self.breakpoints:
                left = instructions - self.executed if instructions else CHUNK
                if exact or self.watchpoints.armed or self.breakpoints:
                    ended = self.run_engine(min(left, CHUNK))
                else:
                    blocks = min(-(-left // BLOCK), CHUNK)
                    ended = self.run_engine(blocks, counting=Counting.BLOCKS)
            else:
                ended = self.run_engine(0, min(timeout_us or SLOT_US, SLOT_US))
            if ended is End.HALT:
                self.halted = self._is_behind_hlt()
                return True
            if self.ports.refused is not None:
                self.ports.finish()
            elif self.watchpoints.stopped:
                self.watchpoints.finish()
            if self.stop_requested or self.breakpoints.hits or self.watchpoints.hits:
                return False
            if (instructions and self.executed >= instructions) or monotonic() >= deadline:
                return True

    def run_engine(
        self, count: int, timeout_us: int = 0, counting: Counting = Counting.INSTRUCTIONS
    ) -> End:
        """Let the engine run until it ends for some reason; `count` 0 goes by the clock."""
        self._set_counting(counting if count else Counting.NOTHING)
        self._broken_off_at = None
        self._thread = get_ident()
        started = monotonic()
        eip = self.registers.eip
        if count:
            code = abi.emu_start_counted(self.engine, eip, 0, 0, count)
        else:
            with asked_again(self.engine, timeout_us):
                code = abi.uc_emu_start(self.engine, eip, 0, timeout_us, 0)
        self._thread = 0
        at = self._broken_off_at
        begun = self._counter.value
        if count:
            counted = min(begun, count) if at is None else at
            self.executed += counted * BLOCK if counting is Counting.BLOCKS else counted
        if self._flush_is_due:
            self._flush_is_due = False
            self.flush_code()
        if self.failure is not None:
            failure, self.failure = self.failure, None
            if isinstance(failure, NtgateError | KeyboardInterrupt):
                raise failure
            if isinstance(failure, PageFault):
                is_write = failure.error >> 1 & 1
                raise GuestBugCheck(
                    PAGE_FAULT_IN_NONPAGED_AREA,
                    (failure.address, is_write, self.registers.eip, 0),
                ) from failure
            raise InternalFault(f"{type(failure).__name__}: {failure}") from failure
        if code:
            error = abi.UnicornError(code)
            raise MachineError(f"machine check at eip {self.registers.eip:08x}: {error}")
        if at is not None:
            return End.BROKEN_OFF
        if count:
            return End.HALT if begun <= count else End.LIMIT
        if monotonic() >= started + timeout_us / 1e6:
            return End.LIMIT
        return End.HALT if self._is_behind_hlt() else End.LIMIT

    def _is_behind_hlt(self) -> bool:
        return self.peek(self.context.save(self.engine), 1, -1) == HLT

    @property
    def has_limit(self) -> bool:
        """Whether the engine's translations count at all."""
        return self._counting is not Counting.NOTHING

    def _set_counting(self, counting: Counting) -> None:
        """The engine counts in translations that were made for it, and only in those."""
        if counting is self._counting:
            return
        self._stop_checks.set_at_accesses(counting is Counting.INSTRUCTIONS)
        if (self._counting, counting) == (Counting.INSTRUCTIONS, Counting.NOTHING):
            self.microcode.leave_counting(self)
        else:
            handle = self._block_counter.take()
            if handle:
                self.remove_hook(handle)
            if counting is Counting.BLOCKS:
                self._block_counter.install()
            self.flush_code()
        self._counting = counting

    def step(self) -> None:
        """One instruction, whatever breakpoint is on it; an event in it is delivered."""
        with self.breakpoints.ignored():
            self.run(1)

    def stop(self) -> None:
        """End the run; from a callback, or from another thread."""
        self.stop_requested = True
        if self._thread == get_ident():
            self.break_off()
        # Else the run ends with its chunk: the engine may be anywhere in an instruction.

    def break_off(self, *, before: bool = False) -> None:
        """From a callback: leave the engine behind (or before) the current instruction."""
        self._broken_off_at = self._counter.value - before
        abi.uc_emu_stop(self.engine)

    def interrupt(self, vector: int) -> bool:
        """Deliver an external interrupt between instructions.

        False when IF is clear, or the last instruction holds interrupts off for one more
        (sti, mov ss).
        """
        context = self.context.save(self.engine)
        layout = self.layout
        if not context[layout.eflags] & IF or context[layout.hflags] & HFLAG_INHIBIT_IRQ:
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

    def flags(self, context: memoryview, *, in_instruction: bool) -> int:
        """EFLAGS of a saved context, which is made to hold them consistently.

        in_instruction: the engine is in the middle of one.  Before an instruction that it
        counts, or that has a breakpoint, it computes the arithmetic flags into cc_src; but
        it says so in cc_op only when the instruction completes.
        """
        layout = self.layout
        if context[layout.cc_op] != CC_OP_EFLAGS:
            if not (in_instruction and self.is_hooked(context[layout.eip])):
                return self.registers.eflags
            context[layout.cc_op] = CC_OP_EFLAGS
            # Between runs the engine goes by what eflags itself holds.
            context[layout.eflags] = self.delivery.eflags(context)
        return self.delivery.eflags(context)

    def is_hooked(self, eip: int) -> bool:
        """Whether the engine computes the flags before the instruction at `eip`."""
        return self._counting is Counting.INSTRUCTIONS or eip in self.breakpoints

    @property
    def begun(self) -> int:
        """What `executed` would be if the run ended here; 0 between runs.  For callbacks."""
        if not self._thread:
            return 0
        unit = BLOCK if self._counting is Counting.BLOCKS else 1
        return self.executed + int(self._counter.value) * unit

    @property
    def is_running(self) -> bool:
        return self._thread != 0

    @property
    def cpl(self) -> int:
        return self.registers.cs & 3

    def _load_debug_register(self, number: int, value: int) -> None:
        if self.is_running:
            raise RuntimeError(f"dr{number} can't be written by a callback of the processor")
        self.microcode.load_debug_register(self, number, value)

    # Memory from the host's side.

    def write_physical(self, address: int, data: bytes) -> None:
        """Write RAM from the host; code that ran there is translated anew."""
        self.ram.bytes[address : address + len(data)] = data
        first, last = address // PAGE_SIZE, (address + len(data) - 1) // PAGE_SIZE
        if any(frame in self.ran for frame in range(first, last + 1)):
            self.flush_code()

    def flush_code(self) -> None:
        """Forget all translations (30 us, and the retranslation of what runs again).

        From a callback it takes effect at the end of the current translation block: the
        engine is in the middle of what would be forgotten.
        """
        if self.is_running:
            self._flush_is_due = True
            self.break_off()
        else:
            self._control(const.UC_CTL_TB_FLUSH)

    def flush_tlb(self) -> None:
        self.gate_entry.forget()
        self._control(const.UC_CTL_TLB_FLUSH)

    def peek(self, context: memoryview, size: int, offset: int = 0) -> bytes:
        """Code bytes at eip+offset, as many of `size` as are mapped."""
        layout = self.layout
        linear = context[layout.segments[1] + 2] + context[layout.eip] + offset & 0xFFFFFFFF
        found = bytearray()
        while len(found) < size:
            try:
                place = translate(self.ram.qwords, context[layout.cr3], linear)
            except PageFault:
                break
            part = min(size - len(found), PAGE_SIZE - (linear & 0xFFF))
            found += self.ram.bytes[place : place + part]
            linear = linear + part & 0xFFFFFFFF
        return bytes(found)

    # The engine's hooks.

    def hook(self, prototype: Any, kind: int, function: Any, insn: int = 0) -> None:
        """Install a callback for good."""
        callback = prototype(function)
        self._callbacks.append(callback)
        abi.hook_add(self.engine, kind, callback, insn=insn)

    def remove_hook(self, handle: int) -> None:
        """The engine may fault in here, on an address that is not mapped now."""
        self.context.save(self.engine)
        abi.check(abi.uc_hook_del(self.engine, handle))
        self.restore()

    def guard(self, function: Callable[..., Any], default: Any = None) -> Callable[..., Any]:
        """Keep an exception out of the engine, which would swallow it and run on."""

        def guarded(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except BaseException as error:
                self.fail(error)
                return default

        return guarded

    def fail(self, error: BaseException) -> None:
        self.failure = error
        self.break_off()

    def _control(self, command: int, *arguments: Any) -> None:
        abi.control(self.engine, command, const.UC_CTL_IO_WRITE, *arguments)

    def close(self) -> None:
        """Give back the engine and its 1 GB of address space, as is done when nobody has `self`."""
        self._closing()


def _close(engine: C.c_void_p, context: Context) -> None:
    context.free()
    abi.uc_close(engine)
