"""Entry through the IDT by the architecture's rules (Intel SDM volume 3, 6.12 to 6.15), with the
fake processor: tables in RAM, a context, no engine."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ntgate.cpu import delivery as d
from ntgate.cpu import mmu
from ntgate.cpu.descriptors import (
    CONFORMING,
    INTERRUPT_GATE,
    INTERRUPT_GATE_16,
    TASK_GATE,
    TRAP_GATE,
    gate_descriptor,
    parse_segment,
    segment_descriptor,
)
from ntgate.cpu.fake import LAYOUT, FakeProcessor
from ntgate.cpu.ram import PhysicalMemory
from ntgate.errors import TripleFault

PDPT, DIRECTORY, TABLE = 0x1000, 0x2000, 0x3000
GDT, IDT, TSS, TSS2 = 0x8000, 0x9000, 0xA000, 0xA200
STACK0, STACK3, ABSENT, READ_ONLY = 0x11000, 0x21000, 0x31000, 0x33000
HANDLER, USER_EIP = 0x5000, 0x7654
R0_CODE, R0_DATA, R3_CODE, R3_DATA, TR = 0x08, 0x10, 0x1B, 0x23, 0x28
R1_CODE, CONFORMING_CODE, TSS2_SELECTOR = 0x31, 0x38, 0x40
ABSENT_CODE, ABSENT_STACK, READ_ONLY_DATA, LAST = 0x48, 0x50, 0x58, 0x68
FLAGS = 0x3246  # IOPL 3, IF, ZF, PF

EXT, IN_IDT = d.EXTERNAL, d.IN_IDT


@dataclass(frozen=True)
class Frame:
    error: int | None
    eip: int
    cs: int
    eflags: int
    esp: int | None = None
    ss: int | None = None


class Machine(FakeProcessor):
    """Stands in ring 3; every vector has an interrupt gate of DPL 3 at HANDLER + vector."""

    def __init__(self) -> None:
        super().__init__(PhysicalMemory(0x40))
        qwords = self.ram.qwords
        qwords[PDPT >> 3] = DIRECTORY | 1
        qwords[DIRECTORY >> 3] = TABLE | 7
        for page in range(0x40):
            qwords[(TABLE >> 3) + page] = page << 12 | 7
        qwords[(TABLE >> 3) + (READ_ONLY >> 12)] &= ~mmu.WRITABLE
        qwords[(TABLE >> 3) + (ABSENT >> 12)] = 0
        for selector, descriptor in {
            R0_CODE: segment_descriptor(0, 0xFFFFF, 0x9B),
            R0_DATA: segment_descriptor(0, 0xFFFFF, 0x93),
            R3_CODE: segment_descriptor(0, 0xFFFFF, 0xFB),
            R3_DATA: segment_descriptor(0, 0xFFFFF, 0xF3),
            TR: segment_descriptor(TSS, 0x67, 0x8B, flags=0),
            R1_CODE: segment_descriptor(0, 0xFFFFF, 0xBB),
            CONFORMING_CODE: segment_descriptor(0, 0xFFFFF, 0x9F),
            TSS2_SELECTOR: segment_descriptor(TSS2, 0x67, 0x89, flags=0),
            ABSENT_CODE: segment_descriptor(0, 0xFFFFF, 0x1B),
            ABSENT_STACK: segment_descriptor(0, 0xFFFFF, 0x13),
            READ_ONLY_DATA: segment_descriptor(0, 0xFFFFF, 0x91),
            LAST: segment_descriptor(0, 0xFFFF, 0x9B, flags=4),
        }.items():
            qwords[GDT + (selector & 0xFFF8) >> 3] = descriptor
        for vector in range(0x100):
            self.gate(vector)
        self.stack(0, STACK0, R0_DATA)
        for place, value in ((LAYOUT.tr, TR), (LAYOUT.tr + 2, TSS), (LAYOUT.tr + 4, 0x67)):
            self.context[place] = value
        for name, value in {
            "gdtr": GDT, "gdtl": LAST + 7, "idtr": IDT, "idtl": 0x7FF, "cr3": PDPT,
            "eip": USER_EIP, "esp": STACK3, "ebp": 0xB0B0, "efl": FLAGS,
        }.items():  # fmt: skip
            self.registers.write(name, value)
        self.ring(3)

    def ring(self, ring: int) -> None:
        code, stack = (R3_CODE, R3_DATA) if ring == 3 else (R0_CODE, R0_DATA)
        for register, selector in ((0, R3_DATA), (1, code), (2, stack), (3, R3_DATA)):
            at = GDT + (selector & 0xFFF8) >> 2
            segment = parse_segment(self.ram.dwords[at], self.ram.dwords[at + 1])
            self.delivery.load(self.context, register, selector, segment)
        self.delivery.update_hflags(self.context, ring)

    def gate(
        self, vector: int, selector: int = R0_CODE, kind: int = INTERRUPT_GATE, dpl: int = 3,
        *, present: bool = True,
    ) -> None:  # fmt: skip
        value = gate_descriptor(selector, HANDLER + vector, kind, dpl)
        self.ram.qwords[(IDT >> 3) + vector] = value if present else value & ~(1 << 47)

    def stack(self, ring: int, esp: int, selector: int) -> None:
        self.ram.dwords[TSS + 4 + 8 * ring >> 2] = esp
        self.ram.dwords[TSS + 8 + 8 * ring >> 2] = selector

    @property
    def vector(self) -> int:
        return self.registers.eip - HANDLER

    def frame(self) -> Frame:
        """What the handler finds; the stack that the TSS names tells how much there is."""
        at = self.registers.read("esp") >> 2
        words = self.ram.dwords[at : at + 6].tolist()
        has_error = words[1] in (USER_EIP, USER_EIP - 2, USER_EIP - 1)
        error = words.pop(0) if has_error else None
        eip, cs, eflags, esp, ss = (*words, 0)[:5]
        crossed = cs & 3 > self.context[LAYOUT.hflags] & 3
        return Frame(error, eip, cs, eflags, *((esp, ss) if crossed else ()))

    def fault(self) -> tuple[int, int | None]:
        """The vector that was delivered, and its error code."""
        return self.vector, self.frame().error


@pytest.fixture
def machine() -> Machine:
    return Machine()


# The plain way.


def test_an_int_from_ring_3_changes_stacks_and_masks_interrupts(machine: Machine) -> None:
    machine.deliver(0x2E, software=2)
    assert machine.vector == 0x2E
    assert machine.frame() == Frame(None, USER_EIP, R3_CODE, FLAGS, STACK3, R3_DATA)
    registers = machine.registers
    assert registers.read("esp") == STACK0 - 20
    assert (registers.cs, registers.read("ss")) == (R0_CODE, R0_DATA)
    assert registers.eflags == FLAGS & ~d.IF
    assert machine.context[LAYOUT.hflags] & d.HFLAG_CPL == 0
    assert (registers.read("ds"), registers.read("ebp")) == (R3_DATA, 0xB0B0)


def test_a_trap_gate_leaves_if(machine: Machine) -> None:
    machine.gate(0x2E, kind=TRAP_GATE)
    machine.deliver(0x2E, software=2)
    assert machine.registers.eflags == FLAGS


def test_tf_and_nt_are_pushed_and_cleared(machine: Machine) -> None:
    machine.registers.write("efl", FLAGS | d.TF | d.NT)
    machine.deliver(0x2E, software=2)
    assert machine.frame().eflags == FLAGS | d.TF | d.NT
    assert machine.registers.eflags == FLAGS & ~d.IF


def test_the_same_ring_keeps_its_stack(machine: Machine) -> None:
    machine.ring(0)
    machine.registers.write("esp", STACK0 - 0x100)
    machine.deliver(0x2E, software=2)
    assert machine.frame() == Frame(None, USER_EIP, R0_CODE, FLAGS)
    assert machine.registers.read("esp") == STACK0 - 0x100 - 12
    assert machine.registers.read("ss") == R0_DATA


def test_a_conforming_handler_runs_in_the_callers_ring(machine: Machine) -> None:
    machine.gate(0x2E, CONFORMING_CODE)
    machine.deliver(0x2E, software=2)
    assert machine.registers.cs == CONFORMING_CODE | 3
    assert machine.context[LAYOUT.hflags] & d.HFLAG_CPL == 3
    assert machine.registers.read("esp") == STACK3 - 12
    assert machine.context[LAYOUT.segments[1] + 5] & CONFORMING


def test_a_handler_of_ring_1_takes_that_rings_stack(machine: Machine) -> None:
    ring1_data = 0x61
    machine.ram.qwords[GDT + 0x60 >> 3] = segment_descriptor(0, 0xFFFFF, 0xB3)
    machine.stack(1, STACK0 - 0x400, ring1_data)
    machine.gate(0x2E, R1_CODE)
    machine.deliver(0x2E, software=2)
    assert (machine.registers.cs, machine.registers.read("ss")) == (R1_CODE, ring1_data)
    assert machine.registers.read("esp") == STACK0 - 0x400 - 20


@pytest.mark.parametrize("vector", sorted(d.WITH_ERROR_CODE))
def test_exceptions_with_error_codes_push_them(machine: Machine, vector: int) -> None:
    machine.deliver(vector, 0x1234)
    assert machine.fault() == (vector, 0x1234)
    assert bool(machine.frame().eflags & d.RF) == (vector in d.FAULTS)


@pytest.mark.parametrize("vector", sorted(d.WITH_ERROR_CODE))
def test_an_int_of_the_same_vector_pushes_none(machine: Machine, vector: int) -> None:
    machine.deliver(vector, software=2)
    assert machine.frame() == Frame(None, USER_EIP, R3_CODE, FLAGS, STACK3, R3_DATA)


@pytest.mark.parametrize("vector", [0, 5, 6, 7, 16, 19])
def test_faults_set_rf_in_the_frame(machine: Machine, vector: int) -> None:
    machine.deliver(vector)
    assert machine.frame().eflags == FLAGS | d.RF


@pytest.mark.parametrize("vector", [d.DEBUG, d.BREAKPOINT, d.OVERFLOW])
def test_traps_do_not(machine: Machine, vector: int) -> None:
    machine.deliver(vector)
    assert machine.frame().eflags == FLAGS


def test_an_external_interrupt_needs_no_dpl(machine: Machine) -> None:
    machine.gate(0x30, dpl=0)
    assert machine.interrupt(0x30)
    assert machine.vector == 0x30
    assert not machine.interrupt(0x30)  # the gate has cleared IF


# What a gate can be wrong in; each case from ring 3.


@pytest.mark.parametrize("software", [0, 2])
@pytest.mark.parametrize(
    ("case", "vector", "error"),
    [
        ("limit", d.GENERAL_PROTECTION, 0x2E << 3 | IN_IDT),
        ("16 bits", d.GENERAL_PROTECTION, 0x2E << 3 | IN_IDT),
        ("empty", d.GENERAL_PROTECTION, 0x2E << 3 | IN_IDT),
        ("gate absent", d.NOT_PRESENT, 0x2E << 3 | IN_IDT),
        ("null selector", d.GENERAL_PROTECTION, 0),
        ("beyond the GDT", d.GENERAL_PROTECTION, 0x70),
        ("LDT", d.GENERAL_PROTECTION, 0x0C),
        ("data", d.GENERAL_PROTECTION, R0_DATA),
        ("code absent", d.NOT_PRESENT, ABSENT_CODE),
        ("offset", d.GENERAL_PROTECTION, 0),
    ],
)
def test_a_bad_gate_faults_at_the_instruction(
    machine: Machine, case: str, vector: int, error: int, software: int
) -> None:
    gate = {
        "null selector": 0, "beyond the GDT": 0x70, "LDT": 0x0C, "data": R0_DATA,
        "code absent": ABSENT_CODE, "offset": LAST,
    }  # fmt: skip
    machine.gate(0x2E, gate.get(case, R0_CODE), INTERRUPT_GATE_16 if case == "16 bits" else 0xE,
                 present=case != "gate absent")  # fmt: skip
    if case == "empty":
        machine.ram.qwords[(IDT >> 3) + 0x2E] = 0
    elif case == "limit":
        machine.registers.write("idtl", 0x2E * 8 + 6)
    elif case == "offset":
        machine.ram.qwords[(IDT >> 3) + 0x2E] |= 0x0010 << 48  # beyond 0ffffh
    machine.deliver(0x2E, software=software)
    assert machine.fault() == (vector, error | (0 if software else EXT))
    assert machine.frame().eip == USER_EIP - software
    assert machine.frame().eflags & d.RF


def test_the_dpl_of_the_gate_holds_for_software_only(machine: Machine) -> None:
    machine.gate(0x2E, dpl=0)
    machine.deliver(0x2E, software=2)
    assert machine.fault() == (d.GENERAL_PROTECTION, 0x2E << 3 | IN_IDT)
    machine = Machine()
    machine.gate(0x2E, dpl=0)
    machine.deliver(0x2E)
    assert machine.vector == 0x2E


def test_int_8_in_ring_3_is_no_double_fault(machine: Machine) -> None:
    machine.gate(8, kind=TASK_GATE, selector=TSS2_SELECTOR, dpl=0)
    machine.deliver(8, software=2)
    assert machine.fault() == (d.GENERAL_PROTECTION, 8 << 3 | IN_IDT)


@pytest.mark.parametrize(
    ("selector", "vector", "error"),
    [
        (0, d.INVALID_TSS, 0),
        (0x70, d.INVALID_TSS, 0x70),
        (R3_DATA, d.INVALID_TSS, R3_DATA & 0xFFFC),
        (R0_DATA | 1, d.INVALID_TSS, R0_DATA),
        (R0_CODE, d.INVALID_TSS, R0_CODE),
        (READ_ONLY_DATA, d.INVALID_TSS, READ_ONLY_DATA),
        (ABSENT_STACK, d.STACK_FAULT, ABSENT_STACK),
    ],
)
def test_a_bad_stack_segment_of_the_inner_ring(
    machine: Machine, selector: int, vector: int, error: int
) -> None:
    """The fault's own handler stays in ring 3, or it would fail in the same way."""
    machine.stack(0, STACK0, selector)
    machine.gate(vector, CONFORMING_CODE)
    machine.deliver(0x2E, software=2)
    assert machine.fault() == (vector, error)


