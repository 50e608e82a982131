"""LPC between the threads of a program that checks itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from program_run import Runner


def test_connections_requests_and_their_ends(
    run: Runner, guest: Callable[[str], Path]
) -> None:
    assert run(guest("lpc_ports")).lines() == ["passed"]
