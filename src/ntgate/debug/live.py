"""A running machine as the debugger's target."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from ntgate.cpu import mmu
from ntgate.cpu.mmu import walk
from ntgate.cpu.ram import PAGE_SIZE
from ntgate.cpu.unicorn_abi import UnicornError
from ntgate.cpu.watchpoints import READ_WRITE, WRITE, Watch
from ntgate.debug import saved_context
from ntgate.debug.errors import KdError
from ntgate.debug.guest_events import describe, exception_name
from ntgate.debug.saved_context import CONTEXT_REGISTERS
from ntgate.debug.symbols import Module, SymbolTable
from ntgate.debug.target import (
    Access,
    GuestEvent,
    NoSuchRegister,
    RaisedException,
    Reaction,
    Stop,
    StopReason,
    Unreadable,
)
from ntgate.errors import GuestBugCheck, Halted, MachineError, NtError, TripleFault
from ntgate.executive.events import (
    DebugPrint,
    Event,
    GuestException,
    ModuleLoad,
    ModuleUnload,
    ProcessExit,
)
from ntgate.executive.mm.fault import access_fault
from ntgate.executive.mm.query import MemoryBasicInformation, query
from ntgate.executive.mm.space import ProcessSpace
from ntgate.image.pe_view import exports_of, size_of_image
from ntgate.layout import machine as m
from ntgate.layout import ntstatus
from ntgate.layout.machine import SYSENTER_MSRS
from ntgate.layout.mm import MEM_COMMIT, PAGE_GUARD, PAGE_NOACCESS
from ntgate.machine import Cause, Machine

# What the executive raises over structures that make no sense.
DAMAGE = (mmu.PageFault, GuestBugCheck)


class LiveMachine:
    """Implements debug.target.LiveTarget on a Machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.cpu = machine.cpu
        self.write_output: Callable[[str], object] = lambda _text: None
        self.stop_at_modules = False
        self.address_space: int | None = None
        self._module_mapped = False
        self._before: tuple[int, bytes] | None = None  # the frame, when the event was told
        self._symbols = SymbolTable()
        self._directories: dict[int, int] = {}  # CR3 by process
        self._handles: dict[int, int | Watch] = {}
        self._next_handle = 1
        self.on_event: Callable[[GuestEvent], Reaction] = _only_second_chances
        self._event: GuestEvent | None = None  # that resume ends for
        # The trap frame of a first chance that resume ended for, and what the kernel has made of
        # it.  Meanwhile it is again as the exception left it.
        self._raised: tuple[int, bytes] | None = None
        self._exit: ProcessExit | None = None
        self._dead: Stop | None = None
        for image in machine.booted.images:
            self._symbols.add(
                Module(
                    image.name, image.base, size_of_image(image.file),
                    [(a, n) for n, a in image.symbols.items()], name=image.module,
                )
            )  # fmt: skip
        machine.events.listen(self._heard)

    # Memory.

    @property
    def _directory(self) -> int:
        chosen = self.address_space
        return self.cpu.registers.read("cr3") if chosen is None else chosen

    @property
    def symbols(self) -> SymbolTable:
        self._symbols.current_process = self._directory
        return self._symbols

    def read(self, address: int, size: int) -> bytes:
        out = bytearray()
        for start, part in _pages(address, size):
            physical = self._physical(start)
            out += self.cpu.ram.bytes[physical : physical + part]
        return bytes(out)

    def write(self, address: int, data: bytes) -> None:
        places = [
            (self._physical(start, write=True), start, part)
            for start, part in _pages(address, len(data))
        ]
        done = 0
        for physical, _start, part in places:
            self.cpu.ram.bytes[physical : physical + part] = data[done : done + part]
            done += part
        self.cpu.flush_code()
        self.cpu.flush_tlb()

    def _physical(self, address: int, *, write: bool = False) -> int:
        """Where a byte is; a page of the program that nothing has touched yet is brought in."""
        cr3 = self._directory
        mapping = walk(self.cpu.ram.qwords, cr3, address)
        if mapping is None or (write and mapping.entry & mmu.WRITABLE == 0):
            with suppress(*DAMAGE):
                mapping = self._bring_in(cr3, address, write=write) or mapping
        if mapping is None or mapping.physical >= self.cpu.ram.size:
            raise Unreadable(address)
        return mapping.physical

    def _bring_in(self, cr3: int, address: int, *, write: bool) -> mmu.Mapping | None:
        for process in self.machine.executive.processes.processes.values():
            if process.space.tables.pdpt == cr3 and _is_ordinary(process.space, address):
                denied = write and access_fault(
                    process.space, address, mmu.FAULT_USER | mmu.FAULT_WRITE
                )
                if denied or not write:
                    # The protection does not bind a debugger: what it writes to a page that can
                    # only be read is seen by all who share that page, as under a real kd.
                    access_fault(process.space, address, mmu.FAULT_USER)
        return walk(self.cpu.ram.qwords, cr3, address)

    def query_memory(self, address: int) -> MemoryBasicInformation:
        """What NtQueryVirtualMemory tells of an address; raises KdError where nothing can."""
        directory = self._directory
        for process in self.machine.executive.processes.processes.values():
            if process.space.tables.pdpt == directory:
                try:
                    return query(process.space, address)
                except NtError:
                    break
                except DAMAGE:
                    raise KdError("The process's VADs are damaged") from None
        raise KdError(f"{address:08x} is in no process's user space")

    def read_physical(self, address: int, size: int) -> bytes:
        if address + size > self.cpu.ram.size:
            raise Unreadable(max(address, self.cpu.ram.size))
        return bytes(self.cpu.ram.bytes[address : address + size])

    def write_physical(self, address: int, data: bytes) -> None:
        if address + len(data) > self.cpu.ram.size:
            raise Unreadable(max(address, self.cpu.ram.size))
        self.cpu.ram.bytes[address : address + len(data)] = data
        self.cpu.flush_code()
        self.cpu.flush_tlb()

    # Registers.

    def register(self, name: str) -> int:
        try:
            return self.cpu.registers.read(name)
        except KeyError:
            raise NoSuchRegister(f"Bad register error at '{name}'") from None

    def set_register(self, name: str, value: int) -> None:
        try:
            self.cpu.registers.write(name, value)
        except KeyError:
            raise NoSuchRegister(f"Bad register error at '{name}'") from None
        except UnicornError as error:
            raise NoSuchRegister(f"{name} can't be {value:x} here: {error}") from None
        if name == "eip":
            self.machine.forget_break_instruction()

    def read_msr(self, index: int) -> int:
        self._require_msr(index)
        return self.cpu.registers.read_msr(index)

    def write_msr(self, index: int, value: int) -> None:
        self._require_msr(index)
        self.cpu.registers.write_msr(index, value)

    def _require_msr(self, index: int) -> None:
        if not self.cpu.has_sep and index in SYSENTER_MSRS:
            raise NoSuchRegister(f"msr[{index:x}]: the processor has no sysenter")

    # Running.

    def resume(self, instructions: int | None = None) -> Stop:
        if self._dead is not None:
            return self._dead
        if self._raised is not None:
            self.machine.kernel.write(*self._raised)
        self._event = None
        self._raised = None
        self._before = None
        self._module_mapped = False
        try:
            cause = self.machine.resume(instructions or 0)
        except MachineError as error:
            text = str(error) if not error.state else f"{error}\n{error.state}"
            self._dead = Stop(_reason_of(error), text=text)
            return self._dead
        if self._event is not None:
            event, raised = self._event, self._event.exception
            if raised is None:
                return Stop(StopReason.EVENT, text=event.text, event=event)
            if self._before is not None:
                frame, before = self._before
                self._raised = frame, self.machine.kernel.read(frame, len(before))
                self.machine.kernel.write(frame, before)
            return Stop(StopReason.EXCEPTION, text=event.text, code=raised.code, event=event)
        if cause is Cause.EXIT:
            status = self._exit.status if self._exit is not None else 0
            return Stop(StopReason.EXIT, text=f"The program has ended, status {status:08x}.",
                        code=status)  # fmt: skip
        if cause is Cause.REQUEST:
            return Stop(StopReason.MODULE if self._module_mapped else StopReason.INTERRUPT)
        if cause is Cause.BREAK_INSTRUCTION:
            text = "Break instruction exception - code 80000003 (first chance)"
            return Stop(
                StopReason.EXCEPTION, text=text, code=ntstatus.STATUS_BREAKPOINT,
                event=self._break_instruction(text),
            )  # fmt: skip
        if cause is Cause.BREAKPOINT:
            return Stop(StopReason.BREAKPOINT, breakpoints=self._hit_handles())
        return Stop(StopReason.STEP)

    def _hit_handles(self) -> tuple[int, ...]:
        hits: set[int | Watch] = {*self.cpu.breakpoints.hits, *self.cpu.watchpoints.hits}
        return tuple(handle for handle, place in self._handles.items() if place in hits)

    def _break_instruction(self, text: str) -> GuestEvent:
        current = self.machine.executive.processes.current
        registers = {name: self.cpu.registers.read(name) for name in CONTEXT_REGISTERS}
        raised = RaisedException(
            ntstatus.STATUS_BREAKPOINT, registers["eip"], (0,), True, registers
        )
        return GuestEvent("", text, current.pid, current.tid, exception=raised)

    def request_interrupt(self) -> None:
        self.machine.request_stop()

    def answer_exception(self, handled: bool) -> None:
        """`handled`: the thread goes on where the exception was raised, with what its registers
        have been made, and sees nothing of it.

        Raises KdError where resume has not ended for a first chance of ring 3.
        """
        if self._raised is None:
            raise KdError("The last event is no first chance of an exception: use g")
        if handled:
            self._raised = None

    def add_breakpoint(self, address: int, access: Access = Access.EXECUTE, size: int = 1) -> int:
        handle, self._next_handle = self._next_handle, self._next_handle + 1
        if access is Access.EXECUTE:
            self._handles[handle] = address
            self.cpu.breakpoints.add(address)
        else:
            kind = WRITE if access is Access.WRITE else READ_WRITE
            watch = Watch(address, size, kind)
            self._handles[handle] = watch
            self.cpu.watchpoints.debugger.append(watch)
        return handle

    def remove_breakpoint(self, handle: int) -> None:
        place = self._handles.pop(handle)
        if place in self._handles.values():
            return
        if isinstance(place, Watch):
            self.cpu.watchpoints.debugger.remove(place)
        else:
            self.cpu.breakpoints.remove(place)

    # Events.

    def _heard(self, event: Event) -> None:
        self._symbols.current_process = self._directories.get(event.pid)
        if isinstance(event, ModuleUnload):
            self._tell(event)  # while the module still has its name
        self._follow(event)
        if not isinstance(event, ModuleUnload):
            self._tell(event)

    def _tell(self, event: Event) -> None:
        """Ask what to do about an event that a debugger knows."""
        told = self._exception(event) if isinstance(event, GuestException) else describe(
            event, self._symbols
        )
        if told is None:
            return
        reaction = self.on_event(told)
        if reaction is Reaction.OUTPUT:
            self.write_output(f"{told.text}\n")
        elif reaction is Reaction.BREAK and self._event is None:
            self._event = told
            if told.exception is not None and told.exception.first_chance:
                frame = self._user_frame()
                self._before = frame, self.machine.kernel.read(frame, m.TRAP_FRAME_LENGTH)
            self.machine.request_stop()

    def _user_frame(self) -> int:
        """The KTRAP_FRAME by which the current thread came from ring 3."""
        thread = self.machine.executive.processes.current.ethread.Tcb
        return thread.InitialStack - m.NPX_FRAME_LENGTH - m.TRAP_FRAME_LENGTH

    def _exception(self, event: GuestException) -> GuestEvent:
        frame = self._user_frame()
        raw = self.machine.kernel.read(frame, m.TRAP_FRAME_LENGTH)
        registers = saved_context.registers_of_trap_frame(raw, frame)
        raised = RaisedException(
            event.code, event.address, event.parameters, event.first_chance, registers, frame
        )
        return GuestEvent("", _describe(event), event.pid, event.tid, exception=raised)

    def _forget_modules(self, pid: int) -> None:
        """Those of an ended process: another may get its page directory.

        The last one's stay, for who looks around at the end.
        """
        gone = self._directories.pop(pid, None)
        if gone is not None and self._directories:
            self._symbols.remove_process(gone)

    def _follow(self, event: Event) -> None:
        if isinstance(event, ModuleLoad):
            self._directories[event.pid] = event.directory
            exports = exports_of(event.image)
            module = Module(
                event.name, event.base, event.size,
                [(event.base + rva, name) for name, rva in exports.items()],
                process=event.directory,
            )  # fmt: skip
            self._symbols.add(module)
            if self.stop_at_modules:
                self._module_mapped = True
                self.machine.request_stop()
        elif isinstance(event, ModuleUnload):
            module_at = self._symbols.module_at(event.base)
            if module_at is not None:
                self._symbols.remove(module_at)
        elif isinstance(event, ProcessExit):
            self._exit = event
            self._forget_modules(event.pid)
        elif isinstance(event, DebugPrint):
            self.write_output(event.text)


