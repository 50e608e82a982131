"""A million calls that make no sense: the program goes on, and the machine is what it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from gate.consistency import check_machine
from gate.guest_run import GuestRun
from gate.hostile import ENDS, PARKS, calls_config, calls_to
from ntgate.devices.console import MemoryDevice
from ntgate.dispatch.service import SERVICES
from ntgate.dispatch.tables import services_by_name
from ntgate.executive.ps.thread import Process
from ntgate.machine import Machine

MACHINES, CALLS = 20, 50_000
PROGRAMS, CALLS_OF_EACH = 4, 200


def protect_streams(run: GuestRun) -> None:
    """No call of the program may close the handle that it tells its results with."""
    objects = run.machine.executive.objects
    for handle in list(objects.handles(run.process.handles)):
        objects.set_handle_attributes(
            run.process.handles, handle.value, protect=True, inherit=False
        )


def waits_in(machine: Machine, process: Process) -> str:
    """What the program's threads wait in."""
    names = {row.number: name for name, row in services_by_name().items()}
    threads = machine.executive.processes.threads_of(process)
    return ", ".join(names.get(thread.pending_id, "nothing") for thread in threads)


def run_hostile(machine: Machine, program: Path, config: bytes) -> None:
    """Run a program that may end anyhow, or wait for ever."""
    process = machine.start(program, stdin=MemoryDevice(config), stdout=MemoryDevice())
    machine.run()
    if not process.exited:
        machine.executive.processes.terminate_process(process, 1)
        machine.run()


def check_ordinary_programs(machine: Machine, guest: Callable[[str], Path]) -> None:
    """What runs on a new machine runs on this one."""
    for name in ("gates", "hello_native"):
        assert outcome(machine, guest(name)) == outcome_on_a_new_machine(guest(name))


def outcome(machine: Machine, program: Path) -> tuple[int, bytes]:
    console = MemoryDevice()
    process = machine.start(program, stdout=console)
    machine.run()
    assert process.exited, f"{program.name} waits for ever in {waits_in(machine, process)}"
    return process.exit_status, bytes(console.output)


@cache
def outcome_on_a_new_machine(program: Path) -> tuple[int, bytes]:
    return outcome(Machine(), program)


@pytest.mark.parametrize("seed", range(1, MACHINES + 1))
def test_a_million_random_calls_leave_the_machine_consistent(
    guest: Callable[[str], Path], seed: int
) -> None:
    run = GuestRun(guest("hostile_calls"), typed=calls_config(seed, CALLS, ENDS | PARKS))
    protect_streams(run)
    run.machine.run()
    assert run.process.exited, f"waits for ever in {waits_in(run.machine, run.process)}"
    written = run.output
    assert run.process.exit_status == 0, written[-1000:]
    assert written.endswith("sysenter works\nint 2eh works\npassed\n")
    counts = re.search(r"\nstatuses (\d+) (\d+) (\d+) (\d+)\ntraps (\d+)\n", written)
    assert counts is not None
    succeeded, *failed, traps = map(int, counts.groups())
    assert succeeded > CALLS // 50, "the calls make so little sense that nothing is tried"
    assert CALLS // 20 < traps < CALLS // 5  # an `int n`, or a segment that the caller has lost
    assert succeeded + sum(failed) < CALLS
    check_machine(run.machine)
    check_ordinary_programs(run.machine, guest)


@pytest.mark.parametrize("name", sorted((ENDS | PARKS) & SERVICES.keys()))
def test_calls_that_may_end_or_park_the_caller(guest: Callable[[str], Path], name: str) -> None:
    machine = Machine()
    for seed in range(1, PROGRAMS + 1):
        run_hostile(machine, guest("hostile_calls"), calls_to(name, seed, CALLS_OF_EACH))
    check_machine(machine)
    check_ordinary_programs(machine, guest)


@pytest.mark.parametrize("first", [100, 120])
def test_many_programs_that_may_end_anyhow_leave_the_machine_consistent(
    guest: Callable[[str], Path], first: int
) -> None:
    machine = Machine()
    for seed in range(first, first + 20):
        run_hostile(machine, guest("hostile_calls"), calls_config(seed, 2_000))
    check_machine(machine)
    check_ordinary_programs(machine, guest)
