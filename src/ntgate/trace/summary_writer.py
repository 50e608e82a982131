"""A table of the services by number of calls, as `strace -c` gives it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ntgate.layout.times import MICROSECOND, SECOND
from ntgate.trace.output import Output
from ntgate.trace.record import CallRecord

RULES = "-" * 6, "-" * 11, "-" * 11, "-" * 9, "-" * 9, "-" * 32
HEADINGS = "% time", "seconds", "usecs/call", "calls", "errors", "service"


ORDERS = ("time", "calls", "errors", "name")


class SummaryWriter:
    """seconds: the virtual time between a call and its answer, waiting included.

    order: of ORDERS, what the rows go by.
    """

    def __init__(self, out: Output, order: str = "time") -> None:
        self._out = out
        self._by = order
        self._calls: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._ticks: Counter[str] = Counter()

    def call(self, record: CallRecord) -> None:
        self._calls[record.service] += 1
        if record.status is not None:
            self._ticks[record.service] += record.ended - record.clock
            if record.plan.returns.failed(record.status):
                self._errors[record.service] += 1

    def unfinished(self, record: CallRecord) -> None:
        """A call counts when it has ended."""

    def event(self, pid: int, tid: int, clock: int, name: str, fields: dict[str, Any]) -> None:
        """A summary counts calls alone."""

    def close(self) -> None:
        self._row(*HEADINGS)
        self._row(*RULES)
        for name in sorted(self._calls, key=self._order):
            self._counted(name, self._ticks[name], self._calls[name], self._errors[name])
        self._row(*RULES)
        self._counted(
            "total", self._ticks.total(), self._calls.total(), self._errors.total()
        )
        self._out.flush()

    def _order(self, name: str) -> tuple[int, int, int, str]:
        ticks, calls, errors = -self._ticks[name], -self._calls[name], -self._errors[name]
        if self._by == "name":
            return 0, 0, 0, name
        first = {"time": ticks, "calls": calls, "errors": errors}[self._by]
        return first, ticks, calls, name

    def _counted(self, name: str, ticks: int, calls: int, errors: int) -> None:
        self._row(
            f"{100 * ticks / max(self._ticks.total(), 1):.2f}", f"{ticks / SECOND:.6f}",
            str(round(ticks / MICROSECOND / max(calls, 1))), str(calls),
            str(errors or ""), name,
        )  # fmt: skip

    def _row(
        self, share: str, seconds: str, each: str, calls: str, errors: str, service: str
    ) -> None:
        self._out.write(f"{share:>6} {seconds:>11} {each:>11} {calls:>9} {errors:>9} {service}\n")