def _is_ordinary(space: ProcessSpace, address: int) -> bool:
    """Whether a look at the page changes nothing that the guest could see."""
    try:
        found = query(space, address)
    except (NtError, *DAMAGE):
        return False
    return found.State == MEM_COMMIT and not found.Protect & (PAGE_NOACCESS | PAGE_GUARD)


def _reason_of(error: MachineError) -> StopReason:
    if isinstance(error, GuestBugCheck | TripleFault | Halted):
        return StopReason.BUGCHECK
    return StopReason.FAILURE


def _only_second_chances(event: GuestEvent) -> Reaction:
    is_last = event.exception is not None and not event.exception.first_chance
    return Reaction.BREAK if is_last else Reaction.IGNORE


def _describe(event: GuestException) -> str:
    """What a kernel debugger prints of an exception."""
    chance = "first chance" if event.first_chance else "!!! second chance !!!"
    text = f"{exception_name(event.code)} - code {event.code:08x} ({chance})"
    if event.first_chance:
        return (
            f"{text}\nFirst chance exceptions are reported before any exception handling.\n"
            "This exception may be expected and handled."
        )
    return f"{text}\nat {event.address:08x}"


def _pages(address: int, size: int) -> list[tuple[int, int]]:
    """(address, bytes) of the part in each page; raises Unreadable beyond 4 GB."""
    if address + size > 1 << 32:
        raise Unreadable(0xFFFFFFFF)
    parts = []
    while size > 0:
        part = min(size, PAGE_SIZE - (address & PAGE_SIZE - 1))
        parts.append((address, part))
        address += part
        size -= part
    return parts
