"""Prints walked calls: plain ASCII columns, coloured where the output is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from textwrap import wrap

from rich.console import Console
from rich.text import Text

from ntgate.cli.complain import BROKEN_PIPE
from ntgate.debug.walk import Step, Walk
from ntgate.debug.walk_comparison import Difference, compare
from ntgate.debug.walk_crossings import Reading
from ntgate.debug.walk_frame import FrameField, frame_fields
from ntgate.debug.walk_rows import Row, RowKind, RowMaker, instruction_text
from ntgate.debug.walk_stages import (
    INTERRUPT_FLAG,
    Kind,
    Stage,
    argument_copy,
    common_tail,
    instructions,
    stage_of,
    stages,
)
from ntgate.layout.status_names import name_of

HEAD, WAY, LABEL, NOTE, QUIET, PROCESSOR = "bold cyan", "bold", "yellow", "green", "dim", "magenta"
_CODE = 34  # the column where the instruction begins
_NOTES = 61  # where its note begins
_FACTS = 22  # where what is said of a stage begins
_ARGUMENTS_IN_A_LINE = 3
_LEAST_FOLDED = 8  # instructions that both walks run, for which a line is enough


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """With the exit code that the other commands have then."""
        sys.exit(BROKEN_PIPE)


class WalkPrinter:
    """Prints to stdout; made for 100 columns, wider than that gives the notes more room."""

    def __init__(self, width: int) -> None:
        self._console = _Console(width=width, highlight=False, soft_wrap=True)
        self._width = width

    # The parts.

    def introduction(self) -> None:
        self._paragraph(
            "One NtWriteFile call of each of two programs, into the kernel and back. The machine "
            "runs one instruction at a time: every row is a step that it made, every value what "
            "it held at that moment. Instructions with nothing to tell share a row."
        )

    def walk(self, program: str, walk: Walk, earlier: Walk | None = None) -> None:
        """Every stage of a call.  What `earlier` has shown at the same addresses is cut short."""
        self._line()
        self._banner(f"By {_way(walk)}: the program {program}")
        state = f" {'CS:EIP':<13}{'ESP':<10}{'EAX':<10}"
        code = f"{'instruction':<{_NOTES - _CODE}}"
        self._line((f"{state}{code}reads: place = value, writes: place <-", QUIET))
        rows = RowMaker(walk)
        previous: Stage | None = None
        for number, stage in enumerate(stages(walk), 1):
            steps = stage.steps(walk)
            count = instructions(steps)
            remark = f"ring {steps[0].ring}, {count} instruction{'s' if count > 1 else ''}"
            self._line()
            self._heading(f"{number}. {_title(walk, stage, previous)}", remark)
            if stage.kind is Kind.SERVICE:
                self._arguments(walk)
            told = self._told(stage, walk, earlier)
            self._rows(rows.rows(stage.kind, steps[: len(steps) - told]))
            if told and earlier:
                self._folded(stage.kind, steps[-told:], walk, earlier)
            self._after(walk, stage)
            previous = stage
        self._ending(walk)

    def comparison(self, first: Walk, second: Walk) -> None:
        found = compare(first, second)
        self._line()
        self._banner("The two ways")
        self._line()
        self._table([("", _way(first), _way(second)), *found.rows], WAY)
        if found.common:
            self._line()
            self._paragraph(
                f"From {found.joined_at} on both run the same {found.common} instructions "
                "until they are back in ring 3.",
                " ",
            )
        if not found.fields:
            return
        self._line()
        rows = [("KTRAP_FRAME differs in", _way(first), _way(second))]
        for difference in found.fields:
            name = f"+{difference.first.offset:02x} {difference.first.name}"
            rows.append((name, _origin(difference.first), _origin(difference.second)))
        self._table(rows, WAY)
        self._reason(found.made_up, first, second)

    def farewell(self, program: str) -> None:
        self._line()
        self._line((f"To stop anywhere on this way and look around: ntgate kd {program}", ""))

    def _reason(self, made_up: Sequence[Difference], first: Walk, second: Walk) -> None:
        """Why a frame looks the same whichever way it was made."""
        if not made_up:
            return
        names = " ".join(difference.first.name for difference in made_up)
        origins = dict.fromkeys(difference.first.origin for difference in made_up)
        self._line()
        self._paragraph(
            f"{_way(second)} pushes {names}. {_way(first)} does not: the kernel writes them "
            f"itself, from {', '.join(origins)}.",
            " ",
        )

    # Rows.

    def _rows(self, rows: Sequence[Row]) -> None:
        routine: str | None = None
        for row in rows:
            if row.first.routine != routine:
                self._line((f" {row.first.label}:", LABEL))
            routine = row.first.routine
            self._row(row)

    def _row(self, row: Row) -> None:
        before = row.first.before
        state = (
            f" {before['cs']:02x}:{row.first.line.address:08x}  "
            f"{before['esp']:08x}  {before['eax']:08x}  "
        )
        if row.kind is not RowKind.NOTED:
            self._joined(state, row)
            return
        notes = [line for note in row.notes for line in self._note_lines(note)]
        first = notes.pop(0) if notes and len(row.text) < _NOTES - _CODE else ""
        self._line((state, ""), (row.text.ljust(_NOTES - _CODE), ""), (first, NOTE))
        for line in notes:
            self._line((" " * _NOTES, ""), (line, NOTE))

    def _joined(self, state: str, row: Row) -> None:
        """Several instructions, and behind them the fields of the frame that they move."""
        word = "into" if row.kind is RowKind.BUILDS else "from"
        note = f"{word} KTRAP_FRAME: {' '.join(row.notes)}" if row.notes else ""
        if note and len(row.text) < _NOTES - _CODE and len(note) <= self._width - _NOTES:
            self._line((f"{state}{row.text:<{_NOTES - _CODE}}", ""), (note, NOTE))
            return
        unbroken = row.text.replace(" ", "\xa0").replace(";\xa0", "; ")
        self._wrapped(state, unbroken, _CODE, QUIET if row.kind is RowKind.PLAIN else "")
        if note:
            self._wrapped("", note, _CODE, NOTE)

    def _note_lines(self, note: str) -> list[str]:
        return wrap(note, self._width - _NOTES, subsequent_indent="  ")

    def _told(self, stage: Stage, walk: Walk, earlier: Walk | None) -> int:
        """How many steps at the stage's end `earlier` has at the same addresses."""
        same = stage_of(earlier, stage.kind) if earlier else None
        if earlier is None or same is None:
            return 0
        count = common_tail(stage.steps(walk), same.steps(earlier))
        return count if count >= _LEAST_FOLDED else 0

    def _folded(self, kind: Kind, steps: Sequence[Step], walk: Walk, earlier: Walk) -> None:
        """The rows that every call is looked at for, and those that tell something new."""
        stage = stage_of(earlier, kind)
        before = stage.steps(earlier)[-len(steps) :] if stage else []
        told = {row.first.line.address: row.notes for row in RowMaker(earlier).rows(kind, before)}
        rows = RowMaker(walk).rows(kind, steps)
        shown = [
            row for row in rows if row.is_key(walk) or row.notes != told.get(row.first.line.address)
        ]
        self._line((f" {steps[0].label}:", LABEL))
        text = f"the same {instructions(steps)} instructions as above"
        self._line((" " * _CODE, ""), (f"{text}{'; of them' if shown else ''}", QUIET))
        for row in shown:
            self._row(row)

    # What is said of a stage behind its rows.

    def _after(self, walk: Walk, stage: Stage) -> None:
        step = walk.steps[stage.start]
        if stage.kind is Kind.GATE:
            self._gate(walk, step)
        elif stage.kind is Kind.FRAME:
            self._frame(walk)
        elif stage.kind is Kind.SERVICE:
            self._result(stage.steps(walk), returns=stage.end < len(walk.steps))
        elif stage.kind is Kind.LEAVE:
            self._readings(walk, step)
            self._arrival("ring 3 goes on at", step)

    def _gate(self, walk: Walk, step: Step) -> None:
        self._readings(walk, step)
        pushed = [touch for touch in step.touches if touch.is_written]
        if not pushed:
            self._fact("it pushes", "nothing", PROCESSOR)
        for index, touch in enumerate(pushed):
            field = walk.places.frame_field(touch.address)
            name = f"KTRAP_FRAME.{field}" if field else ""
            text = f"{touch.address:08x}  {touch.after:08x}  {name}"
            self._fact("" if index else "it pushes", text, PROCESSOR)
        self._arrival("ring 0 begins at", step)
        self._stack(walk, step)

    def _readings(self, walk: Walk, step: Step) -> None:
        readings = step.crossing.readings if step.crossing else ()
        cells = [(r.source, _place(r), _value(r), _meaning(walk, r)) for r in readings]
        widths = [max((len(cell[i]) for cell in cells), default=0) + 2 for i in range(3)]
        for index, (source, place, value, meaning) in enumerate(cells):
            start = f"{source:<{widths[0]}}"
            start += f"{place:<{widths[1]}}" if widths[1] > 2 else ""
            start += f"{value:<{widths[2]}}"
            lines = wrap(meaning, self._width - _FACTS - len(start)) or [""]
            self._fact("" if index else "the processor reads", start + lines[0], PROCESSOR)
            for line in lines[1:]:
                self._fact("", " " * len(start) + line, PROCESSOR)

    def _arrival(self, name: str, step: Step) -> None:
        after = step.after
        interrupts = "on" if after["efl"] & INTERRUPT_FLAG else "off"
        self._fact(
            name,
            f"CS:EIP {after['cs']:02x}:{after['eip']:08x}  SS:ESP {after['ss']:02x}:"
            f"{after['esp']:08x}  interrupts {interrupts}",
        )

    def _stack(self, walk: Walk, step: Step) -> None:
        """Ring 3's stack as the gate finds it, up to the first argument."""
        copy = argument_copy(walk)
        end = copy.source if copy else step.before["esp"]
        for index, (address, value) in enumerate(walk.stack):
            if address > end:
                break
            marks = [name for name in ("esp", "edx") if step.before[name] == address]
            text = f"return to {walk.symbol(value)}" if walk.symbol(value) else ""
            if copy and address == copy.source:
                distance = address - step.before["edx"]
                marks += [f"edx+{distance:x}"] if distance else []
                text = "the first argument"
            arrow = f"<- {', '.join(marks)}" if marks else ""
            self._fact("" if index else "the stack of ring 3",
                       f"{address:08x}  {value:08x}  {text:<43}{arrow}")  # fmt: skip

    def _frame(self, walk: Walk) -> None:
        fields = frame_fields(walk)
        if not fields:
            return
        self._line()
        heading = f"{'value':<10}{'where the value comes from':<33}written by"
        self._line((f" {f'KTRAP_FRAME {walk.places.frame:08x}':<28}", WAY), (heading, QUIET))
        for field in fields:
            if field.writer is not None:
                by = instruction_text(field.writer)
                by += ", the processor" if field.is_pushed_by_processor else ""
                style = PROCESSOR if field.is_pushed_by_processor else ""
                self._line(
                    (f" +{field.offset:02x} {field.name:<24}{field.value:08x}  ", ""),
                    (f"{field.origin:<33}{by}", style),
                )
        residue = [f"{f.name}={f.value:x}" for f in fields if f.writer is None]
        self._wrapped(" not written; residue:", " ".join(residue), _FACTS + 1, QUIET)

    def _arguments(self, walk: Walk) -> None:
        arguments = walk.service.arguments if walk.service else ()
        names = [argument.name or f"argument {i}" for i, argument in enumerate(arguments, 1)]
        width = max(map(len, names), default=0)
        cells = [
            f"{name:<{width}} {argument.value:08x}    "
            for name, argument in zip(names, arguments, strict=True)
        ]
        for index in range(0, len(cells), _ARGUMENTS_IN_A_LINE):
            line = "".join(cells[index : index + _ARGUMENTS_IN_A_LINE])
            self._fact("" if index else "its arguments", line)
        for argument in arguments:
            if argument.text:
                self._fact(f"{argument.name} points to", argument.text)

    def _result(self, steps: Sequence[Step], *, returns: bool) -> None:
        output = b"".join(step.printed for step in steps).decode("ascii", "replace")
        for line in output.splitlines():
            self._fact("the program writes", line, WAY)
        if returns:
            status = steps[-1].after["eax"]
            self._fact("it returns", f"{status:08x} {name_of(status)}")

    def _ending(self, walk: Walk) -> None:
        if walk.end is not None:
            reason = " ".join(walk.end.text.splitlines()) or walk.end.reason.value
            self._fact("no return", reason)
            return
        after = walk.steps[-1].after
        self._fact(
            "behind the call",
            f"CS:EIP {after['cs']:02x}:{after['eip']:08x} {walk.symbol(after['eip']) or ''}  "
            f"EAX {after['eax']:08x} {name_of(after['eax'])}",
        )

    # Lines.

    def _line(self, *pieces: tuple[str, str]) -> None:
        text = Text.assemble(*pieces)
        text.rstrip()
        self._console.print(text)

    def _banner(self, title: str) -> None:
        self._line((f"=== {title} ".ljust(self._width, "="), HEAD))

    def _heading(self, title: str, remark: str) -> None:
        right = f" {remark} --"
        self._line((f"-- {title} ".ljust(self._width - len(right), "-") + right, HEAD))

    def _fact(self, name: str, text: str, style: str = "") -> None:
        self._line((f" {name:<{_FACTS - 1}}", QUIET), (text, style))

    def _wrapped(self, start: str, text: str, column: int, style: str) -> None:
        lines = wrap(text, self._width - column) or [""]
        lines = [line.replace("\xa0", " ") for line in lines]
        self._line((start.ljust(column), ""), (lines[0], style))
        for line in lines[1:]:
            self._line((" " * column, ""), (line, style))

    def _paragraph(self, text: str, margin: str = "") -> None:
        for line in wrap(text, self._width, initial_indent=margin, subsequent_indent=margin):
            self._line((line, ""))

    def _table(self, rows: Sequence[tuple[str, str, str]], head: str) -> None:
        """Three columns as wide as they need to be; the first row is the heading."""
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        for index, (name, one, other) in enumerate(rows):
            style = head if not index else QUIET if one == other else ""
            self._line((f" {name:<{widths[0]}}  ", head if not index else ""),
                       (f"{one:<{widths[1]}}  {other}", style))  # fmt: skip


