"""Credentials of a program that checks itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from program_run import Runner


def test_credentials_are_kept_in_the_registry(
    run: Runner, guest: Callable[[str], Path]
) -> None:
    assert run(guest("credentials")).lines() == ["passed"]
