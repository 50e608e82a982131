"""The usual events: `int n` and page faults of flat ring 3, through a gate to flat ring 0.

Delivery.enter judges the gate, the descriptors and the TSS each time, which costs several
times the rest of a system call.  Here a judgement is kept with all that it was made from; where
anything differs the event takes the way through Delivery, and the next one is judged anew.
"""

from __future__ import annotations

import ctypes as C
import struct
from collections.abc import Callable
from contextlib import suppress

from ntgate.cpu import mmu
from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.calibration import CC_OP_EFLAGS
from ntgate.cpu.delivery import (
    ARITHMETIC,
    BREAKPOINT,
    DF,
    HFLAG_ADDSEG,
    HFLAG_CPL,
    HFLAG_CS32,
    HFLAG_SS32,
    IF,
    NO_EXCEPTION,
    NT,
    PAGE_FAULT,
    RF,
    RING3,
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
from ntgate.cpu.mmu import FAULT_FETCH
from ntgate.cpu.ram import PAGE_SIZE
from ntgate.errors import CalibrationError

MODE = HFLAG_CPL | HFLAG_CS32 | HFLAG_SS32 | HFLAG_ADDSEG
FLAT_RING3 = RING3 | HFLAG_CS32 | HFLAG_SS32
FRAME = struct.Struct("<5I")
FAULT_FRAME = struct.Struct("<6I")
FAULT = 0x100 | PAGE_FAULT  # the vector of a judgement on faults, whose gate `int 0Eh` may not use

# Where the frame begins on a kernel stack, as a physical and as a linear address; the caches of CS
# and SS; EIP; a mask of EFLAGS.
Entry = tuple[int, int, memoryview, int, int]
# The bytes of the gate, the descriptors, ESP0 and SS0.
Basis = tuple[bytes, ...]
# TR, GDTR and IDTR; how to read the basis from RAM, and where; the entries by their basis.
Judgement = tuple[bytes, Callable[[memoryview, int], Basis], int, dict[Basis, Entry]]


class GateEntry:
    """Where tables and stacks lie in RAM is kept by address space, as a TLB keeps global pages.

    `forget` goes with what drops them from the TLB: a flush, an `invlpg` in system space.
    """

    def __init__(self, delivery: Delivery, live: memoryview) -> None:
        self.delivery = delivery
        self.live = live
        layout = delivery.layout
        tables = min(layout.tr, layout.gdt, layout.idt)
        end = max(layout.tr + 6, layout.gdt + 3, layout.idt + 3)
        self._state, self._state_at = reader(
            (4 * layout.general[4], "I"),
            (4 * layout.eip, "I"),
            (4 * layout.eflags, "I"),
            (4 * layout.cc_src, "I"),
            (4 * layout.cc_op, "I"),
            (4 * layout.df, "I"),
            (4 * layout.hflags, "I"),
            (4 * layout.segments[1], "H"),
            (4 * layout.segments[2], "H"),
            (4 * tables, f"{4 * (end - tables)}s"),
            (4 * layout.cr3, "I"),
            (4 * layout.exception_is_int, "I"),
        )
        self._bytes = live.cast("B")
        self._judgements: dict[int, Judgement] = {}
        self.forget = self._judgements.clear

    def make_hook(
        self,
        engine: C.c_void_p,
        other: Callable[[int], None],
        failed: Callable[[BaseException], None],
        is_hooked: Callable[[int], bool],
        fetched: Callable[[int], bool],
        faulted: Callable[[int], None],
    ) -> Callable[[object, int], None]:
        """The engine's interrupt hook; `other(vector)` takes what is not usual.

        failed: what keeps an exception out of the engine.
        is_hooked(eip): whether the engine has begun the instruction (Processor.flags).
        fetched(address): whether a fetch that faulted was the host's affair, and is over.
        faulted(address): the guest is about to see a page fault.
        One unpacking reads what twelve subscripts would, in a third of the time.
        """
        layout, live, ram = self.delivery.layout, self.live, self.delivery.ram
        memory, state, state_at = ram.bytes, self._bytes, self._state_at
        unpack = self._state.unpack_from
        esp_at, eip_at, eflags_at = layout.general[4], layout.eip, layout.eflags
        hflags_at, segments_at = layout.hflags, slice(layout.segments[1], layout.segments[2] + 6)
        judgements, push = self._judgements, FRAME.pack_into
        read_register, cpu = abi.reg_read, abi.argument(engine.value)
        flags_cell, flags_register = C.c_uint32(), abi.x86.UC_X86_REG_EFLAGS
        flags = memoryview(flags_cell).cast("B").cast("I")
        flags_pointer = abi.argument(C.addressof(flags_cell))
        known, arithmetic, direction = CC_OP_EFLAGS, ARITHMETIC, DF
        here = ~(ARITHMETIC | DF)
        error_at, cr2_at, old_at = layout.error_code, layout.cr2, layout.old_exception
        push_fault = FAULT_FRAME.pack_into

        def hook(_engine: object, vector: int) -> None:
            try:
                (
                    esp, eip, eflags, cc_src, cc_op, df, hflags, cs, ss, tables, cr3, is_int,
                ) = unpack(state, state_at)  # fmt: skip
                if hflags & MODE != FLAT_RING3 or not (is_int or vector == PAGE_FAULT):
                    other(vector)
                    return
                judged = vector if is_int else FAULT
                try:
                    as_judged, read, read_at, entries = judgements[cr3 << 9 | judged]
                    physical, bottom, segments, target, kept_flags = entries[read(memory, read_at)]
                except KeyError:
                    self._judge(cr3, judged)
                    other(vector)
                    return
                if tables != as_judged:
                    self._judge(cr3, judged)
                    other(vector)
                    return
                if cc_op == known:
                    pushed = eflags & here | cc_src & arithmetic | df & direction
                elif is_int or not is_hooked(eip):
                    read_register(cpu, flags_register, flags_pointer)
                    pushed = flags[0]
                else:
                    other(vector)
                    return
                if is_int:
                    push(memory, physical, eip, cs, pushed, esp, ss)
                else:
                    error = live[error_at]
                    if error & FAULT_FETCH and fetched(live[cr2_at]):
                        return
                    push_fault(memory, physical, error, eip, cs, pushed | RF, esp, ss)
                    live[old_at] = NO_EXCEPTION
                    faulted(live[cr2_at])
                live[esp_at] = bottom
                live[eip_at] = target
                live[eflags_at] = eflags & kept_flags
                live[hflags_at] = hflags & ~RING3
                live[segments_at] = segments
            except BaseException as error:
                failed(error)

        return hook

    def _judge(self, cr3: int, vector: int) -> None:
        """Keep how to enter `vector` from ring 3, unless Delivery must look at it each time.

        Of page faults, FAULT stands for the vector.
        """
        key = cr3 << 9 | vector
        before = self._judgements.pop(key, None)
        with suppress(GuestFault):
            judged = self._judgement(vector)
            if judged is not None:
                tables, read, read_at, entries = judged
                if before is not None and before[0] == tables and before[2] == read_at:
                    entries = before[3] | entries  # of other stacks
                self._judgements[key] = tables, read, read_at, entries

    def _judgement(self, vector: int) -> Judgement | None:
        if vector == BREAKPOINT:
            return None  # a debugger may take it
        is_fault = vector == FAULT
        if is_fault:
            vector = PAGE_FAULT
        delivery, context, layout = self.delivery, self.live, self.delivery.layout
        idt, gdt = context[layout.idt], context[layout.gdt]
        if 8 * vector + 7 > context[layout.idt + 2] or (idt | gdt) & 7:
            return None
        gate_at = delivery.physical(context, idt + 8 * vector)
        gate = delivery.ram.qwords[gate_at >> 3]
        low, high = gate & 0xFFFFFFFF, gate >> 32
        if high >> 8 & 0x1F not in (INTERRUPT_GATE, TRAP_GATE) or not high & PRESENT:
            return None
        selector, target = low >> 16, low & 0xFFFF | high & 0xFFFF0000
        code = delivery.segment(context, selector, 0)
        is_code = code.flags & (NOT_SYSTEM | CODE | CONFORMING) == NOT_SYSTEM | CODE
        is_open = is_fault or high >> 13 & 3 == RING3
        if not is_open or not is_code or not _is_flat(code) or target > code.limit:
            return None
        tss = context[layout.tr + 2]
        esp0, ss0, stack = delivery.inner_stack(context, 0, 0)
        place = self._stack_place(esp0, FAULT_FRAME.size if is_fault else FRAME.size)
        if place is None or not _is_flat(stack) or tss & 3 or (tss & 0xFFF) + 12 > PAGE_SIZE:
            return None
        segments = memoryview(bytearray(48)).cast("I")
        for at, value, segment in ((0, selector & 0xFFFC, code), (6, ss0, stack)):
            segments[at] = value
            segments[at + 4], segments[at + 5] = segment.limit, segment.flags
        ss0_at = delivery.physical(context, tss + 8)
        descriptors = {
            delivery.physical(context, gdt + (used & 0xFFF8)) for used in (selector, ss0)
        }
        # ESP0 is before SS0.
        ranges = sorted([(at, 8) for at in {gate_at, *descriptors}] + [(ss0_at - 4, 6)])
        basis_reader, read_at = reader(*((at, f"{size}s") for at, size in _joined(ranges)))
        cleared = TF | NT | RF | VM
        if high >> 8 & 0x1F == INTERRUPT_GATE:
            cleared |= IF
        basis = basis_reader.unpack_from(delivery.ram.bytes, read_at)
        entry = (*place, segments, target, ~cleared)
        tables = self._state.unpack_from(self._bytes, self._state_at)[9]
        return tables, basis_reader.unpack_from, read_at, {basis: entry}

    def _stack_place(self, esp: int, size: int) -> tuple[int, int] | None:
        delivery, bottom = self.delivery, esp - size
        if bottom & 3 or (bottom & 0xFFF) + size > PAGE_SIZE or bottom < 0:
            return None
        mapping = mmu.walk(delivery.ram.qwords, self.live[delivery.layout.cr3], bottom)
        if mapping is None or not mapping.rights & mmu.WRITABLE:
            return None
        return mapping.physical, bottom


def _is_flat(segment: Segment) -> bool:
    """Of ring 0, from address 0, with 32-bit offsets."""
    return segment.present and not (segment.dpl or segment.base) and bool(segment.flags & BIG)


def reader(*fields: tuple[int, str]) -> tuple[struct.Struct, int]:
    """A format for (offset, code) fields in the order of their offsets, and the first offset."""
    first = end = fields[0][0]
    layout = "<"
    for offset, code in fields:
        if offset < end:
            raise CalibrationError("the engine's registers are not in the order that was measured")
        layout += f"{offset - end}x{code}"
        end = offset + struct.calcsize(f"<{code}")
    return struct.Struct(layout), first


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted (start, size) with those that touch made one."""
    joined: list[tuple[int, int]] = []
    for start, size in ranges:
        if joined and sum(joined[-1]) == start:
            joined[-1] = (joined[-1][0], joined[-1][1] + size)
        else:
            joined.append((start, size))
    return joined
