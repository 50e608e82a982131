"""`ntgate run`."""

from __future__ import annotations

from collections.abc import Sequence

from ntgate.cli.session import Session, SessionOptions
from ntgate.machine import MachineOptions


def run_program(
    program: str, arguments: Sequence[str], machine_options: MachineOptions, options: SessionOptions
) -> int:
    """Run with the host's standard streams; returns the exit code."""
    session = Session(machine_options, options)
    session.start(program, arguments)
    session.run()
    return session.finish()
