"""Ciphers and keys: a program that checks itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from program_run import Runner


def test_ciphers_signatures_and_keys(run: Runner, guest: Callable[[str], Path]) -> None:
    assert run(guest("cng")).lines() == ["passed"]
