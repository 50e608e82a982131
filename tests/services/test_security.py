"""Tokens, access checks and security descriptors, as programs see them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gate.guest_run import GuestRun


def test_tokens_checks_and_descriptors(guest: Callable[[str], Path]) -> None:
    assert GuestRun(guest("security_tokens")).finish() == "passed\n"


def test_handles_names_directories_and_links(guest: Callable[[str], Path]) -> None:
    assert GuestRun(guest("object_handles")).finish() == "passed\n"
