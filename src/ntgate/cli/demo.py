"""`ntgate demo`: one NtWriteFile call by each gate, as the machine makes it."""

from __future__ import annotations

from ntgate.cli.walk_printer import WalkPrinter
from ntgate.debug.live import LiveMachine
from ntgate.debug.walk import Walk, walk_call
from ntgate.devices.console import MemoryDevice
from ntgate.machine import Machine, MachineOptions

PROGRAMS = ("@sysenter", "@int2e")


def show(width: int, options: MachineOptions | None = None) -> None:
    """Print the walks of PROGRAMS and what tells them apart; `width` in columns."""
    printer = WalkPrinter(width)
    first, second = (walk_program(LiveMachine(Machine(options)), name) for name in PROGRAMS)
    printer.introduction()
    printer.walk(PROGRAMS[0], first)
    printer.walk(PROGRAMS[1], second, first)
    printer.comparison(first, second)
    printer.farewell(PROGRAMS[0])


def walk_program(target: LiveMachine, program: str) -> Walk:
    """Start a program in the target's machine and walk its first system call.

    Raises CallNotFound, UsageError, MachineError.
    """
    device = MemoryDevice()
    machine = target.machine
    process = machine.start(program, stdout=device)
    thread = next(iter(machine.executive.processes.threads_of(process)))
    entry = target.add_breakpoint(thread.ethread.Win32StartAddress)
    target.resume()
    target.remove_breakpoint(entry)
    return walk_call(target, lambda: bytes(device.output))
