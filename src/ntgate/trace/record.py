"""One traced call."""

from __future__ import annotations

from typing import Any

from ntgate.trace.plans import Plan


class CallRecord:
    """A service call.

    gate: "sysenter", "int2e", or "" for a call from ring 0.  gate_at: module+offset of the gate
    instruction.  direct: made outside of ntdll's stubs.  caller: address that the stub returns
    to, `place` the same as module+offset, `symbol` by the nearest export.  status: None for a
    call that does not return.  clock, ended: 100 ns units of virtual time.  seq counts the
    entries; stack holds return addresses, from the innermost out, as symbols.
    """

    __slots__ = (
        "args", "clock", "direct", "ended", "gate", "gate_at", "injected", "missing", "number",
        "out", "pid", "place", "plan", "raw", "seq", "service", "shown", "stack", "status",
        "symbol", "tid",
    )  # fmt: skip

    def __init__(
        self, seq: int, pid: int, tid: int, service: str, number: int, plan: Plan,
        raw: list[int], clock: int,
    ) -> None:  # fmt: skip
        self.seq = seq
        self.pid = pid
        self.tid = tid
        self.service = service
        self.number = number
        self.plan = plan
        self.raw = raw
        self.clock = self.ended = clock
        self.gate = self.gate_at = self.place = self.symbol = ""
        self.direct = False
        self.args: dict[str, Any] = {}
        self.out: dict[str, Any] = {}
        self.status: int | None = None
        self.injected = False
        self.missing = False  # the service has no function
        self.shown = True
        self.stack: list[str] = []
