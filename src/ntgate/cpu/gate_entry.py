"""The usual `int n`: from flat ring 3 through an interrupt or trap gate to flat ring 0.

Delivery.enter judges the gate, the descriptors and the TSS each time, which costs several
times the rest of a system call.  Here a judgement is kept with all that it was made from; where
anything differs the event takes the way through Delivery, and the next one is judged anew.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from ntgate.cpu import mmu
from ntgate.cpu.delivery import (
    HFLAG_ADDSEG,
    HFLAG_CPL,
    HFLAG_CS32,
    HFLAG_SS32,
    IF,
    NT,
    RF,
    TF,
    VM,
    Delivery,
    GuestFault,
)
from ntgate.cpu.descriptors import (
    BIG,
    CODE,
    CONFORMING,
    INTERRUPT_GATE,
    NOT_SYSTEM,
    PRESENT,
    TRAP_GATE,
    Segment,
)
from ntgate.cpu.ram import PAGE_SIZE

RING3 = 3
MODE = HFLAG_CPL | HFLAG_CS32 | HFLAG_SS32 | HFLAG_ADDSEG
FLAT_RING3 = RING3 | HFLAG_CS32 | HFLAG_SS32
FRAME = struct.Struct("<5I")


class Judgement(NamedTuple):
    """What was read, where in RAM (indexes of dwords in the TSS, else of qwords), and what to do."""

    tables: memoryview  # TR, GDTR and IDTR
    gate_at: int
    gate: int
    code_at: int
    code: int
    stack_at: int
    stack: int
    esp0_at: int  # SS0 follows
    ss0: int
    stacks: dict[int, tuple[int, int, int]]  # esp0: its PTE's index, the PTE, physical address
    segments: memoryview  # the caches of CS and SS
    target: int
    kept_flags: int


class GateEntry:
    """`enter(vector, eflags)` changes the saved context; False where Delivery must do it.

    eflags: all of the caller's, as the engine alone can tell.  Where the tables lie in RAM is
    kept by address space, as a TLB does with global pages: `forget` goes with a flush.
    """

    def __init__(self, delivery: Delivery, context: memoryview) -> None:
        self.delivery = delivery
        self.context = context
        layout = delivery.layout
        self._tables = slice(
            min(layout.tr, layout.gdt, layout.idt),
            max(layout.tr + 6, layout.gdt + 3, layout.idt + 3),
        )
        self._judgements: dict[int, Judgement] = {}
        self.forget = self._judgements.clear
        self.enter = self._make_enter()

    def _make_enter(self) -> Callable[[int, int], bool]:
        layout, context, ram = self.delivery.layout, self.context, self.delivery.ram
        qwords, dwords, memory = ram.qwords, ram.dwords, ram.bytes
        eip, esp, eflags_at = layout.eip, layout.general[4], layout.eflags
        hflags, cr3, cs, ss = layout.hflags, layout.cr3, layout.segments[1], layout.segments[2]
        tables_at, segments_at = self._tables, slice(cs, ss + 6)
        judgements, push = self._judgements, FRAME.pack_into

        def enter(vector: int, eflags: int) -> bool:
            mode = context[hflags]
            if mode & MODE != FLAT_RING3:
                return False
            key = context[cr3] << 8 | vector
            judged = judgements.get(key)
            if judged is None:
                self._judge(key, vector)
                return False
            (
                tables, gate_at, gate, code_at, code, stack_at, stack, esp0_at, ss0, stacks,
                segments, target, kept_flags,
            ) = judged  # fmt: skip
            found = stacks.get(dwords[esp0_at])
            if (
                found is None
                or qwords[found[0]] != found[1]
                or qwords[gate_at] != gate
                or qwords[code_at] != code
                or qwords[stack_at] != stack
                or dwords[esp0_at + 1] != ss0
                or context[tables_at] != tables
            ):
                self._judge(key, vector)
                return False
            caller_esp = context[esp]
            push(
                memory, found[2], context[eip], context[cs] & 0xFFFF, eflags, caller_esp,
                context[ss] & 0xFFFF,
            )  # fmt: skip
            context[esp] = dwords[esp0_at] - FRAME.size
            context[eip] = target
            context[eflags_at] &= kept_flags
            context[segments_at] = segments
            context[hflags] = mode & ~RING3
            return True

        return enter

    def _judge(self, key: int, vector: int) -> None:
        """Keep how to enter `vector` from ring 3, unless Delivery must look at it each time."""
        before = self._judgements.pop(key, None)
        with suppress(GuestFault):
            judged = self._judgement(vector, before.stacks if before is not None else {})
            if judged is not None:
                self._judgements[key] = judged

    def _judgement(
        self, vector: int, stacks: dict[int, tuple[int, int, int]]
    ) -> Judgement | None:
        delivery, context, layout = self.delivery, self.context, self.delivery.layout
        idt, gdt = context[layout.idt], context[layout.gdt]
        if 8 * vector + 7 > context[layout.idt + 2] or (idt | gdt) & 7:
            return None
        qwords = delivery.ram.qwords
        gate_at = delivery.physical(context, idt + 8 * vector) >> 3
        gate = qwords[gate_at]
        low, high = gate & 0xFFFFFFFF, gate >> 32
        if high >> 8 & 0x1F not in (INTERRUPT_GATE, TRAP_GATE) or not high & PRESENT:
            return None
        selector, target = low >> 16, low & 0xFFFF | high & 0xFFFF0000
        code = delivery.segment(context, selector, 0)
        is_code = code.flags & (NOT_SYSTEM | CODE | CONFORMING) == NOT_SYSTEM | CODE
        if high >> 13 & 3 != RING3 or not is_code or not _is_flat(code) or target > code.limit:
            return None
        tss = context[layout.tr + 2]
        esp0, ss0, stack = delivery.inner_stack(context, 0, 0)
        entry = self._stack_entry(esp0 - FRAME.size)
        if entry is None or not _is_flat(stack) or tss & 3 or (tss & 0xFFF) + 12 > PAGE_SIZE:
            return None
        stacks[esp0] = entry
        segments = memoryview(bytearray(48)).cast("I")
        for at, value, segment in ((0, selector & 0xFFFC, code), (6, ss0, stack)):
            segments[at] = value
            segments[at + 4], segments[at + 5] = segment.limit, segment.flags
        code_at = delivery.physical(context, gdt + (selector & 0xFFF8)) >> 3
        stack_at = delivery.physical(context, gdt + (ss0 & 0xFFF8)) >> 3
        esp0_at = delivery.physical(context, tss + 4) >> 2
        cleared = TF | NT | RF | VM
        if high >> 8 & 0x1F == INTERRUPT_GATE:
            cleared |= IF
        return Judgement(
            memoryview(bytes(context[self._tables])).cast("I"),
            gate_at, gate, code_at, qwords[code_at], stack_at, qwords[stack_at],
            esp0_at, delivery.ram.dwords[esp0_at + 1], stacks, segments, target, ~cleared,
        )  # fmt: skip

    def _stack_entry(self, bottom: int) -> tuple[int, int, int] | None:
        delivery = self.delivery
        if bottom & 3 or (bottom & 0xFFF) + FRAME.size > PAGE_SIZE or bottom < 0:
            return None
        mapping = mmu.walk(
            delivery.ram.qwords, self.context[delivery.layout.cr3], bottom
        )
        if mapping is None or not mapping.rights & mmu.WRITABLE:
            return None
        return mapping.entry_physical >> 3, mapping.entry, mapping.physical


def _is_flat(segment: Segment) -> bool:
    """Of ring 0, from address 0, with 32-bit offsets."""
    return segment.present and not (segment.dpl or segment.base) and bool(segment.flags & BIG)