def test_a_tss_that_is_too_short(machine: Machine) -> None:
    machine.context[LAYOUT.tr + 4] = 8
    machine.gate(d.INVALID_TSS, CONFORMING_CODE)
    machine.deliver(0x2E, software=2)
    assert machine.fault() == (d.INVALID_TSS, TR)


@pytest.mark.parametrize(
    ("esp0", "address", "error"),
    [
        (ABSENT + 0x800, ABSENT + 0x800 - 20, mmu.FAULT_WRITE),
        (ABSENT + 8, ABSENT, mmu.FAULT_WRITE),
        (READ_ONLY + 0x800, READ_ONLY + 0x800 - 20, mmu.FAULT_WRITE | mmu.FAULT_PROTECTION),
    ],
)
def test_a_stack_page_that_faults(machine: Machine, esp0: int, address: int, error: int) -> None:
    machine.stack(0, esp0, R0_DATA)
    machine.gate(d.PAGE_FAULT, CONFORMING_CODE)
    below = bytes(machine.ram.bytes[ABSENT - 32 : ABSENT + 0x1000])
    machine.deliver(0x2E, software=2)
    assert machine.fault() == (d.PAGE_FAULT, error)
    assert machine.registers.read("cr2") == address
    assert machine.frame().eip == USER_EIP - 2
    assert bytes(machine.ram.bytes[ABSENT - 32 : ABSENT + 0x1000]) == below


