"""What the engine raises arrives with the hardware's vector, error code, EIP and flags."""

from __future__ import annotations

from typing import Any

import pytest
from small_machine import (
    ANYONE,
    DATA,
    KERNEL,
    R0_CODE,
    R3_CODE,
    STACK0,
    SUPERVISOR,
    TSS,
    USER,
    Event,
    SmallMachine,
)

from ntgate.cpu import mmu
from ntgate.cpu.delivery import RF
from ntgate.cpu.descriptors import TASK_GATE, gate_descriptor, segment_descriptor
from ntgate.errors import InternalFault, MachineError, TripleFault, UsageError

ABSENT, READ_ONLY, KERNEL_PAGE = 0x700000, 0x701000, 0x702000


@pytest.fixture(autouse=True)
def pages(machine: SmallMachine) -> None:
    machine.map(ABSENT)
    machine.set_entry(ABSENT, 0)
    machine.map(READ_ONLY, rights=mmu.PRESENT | mmu.USER)
    machine.map(KERNEL_PAGE, rights=SUPERVISOR)


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize(
    ("instruction", "vector", "error"),
    [
        (f"mov eax, [{ABSENT}]", 14, 4),
        (f"mov [{ABSENT}], eax", 14, 6),
        (f"mov [{READ_ONLY}], eax", 14, 7),
        (f"mov eax, [{KERNEL_PAGE}]", 14, 5),
        (f"inc dword ptr [{READ_ONLY}]", 14, 7),
        (f"fxsave [{READ_ONLY}]", 14, 7),
        ("cli", 13, 0),
        ("hlt", 13, 0),
        ("rdmsr", 13, 0),
        ("rdpmc", 13, 0),
        ("mov eax, cr0", 13, 0),
        ("mov dr0, eax", 13, 0),
        ("mov fs, bx", 13, 0x774),
        (".byte 0EAh, 0, 0, 0, 0, 8, 0", 13, 8),  # jmp far 8:0
        ("ud2", 6, None),
        ("div cl", 0, None),
        (".byte 0FFh, 0FFh", 6, None),
        ("lock nop", 6, None),
        (".byte 62h, 5\n .long 500010h", 5, None),  # bound eax, [500010h]
    ],
)
def test_a_fault_of_ring_3(
    machine: SmallMachine, instruction: str, vector: int, error: int | None, counted: bool
) -> None:
    machine.load(
        f";@org {USER:x}h\nStart:\n xor ecx, ecx\n mov ebx, 777h\n stc\n{instruction}\n"
    )
    machine.start(USER, eax=0x55AA)
    machine.cpu.run(100 if counted else 0, 1_000_000)
    (event,) = machine.events
    assert (event.vector, event.error, event.eip, event.cs) == (vector, error, USER + 8, R3_CODE)
    assert event.eflags == 0x202 | RF | 0x45
    if vector == 14:
        assert machine.register("cr2") & ~0xFFF in (ABSENT, READ_ONLY, KERNEL_PAGE)


@pytest.mark.parametrize(
    ("instruction", "error"),
    [(f"mov ecx, [{ABSENT}]", 0), (f"mov [{ABSENT}], ecx", 2), (f"mov [{READ_ONLY}], ecx", 3),
     (f"mov ecx, {ABSENT}\n jmp ecx", 0x10)],
)  # fmt: skip
def test_a_page_fault_of_ring_0(machine: SmallMachine, instruction: str, error: int) -> None:
    (event,) = machine.run_program(instruction, ring=0)
    assert (event.vector, event.error, event.cs) == (14, error, R0_CODE)


def test_any_number_of_page_faults(machine: SmallMachine) -> None:
    """Each is a fault of its own, in one run and over many."""
    addresses = [0x710000 + page * 0x1000 for page in range(12)]
    for address in addresses:
        machine.map(address)
        machine.set_entry(address, 0)

    def bring_in(event: Event) -> None:
        machine.map(machine.register("cr2") & ~0xFFF)

    machine.on_event = bring_in
    body = "mov esi, 710000h\n again:\n mov dword ptr [esi], 5\n add esi, 1000h\n "
    events = machine.run_program(body + "cmp esi, 71C000h\n jne again")
    assert [(event.vector, event.error) for event in events] == [(14, 6)] * 12
    assert [machine.u32(address) for address in addresses] == [5] * 12


def test_a_run_that_ends_keeps_cr2_and_the_next_fault(machine: SmallMachine) -> None:
    """A handler may be cut in two between the fault and its read of CR2."""
    machine.load(f";@org {USER:x}h\nStart:\n mov eax, [{ABSENT + 4}]\n int 0FEh\n")
    machine.on_event = lambda event: machine.set_entry(ABSENT, 0x150 << 12 | ANYONE)
    machine.start(USER)
    for _ in range(12):
        machine.cpu.run(1)
        if machine.events:
            assert machine.register("cr2") == ABSENT + 4
    assert [event.vector for event in machine.events] == [14]


