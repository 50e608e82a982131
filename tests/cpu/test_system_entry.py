"""The ways between ring 3 and ring 0 on the real engine."""

from __future__ import annotations

import pytest
from small_machine import (
    DATA,
    KERNEL,
    R0_CODE,
    R0_DATA,
    R3_CODE,
    R3_DATA,
    STACK0,
    STACK3,
    SYSENTER_STACK,
    USER,
    SmallMachine,
)

from ntgate.cpu.delivery import RF, TF
from ntgate.cpu.descriptors import TRAP_GATE, gate_descriptor

ROUND_TRIP = f"""
;@org {USER:x}h
Start:
    mov ecx, esp
    mov edx, Back
Sysenter:
    sysenter
    int 41h
Back:
    mov [{DATA}], eax
    int 0FEh
;@org {KERNEL:x}h
Entry:
    mov [{KERNEL + 0x800}], esp
    pushfd
    pop dword ptr [{KERNEL + 0x804}]
    mov word ptr [{KERNEL + 0x808}], cs
    mov word ptr [{KERNEL + 0x80A}], ss
    mov eax, 12345678h
    sysexit
"""


def test_sysenter_and_back(machine: SmallMachine) -> None:
    symbols = machine.load(ROUND_TRIP)
    machine.cpu.registers.write_msr(0x176, symbols["Entry"])
    machine.start(symbols["Start"], eflags=0x202 | 0x400 | 0x41)
    machine.run()
    assert machine.events == []
    assert machine.u32(DATA) == 0x12345678
    assert machine.u32(KERNEL + 0x800) == SYSENTER_STACK
    assert machine.u32(KERNEL + 0x804) == 0x2 | 0x400 | 0x41  # IF is gone
    assert machine.u32(KERNEL + 0x808) == R0_DATA << 16 | R0_CODE


def test_both_rings_of_sysexit(machine: SmallMachine) -> None:
    machine.load(ROUND_TRIP)
    machine.cpu.registers.write_msr(0x176, machine.symbols["Entry"])
    machine.start(USER, ebx=5)
    rings = []
    for _ in range(9):
        rings.append(machine.cpu.cpl)
        machine.cpu.step()
    assert rings == [3, 3, 3, 0, 0, 0, 0, 0, 0]
    machine.cpu.step()
    machine.cpu.step()
    assert machine.cpu.cpl == 3
    assert (machine.register("cs"), machine.register("ss")) == (R3_CODE, R3_DATA)
    assert machine.register("esp") == STACK3


def test_sysenter_without_a_code_segment_is_a_fault(machine: SmallMachine) -> None:
    machine.cpu.registers.write_msr(0x174, 0)
    machine.on_event = lambda event: machine.skip(event, 2)
    (event,) = machine.run_program("nop\n sysenter", edx=5)
    assert (event.vector, event.error, event.eip, event.cs) == (13, 0, USER + 1, R3_CODE)


def test_the_guest_sets_the_msrs(machine: SmallMachine) -> None:
    machine.load(f"""
;@org {USER:x}h
User:
    sysenter
;@org {KERNEL:x}h
Start:
    mov ecx, 176h
    mov eax, Entry
    xor edx, edx
    wrmsr
    mov ecx, 175h
    mov eax, {STACK0 - 0x800}
    wrmsr
    rdmsr
    mov ebx, eax
    mov edx, User
    mov ecx, {STACK3}
    sysexit
Entry:
    int 0FEh
""")
    machine.start(KERNEL, ring=0)
    machine.run()
    assert machine.events == []
    assert machine.register("ebx") == STACK0 - 0x800
    assert machine.register("esp") == STACK0 - 0x800 - 12 - 8 - 4  # in the stub of int 0FEh
    assert machine.cpu.registers.read_msr(0x176) == machine.symbols["Entry"]


@pytest.mark.parametrize("instruction", ["sysenter", "syscall"])
def test_a_processor_without_it(instruction: str) -> None:
    machine = SmallMachine(has_sep=False)
    machine.on_event = lambda event: machine.skip(event, 2)
    (event,) = machine.run_program(f"nop\n {instruction}")
    assert (event.vector, event.error, event.eip) == (6, None, USER + 1)


def test_syscall_is_undefined_on_this_processor(machine: SmallMachine) -> None:
    machine.on_event = lambda event: machine.skip(event, 2)
    (event,) = machine.run_program("cmp esp, esp\n syscall")
    assert (event.vector, event.eip, event.eflags & 0x40) == (6, USER + 2, 0x40)


def test_int_and_iret(machine: SmallMachine) -> None:
    machine.on_event = lambda _event: None
    (event,) = machine.run_program("stc\n int 2Eh\n mov ecx, esp\n pushfd\n pop ebx")
    assert (event.vector, event.eip, event.cs) == (0x2E, USER + 3, R3_CODE)
    assert (event.esp, event.ss, event.eflags) == (STACK3, R3_DATA, 0x203)
    assert event.frame == STACK0 - 20
    assert (machine.register("ecx"), machine.register("ebx")) == (STACK3, 0x203)


