"""Requests on sockets that wait: for data, for room, for somebody to call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.layout import ntstatus as s
from ntgate.layout.times import MILLISECOND
from ntgate.memory.user import AccessViolation

if TYPE_CHECKING:
    from ntgate.executive.io.request import Request


class Waiting(ABC):
    """A request and how to carry it out.

    `status` is that of a success: 0, or a warning.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.status = s.STATUS_SUCCESS
        self._timer: int | None = None

    @abstractmethod
    def attempt(self) -> int | None:
        """The Information of the answer, None when it has to wait; raises NtError.

        One that waits for something else from now on has taken itself out of its queue.
        """

    def withdrawn(self) -> None:  # noqa: B027 - most have nothing to give back
        """The request is taken back, or its time is over."""

    def run(self, queue: deque[Waiting], timeout: int, *, may_wait: bool) -> int | None:
        """Carry it out, or let it wait in a queue behind the others.

        timeout: milliseconds, 0 for ever.  Raises STATUS_DEVICE_NOT_READY where it would wait.
        """
        if not queue:
            information = self.attempt()
            if information is not None:
                self.request.status = self.status
                return information
        if not may_wait:
            raise NtError(s.STATUS_DEVICE_NOT_READY)
        self.wait(queue, timeout)
        return None

    def end(self, queue: deque[Waiting], status: int) -> None:
        """Nothing will come any more."""
        self._leave(queue)
        self.request.complete(status)

    def wait(self, queue: deque[Waiting], timeout: int = 0) -> None:
        """Go to the end of a queue."""
        queue.append(self)
        self.request.pend(lambda: self._leave(queue))
        if timeout:
            clock = self.request.io.executive.clock
            due = clock.interrupt_time + timeout * MILLISECOND
            self._timer = clock.set_timer(due, lambda: self._expired(queue))

    def stop_timer(self) -> None:
        if self._timer is not None:
            self.request.io.executive.clock.cancel(self._timer)
            self._timer = None

    def _leave(self, queue: deque[Waiting]) -> None:
        self.stop_timer()
        queue.remove(self)
        self.withdrawn()

    def _expired(self, queue: deque[Waiting]) -> None:
        self._timer = None
        queue.remove(self)
        self.withdrawn()
        self.request.complete(s.STATUS_IO_TIMEOUT)


def serve(queue: deque[Waiting]) -> None:
    """Complete what need not wait any more, in the order of a queue."""
    while queue:
        waiting = queue[0]
        try:
            information = waiting.attempt()
            if information is None:
                if queue and queue[0] is waiting:
                    return
                continue
            status = waiting.status
        except (NtError, AccessViolation) as error:
            status, information = error.status, 0
        waiting.stop_timer()
        queue.popleft()
        waiting.request.complete(status, information)