def test_an_idt_page_that_faults(machine: Machine) -> None:
    """The #PF's own gate is on that page too, and so is the double fault's."""
    machine.ram.qwords[(TABLE >> 3) + (IDT >> 12)] = 0
    with pytest.raises(TripleFault, match="vector 2e, then a double fault"):
        machine.deliver(0x2E, software=2)


# One event upon another: SDM table 6-5.

BENIGN = [d.DEBUG, d.NMI, d.BREAKPOINT, d.INVALID_OPCODE, 0x10, d.ALIGNMENT_CHECK]
CONTRIBUTORY = sorted(d.CONTRIBUTORY)


def second_fault(machine: Machine, first: int, second: int) -> None:
    """Make the delivery of `first` meet `second`."""
    if second == d.NOT_PRESENT:
        machine.gate(first, present=False)
    elif second == d.GENERAL_PROTECTION:
        machine.gate(first, 0)
    elif second == d.PAGE_FAULT:
        machine.gate(first, R1_CODE)  # with its stack on an absent page
        machine.stack(1, ABSENT + 0x100, 0x61)
        machine.ram.qwords[GDT + 0x60 >> 3] = segment_descriptor(0, 0xFFFFF, 0xB3)
    elif second == d.INVALID_TSS:
        machine.gate(first, R1_CODE)
        machine.stack(1, STACK0, 0)


