"""The stages of a walked call, found by what its steps did: rings, reads of tables, calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import groupby

from iced_x86 import Mnemonic

from ntgate.debug.walk import Step, Walk
from ntgate.debug.walk_crossings import TRAP
from ntgate.records import dataclass

INTERRUPT_FLAG = 0x200


class Kind(Enum):
    """What a stage is for."""

    RING3 = "ring 3"
    GATE = "into ring 0"
    FRAME = "the trap frame"
    DISPATCH = "the dispatch"
    SERVICE = "the service"
    EXIT = "the exit"
    LEAVE = "out of ring 0"
    RETURN = "ring 3 again"
    TRAP = "a trap"


@dataclass(frozen=True)
class Stage:
    """Steps `start` up to `end` of a walk."""

    kind: Kind
    start: int
    end: int

    def steps(self, walk: Walk) -> list[Step]:
        return walk.steps[self.start : self.end]


@dataclass(frozen=True)
class ArgumentCopy:
    """The `rep movs` of the dispatch: `size` bytes from `source` to `target`."""

    source: int
    target: int
    size: int


def stages(walk: Walk) -> list[Stage]:
    """Every step is in one stage, in order."""
    found: list[Stage] = []
    is_call = False
    start = 0
    for key, run in groupby(walk.steps, key=lambda step: (step.ring, step.crossing is not None)):
        ring, crosses = key
        end = start + len(list(run))
        if crosses:
            crossing = walk.steps[start].crossing
            if ring:
                is_call = crossing is not None and crossing.way != TRAP
            into, out = (Kind.GATE, Kind.LEAVE) if is_call else (Kind.TRAP, Kind.TRAP)
            found.append(Stage(into if ring else out, start, end))
        elif ring and found and found[-1].kind is Kind.LEAVE:
            found.append(Stage(Kind.RETURN, start, end))
        elif ring:
            found += _by_routine(walk, start, end)
        else:
            found += _call(walk, start, end) if is_call else [Stage(Kind.TRAP, start, end)]
        start = end
    return found


def stage_of(walk: Walk, kind: Kind) -> Stage | None:
    """The first stage of a kind."""
    return next((stage for stage in stages(walk) if stage.kind is kind), None)


def _by_routine(walk: Walk, start: int, end: int) -> Iterator[Stage]:
    """Ring 3, a stage for each routine; a call belongs to what it calls."""
    begin = start
    for index in range(start + 1, end):
        previous = walk.steps[index - 1]
        is_first_call = index - 1 == start and previous.is_call
        if walk.steps[index].routine != previous.routine and not is_first_call:
            yield Stage(Kind.RING3, begin, index)
            begin = index
    yield Stage(Kind.RING3, begin, end)


def _call(walk: Walk, start: int, end: int) -> list[Stage]:
    """Ring 0 between the two changes of rings."""
    looked_up = _first(walk, start, end, walk.places.service_table_at)
    if looked_up == end:
        return [Stage(Kind.FRAME, start, end)]
    bounds = [(Kind.FRAME, start)]
    dispatch = 1 + max(
        (i for i in range(start, looked_up) if _writes_or_masks(walk.steps[i])), default=start - 1
    )
    bounds.append((Kind.DISPATCH, dispatch))
    if walk.service and start <= walk.service.step < end:
        call = walk.steps[walk.service.step]
        back = next(
            (
                index
                for index in range(walk.service.step + 1, end)
                if walk.steps[index].line.address == call.line.next_address
                and walk.steps[index].before["esp"] >= call.before["esp"]
            ),
            end,
        )
        bounds += [(Kind.SERVICE, walk.service.step + 1), (Kind.EXIT, back)]
    ends = [*(bound for _, bound in bounds[1:]), end]
    return [
        Stage(kind, begin, stop)
        for (kind, begin), stop in zip(bounds, ends, strict=True)
        if begin < stop
    ]


def _first(walk: Walk, start: int, end: int, address: int) -> int:
    """The first step that reads an address; `end` where none does."""
    for index in range(start, end):
        if any(t.address == address and t.is_read for t in walk.steps[index].touches):
            return index
    return end


def _writes_or_masks(step: Step) -> bool:
    return interrupts_changed(step) or any(touch.is_written for touch in step.touches)


def interrupts_changed(step: Step) -> bool:
    return bool((step.before["efl"] ^ step.after["efl"]) & INTERRUPT_FLAG)


def argument_copy(walk: Walk) -> ArgumentCopy | None:
    """What the dispatch copied from ring 3's stack, None where it copied nothing."""
    stage = stage_of(walk, Kind.DISPATCH)
    steps = stage.steps(walk) if stage else []
    touches = [touch for step in steps if is_string_move(step) for touch in step.touches]
    written = [touch for touch in touches if touch.is_written]
    read = [touch for touch in touches if touch.is_read]
    if not written or not read:
        return None
    return ArgumentCopy(read[0].address, written[0].address, sum(t.size for t in written))


def is_string_move(step: Step) -> bool:
    instruction = step.line.instruction
    return instruction.is_string_instruction and instruction.mnemonic in (
        Mnemonic.MOVSB,
        Mnemonic.MOVSD,
    )


def common_tail(first: Sequence[Step], second: Sequence[Step]) -> int:
    """How many of the last steps of both are at the same addresses."""
    count = 0
    for one, other in zip(reversed(first), reversed(second), strict=False):
        if one.line.address != other.line.address:
            break
        count += 1
    return count


def instructions(steps: Sequence[Step]) -> int:
    """How many instructions the steps are: one that repeats itself counts once."""
    count = 0
    last = -1
    for step in steps:
        count += step.line.address != last or not step.line.instruction.has_rep_prefix
        last = step.line.address
    return count
