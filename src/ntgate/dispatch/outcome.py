"""What a service or a kernel routine can answer besides a status."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Wait:
    """The thread waits; the scheduler has been told for what.

    When the thread runs again, `resume(caller, wait_status, state)` gives the service's
    answer; it may be another Wait.  `state` is plain data, so that a waiting machine can be
    saved.
    """

    resume: Callable[[Any, int, Any], int | Wait | Leave]
    state: Any = None


@dataclass(frozen=True)
class Leave:
    """The call does not return: the trap frame at `frame` is resumed in its place."""

    frame: int


Outcome = int | Wait | Leave


def _runs_again(_caller: Any, _status: int, _state: Any) -> int:
    raise AssertionError("a thread that has ended runs again")


ENDED = Wait(_runs_again)  # the calling thread has been terminated