def test_ints_of_every_kind_return(machine: SmallMachine) -> None:
    """A gate is taken the long way first and the short way then, a trap gate too."""
    machine.gate(0x2F, gate_descriptor(R0_CODE, machine.stub(0x2F), TRAP_GATE, 3))
    machine.on_event = lambda _event: None
    body = "mov ebx, 20\n again:\n int 2Eh\n int 2Fh\n int3\n dec ebx\n jnz again"
    events = machine.run_program(body)
    assert [event.vector for event in events] == [0x2E, 0x2F, 3] * 20
    found = {(event.esp, event.ss, event.eflags & ~0x14) for event in events}  # but AF and PF
    assert found == {(STACK3, R3_DATA, 0x202)}


@pytest.mark.parametrize(
    ("instruction", "length", "error"),
    [("int 2Dh", 2, 0x16A), ("int 6", 2, 0x32), ("int 8", 2, 0x42), ("int 1", 2, 0xA),
     (".byte 0CCh", 1, 0x1A), ("int 3", 2, 0x1A), ("into", 1, 0x22), ("int 0FFh", 2, 0x7FA)],
)  # fmt: skip
def test_a_gate_that_ring_3_may_not_use(
    machine: SmallMachine, instruction: str, length: int, error: int
) -> None:
    for vector in (3, 4):
        machine.gate(vector, gate_descriptor(R0_CODE, machine.stub(vector), 0xE, 0))
    if instruction == "int 3":
        instruction = ".byte 0CDh, 3"
    machine.on_event = lambda event: machine.skip(event, length)
    body = f"mov eax, 7FFFFFFFh\n inc eax\n {instruction}"  # OF for into
    (event,) = machine.run_program(body)
    assert (event.vector, event.error, event.eip) == (13, error, USER + 6)
    assert event.eflags & (RF | 0x800) == RF | 0x800


def test_int_6_through_an_open_gate_is_an_int(machine: SmallMachine) -> None:
    machine.gate(6, gate_descriptor(R0_CODE, machine.stub(6), 0xE, 3))
    machine.on_event = lambda _event: None
    (event,) = machine.run_program("int 6")
    assert (event.vector, event.eip) == (6, USER + 2)


def test_int1_is_a_trap_of_the_processor(machine: SmallMachine) -> None:
    """F1 asks for no DPL, and its frame stands behind it."""
    machine.on_event = lambda _event: None
    events = machine.run_program(".byte 0F1h\n .byte 0F3h, 64h, 0F1h")
    assert [(e.vector, e.eip, e.eflags) for e in events] == [
        (1, USER + 1, 0x202), (1, USER + 4, 0x202),
    ]  # fmt: skip


def test_single_steps(machine: SmallMachine) -> None:
    seen: list[int] = []

    def step(event: object) -> None:
        seen.append(machine.events[-1].eip)
        if len(seen) == 4:
            machine.set_u32(machine.events[-1].frame + 8, 0x202)

    machine.on_event = step
    machine.load(f";@org {USER:x}h\nStart:\n nop\n cpuid\n nop\n rdtsc\n nop\n int 0FEh\n")
    machine.start(USER, eflags=0x202 | TF)
    machine.run()
    assert seen == [USER + 1, USER + 3, USER + 4, USER + 6]
    assert {event.vector for event in machine.events} == {1}
    assert {event.eflags for event in machine.events} == {0x202 | TF}
    assert machine.register("dr6") & 0x4000


def test_a_step_over_sysenter_ends_at_the_entry(machine: SmallMachine) -> None:
    symbols = machine.load(ROUND_TRIP)
    machine.cpu.registers.write_msr(0x176, symbols["Entry"])
    machine.start(symbols["Sysenter"], eflags=0x202 | TF)
    machine.run()
    (event,) = machine.events
    assert (event.vector, event.eip, event.cs) == (1, symbols["Entry"], R0_CODE)
    assert event.eflags == 0x2 | TF
    assert event.frame == SYSENTER_STACK - 12


def test_an_int_ends_a_step_without_a_trap(machine: SmallMachine) -> None:
    machine.on_event = lambda event: machine.set_u32(event.frame + 8, 0x202)
    machine.load(f";@org {USER:x}h\nStart:\n int 2Eh\n nop\n int 0FEh\n")
    machine.start(USER, eflags=0x202 | TF)
    machine.run()
    assert [(event.vector, event.eflags) for event in machine.events] == [(0x2E, 0x202 | TF)]


def test_external_interrupts_wait_for_if(machine: SmallMachine) -> None:
    machine.load(f";@org {KERNEL:x}h\nStart:\n cli\n nop\n sti\n nop\n nop\n int 0FEh\n")
    machine.start(KERNEL, ring=0, eflags=0x202)
    taken = []
    for _ in range(5):
        taken.append(machine.cpu.interrupt(0x30))
        machine.cpu.step()
        if taken[-1]:
            break
    assert taken == [True]
    machine.start(KERNEL, ring=0, eflags=0x202)
    machine.cpu.step()
    for expected in (False, False, False, True):  # behind cli, nop, sti (held off), nop
        assert machine.cpu.interrupt(0x30) is expected
        if not expected:
            machine.cpu.step()
    assert machine.u32(machine.register("esp")) == KERNEL + 4


def test_mov_ss_holds_interrupts_off(machine: SmallMachine) -> None:
    machine.load(f";@org {KERNEL:x}h\nStart:\n mov eax, ss\n mov ss, eax\n nop\n nop\n")
    machine.start(KERNEL, ring=0, eflags=0x202)
    machine.cpu.step()
    machine.cpu.step()
    assert not machine.cpu.interrupt(0x30)
    machine.cpu.step()
    assert machine.cpu.interrupt(0x30)
