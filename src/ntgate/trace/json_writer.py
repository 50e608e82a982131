"""A trace as JSON lines; docs/trace.md has the keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ntgate.trace.output import Output
from ntgate.trace.plans import Input
from ntgate.trace.record import CallRecord
from ntgate.trace.returned import NTSTATUS
from ntgate.trace.values import Memo, to_json


class _Service:
    """What the lines of one service have in common, and how its arguments are written."""

    def __init__(self, record: CallRecord) -> None:
        plan = record.plan
        self.head = f'"service": "{record.service}", "number": {record.number}, '
        self.columns = [_column(each) for each in plan.inputs]
        self.keys = [f"{to_json(each.name)}: " for each in plan.inputs]
        self.statuses: dict[int | None, str] = {}


class JsonLinesWriter:
    """One object a line.  spent: with the virtual time that each call took."""

    def __init__(self, out: Output, *, spent: bool = False) -> None:
        self._out = out
        self._write = out.write
        self._spent = spent
        self._services: dict[int, _Service] = {}

    def call(self, record: CallRecord) -> None:
        service = self._services.get(record.number) or self._prepare(record)
        status = record.status
        told = service.statuses.get(status) or self._status(service, record)
        args = [text(value) for text, value in zip(service.columns, record.values, strict=True)]
        out = ""
        if record.out:
            keys = service.keys
            out = ", ".join([keys[index] + to_json(value) for index, value in record.out.items()])
        site = record.site
        more = ""
        extra = (
            record.injected or record.delayed or record.last_error or record.stack or record.dumps
        )
        if extra or self._spent or not site.usual:
            more = self._more(record)
        self._write(
            f'{{"seq": {record.seq}, "pid": {record.pid}, "tid": {record.tid}, '
            f'{service.head}{site.json}, "args": {{{", ".join(args)}}}, "out": {{{out}}}, '
            f'{told}, "clock": {record.clock}{more}}}\n'
        )

    def unfinished(self, record: CallRecord) -> None:
        """Calls are written when they have ended."""

    def event(self, pid: int, tid: int, clock: int, name: str, fields: dict[str, Any]) -> None:
        self._write(
            to_json({"event": name, "pid": pid, "tid": tid, **fields, "clock": clock}) + "\n"
        )

    def close(self) -> None:
        self._out.flush()

    def _prepare(self, record: CallRecord) -> _Service:
        found = self._services[record.number] = _Service(record)
        return found

    @staticmethod
    def _status(service: _Service, record: CallRecord) -> str:
        status = record.status
        if status is None:
            return '"status": null, "status_name": null'
        name = to_json(record.plan.returns.text(status))
        told = f'"status": {status}, "status_name": {name}'
        if record.plan.returns is NTSTATUS:
            service.statuses[status] = told
        return told

    def _more(self, record: CallRecord) -> str:
        site, members = record.site, ""
        if site.through:
            members += f', "indirect": true, "through": {to_json(site.through)}'
        if site.uncalled:
            members += ', "uncalled": true'
        if record.injected:
            members += ', "injected": true'
        if record.delayed:
            members += f', "delayed": {record.delayed}'
        if record.last_error:
            members += f', "last_error": {record.last_error}'
        if self._spent:
            members += f', "time": {record.ended - record.clock}'
        if record.stack:
            members += f', "stack": {to_json(record.stack)}'
        if record.dumps:
            members += f', "dump": {to_json({name: data.hex() for name, data in record.dumps})}'
        return members


def _column(argument: Input) -> Callable[[Any], str]:
    """How an argument is written, with its name."""
    key = f'{to_json(argument.name)}: '
    if argument.decode is not None:
        nothing = f"{key}null"
        return lambda value: nothing if value is None else key + to_json(value)
    show = argument.show or int
    return Memo(lambda word: key + to_json(show(word))).__getitem__
