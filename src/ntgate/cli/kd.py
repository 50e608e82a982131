"""`ntgate kd`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ntgate.cli.session import SessionOptions, host_stream
from ntgate.debug.console import interact, run_commands
from ntgate.debug.interpreter import Interpreter, on_screen
from ntgate.debug.live import LiveMachine
from ntgate.debug.session import ExpectedService
from ntgate.dispatch.tables import service_table
from ntgate.errors import UsageError
from ntgate.machine import Machine, MachineOptions

SERVICE_TABLES = (
    "KiServiceTable", "W32pServiceTable", "KiExtraServiceTable", "W32pExtraServiceTable"
)  # fmt: skip


def debug(
    program: str, arguments: Sequence[str], commands: str | None, machine_options: MachineOptions,
    options: SessionOptions,
) -> bool:  # fmt: skip
    """Start at the initial break; False when a command of `-c` has failed."""
    if sys.stdout is None or (commands is None and sys.stdin is None):
        raise UsageError("kd needs the standard output and, without -c, the standard input")
    machine = Machine(options.machine(machine_options))
    target = LiveMachine(machine)
    expected = expected_services(machine)
    machine.break_at_next_thread()
    options.start(machine, program, arguments, host_stream(sys.stdin))
    stop = target.resume()
    interpreter = Interpreter(target, expected_services=expected)
    interpreter.session.last_stop = stop
    target.write_output = lambda text: interpreter.write(on_screen(text))
    if commands is not None:
        return run_commands(interpreter, commands)
    print(f"{stop.text}\n")
    interpreter.write = sys.stdout.write
    interpreter.execute("r")
    return interact(interpreter)


def expected_services(machine: Machine) -> dict[int, ExpectedService]:
    """What a machine that has just been booted holds in its service tables."""
    return {
        row.number: ExpectedService(
            row.name, row.argument_bytes, machine.kernel.u32(machine.symbols[base] + 4 * index)
        )
        for table, base in enumerate(SERVICE_TABLES)
        for index, row in enumerate(service_table(table))
    }
