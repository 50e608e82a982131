"""What the kd commands share: the machine, the names, and where the last command left off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from functools import cached_property
from typing import IO, TypeGuard

from ntgate.debug.breakpoints import Breakpoints
from ntgate.debug.disasm import Disassembler
from ntgate.debug.errors import KdError
from ntgate.debug.event_filters import EventFilters
from ntgate.debug.expressions import Evaluator
from ntgate.debug.scope import Scope
from ntgate.debug.target import LiveTarget, Stop, Target
from ntgate.layout.type_table import TypeTable
from ntgate.records import dataclass


@dataclass(frozen=True)
class ExpectedService:
    """What the service table should hold at a number, before anyone hooks it.

    Without `routine`, its address, any routine of the right name will do.
    """

    name: str  # NtWriteFile
    argument_bytes: int
    routine: int | None = None


@dataclass
class Cursors:
    """Where `d` and `u` go on when they are given no address."""

    data: int | None = None
    code: int | None = None
    display: str = "db"
    enter: str = "eb"


@dataclass
class Session:
    """One debugging session.

    `expected_services` maps service numbers (000-fff nt, 1000-1fff win32k) to what an unhooked
    table holds.  `run` executes a command line inside another command.  `is_in_hit`: the
    commands of a breakpoint are running; there `g` sets `wants_resume`, and the command that
    runs the machine goes on when they are done.  `has_failed`: a command of the line that runs
    has failed.  `loops` are those around the command that runs, and `jump` is `break` or
    `continue` on the way to the innermost.  `log` gets what is typed and shown.
    """

    machine: Target
    types: TypeTable
    expected_services: Mapping[int, ExpectedService]
    run: Callable[[str], Iterable[str]]
    has_failed: Callable[[], bool] = lambda: False
    cursors: Cursors = field(default_factory=Cursors)
    aliases: dict[str, str] = field(default_factory=dict)
    is_leaving: bool = False
    is_in_hit: bool = False
    wants_resume: bool = False
    is_running: bool = False
    last_stop: Stop | None = None
    loops: int = 0
    jump: str = ""
    log: IO[str] | None = None
    filters: EventFilters = field(default_factory=EventFilters)

    @cached_property
    def target(self) -> Scope:
        """The machine, with the registers of the context that is looked at."""
        return Scope(self.machine)

    @property
    def live(self) -> LiveTarget:
        """The machine, if it can run; raises KdError for a dump."""
        if not _is_live(self.machine):
            raise KdError("No runnable debuggees error: a dump can't run")
        return self.machine

    def resume(self, instructions: int | None = None) -> Stop:
        """Let the machine run; `is_running` tells a Ctrl-C handler so."""
        machine = self.live
        machine.on_event = self.filters.reaction
        self.is_running = True
        try:
            self.last_stop = machine.resume(instructions)
        finally:
            self.is_running = False
        return self.last_stop

    @cached_property
    def evaluator(self) -> Evaluator:
        return Evaluator(self.target, self.types)

    @cached_property
    def disassembler(self) -> Disassembler:
        return Disassembler(self.name)

    @cached_property
    def breakpoints(self) -> Breakpoints:
        return Breakpoints(self.live, self.evaluator)

    def look_from(self, process: int | None, directory: int | None) -> None:
        """Have commands see a process: its EPROCESS and CR3; None, None: the processor's."""
        self.evaluator.names.process = process
        self.target.address_space = directory

    @contextmanager
    def seen_from(self, directory: int) -> Iterator[None]:
        """Commands see the address space of a CR3 inside the block."""
        before, self.target.address_space = self.target.address_space, directory
        try:
            yield
        finally:
            self.target.address_space = before

    def look_at_thread(self, thread: int | None) -> None:
        """Have commands mean this ETHREAD; None: the one that the processor runs."""
        self.evaluator.names.thread = thread

    def leave_context(self) -> None:
        """Forget the registers, the process and the thread that were chosen to look at."""
        self.target.reset()
        self.look_from(None, None)
        self.look_at_thread(None)

    def name(self, address: int) -> str | None:
        """`nt!KiFastCallEntry+0xd`, or None outside every module."""
        location = self.machine.symbols.nearest(address & 0xFFFFFFFF)
        return str(location) if location else None

    def label(self, address: int) -> str:
        """`nt!KiFastCallEntry+0xd`, or the address in eight digits."""
        return self.name(address) or f"{address & 0xFFFFFFFF:08x}"


def _is_live(target: Target) -> TypeGuard[LiveTarget]:
    return hasattr(target, "resume")
