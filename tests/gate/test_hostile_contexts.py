"""CONTEXTs that no program should have: ring 3 is where a thread goes on, whatever they say."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from gate.consistency import check_machine
from gate.guest_run import GuestRun
from gate.test_hostile_calls import check_ordinary_programs, run_hostile
from ntgate.machine import Machine

CONTEXTS = 10_000


def config(seed: int, count: int, *, fatal: bool) -> bytes:
    return struct.pack("<III", seed, count, fatal)


def test_the_program_goes_on_behind_each_context(guest: Callable[[str], Path]) -> None:
    run = GuestRun(guest("hostile_contexts"), typed=config(1, CONTEXTS, fatal=False))
    printed = run.finish().splitlines()
    assert printed[1:] == ["sysenter works", "int 2eh works", "passed"]
    assert printed[0].startswith("exceptions ")
    assert int(printed[0].split()[1]) > CONTEXTS // 4
    check_machine(run.machine)
    check_ordinary_programs(run.machine, guest)


def test_contexts_that_leave_no_stack_end_their_program_alone(
    guest: Callable[[str], Path],
) -> None:
    machine = Machine()
    for seed in range(100):
        run_hostile(machine, guest("hostile_contexts"), config(seed, 100, fatal=True))
    check_machine(machine)
    check_ordinary_programs(machine, guest)
