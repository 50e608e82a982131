"""A trace as strace writes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from ntgate.layout.times import SECOND
from ntgate.records import dataclass
from ntgate.trace.hexdump import hexdump
from ntgate.trace.output import Output
from ntgate.trace.places import Site
from ntgate.trace.plans import Input, Plan
from ntgate.trace.record import CallRecord
from ntgate.trace.returned import NTSTATUS
from ntgate.trace.scalars import status as status_name
from ntgate.trace.values import MOST_KEPT, Memo, show

RED, YELLOW, CYAN, DIM, PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[36m", "\x1b[2m", "\x1b[0m"
_ESCAPE = re.compile(r"\x1b\[\d*m")
_PARTS = re.compile(r"(?<=,) (?=\w+=)")  # where a member of a structure begins
_ANSWER = re.compile(r"(?<=\)) (?== )")
INDENT = "    "
# In JSON lines alone: the text has these at the call's own line.
ON_THE_CALL = ("fault", "unimplemented")


@dataclass
class TextOptions:
    """relative: the time since the call before; spent: the time in the call; whole: NULL
    arguments and long lists too; colour: escape sequences of a terminal; width: lines are broken
    between arguments to have so many columns, 0 for never; absolute: the time since the machine's
    start; numbers: those of the services.
    """

    relative: bool = False
    spent: bool = False
    whole: bool = False
    colour: bool = False
    width: int = 0
    absolute: bool = False
    numbers: bool = False


class _Columns:
    """How the arguments of one service are written, prepared once."""

    def __init__(self, plan: Plan, *, whole: bool) -> None:
        self.inputs = [
            _input(each, index in plan.optional and not whole, index in plan.pointed, whole)
            for index, each in enumerate(plan.inputs)
        ]
        self.skips = not whole and bool(plan.optional)
        self._plan = plan
        self._whole = whole

    def output(self, index: int, value: Any, status: int | None, before: Any) -> str:
        """`Name=` and what is behind the pointer now, with what was there before."""
        plan = self._plan
        text = self._value(value, status)
        if before is not None and index in plan.given and not isinstance(before, dict):
            earlier = show(before, whole=self._whole)
            if earlier != text:
                text = f"{earlier} => {text}"
        name = plan.inputs[index].name
        return f"{name}=[{text}]" if index in plan.pointed else f"{name}={text}"

    def _value(self, value: Any, status: int | None) -> str:
        if not self._whole and status is not None and isinstance(value, dict):
            items = list(value.items())
            if len(items) == 2 and items[0] == ("Status", status_name(status)):
                name, information = items[1]
                if name == "Information":
                    return f"{{Information={show(information)}}}"
        return show(value, whole=self._whole)


class TextWriter:
    """One line a call; from the second thread on, a line tells process and thread."""

    def __init__(self, out: Output, options: TextOptions) -> None:
        self._out = out
        self._options = options
        self._last: int | None = None
        self._first_process = self._first_thread = 0
        self._several = False
        self._announced: set[int] = set()
        self._columns: dict[str, _Columns] = {}
        self._places: dict[Site, str] = {}

    def call(self, record: CallRecord) -> None:
        columns = self._columns_of(record)
        if record.seq in self._announced:
            self._announced.discard(record.seq)
            line = self._start(record.pid, record.tid, record.ended)
            parts = [
                columns.output(index, value, record.status, None)
                for index, value in record.out.items()
            ]
            line += f"<... {self._service(record)} resumed>"
        else:
            line = self._start(record.pid, record.tid, record.clock)
            line += f"{self._service(record)}("
            parts = self._arguments(columns, record)
        place = self._places.get(record.site) or self._place(record.site)
        end = f") = {self._status(record)}{place}"
        if self._options.spent:
            end += f" <{_seconds(record.ended - record.clock)}>"
        self._put(line, parts, end)
        for place in record.stack:
            self._out.write(f" > {place}\n")
        for name, data in record.dumps:
            self._out.write("\n".join(hexdump(name, data)) + "\n")

    def unfinished(self, record: CallRecord) -> None:
        self._several = True
        self._announced.add(record.seq)
        start = self._start(record.pid, record.tid, record.clock)
        parts = self._arguments(self._columns_of(record), record)
        self._put(f"{start}{self._service(record)}(", parts, " <unfinished ...>")

    def event(self, pid: int, tid: int, clock: int, name: str, fields: dict[str, Any]) -> None:
        if name.partition(" ")[0] in ON_THE_CALL:
            return
        shown = "".join(f" {key}={show(value)}" for key, value in fields.items())
        colour = RED if name == "exception" else YELLOW if name == "code start" else CYAN
        text = self._colour(f"--- {name}{shown} ---", colour)
        self._out.write(f"{self._start(pid, tid, clock)}{text}\n")

    def close(self) -> None:
        self._out.flush()

    def _put(self, start: str, parts: list[str], end: str) -> None:
        """A call's line; broken between arguments where it is to have a width."""
        line, width = f"{start}{', '.join(parts)}{end}", self._options.width
        if width and len(line) > width:
            line = _broken(start, parts, end, width)
        self._out.write(line + "\n")

    def _start(self, pid: int, tid: int, clock: int) -> str:
        start = ""
        if not self._several:
            self._first_process = self._first_process or pid
            self._first_thread = self._first_thread or tid
            self._several = pid != self._first_process or tid not in (0, self._first_thread)
        if self._several:
            start = f"[{pid}.{tid}] " if tid else f"[{pid}] "
        if self._options.absolute:
            start += f"{_seconds(clock)} "
        if self._options.relative:
            last = clock if self._last is None else self._last
            self._last = max(clock, last)
            start += f"{_seconds(max(0, clock - last))} "
        return start

    def _service(self, record: CallRecord) -> str:
        number = f"[{record.number:#x}] " if self._options.numbers else ""
        if not self._options.colour:
            return number + record.service
        return number + self._colour(record.service, "" if record.site.usual else YELLOW)

    def _columns_of(self, record: CallRecord) -> _Columns:
        found = self._columns.get(record.service)
        if found is None:
            made = _Columns(record.plan, whole=self._options.whole)
            found = self._columns[record.service] = made
        return found

    @staticmethod
    def _arguments(columns: _Columns, record: CallRecord) -> list[str]:
        """Outputs in the place of the pointers to them."""
        values = record.values
        parts = [text(value) for text, value in zip(columns.inputs, values, strict=True)]
        for index, value in record.out.items():
            given = values[index] if index in record.plan.given else None
            parts[index] = columns.output(index, value, record.status, given)
        return [part for part in parts if part] if columns.skips else parts

    def _status(self, record: CallRecord) -> str:
        status = record.status
        if status is None:
            return "?"
        returns = record.plan.returns
        text = status_name(status) if returns is NTSTATUS else returns.text(status)
        if returns.failed(status):
            text = self._colour(text, RED)
        if record.last_error:
            text += f" (error {record.last_error})"
        if record.delayed:
            text += " (DELAYED)"
        if record.injected:
            text += " (INJECTED)"
        if record.missing:
            text += " (UNIMPLEMENTED)"
        return text

    def _place(self, site: Site) -> str:
        if len(self._places) > MOST_KEPT:
            self._places.clear()
        if not site.gate:
            text = self._colour(" <kernel>", DIM)
        else:
            words = [site.gate, site.symbol]
            if site.direct:
                words.insert(0, "DIRECT")
                if site.gate_at != site.place:
                    words.append(f"at {site.gate_at}")
            elif site.through:
                words.insert(0, "INDIRECT")
                words.append(f"through {site.through}")
            elif site.uncalled:
                words.insert(0, "UNCALLED")
            text = self._colour(f" <{' '.join(words)}>", DIM if site.usual else YELLOW)
        self._places[site] = text
        return text

    def _colour(self, text: str, colour: str) -> str:
        return f"{colour}{text}{PLAIN}" if colour and self._options.colour else text


