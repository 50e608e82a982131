"""The memory that one instruction is about to touch, from its bytes and the registers."""

from __future__ import annotations

from typing import Any

from iced_x86 import (
    CodeSize,
    Decoder,
    InstructionInfoFactory,
    MemorySizeExt,
    OpAccess,
    Register,
    RegisterExt,
    UsedMemory,
)

from ntgate.cpu.calibration import ContextLayout
from ntgate.records import dataclass

LONGEST = 15
_READS = frozenset(
    (OpAccess.READ, OpAccess.COND_READ, OpAccess.READ_WRITE, OpAccess.READ_COND_WRITE)
)
_WRITES = frozenset(
    (OpAccess.WRITE, OpAccess.COND_WRITE, OpAccess.READ_WRITE, OpAccess.READ_COND_WRITE)
)
_SEGMENTS = (Register.ES, Register.CS, Register.SS, Register.DS, Register.FS, Register.GS)
_ADDRESS_MASKS = {CodeSize.CODE16: 0xFFFF}


@dataclass(frozen=True)
class Access:
    """`size` bytes at `linear`."""

    linear: int
    size: int
    reads: bool
    writes: bool


def memory_accesses(
    layout: ContextLayout, context: memoryview, code: bytes
) -> tuple[Access, ...]:
    """In no order; none for bytes that are no instruction.

    context: as it stands at the instruction.  A string instruction with a rep prefix is taken
    as its next iteration.
    """
    bits = 32 if context[layout.segments[1] + 5] & 1 << 22 else 16
    decoder = Decoder(bits, code, ip=context[layout.eip])
    instruction = decoder.decode()
    used = InstructionInfoFactory().info(instruction).used_memory()
    return tuple(_access(layout, context, memory) for memory in used)


def _access(layout: ContextLayout, context: memoryview, memory: UsedMemory) -> Access:
    offset = memory.displacement + _value(layout, context, memory.base)
    offset += _value(layout, context, memory.index) * memory.scale
    offset &= _ADDRESS_MASKS.get(memory.address_size, 0xFFFFFFFF)
    segment = layout.segments[_SEGMENTS.index(memory.segment)]
    return Access(
        linear=(offset + context[segment + 2]) & 0xFFFFFFFF,
        size=max(MemorySizeExt.size(memory.memory_size), 1),
        reads=memory.access in _READS,
        writes=memory.access in _WRITES,
    )


def _value(layout: ContextLayout, context: memoryview, register: Any) -> int:
    if register == Register.NONE:
        return 0
    whole = RegisterExt.full_register32(register)
    value = context[layout.general[RegisterExt.number(whole)]]
    return int(value & (1 << 8 * RegisterExt.size(register)) - 1)
