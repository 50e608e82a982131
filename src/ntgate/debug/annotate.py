"""The instruction that runs next, with the memory that it touches: the last line of `r`."""

from __future__ import annotations

from iced_x86 import ConditionCode, Instruction, MemorySizeExt, Mnemonic, OpKind, Register

from ntgate.debug import segments
from ntgate.debug.disasm import CodeLine
from ntgate.debug.target import Target, Unreadable

_SEGMENT_NAMES = {
    Register.CS: "cs", Register.DS: "ds", Register.ES: "es",
    Register.FS: "fs", Register.GS: "gs", Register.SS: "ss",
}  # fmt: skip
_BASE_NAMES = {
    Register.EAX: "eax", Register.ECX: "ecx", Register.EDX: "edx", Register.EBX: "ebx",
    Register.ESP: "esp", Register.EBP: "ebp", Register.ESI: "esi", Register.EDI: "edi",
    Register.NONE: "",
}  # fmt: skip
_NO_ACCESS = frozenset({Mnemonic.LEA, Mnemonic.NOP})
_BRANCH_COLUMN = 72


def annotated(line: CodeLine, target: Target) -> str:
    """`line` and `fs:0030:00000040=80042000`, or `[br=1]` for a conditional jump."""
    if not line.is_valid:
        return str(line)
    if (
        line.instruction.condition_code != ConditionCode.NONE
        and line.instruction.is_jcc_short_or_near
    ):
        taken = condition_holds(line.instruction.condition_code, target.register("efl"))
        return f"{line!s:<{_BRANCH_COLUMN}}[br={taken:d}]"
    operand = memory_operand(line.instruction, target)
    return f"{line} {operand}" if operand else str(line)


def memory_operand(instruction: Instruction, target: Target) -> str:
    """`ss:0010:f714eec4=00000000`, `""` where the instruction has no memory operand."""
    size = MemorySizeExt.size(instruction.memory_size)
    has_memory = any(
        instruction.op_kind(index) == OpKind.MEMORY for index in range(instruction.op_count)
    )
    segment = _SEGMENT_NAMES.get(instruction.memory_segment)
    base = _BASE_NAMES.get(instruction.memory_base)
    index = _BASE_NAMES.get(instruction.memory_index)
    if not has_memory or instruction.mnemonic in _NO_ACCESS or size not in (1, 2, 4, 8):
        return ""
    if segment is None or base is None or index is None:
        return ""
    offset = instruction.memory_displacement
    offset += target.register(base) if base else 0
    offset += target.register(index) * instruction.memory_index_scale if index else 0
    offset &= 0xFFFFFFFF
    try:
        address = segments.base_of(target, segment) + offset & 0xFFFFFFFF
        value = target.read(address, size)[::-1].hex()
    except Unreadable:
        value = "?" * (2 * size)
    return f"{segment}:{target.register(segment):04x}:{offset:08x}={value}"


def condition_holds(condition: int, efl: int) -> bool:
    """Whether a condition code of iced's is true for these flags."""
    carry, parity, zero = bool(efl & 1), bool(efl & 4), bool(efl & 0x40)
    sign, overflow = bool(efl & 0x80), bool(efl & 0x800)
    holds: dict[int, bool] = {
        ConditionCode.O: overflow,
        ConditionCode.NO: not overflow,
        ConditionCode.B: carry,
        ConditionCode.AE: not carry,
        ConditionCode.E: zero,
        ConditionCode.NE: not zero,
        ConditionCode.BE: carry or zero,
        ConditionCode.A: not (carry or zero),
        ConditionCode.S: sign,
        ConditionCode.NS: not sign,
        ConditionCode.P: parity,
        ConditionCode.NP: not parity,
        ConditionCode.L: sign != overflow,
        ConditionCode.GE: sign == overflow,
        ConditionCode.LE: zero or sign != overflow,
        ConditionCode.G: not zero and sign == overflow,
    }
    return holds[condition]
