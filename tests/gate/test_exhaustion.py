"""A kernel without memory says so, and has it all again when it is given back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gate.consistency import check_machine
from gate.guest_run import GuestRun
from gate.test_hostile_calls import check_ordinary_programs

ROOM = 24  # pages of pool beyond those of the program itself


def test_no_room_for_another_object_is_a_status(guest: Callable[[str], Path]) -> None:
    run = GuestRun(guest("exhaustion"))
    pool = run.machine.executive.pool
    end, pool.end = pool.end, pool.take_pages(1) + ROOM * 0x1000
    lines = run.finish().splitlines()
    assert len(lines) == 18, lines
    assert lines[-1] == "passed"
    check_machine(run.machine)
    pool.end = end
    check_ordinary_programs(run.machine, guest)