@pytest.mark.parametrize("second", [d.INVALID_TSS, d.NOT_PRESENT, d.GENERAL_PROTECTION, 14])
@pytest.mark.parametrize("first", [*BENIGN, *CONTRIBUTORY, d.PAGE_FAULT])
def test_a_fault_in_delivery(machine: Machine, first: int, second: int) -> None:
    if first == second:
        machine.gate(first, 0, present=second != d.NOT_PRESENT)  # again, in its own gate
    second_fault(machine, first, second)
    doubles = (first in CONTRIBUTORY and second in CONTRIBUTORY) or (
        first == d.PAGE_FAULT and second in (*CONTRIBUTORY, d.PAGE_FAULT)
    )
    machine.deliver(first, 0)
    assert machine.vector == (d.DOUBLE_FAULT if doubles else second)
    if doubles:
        assert machine.frame().error == 0


@pytest.mark.parametrize("kwargs", [{"software": 2}, {"external": True}])
def test_interrupts_are_benign(machine: Machine, kwargs: dict[str, int]) -> None:
    second_fault(machine, d.GENERAL_PROTECTION, d.NOT_PRESENT)
    machine.gate(d.DOUBLE_FAULT, R0_CODE)
    machine.deliver(d.GENERAL_PROTECTION, **kwargs)  # type: ignore[arg-type]
    assert machine.vector == d.NOT_PRESENT


