"""`ntgate run`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ntgate.devices.console import StreamDevice
from ntgate.executive.events import Event, GuestException, Unimplemented
from ntgate.machine import Machine, MachineOptions


def run_program(program: str, arguments: Sequence[str], options: MachineOptions) -> int:
    """Run with the host's standard streams; returns the exit code."""
    machine = Machine(options)
    missing: dict[str, int] = {}

    def heard(event: Event) -> None:
        if isinstance(event, Unimplemented):
            missing[event.service] = missing.get(event.service, 0) + 1
        elif isinstance(event, GuestException) and not event.first_chance:
            print(
                f"ntgate: unhandled exception {event.code:08x} at {event.address:08x}",
                file=sys.stderr,
            )

    machine.events.listen(heard)
    process = machine.start(
        program,
        arguments,
        stdin=StreamDevice(sys.stdin.buffer),
        stdout=StreamDevice(sys.stdout.buffer),
        stderr=StreamDevice(sys.stderr.buffer),
    )
    machine.run()
    if missing:
        listed = ", ".join(f"{name} ({count})" for name, count in sorted(missing.items()))
        print(f"ntgate: not implemented: {listed}", file=sys.stderr)
    return process.exit_status & 0xFF
