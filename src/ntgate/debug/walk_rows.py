"""A stage of a walked call as rows to read: what matters alone, with a note; the rest joined.

A note names the memory that an instruction touched and the value that it found or left there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from enum import Enum

from iced_x86 import Mnemonic

from ntgate.debug.walk import Step, Touch, Walk, quoted
from ntgate.debug.walk_stages import (
    INTERRUPT_FLAG,
    ArgumentCopy,
    Kind,
    argument_copy,
    interrupts_changed,
    is_string_move,
    stages,
)
from ntgate.records import dataclass

SYSTEM_CALLS = "KPRCB.KeSystemCalls"
_DWORD = 4
_NEAREST_ARGUMENTS = 16  # bytes that edx may lie below the arguments
_TESTS = (Mnemonic.CMP, Mnemonic.TEST)


class RowKind(Enum):
    """Why steps share a row."""

    NOTED = "stands alone"
    PLAIN = "touches nothing that has a name"
    BUILDS = "writes only the trap frame"
    RESTORES = "pops only the trap frame"


@dataclass
class Row:
    """Consecutive steps of one routine."""

    kind: RowKind
    steps: list[Step]
    notes: list[str] = field(default_factory=list)

    @property
    def first(self) -> Step:
        return self.steps[0]

    def is_key(self, walk: Walk) -> bool:
        """Whether it reads the SSDT, counts or copies: what every call is looked at for."""
        names = [walk.places.name(touch.address) for touch in self.first.touches]
        finds = any(walk.places.entry_of(touch.address) for touch in self.first.touches)
        return finds or SYSTEM_CALLS in names or is_string_move(self.first)

    @property
    def text(self) -> str:
        """The instructions; one that repeats itself stands once."""
        if self.kind is RowKind.NOTED:
            return instruction_text(self.first)
        found: list[str] = []
        last = -1
        for step in self.steps:
            if step.line.address != last or not step.line.instruction.has_rep_prefix:
                found.append(instruction_text(step))
            last = step.line.address
        return "; ".join(found)


def instruction_text(step: Step) -> str:
    """`mov ebx,[edi+eax*4]`: without what is the same everywhere; a branch tells if it jumps."""
    text = f"{step.line.mnemonic} {step.line.operands}".strip()
    text = text.replace("dword ptr ", "").replace("ds:[", "[")
    if step.line.instruction.is_jcc_short_or_near and not is_taken(step):
        text += " (no)"
    return text


def is_taken(step: Step) -> bool:
    return step.after["eip"] != step.line.next_address


class RowMaker:
    """Makes the rows of one walk."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._copy = argument_copy(walk)
        self._lasting = _lasting_writes(walk)

    def rows(self, kind: Kind, steps: Iterable[Step]) -> list[Row]:
        """The rows of some steps of a stage."""
        found: list[Row] = []
        for step in steps:
            row = self._row(step, kind)
            last = found[-1] if found else None
            if last and last.first.routine == step.routine and _goes_on(last, row):
                _append(last, row)
            else:
                found.append(row)
        return found

    def _row(self, step: Step, kind: Kind) -> Row:
        if is_string_move(step):
            return Row(RowKind.NOTED, [step], self._move_notes(step))
        notes = [*self._touch_notes(step, kind), *self._state_notes(step)]
        if notes or step.crossing:
            return Row(RowKind.NOTED, [step], notes)
        if fields := self._lasting.get(id(step)):
            return Row(RowKind.BUILDS, [step], fields)
        restored = self._frame_fields(step.touches)
        if kind is Kind.EXIT and step.line.mnemonic == "pop" and restored:
            return Row(RowKind.RESTORES, [step], restored)
        return Row(RowKind.PLAIN, [step])

    def _frame_fields(self, touches: Iterable[Touch]) -> list[str]:
        names = (self._walk.places.frame_field(touch.address) for touch in touches)
        return [name for name in names if name]

    # Notes.

    def _touch_notes(self, step: Step, kind: Kind) -> list[str]:
        places = self._walk.places
        notes = []
        for touch in step.touches:
            name = places.name(touch.address)
            is_frame = places.frame_field(touch.address) is not None
            shows_frame = kind in (Kind.DISPATCH, Kind.EXIT) and step.line.mnemonic != "pop"
            if name and (not is_frame or shows_frame):
                notes.append(self._touch_note(name, touch))
        if notes:
            notes += [f"into KTRAP_FRAME.{name}" for name in self._lasting.get(id(step), ())]
        return notes

    def _touch_note(self, name: str, touch: Touch) -> str:
        meaning = self._walk.places.meaning(touch.after) if touch.size == _DWORD else None
        tail = f" {meaning}" if meaning else ""
        if not touch.is_written:
            return f"{name} = {touch.after:x}{tail}"
        if touch.is_read and touch.before != touch.after:
            return f"{name} {touch.before:x} -> {touch.after:x}"
        return f"{name} <- {touch.after:x}{tail}"

    def _move_notes(self, step: Step) -> list[str]:
        if self._copy and step.before["esi"] == self._copy.source:
            return [
                f"copies {self._copy.size:x}h bytes "
                f"{self._copy.source:08x} -> {self._copy.target:08x}"
            ]
        return []

    def _state_notes(self, step: Step) -> list[str]:
        notes = []
        number = self._walk.service.number if self._walk.service else None
        if step.ring and number == step.after["eax"] != step.before["eax"]:
            notes.append("the service number")
        if step.before["edx"] != step.after["edx"] and self._copy and not notes:
            notes += _argument_notes(step, self._copy)
        if interrupts_changed(step) and not step.crossing:
            notes.append(f"interrupts {'on' if step.after['efl'] & INTERRUPT_FLAG else 'off'}")
        if step.is_call and not step.ring:
            notes.append(f"to {self._walk.symbol(step.after['eip']) or 'code without a symbol'}")
        if step.line.instruction.mnemonic == Mnemonic.OUT:
            notes.append("the host carries it out")
        if step.printed:
            notes.append(f"writes {quoted(step.printed)}")
        return notes