def _place(reading: Reading) -> str:
    return f"[{reading.address:08x}]" if reading.address is not None else ""


def _value(reading: Reading) -> str:
    """A gate in two halves, as `dq` shows it."""
    text = f"{reading.value:0{reading.digits}x}"
    return f"{text[:8]}`{text[8:]}" if len(text) > 8 else text


def _meaning(walk: Walk, reading: Reading) -> str:
    goal = walk.symbol(reading.value) if reading.meaning == "EIP" else None
    return f"{reading.meaning} {goal}" if goal else reading.meaning


def _origin(field: FrameField) -> str:
    return f"{field.value:08x} {field.origin or 'residue'}"


def _way(walk: Walk) -> str:
    """`sysenter` or `int 2Eh`: the instruction that took the call into ring 0."""
    stage = stage_of(walk, Kind.GATE)
    crossing = walk.steps[stage.start].crossing if stage else None
    return crossing.way if crossing else "no gate"


def _title(walk: Walk, stage: Stage, previous: Stage | None) -> str:
    steps = stage.steps(walk)
    match stage.kind:
        case Kind.RING3 if previous is None:
            return f"The program calls {steps[-1].routine}"
        case Kind.RING3:
            return f"{steps[0].routine}, {_named_by(walk, steps[0].line.address, previous)}"
        case Kind.GATE:
            return f"The gate: {steps[0].crossing.way if steps[0].crossing else ''}"
        case Kind.FRAME if walk.frame:
            return f"{steps[0].label} builds the trap frame"
        case Kind.FRAME:
            return f"{steps[0].label}; no service table is read"
        case Kind.DISPATCH if walk.service:
            return "The dispatch: from the number to the routine"
        case Kind.DISPATCH:
            return "The dispatch; no routine of the service table is called"
        case Kind.SERVICE:
            return f"The service: {steps[0].label}"
        case Kind.EXIT:
            return "The way out"
        case Kind.LEAVE:
            return f"Out of ring 0: {steps[0].crossing.way if steps[0].crossing else ''}"
        case Kind.RETURN:
            return "Ring 3 again"
        case Kind.TRAP if steps[0].crossing is None:
            return f"{steps[0].label} takes the trap"
    arrival = walk.symbol(steps[0].after["eip"]) or f"{steps[0].after['eip']:08x}"
    return f"A trap, to {arrival}" if steps[0].ring else f"Out of the trap, to {arrival}"


def _named_by(walk: Walk, address: int, previous: Stage | None) -> str:
    """How ring 3 has come to a routine: by memory that names it, or by its address."""
    last = walk.steps[previous.end - 1] if previous else None
    if last is None or not last.is_call:
        return "entered from ring 0" if last and last.ring == 0 else "gone on with"
    for touch in last.touches:
        name = walk.places.name(touch.address)
        if touch.is_read and touch.before == address and name:
            return f"which {name} names"
    return "called by its address"
