"""`ntgate run`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

from ntgate.devices.console import StreamDevice
from ntgate.executive.events import Event, GuestException, Unimplemented
from ntgate.machine import Machine, MachineOptions


class Report:
    """What a run tells at its end: services that are missing, an unhandled exception."""

    def __init__(self, machine: Machine) -> None:
        self._missing: Counter[str] = Counter()
        self._unhandled: list[GuestException] = []
        machine.events.listen(self._heard)

    def _heard(self, event: Event) -> None:
        if isinstance(event, Unimplemented):
            self._missing[event.service] += 1
        elif isinstance(event, GuestException) and not event.first_chance:
            self._unhandled.append(event)

    def print(self) -> None:
        """To stderr, nothing where all went well."""
        for event in self._unhandled:
            print(
                f"ntgate: unhandled exception {event.code:08x} at {event.address:08x}",
                file=sys.stderr,
            )
        if self._missing:
            listed = ", ".join(f"{name} ({count})" for name, count in sorted(self._missing.items()))
            print(f"ntgate: not implemented: {listed}", file=sys.stderr)


def run_program(program: str, arguments: Sequence[str], options: MachineOptions) -> int:
    """Run with the host's standard streams; returns the exit code."""
    machine = Machine(options)
    report = Report(machine)
    process = machine.start(
        program,
        arguments,
        stdin=StreamDevice(sys.stdin.buffer),
        stdout=StreamDevice(sys.stdout.buffer),
        stderr=StreamDevice(sys.stderr.buffer),
    )
    machine.run()
    report.print()
    return process.exit_status & 0xFF