def _input(
    argument: Input, optional: bool, bracketed: bool, whole: bool
) -> Callable[[Any], str]:
    """How an argument is written, with its name; empty for one that says nothing."""
    key, shown = f"{argument.name}=", argument.show
    if argument.decode is None:
        def scalar(word: int) -> str:
            if optional and not word:
                return ""
            return key + show(word if shown is None else shown(word), whole=whole)

        return Memo(scalar).__getitem__

    def decoded(value: Any) -> str:
        if optional and (value is None or value == "0x0"):
            return ""
        text = show(value, whole=whole)
        return f"{key}[{text}]" if bracketed and value is not None else key + text

    return decoded


def _broken(start: str, parts: list[str], end: str, width: int) -> str:
    """Lines of `width` columns where the arguments allow it, all but the first indented."""
    # The answer stays with its parenthesis, the place may go to the next line.
    answer, blank, place = end.partition(" <") if not end.startswith(" <") else (end, "", "")
    words = [f"{part}," for part in parts[:-1]] + [(parts[-1] if parts else "") + answer]
    if blank:
        words.append(blank.lstrip() + place)
    lines, line, joint = [], start, ""
    for word in _short_enough(words, width):
        if len(_plain(line)) + len(joint) + len(_plain(word)) > width:
            lines.append(line)
            line = INDENT + word
        else:
            line += joint + word
        joint = " "
    return "\n".join([*lines, line])


def _short_enough(words: list[str], width: int) -> Iterator[str]:
    """Those that are too long for a line, in parts that end behind a member or before a flag."""
    for word in words:
        if len(_plain(word)) + len(INDENT) <= width:
            yield word
            continue
        *members, last = _PARTS.split(word)
        yield from members
        if len(_plain(last)) + len(INDENT) <= width:
            yield last
        else:
            yield from _ANSWER.split(last, maxsplit=1)


def _plain(text: str) -> str:
    return _ESCAPE.sub("", text) if "\x1b" in text else text


def _seconds(ticks: int) -> str:
    return f"{ticks // SECOND}.{ticks % SECOND // 10:06}"
