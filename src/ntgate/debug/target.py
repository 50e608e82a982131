"""What a debugger asks of the thing that it debugs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Protocol

from ntgate.debug.symbols import SymbolTable
from ntgate.records import dataclass


class Unreadable(Exception):
    """No memory is there.  `address` is the first byte that can't be had."""

    def __init__(self, address: int) -> None:
        super().__init__(f"Memory access error at {address:08x}")
        self.address = address


class NoSuchRegister(Exception):
    """The processor has no register, or no MSR, of that name."""


class Access(Enum):
    """What a breakpoint waits for; the values are the letters of WinDbg's `ba`."""

    EXECUTE = "e"
    WRITE = "w"
    READ_WRITE = "r"


class StopReason(Enum):
    STEP = "step"  # the number of instructions asked for has run
    BREAKPOINT = "breakpoint"  # one or more of `Stop.breakpoints`
    EXCEPTION = "exception"  # the guest's exception, which the debugger sees first
    EVENT = "event"  # something that `on_event` wanted to stop at; no exception
    MODULE = "module"  # an image has been mapped, and `stop_at_modules` asked for that
    INTERRUPT = "interrupt"  # the user pressed Ctrl-C
    EXIT = "exit"  # the last process has ended; the machine idles
    BUGCHECK = "bugcheck"  # the guest's kernel is dead, a triple fault, a halt for ever
    FAILURE = "failure"  # a bug of ours: the machine is stopped at that instruction


class Reaction(Enum):
    """What becomes of an event; the values are WinDbg's words."""

    BREAK = "break"
    SECOND_CHANCE = "second-chance break"
    OUTPUT = "output"
    IGNORE = "ignore"


@dataclass(frozen=True)
class RaisedException:
    """An exception of ring 3; `registers` are those at the instruction that raised it.

    `frame` is the KTRAP_FRAME that has them; 0 of a break instruction, which raises nothing.
    """

    code: int
    address: int
    parameters: tuple[int, ...]
    first_chance: bool
    registers: Mapping[str, int]
    frame: int = 0


@dataclass(frozen=True)
class GuestEvent:
    """Something that happened in a process.

    `kind` is WinDbg's code: `ld`, `ud`, `ct`, `et`, `cpr`, `epr`; "" of an exception.  `name`
    is the module's or the image's.
    """

    kind: str
    text: str
    pid: int
    tid: int
    name: str = ""
    exception: RaisedException | None = None


@dataclass(frozen=True)
class Stop:
    """Why a resumed machine stands still again."""

    reason: StopReason
    breakpoints: tuple[int, ...] = ()  # the handles from add_breakpoint
    text: str = ""  # a line or more for the user: exception, bugcheck, exit
    code: int = 0  # NTSTATUS of an exception, exit code of a program
    event: GuestEvent | None = None  # what it stopped for


class Target(Protocol):
    """Memory, registers and names.  Addresses are 32-bit virtual ones of `address_space`, a CR3;
    of the processor's where that is None.

    Register names, in lower case: eax ebx ecx edx esi edi esp ebp eip efl cs ds es fs gs ss
    cr0 cr2 cr3 cr4 dr0-dr3 dr6 dr7 gdtr gdtl idtr idtl tr ldtr (gdtr, idtr: base; gdtl,
    idtl: limit).
    """

    address_space: int | None

    @property
    def symbols(self) -> SymbolTable: ...

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes whatever the protection; raises Unreadable."""
        ...

    def write(self, address: int, data: bytes) -> None:
        """Writes whatever the protection, all or nothing; raises Unreadable."""
        ...

    def read_physical(self, address: int, size: int) -> bytes: ...

    def write_physical(self, address: int, data: bytes) -> None: ...

    def register(self, name: str) -> int:
        """Raises NoSuchRegister."""
        ...

    def set_register(self, name: str, value: int) -> None:
        """Raises NoSuchRegister."""
        ...

    def read_msr(self, index: int) -> int:
        """The 64-bit value; raises NoSuchRegister."""
        ...

    def write_msr(self, index: int, value: int) -> None: ...


class LiveTarget(Target, Protocol):
    """A target that can run.

    `stop_at_modules`: resume ends where an image has been mapped, before code of it runs.
    `on_event` is asked what to do about each event; with BREAK resume ends there.
    """

    stop_at_modules: bool
    on_event: Callable[[GuestEvent], Reaction]

    def resume(self, instructions: int | None = None) -> Stop:
        """Run `instructions` of them, or until something happens.

        Steps over a breakpoint at the current eip.  One instruction is one step even where
        it changes the ring: `sysenter` steps to KiFastCallEntry, a fault to its KiTrapXX.
        """
        ...

    def add_breakpoint(self, address: int, access: Access = Access.EXECUTE, size: int = 1) -> int:
        """Watch an address; never changes guest memory.  Returns a handle."""
        ...

    def remove_breakpoint(self, handle: int) -> None: ...
