"""What the pipes' device keeps of a name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gate.guest_run import GuestRun


def test_a_name_goes_with_the_last_instance(guest: Callable[[str], Path]) -> None:
    run = GuestRun(guest("file_pipe"))
    run.finish()
    assert run.machine.executive.io.pipes.opener._pipes == {}
