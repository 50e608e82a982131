"""Requests that are taken back together, of which one lets another end."""

from __future__ import annotations

from collections.abc import Callable

from ntgate.executive.io.request import Request
from ntgate.layout.ntstatus import STATUS_CANCELLED, STATUS_SUCCESS


class Waiting(Request):
    def __init__(self, cancelled: Callable[[], None]) -> None:
        self.cancel_routine = cancelled
        self.answers: list[int] = []

    def complete(self, status: int, information: int = 0, data: bytes = b"") -> None:
        self.answers.append(status)
        self.cancel_routine = None


def test_what_has_ended_meanwhile_is_not_taken_back() -> None:
    flush = Waiting(lambda: None)
    write = Waiting(lambda: flush.complete(STATUS_SUCCESS))
    write.cancel()
    flush.cancel()
    assert write.answers == [STATUS_CANCELLED]
    assert flush.answers == [STATUS_SUCCESS]
