"""A program that is asked itself about its hard errors and exceptions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gate.guest_run import GuestRun
from gate.privileges import make_privileged
from ntgate.loader.userland import Userland


def test_an_exception_port_answers(userland: Userland, guest: Callable[[str], Path]) -> None:
    run = GuestRun(guest("error_port"))
    make_privileged(run)
    assert run.finish() == "passed\n"
