"""The machine's own information, and the services that keep settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gate.guest_run import GuestRun


def test_system_information_locale_atoms_and_settings(guest: Callable[[str], Path]) -> None:
    assert GuestRun(guest("system_information")).finish() == "passed\n"
