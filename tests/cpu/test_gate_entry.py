"""The prepared way through a gate does what Delivery does, and sees every change of its basis."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import pytest
import small_machine as sm
from small_machine import SmallMachine

from ntgate.cpu.descriptors import INTERRUPT_GATE, TRAP_GATE, gate_descriptor, segment_descriptor
from ntgate.cpu.mmu import NO_EXECUTE
from ntgate.cpu.ram import PAGE_SIZE

TRIES = 4
# Every turn has other flags: a sum, a difference, a shift, and DF.
PROGRAM = f"""
;@org {sm.USER:x}h
Start:
        mov ecx, {TRIES}
again:
        mov eax, 0FFFFFFF0h
        add eax, ecx
        test ecx, 1
        jz even
        std
        sub eax, 80000000h
even:
        shl eax, 1
        int 2Eh
        cld
        dec ecx
        jnz again
Stop:
        hlt
"""
PRIVILEGED, PAGE_FAULT = 13, 14


class GateMachine(SmallMachine):
    """Counts what Delivery does; `change` runs in the handler of the second `int 2Eh`."""

    def __init__(self) -> None:
        super().__init__()
        self.load(PROGRAM)
        self.delivered = 0
        self.contexts: list[list[int]] = []
        self.change: Callable[[], None] = lambda: None
        deliver = self.cpu.delivery.deliver

        def counted(*arguments: object, **named: object) -> None:
            self.delivered += 1
            deliver(*arguments, **named)  # type: ignore[arg-type]

        self.cpu.delivery.deliver = counted  # type: ignore[method-assign]
        self.on_event = self._seen

    def _seen(self, event: sm.Event) -> None:
        # The engine allocates two dwords more than it saves.
        self.contexts.append(self.cpu.context.save(self.cpu.engine)[:-2].tolist())
        if event.vector == PRIVILEGED:
            self.cpu.stop()
        elif len(self.events) == 2:
            self.change()

    def go(self, eflags: int = 0x202) -> list[sm.Event]:
        """The events of one run of the program, which a #GP of its `hlt` ends."""
        self.events.clear()
        self.contexts.clear()
        self.delivered = 0
        self.start(self.symbols["Start"], eflags=eflags)
        self.run()
        return list(self.events)


@pytest.fixture
def machine() -> Iterator[GateMachine]:
    machine = GateMachine()
    yield machine
    machine.cpu.close()


@pytest.mark.parametrize("kind", [INTERRUPT_GATE, TRAP_GATE])
@pytest.mark.parametrize("eflags", [0x202, 0x002, 0x3202, 0x44202, 0x240ED7])
def test_every_bit_of_the_processor_is_as_delivery_leaves_it(
    machine: GateMachine, monkeypatch: pytest.MonkeyPatch, kind: int, eflags: int
) -> None:
    machine.gate(0x2E, gate_descriptor(sm.R0_CODE, machine.stub(0x2E), kind, 3))
    machine.change = machine.cpu.gate_entry.forget
    prepared = machine.go(eflags), list(machine.contexts)
    # The first call, the one behind `forget` and the #GP.
    assert machine.delivered == 3
    monkeypatch.setattr(machine.cpu.gate_entry, "_judge", lambda _cr3, _vector: None)
    machine.cpu.gate_entry.forget()
    delivered = machine.go(eflags), list(machine.contexts)
    assert machine.delivered == TRIES + 1
    assert prepared == delivered
    assert [event.vector for event in prepared[0]] == [0x2E] * TRIES + [PRIVILEGED]


FAULTING = 0x00700000
FAULTS = 6
# Reads, writes and fetches of absent pages, behind flags that the engine has yet to compute.
FAULTING_PROGRAM = f"""
;@org {sm.USER:x}h
Start:
        mov ecx, {FAULTS}
        mov edi, {FAULTING}
        xor edx, edx
again:
        mov eax, 0FFFFFFF0h
        add eax, ecx
        test ecx, 1
        jz even
        std
        sub eax, 80000000h
        mov [edi], eax
        jmp next
even:
        cmp eax, ecx
        adc edx, [edi]
        call edi
next:
        cld
        add edi, 1000h
        dec ecx
        jnz again
        hlt
"""