def test_a_fault_in_a_double_faults_delivery_ends_it_all(machine: Machine) -> None:
    machine.gate(d.GENERAL_PROTECTION, present=False)
    machine.gate(d.DOUBLE_FAULT, present=False)
    with pytest.raises(TripleFault, match="vector 0d, then a double fault"):
        machine.deliver(d.GENERAL_PROTECTION)


# Task gates.


def test_a_task_gate_switches_tasks(machine: Machine) -> None:
    machine.gate(8, TSS2_SELECTOR, TASK_GATE, dpl=0)
    new = {0x1C: PDPT, 0x20: HANDLER + 8, 0x24: 0x402, 0x28: 0xEA, 0x38: STACK0 - 0x800,
           0x48: R3_DATA, 0x4C: R0_CODE, 0x50: R0_DATA, 0x54: R3_DATA}  # fmt: skip
    for offset, value in new.items():
        machine.ram.dwords[TSS2 + offset >> 2] = value
    machine.deliver(d.DOUBLE_FAULT)
    registers = machine.registers
    assert machine.vector == 8
    assert (registers.read("eax"), registers.read("esp")) == (0xEA, STACK0 - 0x804)
    assert machine.ram.dwords[STACK0 - 0x804 >> 2] == 0  # the error code
    assert (registers.cs, registers.read("ss")) == (R0_CODE, R0_DATA)
    assert registers.eflags == 0x402 | d.NT
    assert machine.context[LAYOUT.hflags] & d.HFLAG_CPL == 0
    assert (registers.read("tr"), machine.context[LAYOUT.tr + 2]) == (TSS2_SELECTOR, TSS2)
    assert machine.delivery.tlb_is_stale
    old = machine.ram.dwords[TSS >> 2 : (TSS >> 2) + 26]
    assert (old[8], old[9], old[14], old[15]) == (USER_EIP, FLAGS, STACK3, 0xB0B0)
    assert (old[18], old[19]) == (R3_DATA, R3_CODE)
    assert machine.ram.dwords[TSS2 >> 2] == TR  # the link back


@pytest.mark.parametrize(
    ("selector", "access", "limit", "error"),
    [(TSS2_SELECTOR, 0x8B, 0x67, 13), (R0_DATA, 0x93, 0xFFFFF, 13), (TSS2_SELECTOR, 9, 0x67, 11),
     (TSS2_SELECTOR, 0x89, 0x66, 10)],
)  # fmt: skip
def test_a_bad_task_gate(
    machine: Machine, selector: int, access: int, limit: int, error: int
) -> None:
    base = TSS2 if selector == TSS2_SELECTOR else 0
    descriptor = segment_descriptor(base, limit, access, flags=0 if base else 0xC)
    machine.ram.qwords[GDT + selector >> 3] = descriptor
    machine.gate(0x2E, selector, TASK_GATE)
    machine.deliver(0x2E, software=2)
    assert machine.fault() == (error, selector)
