"""A whole machine: the one module that knows every part.

    from ntgate import Machine

    machine = Machine()
    process = machine.start("@sysenter", stdout=device)
    machine.run()
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from subprocess import list2cmdline
from time import monotonic_ns
from types import FrameType

import ntgate.services.all  # noqa: F401  (declares the services)
from ntgate.boot.boot import boot
from ntgate.cpu.delivery import IF
from ntgate.cpu.ram import PAGE_SIZE
from ntgate.devices.console import MemoryDevice
from ntgate.devices.mounts import Mount, Mounts
from ntgate.devices.standard import attach_devices, mount_system_files
from ntgate.dispatch.dispatcher import Dispatcher, Observer
from ntgate.dispatch.tables import ServiceNumber
from ntgate.entry.routines import HOST_PORT
from ntgate.errors import Halted, UsageError
from ntgate.executive.events import CodeStart, Events, Unimplemented
from ntgate.executive.executive import Executive
from ntgate.executive.io.device import ByteDevice
from ntgate.executive.io.source import Policy
from ntgate.executive.mm.execute import first_fetch
from ntgate.executive.mm.protection import PAGE_OF_CODE
from ntgate.executive.mm.vad import Vad
from ntgate.executive.ps.environment import ProcessParameters
from ntgate.executive.ps.thread import Process, Thread
from ntgate.image.pe_view import entry_rva, size_of_image
from ntgate.layout import machine as m
from ntgate.loader import variables
from ntgate.loader.find import FoundProgram, find_program
from ntgate.loader.process import ProgramLoader
from ntgate.loader.system_dll import SystemDll, builtin_dll, userland_dll
from ntgate.loader.userland import Userland
from ntgate.records import dataclass

SLICE = 500_000  # instructions in one clock tick; blocks count for some (cpu.processor.BLOCK)
# Instructions between two looks at IF, when a tick finds it clear; a prime, so that no short loop
# keeps in step with it.
MASKED_STEP = 17
MASKED_US = 100  # the same where time is the host's


class Cause(Enum):
    """Why a machine stopped."""

    EXIT = "exit"  # every program has ended, or nothing can ever run again
    COUNT = "count"  # the instructions asked for have run
    BREAKPOINT = "breakpoint"  # a code breakpoint or a watched access of the debugger
    BREAK_INSTRUCTION = "int3"  # an int3 that the debugger took
    REQUEST = "request"  # request_stop


@dataclass
class MachineOptions:
    """pages: RAM in 4 KB frames; has_sep: a processor with sysenter; debugger: kd is attached;
    counted: slices by instruction count, so that equal runs are equal (else by the host's clock);
    memory_limit: what programs may commit, and the clusters of C:, in 4 KB pages each.
    """

    pages: int = m.MEMORY_PAGES
    has_sep: bool = True
    debugger: bool = False
    counted: bool = True
    memory_limit: int | None = None


@contextmanager
def _interrupts(machine: Machine) -> Iterator[Callable[[], bool]]:
    """Have Ctrl-C stop a machine, never break into a service; gives whether there was one."""
    pressed = 0

    def press(_number: int, _frame: FrameType | None) -> None:
        nonlocal pressed
        pressed += 1
        machine.request_stop()
        if pressed > 1:
            raise KeyboardInterrupt

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False
        return
    signal.signal(signal.SIGINT, press)
    try:
        yield lambda: pressed > 0
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Machine:
    """Booted on construction (20 ms); programs are started and run afterwards."""

    def __init__(self, options: MachineOptions | None = None) -> None:
        self.options = options = options or MachineOptions()
        self.booted = booted = boot(
            pages=options.pages, has_sep=options.has_sep, debugger=options.debugger
        )
        self.cpu = booted.cpu
        self.kernel = booted.memory.kernel
        self.symbols = booted.symbols
        self.executive = Executive(
            self.cpu, self.kernel, booted.memory.frames, booted.memory.space, booted.symbols,
            booted.memory.map,
        )  # fmt: skip
        self.executive.debugger = options.debugger
        attach_devices(self.executive.io)
        if options.memory_limit is not None:
            self.executive.mm.commit_limit = options.memory_limit
            self.executive.io.volume.tree.space.total = options.memory_limit
        self.dispatcher = Dispatcher(
            self.cpu, self.executive.processes.threads, self.executive.mm
        )
        self.dispatcher.unimplemented = self._unimplemented
        self.cpu.host_port = HOST_PORT
        self.cpu.first_fetch = self._first_fetch
        self.executive.mm.code_runs = self._code_runs
        self.cpu.intercept = self._intercept
        self.executive.scheduler.idle = self._nothing_runs
        self.executive.processes.create_system()
        for image in booted.images:
            self.executive.processes.modules.add(
                image.base, size_of_image(image.file), image.base + entry_rva(image.file),
                f"\\SystemRoot\\system32\\{image.name}",
            )  # fmt: skip
        self._enter_idle_thread()
        self.loader = ProgramLoader(self.executive)
        self._until_tick = SLICE
        self._began = monotonic_ns()  # the run that goes by the host's clock
        self._told = 0  # by precise_time
        self._exited = False
        self._taken = False  # eip is at an int3 that was reported
        self._interrupted = False
        self._userland: Userland | None = None  # that C: has been filled from

    @property
    def events(self) -> Events:
        return self.executive.events

    # Programs.

    def start(
        self,
        program: str | Path,
        arguments: Sequence[str] = (),
        *,
        stdin: ByteDevice | None = None,
        stdout: ByteDevice | None = None,
        stderr: ByteDevice | None = None,
        environment: Mapping[str, str] | None = None,
        mounts: Sequence[Mount] = (),
        current_folder: Policy = Policy.COPY_ON_WRITE,
        verbatim: bool = False,
    ) -> Process:
        """Make a process of a PE file, of one of the userland's programs, or of a built-in one.

        environment: variables besides the standard ones.  mounts: the host's folders that it
        sees beside its own and the current one.  verbatim: the arguments go into the command
        line as they are, without the quotes by which C's runtimes tell them apart.  Raises
        UsageError for a program that is not there or can't be started.
        """
        userland = Userland.find()
        found = find_program(program, userland)
        ntdll = self._system_dll(found, userland)
        seen = Mounts.standard(found.on_host, *mounts, work=current_folder)
        seen.apply(self.executive.io.volume)
        words = [found.program.name, *arguments]
        on_host = found.on_host and seen.guest_path(found.on_host)
        parameters = ProcessParameters(
            image_path=on_host or found.guest_path,
            command_line=" ".join(words) if verbatim else list2cmdline(words),
            current_directory=seen.guest_path(Path.cwd()) or "C:\\",
            environment=variables.environment(environment or {}),
        )
        devices = [device or MemoryDevice() for device in (stdin, stdout, stderr)]
        thread = self.loader.start(found.program, ntdll, parameters, devices)
        self._exited = False
        return thread.process

    def _system_dll(self, found: FoundProgram, userland: Userland | None) -> SystemDll:
        """The built-in ntdll for a program that needs no other DLL, else the userland's."""
        if not found.needs or (userland is None and not found.program.imports):
            return builtin_dll()
        if userland is None:
            raise UsageError(
                f"{found.program.name} needs {found.needs} and what comes with it: "
                "run `ntgate userland install`"
            )
        self._mount(userland)
        return userland_dll(userland)

    def _mount(self, userland: Userland) -> None:
        """The userland's files are on C:, and its hives are the registry."""
        if self._userland is None:
            self._userland = userland
            mount_system_files(self.executive.io, userland.drive_files())
            self.executive.registry.stored_hives = userland.hives()

    def observe(self, observer: Observer, sysenter: Callable[[int, int], None]) -> None:
        """Show every service call to an observer.

        sysenter(thread, eip) is called at each of those instructions with the address of the
        current ETHREAD.
        """
        self.dispatcher.observer = observer
        dwords, current = self.cpu.ram.dwords, self.dispatcher.current_thread_cell
        self.cpu.on_sysenter = lambda eip: sysenter(dwords[current], eip)

    def precise_time(self) -> int:
        """Interrupt time in 100 ns units, with what has run since the last tick.

        SLICE instructions are a tick: 31 ns each, 156 ns a block where blocks are counted, and
        what the host does takes no time.  Never earlier than at the last call, never as late as
        the next tick.  The guest's own clocks know nothing of it.
        """
        if self.options.counted:
            since = SLICE - self._until_tick + self.cpu.begun
        else:
            since = (monotonic_ns() - self._began) * SLICE // (100 * m.TICK_100NS)
        if since >= SLICE:
            since = SLICE - 1
        now = self.executive.clock.interrupt_time + since * m.TICK_100NS // SLICE
        if now > self._told:
            self._told = now
        return self._told

    # Running.

    def run(self) -> None:
        """Until every program has ended; raises MachineError when the machine can't go on.

        Where Ctrl-C is Python's own, KeyboardInterrupt comes between two instructions: the machine
        can go on.  Only a second one comes at once, for a program that waits for the host's input.
        """
        self._interrupted = False
        with _interrupts(self) as interrupted:
            while self._go_on() not in (Cause.EXIT, Cause.REQUEST):
                pass
            if interrupted():
                raise KeyboardInterrupt

    def resume(self, instructions: int = 0) -> Cause:
        """Run until something happens, or for a number of instructions.

        Starts behind a breakpoint or int3 that the last call stopped at.
        """
        self._interrupted = False
        return self._go_on(instructions)

    def _go_on(self, instructions: int = 0) -> Cause:
        if self._taken:
            self._taken = False
            self.cpu.registers.write("eip", self.cpu.registers.eip + 1)
            if instructions == 1:
                return Cause.COUNT
        left = instructions
        first = True
        while True:
            if first:
                amount = 1
            elif not self.options.counted and not instructions:
                amount = 0
            elif self._until_tick <= 0:
                amount = MASKED_STEP
            else:
                amount = self._until_tick
            if instructions:
                amount = min(amount, left)
            ran = self._run(amount, stepping=first, exact=instructions > 0)
            first = False
            self._until_tick -= ran
            left -= ran
            if self._taken:
                return Cause.BREAK_INSTRUCTION
            if self.cpu.breakpoints.hits or self.cpu.watchpoints.hits:
                return Cause.BREAKPOINT
            if self._exited:
                return Cause.EXIT
            if self.cpu.halted:
                self._until_tick = min(self._until_tick, 0)
                if not self.cpu.registers.eflags & IF:
                    raise Halted(
                        f"the processor has halted at {self.cpu.registers.eip - 1:08x} with "
                        "interrupts off: nothing can wake it"
                    )
            if instructions and left <= 0:
                return Cause.COUNT
            if self._interrupted:
                return Cause.REQUEST
            if self._until_tick <= 0 and self.cpu.interrupt(m.CLOCK_VECTOR):
                self._until_tick = SLICE

    def _run(self, amount: int, *, stepping: bool, exact: bool) -> int:
        """How many instructions have run; 0 is a tick of the host's clock, and its part of SLICE
        is what has run."""
        if stepping or amount:
            if stepping:
                self.cpu.step()
            else:
                self.cpu.run(amount, exact=exact)
            return self.cpu.executed
        self._began = began = monotonic_ns()
        # Not MASKED_STEP for a tick that has to wait: a change to counting translates all anew.
        tick_us = m.TICK_100NS // 10
        self.cpu.run(timeout_us=tick_us if self._until_tick > 0 else MASKED_US)
        return (monotonic_ns() - began) * SLICE // (1000 * tick_us)

    def request_stop(self) -> None:
        """Make `run` or `resume` return soon; from a signal handler or another thread."""
        self._interrupted = True
        self.cpu.stop()

    # What the parts ask of the whole.

    def _enter_idle_thread(self) -> None:
        """Stand where SwapContext would have put the processor."""
        thread = self.executive.processes.current
        registers = self.cpu.registers
        registers.write("esp", thread.ethread.Tcb.KernelStack)
        registers.write("eip", self.symbols["KiIdleLoop"])
        tss = self.kernel
        tss.set_u32(m.TSS + 4, thread.ethread.Tcb.InitialStack - m.NPX_FRAME_LENGTH - 0x10)

    def _nothing_runs(self) -> None:
        self._exited = True
        self.cpu.stop()

    def _intercept(self, _vector: int) -> bool:
        self._taken = self.options.debugger
        return self._taken

    def _first_fetch(self, linear: int) -> bool:
        current = self.executive.processes.current
        return first_fetch(current.process.space, linear)

    def _code_runs(self, region: Vad, address: int, code: int) -> None:
        thread = self.executive.processes.current
        memory = "private" if region.is_private else "image" if region.is_image else "mapped"
        self.events.emit(
            CodeStart(
                thread.pid, thread.tid, address, region.first * PAGE_SIZE,
                region.pages * PAGE_SIZE, PAGE_OF_CODE[code], memory,
            )
        )  # fmt: skip

    def _unimplemented(self, caller: Thread, number: ServiceNumber) -> None:
        self.events.emit(Unimplemented(caller.pid, caller.tid, number.name, number.number))

    def forget_break_instruction(self) -> None:
        """A debugger has moved eip: the next resume starts right there."""
        self._taken = False

    def break_at_next_thread(self) -> None:
        """The initial break of a kernel debugger: an int3 before the thread's first instruction."""
        self.kernel.set_u8(self.symbols["KdBreakPending"], 1)


