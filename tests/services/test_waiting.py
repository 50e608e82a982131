"""Timers, keyed events and signal-and-wait, as programs see them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gate.guest_run import GuestRun


def test_timers_keyed_events_and_pairs(guest: Callable[[str], Path]) -> None:
    assert GuestRun(guest("timers")).finish() == "passed\n"
