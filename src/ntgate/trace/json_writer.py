"""A trace as JSON lines; docs/trace.md has the keys."""

from __future__ import annotations

from typing import Any

from ntgate.trace.output import Output
from ntgate.trace.record import CallRecord
from ntgate.trace.scalars import status as status_name
from ntgate.trace.values import to_json


class JsonLinesWriter:
    """One object a line.  spent: with the virtual time that each call took."""

    def __init__(self, out: Output, *, spent: bool = False) -> None:
        self._out = out
        self._write = out.write
        self._spent = spent

    def call(self, record: CallRecord) -> None:
        status = record.status
        if status is None:
            told = '"status": null, "status_name": null'
        else:
            told = f'"status": {status}, "status_name": "{status_name(status)}"'
        more = ""
        if record.injected:
            more += ', "injected": true'
        if self._spent:
            more += f', "time": {record.ended - record.clock}'
        if record.stack:
            more += f', "stack": {to_json(record.stack)}'
        arguments = to_json({"args": record.args, "out": record.out})
        self._write(
            f'{{"seq": {record.seq}, "pid": {record.pid}, "tid": {record.tid}, '
            f'"service": "{record.service}", "number": {record.number}, {record.site.json}, '
            f'{arguments[1:-1]}, {told}, "clock": {record.clock}{more}}}\n'
        )

    def unfinished(self, record: CallRecord) -> None:
        """Calls are written when they have ended."""

    def event(self, pid: int, tid: int, clock: int, name: str, fields: dict[str, Any]) -> None:
        self._write(
            to_json({"event": name, "pid": pid, "tid": tid, **fields, "clock": clock}) + "\n"
        )

    def close(self) -> None:
        self._out.flush()
