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
    innermost first.  dumps: name and bytes of each buffer that is shown whole.  missing: the
    service has no function.
    delayed: microseconds that an injection made it wait.  last_error: the thread's, where a
    service of win32k has failed.  unread: the indices of the inputs
    whose memory was not there.
    """

    # What few calls have is the class's until then: making a record is half of what it costs.
    site: Site = IN_KERNEL
    status: int | None = None
    shown = True
    injected = missing = False
    delayed = last_error = 0
    stack: Sequence[str] = ()
    dumps: Sequence[tuple[str, bytes]] = ()
    unread: Sequence[int] = ()

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
        self.values: list[Any] = [*raw]
        self.out: dict[int, Any] = {}
