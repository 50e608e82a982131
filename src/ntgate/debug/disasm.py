"""32-bit x86 code as the lines that WinDbg's `u` prints: iced-x86 decodes, WinDbg's wording."""

from __future__ import annotations

import re
from collections.abc import Callable

from iced_x86 import (
    Decoder,
    FlowControl,
    Formatter,
    FormatterSyntax,
    Instruction,
    MemorySizeOptions,
    Mnemonic,
    OpKind,
    Register,
)

from ntgate.records import dataclass

MAX_INSTRUCTION = 15

# An address to `module!symbol+0xoffset`; None where no module has it.
Namer = Callable[[int], str | None]

_FLAT_SEGMENTS = frozenset({Register.CS, Register.DS, Register.ES, Register.SS})
_NAMED_IMMEDIATES = frozenset({Mnemonic.MOV, Mnemonic.PUSH, Mnemonic.CMP})
_LOWEST_NAMED = 0x10000
_DISPLACEMENT = re.compile(r"[+-][0-9A-F]+h\]$")

# iced writes the short forms (movsd); WinDbg writes the operands.
_STRING_OPERANDS = {
    "movs": "{size} ptr es:[edi],{size} ptr {segment}[esi]",
    "cmps": "{size} ptr {segment}[esi],{size} ptr es:[edi]",
    "stos": "{size} ptr es:[edi]",
    "lods": "{size} ptr {segment}[esi]",
    "scas": "{size} ptr es:[edi]",
    "ins": "{size} ptr es:[edi],dx",
    "outs": "dx,{size} ptr {segment}[esi]",
}
_STRING_SIZES = {"b": "byte", "w": "word", "d": "dword"}
_STRING_NAME = re.compile(r"(movs|cmps|stos|lods|scas|ins|outs)([bwd])$")
_SEGMENT_MOVES = {"eax": "ax", "ecx": "cx", "edx": "dx", "ebx": "bx",
                  "esp": "sp", "ebp": "bp", "esi": "si", "edi": "di"}  # fmt: skip


@dataclass(frozen=True)
class CodeLine:
    """One instruction.  `instruction` is iced's; it is invalid where `operation` is `???`."""

    address: int
    raw: bytes
    mnemonic: str
    operands: str
    instruction: Instruction

    @property
    def next_address(self) -> int:
        return (self.address + len(self.raw)) & 0xFFFFFFFF

    @property
    def is_valid(self) -> bool:
        return not self.instruction.is_invalid

    @property
    def operation(self) -> str:
        """Mnemonic, padded to 8, and operands."""
        return f"{self.mnemonic:<7} {self.operands}" if self.operands else self.mnemonic

    def __str__(self) -> str:
        return f"{self.address:08x} {self.raw.hex():<15} {self.operation}"


def unreadable_line(address: int) -> str:
    """The line of `u` for an address where no memory is."""
    return f"{address:08x} {'??':<15} ???"


class Disassembler:
    """Decodes code bytes; `name` puts symbols to addresses in the text."""

    def __init__(self, name: Namer) -> None:
        self._name = name
        formatter = Formatter(FormatterSyntax.MASM)
        formatter.memory_size_options = MemorySizeOptions.ALWAYS
        formatter.show_branch_size = False
        self._formatter = formatter

    def decode(self, code: bytes, address: int) -> CodeLine:
        """The first instruction of `code` (1-15 bytes), which lies at `address`.

        Bytes that are no instruction, or only the start of one, make a one-byte `???`.
        """
        instruction = Decoder(32, code, ip=address).decode()
        if instruction.is_invalid:
            return CodeLine(address, code[:1], "???", "", instruction)
        mnemonic, operands = self._text(instruction)
        return CodeLine(address, code[: instruction.len], mnemonic, operands, instruction)

    def _text(self, instruction: Instruction) -> tuple[str, str]:
        mnemonic = self._formatter.format_mnemonic(instruction)
        if instruction.is_string_instruction and (form := _STRING_NAME.search(mnemonic)):
            segment = ""
            if instruction.has_segment_prefix and instruction.segment_prefix != Register.DS:
                segment = self._formatter.format_register(instruction.segment_prefix) + ":"
            operands = _STRING_OPERANDS[form[1]].format(
                size=_STRING_SIZES[form[2]], segment=segment
            )
            return mnemonic[:-1], operands
        if instruction.mnemonic == Mnemonic.XLATB:
            return "xlat", "byte ptr [ebx]"
        if instruction.mnemonic == Mnemonic.RET:
            mnemonic = "ret"
        count = self._formatter.operand_count(instruction)
        return mnemonic, ",".join(self._operand(instruction, index) for index in range(count))

    def _operand(self, instruction: Instruction, index: int) -> str:
        text = self._formatter.format_operand(instruction, index)
        position = self._formatter.get_instruction_operand(instruction, index)
        if position is None:
            return text
        match instruction.op_kind(position):
            case OpKind.NEAR_BRANCH32 | OpKind.NEAR_BRANCH16:
                return self._branch_target(instruction.near_branch_target)
            case OpKind.FAR_BRANCH32:
                return f"{instruction.far_branch_selector:04x}:{instruction.far_branch32:08X}"
            case OpKind.MEMORY:
                return self._memory(instruction, text)
            case OpKind.IMMEDIATE32:
                return self._immediate(instruction, text)
            case OpKind.REGISTER if _loads_segment(instruction, position):
                return _SEGMENT_MOVES.get(text, text)
        return text

    def _branch_target(self, target: int) -> str:
        name = self._name(target)
        return f"{name} ({target:08x})" if name else f"{target:08x}"

    def _memory(self, instruction: Instruction, text: str) -> str:
        displacement = instruction.memory_displacement & 0xFFFFFFFF
        if displacement < _LOWEST_NAMED or instruction.memory_segment not in _FLAT_SEGMENTS:
            return text
        name = self._name(displacement)
        if name is None:
            return text
        size, _, _ = text.rpartition(" ")
        label = f"{name} ({displacement:08x})"
        if instruction.memory_base == Register.NONE == instruction.memory_index:
            return f"{size} [{label}]".lstrip()
        _, bracket, inside = text.partition("[")
        return f"{size} {label}{bracket}{_DISPLACEMENT.sub(']', inside)}".lstrip()

    def _immediate(self, instruction: Instruction, text: str) -> str:
        value = instruction.immediate32
        if value < _LOWEST_NAMED or instruction.mnemonic not in _NAMED_IMMEDIATES:
            return text
        name = self._name(value)
        return f"offset {name} ({value:08x})" if name else text


def _loads_segment(instruction: Instruction, position: int) -> bool:
    """Whether this operand is the source of `mov sreg,reg`: 16 bits whatever the operand size."""
    return (
        position == 1
        and instruction.mnemonic == Mnemonic.MOV
        and Register.ES <= instruction.op0_register <= Register.GS
    )


def ends_flow(instruction: Instruction) -> bool:
    """Whether control never goes on to the instruction behind this one."""
    return instruction.flow_control in (
        FlowControl.RETURN,
        FlowControl.UNCONDITIONAL_BRANCH,
        FlowControl.INDIRECT_BRANCH,
        FlowControl.EXCEPTION,
    )


def is_call(instruction: Instruction) -> bool:
    """Whether this is a `call` in any form (iced counts `sysenter` as a call too)."""
    return instruction.mnemonic == Mnemonic.CALL


def is_return(instruction: Instruction) -> bool:
    """Whether this is `ret`, `retf`, `iretd` or `sysexit`."""
    return instruction.flow_control == FlowControl.RETURN
