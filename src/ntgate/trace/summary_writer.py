"""A table of the services by number of calls, as `strace -c` gives it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ntgate.layout.ntstatus import is_error
from ntgate.trace.output import Output
from ntgate.trace.record import CallRecord

TICKS_PER_SECOND = 10_000_000  # of the virtual clock
RULES = "-" * 8, "-" * 11, "-" * 9, "-" * 9, "-" * 32
HEADINGS = "% calls", "seconds", "calls", "errors", "service"


class SummaryWriter:
    """seconds: the virtual time between a call and its return, waiting included."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._calls: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._ticks: Counter[str] = Counter()

    def call(self, record: CallRecord) -> None:
        self._calls[record.service] += 1
        if record.status is not None:
            self._ticks[record.service] += record.ended - record.clock
            if is_error(record.status):
                self._errors[record.service] += 1

    def unfinished(self, record: CallRecord) -> None:
        """A call counts when it has ended."""

    def event(self, pid: int, tid: int, clock: int, name: str, fields: dict[str, Any]) -> None:
        """A summary counts calls alone."""

    def close(self) -> None:
        total = self._calls.total()
        self._row(*HEADINGS)
        self._row(*RULES)
        for name, count in sorted(self._calls.items(), key=lambda row: (-row[1], row[0])):
            seconds = f"{self._ticks[name] / TICKS_PER_SECOND:.6f}"
            self._row(
                f"{100 * count / total:.2f}", seconds, str(count), str(self._errors[name] or ""),
                name,
            )  # fmt: skip
        self._row(*RULES)
        self._row(
            f"{100 if total else 0:.2f}", f"{self._ticks.total() / TICKS_PER_SECOND:.6f}",
            str(total), str(self._errors.total()), "total",
        )  # fmt: skip
        self._out.flush()

    def _row(self, share: str, seconds: str, calls: str, errors: str, service: str) -> None:
        self._out.write(f"{share:>8} {seconds:>11} {calls:>9} {errors:>9} {service}\n")
