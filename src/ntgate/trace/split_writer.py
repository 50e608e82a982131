"""A trace in a file for each process: `-ff`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ntgate.trace.record import CallRecord
from ntgate.trace.tracer import Writer


class SplitWriter:
    """make: the writer of one process, by its number."""

    def __init__(self, make: Callable[[int], Writer]) -> None:
        self._make = make
        self._writers: dict[int, Writer] = {}

    def call(self, record: CallRecord) -> None:
        self._writer(record.pid).call(record)

    def unfinished(self, record: CallRecord) -> None:
        self._writer(record.pid).unfinished(record)

    def event(self, pid: int, tid: int, clock: int, name: str, fields: dict[str, Any]) -> None:
        self._writer(pid).event(pid, tid, clock, name, fields)

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()

    def _writer(self, pid: int) -> Writer:
        found = self._writers.get(pid)
        if found is None:
            found = self._writers[pid] = self._make(pid)
        return found
