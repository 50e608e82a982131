"""The registry as a program meets it; the statuses are those of Windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gate.guest_run import GuestRun


@pytest.mark.parametrize("program", ["registry_keys", "registry_values"])
def test_registry(guest: Callable[[str], Path], program: str) -> None:
    assert GuestRun(guest(program)).finish() == "passed\n"