def _argument_notes(step: Step, copy: ArgumentCopy) -> list[str]:
    distance = copy.source - step.after["edx"]
    if distance == 0:
        return [f"edx = {copy.source:08x}, the arguments"]
    if step.ring and 0 < distance <= _NEAREST_ARGUMENTS and step.before["esp"] <= copy.source:
        return [f"edx+{distance:x} = {copy.source:08x}, the arguments"]
    return []


def _append(row: Row, other: Row) -> None:
    """A jump tells in the note of its comparison whether it is taken."""
    step = other.first
    if row.kind is RowKind.NOTED and step.line.instruction.is_jcc_short_or_near:
        row.notes[-1] += f", {step.line.mnemonic}: {'yes' if is_taken(step) else 'no'}"
    row.steps.append(step)
    row.notes += [note for note in other.notes if note not in row.notes]


def _goes_on(last: Row, row: Row) -> bool:
    """Whether the row's step belongs into the last row."""
    before, step = last.steps[-1], row.first
    if step.line.address == before.line.address and step.line.instruction.has_rep_prefix:
        return True
    if last.kind is RowKind.NOTED:
        tests = before.line.instruction.mnemonic in _TESTS
        return tests and row.kind is RowKind.PLAIN and step.line.instruction.is_jcc_short_or_near
    return row.kind is last.kind


def _lasting_writes(walk: Walk) -> Mapping[int, list[str]]:
    """By the step's id: the frame's fields that it writes and that are not overwritten later."""
    writers: dict[int, list[Step]] = {}
    for stage in stages(walk):
        if stage.kind is not Kind.FRAME:
            continue
        for step in stage.steps(walk):
            for touch in step.touches:
                if touch.is_written and walk.places.frame_field(touch.address):
                    if not touch.is_read:
                        writers[touch.address & -_DWORD] = []
                    writers.setdefault(touch.address & -_DWORD, []).append(step)
    found: dict[int, list[str]] = {}
    for address, steps in writers.items():
        for step in steps:
            found.setdefault(id(step), []).append(walk.places.frame_field(address) or "")
    return found
