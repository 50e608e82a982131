"""Every declared service with pointers that lead nowhere, to edges, guard and read-only pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gate.consistency import check_machine
from gate.guest_run import GuestRun
from gate.hostile import ENDS, PARKS, pointers_config
from gate.test_hostile_calls import check_ordinary_programs, protect_streams, waits_in
from ntgate.devices.console import MemoryDevice
from ntgate.dispatch.service import SERVICES, Service
from ntgate.dispatch.tables import services_by_name
from ntgate.machine import Machine

FAMILIES = sorted({declared.family for declared in SERVICES.values()})
MOST_PROGRAMS = 400


def family(name: str) -> list[Service]:
    """The services of a family that leave their caller where it is, `NtClose` last."""
    members = [
        declared
        for name_of, declared in SERVICES.items()
        if declared.family == name and name_of not in ENDS | PARKS
    ]
    return sorted(members, key=lambda declared: declared.number.name == "NtClose")


def with_names(text: str) -> str:
    """The program's complaints with the services' names."""
    names = {f"{row.number:08x}": name for name, row in services_by_name().items()}
    return re.sub("service ([0-9a-f]{8})", lambda found: names[found[1]], text)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_of_services(guest: Callable[[str], Path], name: str) -> None:
    run = GuestRun(guest("hostile_pointers"), typed=pointers_config(family(name)))
    protect_streams(run)
    run.machine.run()
    assert run.process.exited, f"waits for ever in {waits_in(run.machine, run.process)}"
    assert run.process.exit_status == 0, with_names(run.output)[-2000:]
    assert run.output.endswith("passed\n")
    check_machine(run.machine)
    check_ordinary_programs(run.machine, guest)


@pytest.mark.parametrize("name", sorted((ENDS | PARKS) & SERVICES.keys()))
def test_a_service_that_may_end_or_park_its_caller(guest: Callable[[str], Path], name: str) -> None:
    declared = SERVICES[name]
    machine = Machine()
    first = 0
    for _ in range(MOST_PROGRAMS):
        console = MemoryDevice()
        config = pointers_config([declared], first, tells=True)
        process = machine.start(
            guest("hostile_pointers"), stdin=MemoryDevice(config), stdout=console
        )
        machine.run()
        output = bytes(console.output).decode("latin-1")
        if process.exited and output.endswith("passed\n"):
            break
        assert "." in output, output
        first += output.count(".")
        if not process.exited:
            machine.executive.processes.terminate_process(process, 1)
            machine.run()
    else:
        pytest.fail(f"call {first} is not the last one")
    check_machine(machine)
    check_ordinary_programs(machine, guest)
