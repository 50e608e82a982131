"""Two walked calls side by side: what they have in common and where they differ."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest

from ntgate.debug.walk import Step, Walk
from ntgate.debug.walk_frame import FrameField, frame_fields
from ntgate.debug.walk_rows import SYSTEM_CALLS
from ntgate.debug.walk_stages import Kind, argument_copy, common_tail, instructions, stage_of
from ntgate.layout.status_names import name_of
from ntgate.records import dataclass

_NOTHING = "-"


@dataclass(frozen=True)
class Difference:
    """A field of the KTRAP_FRAME whose value or origin differs."""

    first: FrameField
    second: FrameField


@dataclass(frozen=True)
class Comparison:
    """`rows`: what is compared, and what each walk shows for it."""

    rows: tuple[tuple[str, str, str], ...]
    fields: tuple[Difference, ...]
    common: int  # ring-0 instructions at the end that both run
    joined_at: str  # the first of them

    @property
    def made_up(self) -> tuple[Difference, ...]:
        """What the processor pushes by the second way and code writes by the first."""
        return tuple(
            difference
            for difference in self.fields
            if difference.second.is_pushed_by_processor
            and not difference.first.is_pushed_by_processor
        )


def compare(first: Walk, second: Walk) -> Comparison:
    rows = tuple((name, of(first), of(second)) for name, of in _ROWS)
    pairs = zip_longest(frame_fields(first), frame_fields(second))
    differences = tuple(
        Difference(one, other)
        for one, other in pairs
        if one and other and (one.value, one.origin) != (other.value, other.origin)
    )
    ring0, other0 = ([step for step in walk.steps if not step.ring] for walk in (first, second))
    common = ring0[len(ring0) - common_tail(ring0, other0) :]
    label = common[0].label if common else _NOTHING
    return Comparison(rows, differences, instructions(common), label)


def _ring(ring: int) -> Callable[[Walk], str]:
    return lambda walk: str(instructions([step for step in walk.steps if step.ring == ring]))


def _stage(kind: Kind) -> Callable[[Walk], str]:
    def count(walk: Walk) -> str:
        stage = stage_of(walk, kind)
        return str(instructions(stage.steps(walk))) if stage else _NOTHING

    return count


def _crossing(walk: Walk, kind: Kind) -> Step | None:
    stage = stage_of(walk, kind)
    return walk.steps[stage.start] if stage else None


def _gate(walk: Walk) -> str:
    step = _crossing(walk, Kind.GATE)
    return f"{step.label.partition('!')[2] or step.label}" if step else _NOTHING


def _looked_up(walk: Walk) -> str:
    step = _crossing(walk, Kind.GATE)
    readings = step.crossing.readings if step and step.crossing else ()
    names = ", ".join(reading.source for reading in readings)
    return names.replace(", MSR ", ", ").replace(", KTSS.", ", ")


def _pushed(walk: Walk) -> str:
    step = _crossing(walk, Kind.GATE)
    size = sum(touch.size for touch in step.touches if touch.is_written) if step else 0
    return f"{size:x}h bytes" if size else "nothing"


def _written(walk: Walk) -> str:
    fields = frame_fields(walk)
    by_code = [field for field in fields if field.writer and not field.is_pushed_by_processor]
    return f"{4 * len(by_code):x}h bytes" if fields else _NOTHING


def _entry(walk: Walk) -> str:
    step = _crossing(walk, Kind.GATE)
    return walk.symbol(step.after["eip"]) or f"{step.after['eip']:08x}" if step else _NOTHING


def _first_stack(walk: Walk) -> str:
    step = _crossing(walk, Kind.GATE)
    return f"{step.after['esp']:08x}" if step else _NOTHING


def _arguments(walk: Walk) -> str:
    step, copy = _crossing(walk, Kind.GATE), argument_copy(walk)
    if not step or not copy:
        return _NOTHING
    distance = copy.source - step.before["edx"]
    return f"edx+{distance:x}" if distance else "edx"


def _routine(walk: Walk) -> str:
    if walk.service is None:
        return _NOTHING
    name = walk.symbol(walk.service.routine) or f"{walk.service.routine:08x}"
    return f"SSDT[{walk.service.number:x}h] {name}"


def _counter(walk: Walk) -> str:
    for step in walk.steps:
        for touch in step.touches:
            if touch.is_written and walk.places.name(touch.address) == SYSTEM_CALLS:
                return f"{touch.before:x} -> {touch.after:x}"
    return _NOTHING


def _leave(walk: Walk) -> str:
    step = _crossing(walk, Kind.LEAVE)
    return step.crossing.way if step and step.crossing else _NOTHING


def _back(walk: Walk) -> str:
    step = _crossing(walk, Kind.LEAVE)
    return walk.symbol(step.after["eip"]) or f"{step.after['eip']:08x}" if step else _NOTHING


def _status(walk: Walk) -> str:
    return name_of(walk.steps[-1].after["eax"]) if walk.end is None else walk.end.text


_ROWS: tuple[tuple[str, Callable[[Walk], str]], ...] = (
    ("instructions in ring 3", _ring(3)),
    ("instructions in ring 0", _ring(0)),
    ("  to build the frame", _stage(Kind.FRAME)),
    ("  to find the routine", _stage(Kind.DISPATCH)),
    ("  to get out", _stage(Kind.EXIT)),
    ("the gate is at", _gate),
    ("the processor reads", _looked_up),
    ("it goes to", _entry),
    ("with ESP", _first_stack),
    ("it pushes", _pushed),
    ("the kernel writes of the frame", _written),
    ("ring 3 passes arguments at", _arguments),
    ("the dispatch finds", _routine),
    (SYSTEM_CALLS, _counter),
    ("ring 0 is left by", _leave),
    ("to", _back),
    ("eax", _status),
)
