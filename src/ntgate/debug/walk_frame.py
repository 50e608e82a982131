"""The finished KTRAP_FRAME of a walked call, and where each field's value came from.

A value is followed from ring 3's registers, or from the place that it was loaded from, through
`mov`, `add`, `sub` and `lea` to the instruction that puts it into the frame.
"""

from __future__ import annotations

from iced_x86 import (
    Instruction,
    InstructionInfoFactory,
    Mnemonic,
    OpAccess,
    OpKind,
    Register,
    RegisterExt,
)

from ntgate.debug.walk import GENERAL, SEGMENTS, Step, Touch, Walk
from ntgate.debug.walk_stages import Kind, stages
from ntgate.records import dataclass

_STORES = (Mnemonic.PUSH, Mnemonic.MOV)
_LOADS = (Mnemonic.MOV, Mnemonic.MOVZX, Mnemonic.POP)
_IMMEDIATES = (
    OpKind.IMMEDIATE8, OpKind.IMMEDIATE8TO32, OpKind.IMMEDIATE32, OpKind.IMMEDIATE16,
)  # fmt: skip
_FIELD = 4
_full = RegisterExt.full_register32  # a segment register is its own
_PUSHED = ("ss", "esp", "eflags", "cs", "eip")  # by a gate into another ring
_RELOADED = (Register.ESP, Register.CS, Register.SS)  # by every change of rings


@dataclass(frozen=True)
class FrameField:
    """One dword of a KTRAP_FRAME.

    `origin` tells where the value came from.  `writer` is the step that wrote it last: the
    gate's own where the processor pushed it, None where the dword is what the stack held before.
    """

    offset: int
    name: str
    value: int
    origin: str
    writer: Step | None

    @property
    def is_pushed_by_processor(self) -> bool:
        return self.writer is not None and self.writer.crossing is not None


def frame_fields(walk: Walk) -> list[FrameField]:
    """Every field by offset; empty where the walk has no frame."""
    base = walk.places.frame
    if base is None or not walk.frame:
        return []
    follower = _Follower(walk, base)
    for stage in stages(walk):
        if stage.kind in (Kind.GATE, Kind.FRAME):
            for step in stage.steps(walk):
                follower.follow(step)
    fields = []
    for offset in range(0, len(walk.frame), _FIELD):
        origin, writer = follower.written.get(offset, ("", None))
        value = int.from_bytes(walk.frame[offset : offset + _FIELD], "little")
        name = walk.places.frame_field(base + offset) or ""
        fields.append(FrameField(offset, name, value, origin, writer))
    return fields


class _Follower:
    """What each register holds, in words, and which step wrote what into the frame."""

    def __init__(self, walk: Walk, base: int) -> None:
        self.written: dict[int, tuple[str, Step]] = {}
        self._walk = walk
        self._base = base
        self._factory = InstructionInfoFactory()
        self._registers: dict[int, str] = {
            register: f"ring 3's {name}" for register, name in (GENERAL | SEGMENTS).items()
        }

    def follow(self, step: Step) -> None:
        if step.crossing:
            for register in _RELOADED:
                self._registers.pop(register, None)
        for touch in step.touches:
            offset = touch.address - self._base
            if touch.is_written and 0 <= offset < len(self._walk.frame):
                place = offset & -_FIELD
                self.written[place] = self._stored(step, touch, place), step
        self._update(step)

    def _stored(self, step: Step, touch: Touch, place: int) -> str:
        instruction = step.line.instruction
        if step.crossing:
            return f"ring 3's {_PUSHED[step.touches.index(touch)]}"
        if instruction.mnemonic in (Mnemonic.PUSHFD, Mnemonic.PUSHF):
            return "EFLAGS"
        last = instruction.op_count - 1
        if instruction.mnemonic in _STORES:
            source = self._operand(step, last)
            return source or step.line.operands.rpartition(",")[2]
        if touch.is_read and instruction.op_kind(last) in _IMMEDIATES:
            mask = instruction.immediate(last) & (1 << 8 * touch.size) - 1
            before = self.written.get(place, ("residue", step))[0]
            if instruction.mnemonic == Mnemonic.AND and not mask:
                return "zeroed"
            if instruction.mnemonic == Mnemonic.OR:
                return f"{before} | {_number(mask << 8 * (touch.address & _FIELD - 1))}"
        return step.line.operation

    def _operand(self, step: Step, index: int) -> str:
        """What an operand's value is, "" where that is not known."""
        instruction = step.line.instruction
        kind = instruction.op_kind(index)
        if kind in _IMMEDIATES:
            return f"constant {_number(instruction.immediate(index) & 0xFFFFFFFF)}"
        if kind == OpKind.REGISTER:
            return self._registers.get(_full(instruction.op_register(index)), "")
        read = next((touch for touch in step.touches if touch.is_read), None)
        if read is None:
            return ""
        place = read.address - self._base
        if place in self.written:
            return self.written[place][0]
        return self._walk.places.name(read.address) or f"[{read.address:08x}]"

    def _update(self, step: Step) -> None:
        instruction = step.line.instruction
        value = self._loaded(step, instruction)
        for used in self._factory.info(instruction).used_registers():
            if used.access not in (OpAccess.READ, OpAccess.COND_READ):
                self._registers.pop(_full(used.register), None)
        if value and instruction.op_kind(0) == OpKind.REGISTER:
            self._registers[_full(instruction.op0_register)] = value

    def _loaded(self, step: Step, instruction: Instruction) -> str:
        if not instruction.op_count or instruction.op_kind(0) != OpKind.REGISTER:
            return ""
        if instruction.mnemonic in _LOADS:
            return self._operand(step, instruction.op_count - 1)
        held = self._registers.get(_full(instruction.op0_register), "")
        sign = {Mnemonic.ADD: "+", Mnemonic.SUB: "-"}.get(instruction.mnemonic)
        if held and sign and instruction.op_kind(1) in _IMMEDIATES:
            return f"{held} {sign} {_number(instruction.immediate(1))}"
        return ""


def _number(value: int) -> str:
    return f"{value:X}h" if value > 9 else str(value)