@pytest.mark.parametrize("instruction", ["add edx, edx", "shl edx, 1", "neg eax", "sub eax, 6",
                                         "adc eax, ebx", "cmp ebx, edx", "bt edx, 31"])  # fmt: skip
@pytest.mark.parametrize(
    "event",
    [f"mov ecx, [{ABSENT}]", f"mov [{ABSENT}], ecx", f"push dword ptr [{ABSENT}]",
     f"jmp {ABSENT}", "int 2Eh", "cpuid", "rdtsc"],
)  # fmt: skip
def test_flags_live_through_an_event(
    machine: SmallMachine, instruction: str, event: str
) -> None:
    """In counted runs as well, where the engine computes them before each instruction."""
    frame = machine.map(ABSENT)
    machine.write(ABSENT, b"\xff\xe7")  # jmp edi

    def bring_in(_event: Event) -> None:
        machine.set_entry(ABSENT, frame << 12 | ANYONE)

    machine.on_event = bring_in
    machine.load(f"""
;@org {USER:x}h
Start:
    mov edi, Behind
    {instruction}
    {event}
Behind:
    jb done
done:
    pushfd
    pop ebp
    int 0FEh
""")
    seen = []
    for counted in (False, True):
        machine.set_entry(ABSENT, 0)
        machine.cpu.flush_tlb()
        machine.events.clear()
        machine.start(USER, eax=5, ebx=5, ecx=0, edx=0x8000_0000)
        machine.cpu.run(1000 if counted else 0, 1_000_000)
        seen.append((machine.register("ebp"), [(e.vector, e.eflags) for e in machine.events]))
    assert seen[0] == seen[1]
    assert (len(machine.events) == 1) == (event not in ("cpuid", "rdtsc"))


def test_a_double_fault_goes_through_its_task_gate(machine: SmallMachine) -> None:
    machine.descriptor(0x50, segment_descriptor(TSS + 0x400, 0x67, 0x89, flags=0))
    for offset, value in {
        0x1C: 0x1000, 0x20: KERNEL + 0x800, 0x24: 2, 0x38: STACK0 - 0x1000, 0x48: 0x23,
        0x4C: 8, 0x50: 0x10, 0x54: 0x23, 0x58: 0x23,
    }.items():  # fmt: skip
        machine.set_u32(TSS + 0x400 + offset, value)
    machine.gate(8, gate_descriptor(0x50, 0, TASK_GATE, 0))
    machine.write(KERNEL + 0x800, b"\xb9\x77\x00\x00\x00\xcd\xfe")  # mov ecx,77h / int 0FEh
    machine.set_u32(TSS + 4, ABSENT + 0x800)  # ring 0's stack is gone
    machine.run_program("mov ecx, 5\n cli")
    assert machine.events == []
    assert machine.register("ecx") == 0x77
    assert machine.u32(TSS + 0x20) == USER + 5  # the old task's eip
    assert machine.u32(TSS + 0x2C) == 5


def test_a_triple_fault_ends_the_machine(machine: SmallMachine) -> None:
    machine.cpu.registers.write("idtl", 0)
    with pytest.raises(TripleFault, match="vector 0d, then a double fault"):
        machine.run_program("cli")


@pytest.mark.parametrize("instruction", ["mov eax, [eax]", "mov [eax], eax", "jmp eax"])
def test_a_pte_beyond_ram_is_a_machine_check(machine: SmallMachine, instruction: str) -> None:
    machine.map(0x704000, frame=0x80000)
    with pytest.raises(MachineError, match="machine check at eip"):
        machine.run_program(instruction, eax=0x704000)


@pytest.mark.parametrize("instruction", ["int 2Eh", "out 0E9h, eax", "in al, 70h", "rdtsc"])
def test_an_exception_of_a_callback_stops_the_run(
    machine: SmallMachine, instruction: str
) -> None:
    def fail(*_arguments: object) -> Any:
        raise ZeroDivisionError("in a service")

    machine.cpu.host_call = machine.cpu.port_read = machine.cpu.timestamp = fail
    with pytest.raises(InternalFault, match="ZeroDivisionError: in a service") as raised:
        machine.run_program(instruction, ring=0)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


def test_an_error_of_ours_leaves_as_it_is(machine: SmallMachine) -> None:
    def fail(_event: Event) -> None:
        raise UsageError("no such file")

    machine.on_event = fail
    with pytest.raises(UsageError, match="no such file"):
        machine.run_program("int 2Eh")


def test_the_host_raises_exceptions(machine: SmallMachine) -> None:
    machine.load(f";@org {USER:x}h\nStart:\n nop\n")
    machine.start(USER)
    machine.cpu.raise_exception(13, 0x18)
    machine.run()
    (event,) = machine.events
    assert (event.vector, event.error, event.eip) == (13, 0x18, USER)
    assert machine.u32(DATA) == 0
