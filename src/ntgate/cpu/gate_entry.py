"""The usual `int n`: from flat ring 3 through an interrupt or trap gate to flat ring 0.

Delivery.enter judges the gate, the descriptors and the TSS each time, which costs several
times the rest of a system call.  Here a judgement is kept with all that it was made from; where
anything differs the event takes the way through Delivery, and the next one is judged anew.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress

from ntgate.cpu import mmu
from ntgate.cpu.calibration import Context
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
from ntgate.errors import CalibrationError

RING3 = 3
MODE = HFLAG_CPL | HFLAG_CS32 | HFLAG_SS32 | HFLAG_ADDSEG
FLAT_RING3 = RING3 | HFLAG_CS32 | HFLAG_SS32
FRAME = struct.Struct("<5I")

# Where and what, in RAM: (index of the qword, its value), and where the page's bytes are.
StackPage = tuple[int, int, int]
# TR, GDTR and IDTR; index and value of the gate, the code and the stack descriptor; index of
# ESP0 and the value of SS0 behind it; the stack pages by ESP0; the caches of CS and SS; EIP;
# a mask for EFLAGS.
Judgement = tuple[
    bytes, int, int, int, int, int, int, int, int, dict[int, StackPage], memoryview, int, int
]


class GateEntry:
    """`enter(vector, eflags)` changes the saved context; False where Delivery must do it.

    eflags: all of the caller's, as the engine alone can tell.  Where the tables lie in RAM is
    kept by address space, as a TLB does with global pages: `forget` goes with a flush.
    """

    def __init__(self, delivery: Delivery, context: Context) -> None:
        self.delivery = delivery
        self.context = context.dwords
        layout = delivery.layout
        tables = min(layout.tr, layout.gdt, layout.idt)
        end = max(layout.tr + 6, layout.gdt + 3, layout.idt + 3)
        self._state, self._state_at = _reader(
            (layout.general[4], "I"),
            (layout.eip, "I"),
            (layout.eflags, "I"),
            (layout.hflags, "I"),
            (layout.segments[1], "I"),
            (layout.segments[2], "I"),
            (tables, f"{4 * (end - tables)}s"),
            (layout.cr3, "I"),
        )
        self._bytes = context.dwords.cast("B")
        self._judgements: dict[int, Judgement] = {}
        self.forget = self._judgements.clear
        self.enter = self._make_enter()

    def _make_enter(self) -> Callable[[int, int], bool]:
        """One unpacking reads what 26 dwords of the context hold, in a third of the time."""
        layout, context, ram = self.delivery.layout, self.context, self.delivery.ram
        qwords, dwords, memory = ram.qwords, ram.dwords, ram.bytes
        unpack, state, state_at = self._state.unpack_from, self._bytes, self._state_at
        esp_at, eip_at, eflags_at = layout.general[4], layout.eip, layout.eflags
        hflags_at, segments_at = layout.hflags, slice(layout.segments[1], layout.segments[2] + 6)
        judgements, push, judge, frame_size = (
            self._judgements, FRAME.pack_into, self._judge, FRAME.size
        )  # fmt: skip

        def enter(vector: int, caller_eflags: int) -> bool:
            esp, eip, eflags, hflags, cs, ss, tables, cr3 = unpack(state, state_at)
            if hflags & MODE != FLAT_RING3:
                return False
            key = cr3 << 8 | vector
            if key in judgements:
                (
                    as_judged, gate_at, gate, code_at, code, stack_at, stack, esp0_at, ss0, stacks,
                    segments, target, kept_flags,
                ) = judgements[key]  # fmt: skip
                esp0 = dwords[esp0_at]
                if (
                    tables == as_judged
                    and esp0 in stacks
                    and dwords[esp0_at + 1] == ss0
                    and qwords[gate_at] == gate
                    and qwords[code_at] == code
                    and qwords[stack_at] == stack
                ):
                    entry_at, entry, bottom = stacks[esp0]
                    if qwords[entry_at] == entry:
                        push(
                            memory, bottom, eip, cs & 0xFFFF, caller_eflags, esp, ss & 0xFFFF
                        )
                        context[esp_at] = esp0 - frame_size
                        context[eip_at] = target
                        context[eflags_at] = eflags & kept_flags
                        context[hflags_at] = hflags & ~RING3
                        context[segments_at] = segments
                        return True
            judge(key, vector)
            return False

        return enter

    def _judge(self, key: int, vector: int) -> None:
        """Keep how to enter `vector` from ring 3, unless Delivery must look at it each time."""
        before = self._judgements.pop(key, None)
        with suppress(GuestFault):
            judged = self._judgement(vector, before[9] if before else {})
            if judged is not None:
                self._judgements[key] = judged

    def _judgement(
        self, vector: int, stacks: dict[int, StackPage]
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
        tables = self._state.unpack_from(self._bytes, self._state_at)[6]
        return (
            tables, gate_at, gate, code_at, qwords[code_at], stack_at, qwords[stack_at],
            esp0_at, delivery.ram.dwords[esp0_at + 1], stacks, segments, target, ~cleared,
        )  # fmt: skip

    def _stack_entry(self, bottom: int) -> StackPage | None:
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


def _reader(*fields: tuple[int, str]) -> tuple[struct.Struct, int]:
    """A format for (dword index, code) fields of a context, and the byte it begins at."""
    first = end = 4 * fields[0][0]
    layout = "<"
    for index, code in fields:
        if 4 * index < end:
            raise CalibrationError("the engine's registers are not in the order that was measured")
        layout += f"{4 * index - end}x{code}"
        end = 4 * index + struct.calcsize(f"<{code}")
    return struct.Struct(layout), first
