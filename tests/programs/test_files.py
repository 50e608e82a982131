"""Files through kernel32: a guest program that checks itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from program_run import Runner


def test_the_program_s_own_checks(run: Runner, guest: Callable[[str], Path]) -> None:
    assert run(guest("file_win32")).lines() == ["passed"]
