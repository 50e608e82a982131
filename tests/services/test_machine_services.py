"""Hard errors, profiles and physical pages, with the privileges that they need and without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gate.consistency import check_machine
from gate.guest_run import GuestRun
from gate.privileges import make_privileged
from ntgate.errors import GuestBugCheck
from ntgate.executive.events import HardError


def test_a_privileged_program(guest: Callable[[str], Path]) -> None:
    run = GuestRun(guest("machine_services"))
    make_privileged(run)
    before = run.machine.executive.mm.committed
    assert run.finish() == "passed\n"
    assert run.machine.executive.mm.committed < before
    errors = [event for event in run.events if isinstance(event, HardError)]
    assert [(error.status, error.parameters, error.response) for error in errors] == [
        (0xC0000135, ("some.dll", 0x1234), 6),
        (0xC0000135, ("some.dll",), 2),
        (0xC0000135, (), 5),
        (0xC0000135, (), 6),
    ]


def test_a_program_without_privileges(guest: Callable[[str], Path]) -> None:
    assert GuestRun(guest("machine_services"), arguments=["refused"]).finish() == "passed\n"


def test_an_error_that_shuts_down_is_a_bugcheck(guest: Callable[[str], Path]) -> None:
    run = GuestRun(guest("machine_services"), arguments=["shutdown"])
    make_privileged(run)
    with pytest.raises(GuestBugCheck, match="0x0000004C \\(0xC0000420") as caught:
        run.machine.run()
    assert "machine_services.exe" in str(caught.value.state)


def test_descriptors_of_a_process(guest: Callable[[str], Path]) -> None:
    run = GuestRun(guest("descriptors"))
    assert run.finish() == "passed\n"
    check_machine(run.machine)


def test_io_instructions_for_who_holds_the_privilege(guest: Callable[[str], Path]) -> None:
    run = GuestRun(guest("descriptors"), arguments=["i"])
    make_privileged(run)
    assert run.finish() == "passed\n"
