"""One traced call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ntgate.trace.places import IN_KERNEL, Site
from ntgate.trace.plans import Plan


class CallRecord:
    """A service call.

    raw: the dwords of the arguments; values: the same, with what the plan decodes from memory in
    their places.  out: what the service left behind pointers, by the arguments' indices.
    status: what it answered, None for a call that does not return.  clock, ended: 100 ns units
    of virtual time.  seq counts the entries; stack holds return addresses as symbols, the
    innermost first.  missing: the service has no function.
    delayed: microseconds that an injection made it wait.  last_error: the thread's, where a
    service of win32k has failed.  unread: the indices of the inputs
    whose memory was not there.
    """

    __slots__ = (
        "clock", "delayed", "ended", "injected", "last_error", "missing", "number", "out", "pid",
        "plan", "raw", "seq", "service", "shown", "site", "stack", "status", "tid", "unread",
        "values",
    )  # fmt: skip

    def __init__(
        self, seq: int, pid: int, tid: int, service: str, number: int, plan: Plan,
        raw: Sequence[int], clock: int,
    ) -> None:  # fmt: skip
        self.seq = seq
        self.pid = pid
        self.tid = tid
        self.service = service
        self.number = number
        self.plan = plan
        self.raw = raw
        self.clock = self.ended = clock
        self.site: Site = IN_KERNEL
        self.values: list[Any] = [*raw]
        self.out: dict[int, Any] = {}
        self.status: int | None = None
        self.injected = self.missing = False
        self.delayed = self.last_error = 0
        self.shown = True
        self.stack: Sequence[str] = ()
        self.unread: Sequence[int] = ()