class FaultMachine(GateMachine):
    """Maps each page that is absent with a `ret` in it; `exact` is Processor.run's."""

    def __init__(self) -> None:
        super().__init__()
        self.load(FAULTING_PROGRAM)
        self.exact = False
        self.cpu.first_fetch = self._fetched
        self.fetched: list[int] = []

    def _fetched(self, linear: int) -> bool:
        self.fetched.append(linear)
        entry = self.ram.qwords[self.entry_index(linear)]
        self.ram.qwords[self.entry_index(linear)] = entry & ~NO_EXECUTE
        return bool(entry & 1)

    def _seen(self, event: sm.Event) -> None:
        if event.vector == PAGE_FAULT:
            linear = self.register("cr2")
            frame = self.map(linear, rights=sm.ANYONE | NO_EXECUTE)
            self.ram.bytes[frame << 12] = 0xC3
        super()._seen(event)

    def go(self, eflags: int = 0x202) -> list[sm.Event]:
        for page in range(FAULTING, FAULTING + FAULTS * PAGE_SIZE, PAGE_SIZE):
            self.map(page, frame=0, rights=0)
        self.cpu.flush_tlb()
        self.fetched.clear()
        return super().go(eflags)

    def run(self, instructions: int = 10_000) -> bool:
        return self.cpu.run(instructions, sm.TIMEOUT_US, exact=self.exact)


