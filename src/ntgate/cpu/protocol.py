"""What the rest of the machine uses of a processor.

`Processor` is the real one, on Unicorn; `fake.FakeProcessor` executes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ntgate.cpu.ram import PhysicalMemory
from ntgate.cpu.watchpoints import Watch


class CpuRegisters(Protocol):
    """Registers by the names of registers.NAMES, and MSRs by number."""

    @property
    def eip(self) -> int: ...

    @property
    def eflags(self) -> int: ...

    @property
    def cs(self) -> int: ...

    def read(self, name: str) -> int:
        """Raises KeyError."""

    def write(self, name: str, value: int) -> None:
        """Raises KeyError.  Not in a callback for DR0-DR7."""

    def read_msr(self, index: int) -> int: ...

    def write_msr(self, index: int, value: int) -> None: ...


class CpuBreakpoints(Protocol):
    """The debugger's execution breakpoints, by linear address; the guest sees nothing of them."""

    hits: list[int]  # of the last run, which stopped before the instruction

    def add(self, address: int) -> None: ...

    def remove(self, address: int) -> None:
        """Raises KeyError."""


class CpuWatchpoints(Protocol):
    """Data breakpoints: the debugger's, and the guest's in DR0-DR7."""

    debugger: list[Watch]  # to be changed between runs
    hits: list[Watch]  # of `debugger`, in the last run, which stopped behind the instruction

    def renew(self) -> None:
        """From a callback that follows a load of DR0-DR7 or CR3, or the change of a mapping."""


class Cpu(Protocol):
    """One processor.  Its owner fills in the callbacks before the first run.

    ran: frames whose bytes may have been translated; the memory manager adds a frame before
    it lets it run.
    host_port, host_call(value): the port that ring 0 reaches the host through; False leaves
    the access to port_write.  first_fetch(linear): a fetch met NX; True to try again.
    on_sysenter(eip): a tracer's, for the processor alone knows where a sysenter was.
    intercept(vector): True when the debugger takes an int3 for itself; the run stops at it.
    timestamp(): what rdtsc reads.  port_read(port, size), port_write(port, size, value):
    all other I/O that the current ring may do.
    """

    ram: PhysicalMemory
    has_sep: bool
    ran: set[int]
    executed: int  # instructions that the last run with a limit has begun
    halted: bool  # the last run has ended behind a hlt
    host_port: int
    host_call: Callable[[int], bool]
    first_fetch: Callable[[int], bool]
    on_sysenter: Callable[[int], None] | None
    intercept: Callable[[int], bool]
    timestamp: Callable[[], int]
    port_read: Callable[[int, int], int]
    port_write: Callable[[int, int, int], None]

    @property
    def begun(self) -> int:
        """What `executed` would be if the run ended here; 0 between runs.  For callbacks."""

    @property
    def registers(self) -> CpuRegisters: ...

    @property
    def breakpoints(self) -> CpuBreakpoints: ...

    @property
    def watchpoints(self) -> CpuWatchpoints: ...

    @property
    def cpl(self) -> int: ...

    def run(self, instructions: int = 0, timeout_us: int = 0, *, exact: bool = True) -> bool:
        """Run a number of instructions (0: no limit); False when something stopped it early.

        Stops early at a breakpoint, at a watched access, at an int3 that was intercepted and
        after `stop()`.  True also when the time is up, and after `hlt`.  Raises MachineError
        subclasses; an exception of a callback leaves as InternalFault, or as itself when it is
        one of ntgate's own errors.
        """

    def step(self) -> None:
        """One instruction, whatever breakpoint is on it; an event in it is delivered."""

    def stop(self) -> None:
        """End the run: from a callback, or soon when from another thread."""

    def interrupt(self, vector: int) -> bool:
        """Deliver an external interrupt between runs; False when it is masked now."""

    def raise_exception(self, vector: int, error: int = 0) -> None:
        """Deliver an exception between runs."""

    def write_physical(self, address: int, data: bytes) -> None:
        """Write RAM from the host; code that ran there is translated anew."""

    def flush_code(self) -> None:
        """Forget all translations, for code that was changed in another way."""

    def flush_tlb(self) -> None: ...

    def close(self) -> None: ...
