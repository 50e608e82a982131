"""Equal runs are equal: every call, event, status and time, whatever the host does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from ntgate import Machine

PROGRAMS = ("@sysenter", "@int2e", "@direct", "@seh")


class Recorder:
    """Every call with its dwords and its answer, and every event, as text."""

    def __init__(self, machine: Machine) -> None:
        self.lines: list[str] = []
        self.machine = machine
        machine.events.listen(lambda event: self.lines.append(repr(event)))
        machine.observe(self, lambda thread, eip: self.lines.append(f"{thread:x} {eip:x}"))

    def enter(self, caller: object, number: object, raw: Sequence[int]) -> int | None:
        clock = self.machine.executive.clock.precise()
        self.lines.append(f"{clock} {number} {raw}")
        return None

    def leave(self, caller: object, number: object, status: int | None) -> None:
        self.lines.append(f"{number} {status}")


def stream(*programs: str) -> list[str]:
    """What happens when the programs run side by side on one machine."""
    machine = Machine()
    recorder = Recorder(machine)
    for program in programs:
        machine.start(program)
    machine.run()
    return recorder.lines


@pytest.mark.parametrize("program", PROGRAMS)
def test_two_runs_give_the_same_stream(program: str) -> None:
    first = stream(program)
    assert len(first) > 8
    assert first == stream(program)


def test_programs_side_by_side_are_switched_at_the_same_instructions() -> None:
    first = stream(*PROGRAMS, *PROGRAMS)
    assert len([line for line in first if line.startswith("ProcessExit")]) == 8
    assert first == stream(*PROGRAMS, *PROGRAMS)


def test_the_host_s_hash_seed_does_not_show() -> None:
    def trace(seed: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "ntgate", "trace", "--format", "jsonl", "@seh"],
            capture_output=True, text=True, timeout=60, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )  # fmt: skip
        return done.stderr

    assert trace("1") == trace("2")
