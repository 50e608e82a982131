"""Files through kernel32: a guest program that checks itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from program_run import Runner


@pytest.mark.parametrize("name", ["file_win32", "file_security"])
def test_the_program_s_own_checks(
    run: Runner, guest: Callable[[str], Path], name: str
) -> None:
    assert run(guest(name)).lines() == ["passed"]
