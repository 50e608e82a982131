"""Sockets on a machine whose network ends at itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from program_run import Runner


def test_streams(run: Runner, guest: Callable[[str], Path]) -> None:
    assert run(guest("sockets_streams")).lines() == ["passed"]
