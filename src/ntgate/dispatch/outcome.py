"""What a service or a kernel routine can answer besides a status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ntgate.records import dataclass


@dataclass(frozen=True)
class Wait:
    """The thread waits; the scheduler has been told for what.

    When the thread runs again, `resume(caller, wait_status, state)` gives the service's
    answer; it may be another Wait.  `state` is plain data, so that a waiting machine can be
    saved.
    """

    resume: Callable[[Any, int, Any], Outcome]
    state: Any = None


@dataclass(frozen=True)
class Leave:
    """The call does not return: the trap frame at `frame` is resumed in its place."""

    frame: int


@dataclass(frozen=True)
class UserCall:
    """Ring 3 runs a function of the KernelCallbackTable before the service goes on.

    `build(address)` gives the `size` bytes of its arguments, to stand at that address of the
    user stack.  Then `resume(caller, status, answer, state)`, with what NtCallbackReturn was
    given, has the service's answer; it may be another UserCall.
    """

    number: int
    size: int
    build: Callable[[int], bytes]
    resume: Callable[[Any, int, bytes, Any], Any]
    state: Any = None


@dataclass(frozen=True)
class CallbackReturn:
    """The innermost call of user has ended; the pending resume goes on in its place."""


Outcome = int | Wait | Leave | UserCall | CallbackReturn


def _runs_again(_caller: Any, _status: int, _state: Any) -> int:
    raise AssertionError("a thread that has ended runs again")


ENDED = Wait(_runs_again)  # the calling thread has been terminated
