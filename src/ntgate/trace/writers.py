"""Where a trace goes: text as strace writes it, JSON lines, or a summary."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, TextIO

from ntgate.layout.ntstatus import is_error
from ntgate.trace.record import CallRecord, show

TICKS_PER_MICROSECOND = 10


class TextWriter:
    """One line a call.  relative: the virtual microseconds since the call before."""

    def __init__(self, out: TextIO, *, relative: bool = False) -> None:
        self._out = out
        self._relative = relative
        self._last = 0
        self._first_thread = (0, 0)

    def call(self, record: CallRecord) -> None:
        line = record.text()
        if record.gate:
            where = f"{record.gate} {record.caller}"
            line += f" <{where}>" if not record.direct else f" <DIRECT {where} at {record.gate_at}>"
        self._line(record.pid, record.tid, line, record.clock)
        for place in record.stack:
            self._out.write(f" > {place}\n")

    def event(self, pid: int, tid: int, name: str, fields: dict[str, Any]) -> None:
        shown = " ".join(f"{key}={show(value)}" for key, value in fields.items())
        self._line(pid, tid, f"--- {name} {shown} ---", None)

    def _line(self, pid: int, tid: int, text: str, clock: int | None) -> None:
        if not self._first_thread[1] and tid:
            self._first_thread = (pid, tid)
        prefix = ""
        if tid and (pid, tid) != self._first_thread:
            prefix = f"[{pid}.{tid}] "
        if self._relative and clock is not None:
            prefix += f"{(clock - self._last) // TICKS_PER_MICROSECOND:>8} "
            self._last = clock
        self._out.write(f"{prefix}{text}\n")

    def close(self) -> None:
        self._out.flush()


class JsonLinesWriter:
    """One object a line; the keys are those of the documentation."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def call(self, record: CallRecord) -> None:
        self._out.write(record.json_line() + "\n")

    def event(self, pid: int, tid: int, name: str, fields: dict[str, Any]) -> None:
        self._out.write(json.dumps({"event": name, "pid": pid, "tid": tid, **fields}) + "\n")

    def close(self) -> None:
        self._out.flush()


class SummaryWriter:
    """A table of the services by number of calls, as `strace -c` gives it."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._calls: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()

    def call(self, record: CallRecord) -> None:
        self._calls[record.service] += 1
        if record.status is not None and is_error(record.status):
            self._errors[record.service] += 1

    def event(self, pid: int, tid: int, name: str, fields: dict[str, Any]) -> None:
        """A summary counts calls alone."""

    def close(self) -> None:
        total = sum(self._calls.values())
        self._out.write(f"{'% calls':>8} {'calls':>9} {'errors':>9} service\n")
        self._out.write(f"{'-' * 8} {'-' * 9} {'-' * 9} {'-' * 32}\n")
        for name, count in sorted(self._calls.items(), key=lambda row: (-row[1], row[0])):
            errors = self._errors[name] or ""
            self._out.write(f"{100 * count / total:8.2f} {count:9} {errors:>9} {name}\n")
        self._out.write(f"{'-' * 8} {'-' * 9} {'-' * 9} {'-' * 32}\n")
        self._out.write(f"{100 if total else 0:8.2f} {total:9} {self._errors.total():9} total\n")
        self._out.flush()
