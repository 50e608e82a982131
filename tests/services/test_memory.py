"""Memory and sections, as programs see them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gate.guest_run import GuestRun


@pytest.mark.usefixtures("userland")
@pytest.mark.parametrize("name", ["memory_private", "section_views"])
def test_a_program_s_own_checks(guest: Callable[[str], Path], name: str) -> None:
    assert GuestRun(guest(name)).finish() == "passed\n"