@pytest.mark.parametrize("kind", [INTERRUPT_GATE, TRAP_GATE])
@pytest.mark.parametrize("eflags", [0x202, 0x002, 0x44202, 0x240ED7])
@pytest.mark.parametrize("exact", [False, True])
def test_every_bit_of_a_page_fault_is_as_delivery_leaves_it(
    monkeypatch: pytest.MonkeyPatch, kind: int, eflags: int, exact: bool
) -> None:
    machine = FaultMachine()
    machine.exact = exact
    machine.gate(PAGE_FAULT, gate_descriptor(sm.R0_CODE, machine.stub(PAGE_FAULT), kind, 0))
    prepared = machine.go(eflags), list(machine.contexts), list(machine.fetched)
    if not exact:
        assert machine.delivered == 2, "the first fault and the #GP"
    monkeypatch.setattr(machine.cpu.gate_entry, "_judge", lambda _cr3, _vector: None)
    machine.cpu.gate_entry.forget()
    machine.next_frame -= FAULTS
    delivered = machine.go(eflags), list(machine.contexts), list(machine.fetched)
    assert machine.delivered == FAULTS + 1
    assert prepared == delivered
    assert [event.vector for event in prepared[0]] == [PAGE_FAULT] * FAULTS + [PRIVILEGED]
    assert [event.error for event in prepared[0]] == [4, 6] * (FAULTS // 2) + [0]
    assert len(machine.fetched) == FAULTS // 2
    machine.cpu.close()


def test_int_0e_is_judged_by_its_gate() -> None:
    """A page fault through the same gate opens it to nobody."""
    machine = FaultMachine()
    machine.go()
    symbols = machine.load(f";@org {sm.USER + 0x1000:x}h\nAsked:\n int 0Eh\n")
    machine.start(symbols["Asked"])
    machine.run()
    found = machine.events[-1]
    assert (found.vector, found.error) == (PRIVILEGED, PAGE_FAULT * 8 + 2)
    machine.cpu.close()


def changed(machine: GateMachine, change: Callable[[], None]) -> sm.Event:
    """What the third `int 2Eh` does, after a change behind the second."""
    machine.go()
    assert machine.delivered == 2, "the first call, which prepares the way, and the #GP"
    machine.change = change
    return machine.go()[2]


def test_another_target(machine: GateMachine) -> None:
    gate = gate_descriptor(sm.R0_CODE, machine.stub(0x40), INTERRUPT_GATE, 3)
    assert changed(machine, lambda: machine.gate(0x2E, gate)).vector == 0x40


@pytest.mark.parametrize(
    ("gate", "vector", "error"),
    [
        (gate_descriptor(sm.R0_CODE, 0x80020000, INTERRUPT_GATE, 0), 13, 0x2E * 8 + 2),
        (gate_descriptor(sm.R0_CODE, 0x80020000, INTERRUPT_GATE, 3) & ~(1 << 47), 11, 0x2E * 8 + 2),
        (gate_descriptor(sm.R0_DATA, 0x80020000, INTERRUPT_GATE, 3), 13, sm.R0_DATA),
        (gate_descriptor(0x400, 0x80020000, INTERRUPT_GATE, 3), 13, 0x400),
        (0, 13, 0x2E * 8 + 2),
    ],
    ids=["DPL 0", "absent", "data segment", "beyond the GDT", "no gate"],
)
def test_a_gate_that_may_not_be_used(
    machine: GateMachine, gate: int, vector: int, error: int
) -> None:
    found = changed(machine, lambda: machine.gate(0x2E, gate))
    assert (found.vector, found.error) == (vector, error)
    assert machine.read(found.eip, 2) == b"\xcd\x2e"


def test_another_code_segment(machine: GateMachine) -> None:
    absent = segment_descriptor(0, 0xFFFFF, 0x1B)
    spare = gate_descriptor(0x40, machine.stub(0x2E), INTERRUPT_GATE, 3)
    machine.descriptor(0x40, segment_descriptor(0, 0xFFFFF, 0x9B))
    machine.gate(0x2E, spare)
    found = changed(machine, lambda: machine.descriptor(0x40, absent))
    assert (found.vector, found.error) == (11, 0x40)


def test_a_limit_below_the_target(machine: GateMachine) -> None:
    machine.descriptor(0x40, segment_descriptor(0, 0xFFFFF, 0x9B))
    machine.gate(0x2E, gate_descriptor(0x40, machine.stub(0x2E), INTERRUPT_GATE, 3))
    short = segment_descriptor(0, 0x1000, 0x9B)
    assert changed(machine, lambda: machine.descriptor(0x40, short)).vector == PRIVILEGED


def test_another_stack(machine: GateMachine) -> None:
    event = changed(machine, lambda: machine.set_u32(sm.TSS + 4, sm.STACK0 - 0x800))
    assert event.frame == sm.STACK0 - 0x800 - 20
    # Two stacks in turn, as of two threads, are both kept.
    machine.change = lambda: None
    machine.go()
    machine.set_u32(sm.TSS + 4, sm.STACK0)
    machine.go()
    assert machine.delivered == 1


@pytest.mark.parametrize("esp0", [sm.STACK0 - 2, sm.STACK0 - 0x1000 + 8])
def test_a_stack_that_needs_care(machine: GateMachine, esp0: int) -> None:
    event = changed(machine, lambda: machine.set_u32(sm.TSS + 4, esp0))
    assert (event.vector, event.frame) == (0x2E, esp0 - 20)
    assert machine.delivered == 3, "the third and the fourth, and the #GP"


@pytest.mark.parametrize(("ss0", "error"), [(0, 0), (sm.R3_DATA, 0x20), (0x400, 0x400)])
def test_a_stack_segment_that_may_not_be_used(machine: GateMachine, ss0: int, error: int) -> None:
    """#TS has no stack to go to either, and no double fault handler of this machine has one."""
    machine.gate(10, gate_descriptor(sm.R0_CODE, machine.stub(10), INTERRUPT_GATE, 0))
    machine.go()
    seen: list[tuple[int, int]] = []
    machine.change = lambda: machine.set_u32(sm.TSS + 8, ss0)
    enter = machine.cpu.delivery.enter

    def watched(context: memoryview, vector: int, code: int, *rest: object) -> None:
        seen.append((vector, code))
        enter(context, vector, code, *rest)  # type: ignore[arg-type]

    machine.cpu.delivery.enter = watched  # type: ignore[assignment, method-assign]
    with pytest.raises(Exception, match="triple fault"):
        machine.go()
    assert seen[:2] == [(0x2E, 0), (10, error)]


def test_a_shorter_idt(machine: GateMachine) -> None:
    event = changed(machine, lambda: machine.cpu.registers.write("idtl", 0x2E * 8 - 1))
    assert (event.vector, event.error) == (PRIVILEGED, 0x2E * 8 + 2)


def test_another_idt(machine: GateMachine) -> None:
    """lidt: 800h bytes further stand gates that lead to vector 40h's stub."""
    for vector in range(0x100):
        gate = gate_descriptor(sm.R0_CODE, machine.stub(0x40), INTERRUPT_GATE, 3)
        machine.write(sm.IDT + 0x800 + 8 * vector, struct.pack("<Q", gate))
    event = changed(machine, lambda: machine.cpu.registers.write("idtr", sm.IDT + 0x800))
    assert event.vector == 0x40


def test_a_stack_page_that_moves(machine: GateMachine) -> None:
    page = sm.STACK0 - PAGE_SIZE
    frames = []

    def move() -> None:
        frames.append(machine.physical(page))
        content = machine.read(page, PAGE_SIZE)
        machine.map(page, rights=sm.SUPERVISOR)
        machine.write(page, content)
        machine.cpu.flush_tlb()

    event = changed(machine, move)
    assert (event.vector, event.frame) == (0x2E, sm.STACK0 - 20)
    assert event.eip == machine.symbols["Start"] + 30
    assert machine.physical(page) not in frames


def test_ring_0_and_segments_with_a_base_take_the_long_way(machine: GateMachine) -> None:
    machine.descriptor(0x38, segment_descriptor(0x1000, 0xFFFFF, 0xF3))
    symbols = machine.load(
        f""";@org {sm.USER + 0x1000:x}h
Based:
        mov eax, 3Bh
        mov es, eax
        int 2Eh
        int 2Eh
        hlt
"""
    )
    machine.go()
    machine.delivered = 0
    machine.events.clear()
    machine.start(symbols["Based"])
    machine.run()
    assert [event.vector for event in machine.events] == [0x2E, 0x2E, PRIVILEGED]
    assert machine.delivered == 3
