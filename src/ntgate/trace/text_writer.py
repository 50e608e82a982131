"""A trace as strace writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ntgate.layout.ntstatus import is_error
from ntgate.trace.output import Output
from ntgate.trace.record import CallRecord
from ntgate.trace.scalars import status as status_name
from ntgate.trace.values import show

TICKS_PER_SECOND = 10_000_000  # of the virtual clock
RED, YELLOW, CYAN, DIM, PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[36m", "\x1b[2m", "\x1b[0m"
# In JSON lines alone: the text has these at the call's own line.
ON_THE_CALL = ("fault", "unimplemented")


@dataclass
class TextOptions:
    """relative: the time since the call before; spent: the time in the call; whole: NULL
    arguments and long lists too; colour: escape sequences of a terminal.
    """

    relative: bool = False
    spent: bool = False
    whole: bool = False
    colour: bool = False


class TextWriter:
    """One line a call; from the second thread on, a line tells process and thread."""

    def __init__(self, out: Output, options: TextOptions) -> None:
        self._out = out
        self._options = options
        self._last: int | None = None
        self._first_thread = 0
        self._several = False
        self._announced: set[int] = set()

    def call(self, record: CallRecord) -> None:
        if record.seq in self._announced:
            self._announced.discard(record.seq)
            line = self._start(record.pid, record.tid, record.ended)
            line += f"<... {self._service(record)} resumed>{self._outputs(record)}"
        else:
            line = self._start(record.pid, record.tid, record.clock)
            line += f"{self._service(record)}({self._arguments(record)}"
        line += f") = {self._status(record)}{self._place(record)}"
        if self._options.spent:
            line += f" <{_seconds(record.ended - record.clock)}>"
        self._out.write(line + "\n")
        for place in record.stack:
            self._out.write(f" > {place}\n")

    def unfinished(self, record: CallRecord) -> None:
        self._several = True
        self._announced.add(record.seq)
        self._out.write(
            f"{self._start(record.pid, record.tid, record.clock)}{self._service(record)}("
            f"{self._arguments(record)} <unfinished ...>\n"
        )

    def event(self, pid: int, tid: int, clock: int, name: str, fields: dict[str, Any]) -> None:
        if name.partition(" ")[0] in ON_THE_CALL:
            return
        shown = "".join(f" {key}={show(value)}" for key, value in fields.items())
        colour = RED if name == "exception" else CYAN
        text = self._colour(f"--- {name}{shown} ---", colour)
        self._out.write(f"{self._start(pid, tid, clock)}{text}\n")

    def close(self) -> None:
        self._out.flush()

    def _start(self, pid: int, tid: int, clock: int) -> str:
        start = ""
        if tid:
            self._first_thread = self._first_thread or tid
            self._several = self._several or tid != self._first_thread
        if self._several:
            start = f"[{pid}.{tid}] " if tid else f"[{pid}] "
        if self._options.relative:
            last = clock if self._last is None else self._last
            self._last = max(clock, last)
            start += f"{_seconds(max(0, clock - last))} "
        return start

    def _service(self, record: CallRecord) -> str:
        return self._colour(record.service, YELLOW if record.site.direct else "")

    def _arguments(self, record: CallRecord) -> str:
        """Outputs in the place of the pointers to them; with what an input was before."""
        plan, whole = record.plan, self._options.whole
        parts = []
        for index, (name, value) in enumerate(record.args.items()):
            if not whole and index in plan.optional and not record.raw[index]:
                continue
            text = show(value, whole=whole)
            if name in record.out:
                after = self._output(record, name)
                changed = name in plan.given and text != after and not isinstance(value, dict)
                text = f"{text} => {after}" if changed else after
                if name in plan.pointed:
                    text = f"[{text}]"
            elif name in plan.pointed and name in plan.given and value is not None:
                text = f"[{text}]"
            parts.append(f"{name}={text}")
        return ", ".join(parts)

    def _outputs(self, record: CallRecord) -> str:
        parts = []
        for name in record.out:
            text = self._output(record, name)
            parts.append(f"{name}=[{text}]" if name in record.plan.pointed else f"{name}={text}")
        return ", ".join(parts)

    def _output(self, record: CallRecord, name: str) -> str:
        value, whole = record.out[name], self._options.whole
        if (
            not whole
            and isinstance(value, dict)
            and value.keys() == {"Status", "Information"}
            and record.status is not None
            and value["Status"] == status_name(record.status)
        ):
            return "{Information=" + show(value["Information"]) + "}"
        return show(value, whole=whole)

    def _status(self, record: CallRecord) -> str:
        if record.status is None:
            return "?"
        text: str = status_name(record.status)
        if is_error(record.status):
            text = self._colour(text, RED)
        if record.injected:
            text += " (INJECTED)"
        if record.missing:
            text += " (UNIMPLEMENTED)"
        return text

    def _place(self, record: CallRecord) -> str:
        site = record.site
        if not site.gate:
            return self._colour(" <kernel>", DIM)
        if site.direct:
            at = f" at {site.gate_at}" if site.gate_at != site.place else ""
            return self._colour(f" <DIRECT {site.gate} {site.symbol}{at}>", YELLOW)
        return self._colour(f" <{site.gate} {site.symbol}>", DIM)

    def _colour(self, text: str, colour: str) -> str:
        return f"{colour}{text}{PLAIN}" if colour and self._options.colour else text


def _seconds(ticks: int) -> str:
    return f"{ticks // TICKS_PER_SECOND}.{ticks % TICKS_PER_SECOND // 10:06}"
