"""Prints walked calls: plain ASCII columns, coloured where the output is a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from rich.console import Console
from rich.text import Text

from ntgate.debug.walk import Step, Walk
from ntgate.debug.walk_comparison import compare, instructions
from ntgate.debug.walk_frame import FrameField, frame_fields
from ntgate.debug.walk_rows import Row, RowKind, RowMaker, instruction_text
from ntgate.debug.walk_stages import INTERRUPT_FLAG, Kind, Stage, argument_copy, stages
from ntgate.layout import ntstatus

HEAD, WAY, LABEL, NOTE, QUIET, WARM = "bold cyan", "bold", "yellow", "green", "dim", "magenta"
_MARGIN = "  "
_CODE = 42  # where the instruction begins
_NOTES = 71  # where its note begins
_FACTS = 29  # where what is said of a stage begins
_ARGUMENT = 32
_COMPARED = 33


class WalkPrinter:
    """Prints to stdout, `width` columns at most."""

    def __init__(self, width: int) -> None:
        self._console = Console(width=width, highlight=False, soft_wrap=True)
        self._width = width

    # The parts.

    def introduction(self) -> None:
        self._paragraph(
            "One NtWriteFile call through each gate of the kernel. The machine runs one "
            "instruction at a time; each value below is what it held at that moment.",
            "",
        )

    def walk(self, program: str, walk: Walk) -> None:
        found = stages(walk)
        gate = next((walk.steps[s.start] for s in found if s.kind is Kind.GATE), None)
        way = gate.crossing.way if gate and gate.crossing else "no gate"
        self._line()
        self._banner(f"{program}: by {way}")
        self._line(
            ("  R  CS:EIP       ESP       EAX       instruction", QUIET),
            (f"{'':{_NOTES - 51}}what it finds or leaves in memory", QUIET),
        )
        rows = RowMaker(walk)
        number = 0
        for index, stage in enumerate(found):
            previous = found[index - 1] if index else None
            if not previous or not _is_same_part(previous, stage):
                number += 1
                self._line()
                self._heading(number, *_title(walk, stage, previous))
            self._rows(rows.rows(stage), shows_first=stage.kind is not Kind.GATE)
            self._after(walk, stage)
        self._ending(walk)

    def comparison(self, programs: Sequence[str], first: Walk, second: Walk) -> None:
        found = compare(first, second)
        self._line()
        self._banner("The two ways")
        self._line()
        column = (self._width - _COMPARED) // 2
        self._line(("".ljust(_COMPARED) + programs[0].ljust(column) + programs[1], LABEL))
        for name, one, other in found.rows:
            style = "" if one != other else QUIET
            self._line((f"{_MARGIN}{name:<{_COMPARED - 2}}", ""),
                       (f"{one:<{column - 1}} {other}", style))  # fmt: skip
        self._line()
        if found.common:
            self._paragraph(
                f"From {found.joined_at} on both run the same {found.common} instructions, "
                "through the service and out of ring 0.",
                _MARGIN,
            )
        self._line()
        self._line((f"{_MARGIN}KTRAP_FRAME: the fields that differ in value or origin", WAY))
        for difference in found.fields:
            one, other = _origin(difference.first), _origin(difference.second)
            name = f"{_MARGIN}+{difference.first.offset:02x} {difference.first.name}"
            self._line((f"{name:<{_COMPARED}}", ""), (f"{one:<{column - 1}} ", ""), (other, ""))

    # Stages.

    def _rows(self, rows: Sequence[Row], *, shows_first: bool) -> None:
        routine = ""
        for row in rows:
            if shows_first and row.first.routine != routine:
                self._line((f"     {row.first.label}:", LABEL))
            routine = row.first.routine
            self._row(row)

    def _row(self, row: Row) -> None:
        step = row.first
        before = step.before
        state = (
            f"{_MARGIN}{step.ring}  {before['cs']:02x}:{step.line.address:08x}  "
            f"{before['esp']:08x}  {before['eax']:08x}  "
        )
        style = QUIET if row.kind is RowKind.PLAIN else ""
        if row.kind is not RowKind.NOTED:
            self._wrapped(state, row.text, _CODE, style)
            if row.notes:
                arrow = "-> " if row.kind is RowKind.BUILDS else "<- "
                self._wrapped("", arrow + " ".join(row.notes), _CODE, NOTE)
            return
        notes = [line for note in row.notes for line in self._note_lines(note)]
        text = row.text
        if len(text) > _NOTES - _CODE - 1:
            self._line((state, ""), (text, style))
        else:
            first = notes.pop(0) if notes else ""
            self._line((state, ""), (text.ljust(_NOTES - _CODE), style), (first, NOTE))
        for line in notes:
            self._line((" " * _NOTES, ""), (line, NOTE))

    def _note_lines(self, note: str) -> list[str]:
        return wrap(note, self._width - _NOTES, subsequent_indent="  ") or [""]

    def _after(self, walk: Walk, stage: Stage) -> None:
        step = walk.steps[stage.start]
        if stage.kind is Kind.GATE:
            self._gate(walk, step)
        elif stage.kind is Kind.FRAME:
            self._frame(walk)
        elif stage.kind is Kind.SERVICE:
            self._service(walk, stage)
        elif stage.kind is Kind.LEAVE:
            self._crossing(step)
            self._arrival("ring 3", step)

    def _gate(self, walk: Walk, step: Step) -> None:
        self._crossing(step)
        pushed = [touch for touch in step.touches if touch.is_written]
        if not pushed:
            self._fact("it pushes", "nothing", WARM)
        for index, touch in enumerate(pushed):
            field = walk.places.frame_field(touch.address) or ""
            self._fact("" if index else "it pushes", f"{touch.address:08x}  {touch.after:08x}  {field}",
                       WARM)  # fmt: skip
        self._arrival("ring 0", step)
        self._stack(walk, step)

    def _crossing(self, step: Step) -> None:
        readings = step.crossing.readings if step.crossing else ()
        for index, reading in enumerate(readings):
            value = f"{reading.value:0{reading.digits}x}"
            place = f"[{reading.address:08x}]" if reading.address is not None else ""
            self._fact(
                "" if index else "the processor reads",
                f"{reading.source:<10}{place:<11} {value:<16}  {reading.meaning}",
                WARM,
            )

    def _arrival(self, name: str, step: Step) -> None:
        after = step.after
        interrupts = "on" if after["efl"] & INTERRUPT_FLAG else "off"
        self._fact(
            f"{name} begins",
            f"CS:EIP {after['cs']:02x}:{after['eip']:08x}  SS:ESP {after['ss']:02x}:"
            f"{after['esp']:08x}  interrupts {interrupts}",
        )

    def _stack(self, walk: Walk, step: Step) -> None:
        copy = argument_copy(walk)
        end = copy.source if copy else step.before["esp"] + 4
        for index, (address, value) in enumerate(walk.stack):
            if address > end:
                break
            marks = [name for name in ("esp", "edx") if step.before[name] == address]
            text = walk.symbol(value) or ""
            if copy and address == copy.source:
                distance = address - step.before["edx"]
                marks += [f"edx+{distance:x}"] if distance else []
                text = "the first argument"
            arrow = f"<- {', '.join(marks)}" if marks else ""
            self._fact("" if index else "ring 3's stack",
                       f"{address:08x}  {value:08x}  {text:<28}{arrow}")  # fmt: skip

    def _frame(self, walk: Walk) -> None:
        fields = frame_fields(walk)
        if not fields:
            return
        self._line()
        self._line((f"     KTRAP_FRAME at {walk.places.frame:08x}, finished", WAY),
                   ("        value     where it comes from                written by", QUIET))  # fmt: skip
        for field in fields:
            if field.writer is None:
                continue
            by = instruction_text(field.writer)
            style = WARM if field.is_pushed_by_processor else ""
            by = f"{by}, the processor" if field.is_pushed_by_processor else by
            self._line(
                (f"     +{field.offset:02x}  {field.name:<22}{field.value:08x}  ", ""),
                (f"{field.origin:<34} {by}", style),
            )
        residue = [f"{f.name} {f.value:x}" for f in fields if f.writer is None]
        self._wrapped("     residue  ", ", ".join(residue), 14, QUIET)

    def _service(self, walk: Walk, stage: Stage) -> None:
        steps = stage.steps(walk)
        arguments = walk.service.arguments if walk.service else ()
        cells = [f"{a.name or f'argument {i}':<15}{a.value:08x}" for i, a in enumerate(arguments)]
        for index in range(0, len(cells), 2):
            pair = "".join(f"{cell:<{_ARGUMENT}}" for cell in cells[index : index + 2])
            self._fact("" if index else "the arguments", pair)
        for argument in arguments:
            if argument.text:
                self._fact(f"{argument.name} holds", argument.text)
        output = b"".join(step.printed for step in steps).decode("ascii", "replace")
        for line in output.splitlines():
            self._fact("the program writes", line, WAY)
        status = steps[-1].after["eax"]
        self._fact("it returns", f"{status:08x}  {ntstatus.name_of(status)}")

    def _ending(self, walk: Walk) -> None:
        if walk.end is not None:
            self._fact("the call does not return", walk.end.text or walk.end.reason.value)
            return
        after = walk.steps[-1].after
        place = walk.symbol(after["eip"]) or ""
        self._fact(
            "the program goes on",
            f"{after['cs']:02x}:{after['eip']:08x}  {place}  eax {after['eax']:08x} "
            f"{ntstatus.name_of(after['eax'])}",
        )

    # Lines.

    def _line(self, *pieces: tuple[str, str]) -> None:
        text = Text.assemble(*pieces)
        text.rstrip()
        self._console.print(text)

    def _banner(self, title: str) -> None:
        self._line((f"=== {title} ".ljust(self._width, "="), HEAD))

    def _heading(self, number: int, title: str, remark: str) -> None:
        left = f"--- {number}  {title} "
        right = f" {remark} ---"
        self._line((left.ljust(self._width - len(right), "-") + right, HEAD))

    def _fact(self, name: str, text: str, style: str = "") -> None:
        self._line((f"     {name:<{_FACTS - 5}}", QUIET), (text, style))

    def _wrapped(self, start: str, text: str, column: int, style: str) -> None:
        lines = wrap(text, self._width - column) or [""]
        self._line((start.ljust(column), ""), (lines[0], style))
        for line in lines[1:]:
            self._line((" " * column, ""), (line, style))

    def _paragraph(self, text: str, margin: str) -> None:
        for line in wrap(text, self._width, initial_indent=margin, subsequent_indent=margin):
            self._line((line, ""))


def _is_same_part(previous: Stage, stage: Stage) -> bool:
    """Ring 3 after the call is one part, however many routines it returns through."""
    return previous.kind is stage.kind is Kind.RING3 and False


def _origin(field: FrameField) -> str:
    return f"{field.value:08x} {field.origin or 'residue'}"


def _title(walk: Walk, stage: Stage, previous: Stage | None) -> tuple[str, str]:
    """What a stage is called, and a remark on the right."""
    steps = stage.steps(walk)
    count = instructions(steps)
    remark = f"ring {steps[0].ring}, {count} instruction{'s' if count > 1 else ''}"
    return _NAMES.get(stage.kind, stage.kind.value), remark


_NAMES: dict[Kind, str] = {}
