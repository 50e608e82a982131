"""Execution breakpoints of DR0-DR3, set by guest code or by the host."""

from __future__ import annotations

import pytest
from small_machine import KERNEL, USER, Event, SmallMachine

from ntgate.cpu.delivery import RF

PROGRAM = f"""
;@org {USER:x}h
Start:
    nop
    inc ebx
    call second
    jmp third
second:
    inc ebx
    ret
third:
    inc ebx
    int 0FEh
"""
INC, SECOND, THIRD = USER + 1, USER + 9, USER + 11
REGISTERS = ("dr0", "dr1", "dr2", "dr3", "dr6", "dr7")


def resume(machine: SmallMachine) -> None:
    """As a debugger does: RF in the returned flags lets the instruction run."""

    def go_on(event: Event) -> None:
        machine.set_u32(event.frame + 8, event.eflags | RF)

    machine.on_event = go_on


def test_the_host_sets_breakpoints_that_work(machine: SmallMachine) -> None:
    machine.load(PROGRAM)
    resume(machine)
    machine.start(USER, ebx=0, dr1=INC, dr3=THIRD, dr7=0x4 | 0x80)
    machine.run()
    assert [event.vector for event in machine.events] == [1, 1]
    assert [event.eip for event in machine.events] == [INC, THIRD]
    assert machine.register("ebx") == 3
    assert machine.register("dr6") & 0xF == 1 << 3
    machine.events.clear()
    machine.start(USER, ebx=0, dr7=0)
    machine.run()
    assert machine.events == []


@pytest.mark.xfail(strict=True, reason="RF holds up to the next ret, indirect jump or event")
def test_rf_holds_for_one_instruction(machine: SmallMachine) -> None:
    machine.load(f";@org {USER:x}h\nStart:\n nop\n inc ebx\n nop\n inc ebx\n int 0FEh\n")
    resume(machine)
    machine.start(USER, dr0=INC, dr1=INC + 2, dr7=5)
    machine.run()
    assert [event.eip for event in machine.events] == [INC, INC + 2]


def test_the_guest_sets_them_and_the_host_clears_them(machine: SmallMachine) -> None:
    machine.load(PROGRAM)
    resume(machine)
    machine.run_program(f"mov eax, {SECOND}\n mov dr0, eax\n mov eax, 2\n mov dr7, eax", ring=0)
    machine.load(PROGRAM)
    assert machine.register("dr7") == 0x402
    machine.start(USER)
    machine.run()
    assert [event.eip for event in machine.events] == [SECOND]
    machine.events.clear()
    machine.start(USER, dr0=THIRD)
    machine.run()
    assert [event.eip for event in machine.events] == [THIRD]
    machine.events.clear()
    machine.start(USER, dr7=0)
    machine.run()
    assert machine.events == []


@pytest.mark.parametrize("ring", [0, 3])
def test_a_write_of_the_host_changes_nothing_else(machine: SmallMachine, ring: int) -> None:
    names = ("eax ebx ecx edx esi edi ebp esp eip efl cs ss ds es fs cr0 cr2 cr3 cr4").split()
    machine.load(PROGRAM)
    machine.start(
        USER if ring == 3 else KERNEL, ring=ring, eflags=0xED7, eax=1, ebx=2, ecx=3, edx=4,
        esi=5, edi=6, ebp=7, cr2=0x1234,
    )  # fmt: skip
    before = {name: machine.register(name) for name in names}
    for number, name in enumerate(REGISTERS):
        machine.cpu.registers.write(name, 0x400500 + number)
    assert {name: machine.register(name) for name in names} == before
    assert machine.cpu.cpl == ring
    assert [machine.register(name) for name in REGISTERS[:4]] == [0x400500 + i for i in range(4)]
    assert machine.register("dr6") == 0x400504 | 0xFFFF0FF0
    assert machine.register("dr7") == 0x400505 | 0x400


def test_the_host_can_not_write_one_in_a_callback(machine: SmallMachine) -> None:
    def write(_event: Event) -> None:
        machine.cpu.registers.write("dr7", 0)

    machine.on_event = write
    with pytest.raises(Exception, match="dr7 can't be written by a callback"):
        machine.run_program("int 2Eh")


def test_the_debuggers_breakpoints_are_invisible(machine: SmallMachine) -> None:
    machine.load(PROGRAM)
    for address in (INC, SECOND):
        machine.cpu.breakpoints.add(address)
        machine.cpu.breakpoints.add(address)
    machine.start(USER, ebx=0)
    for eip, done in ((INC, 0), (SECOND, 1)):
        assert not machine.run()
        assert machine.cpu.breakpoints.hits == [eip]
        assert (machine.register("eip"), machine.register("ebx")) == (eip, done)
        assert not machine.run()  # still there
        machine.cpu.step()
        assert machine.cpu.breakpoints.hits == []
    machine.run()
    assert (machine.events, machine.register("ebx")) == ([], 3)


@pytest.mark.parametrize("counted", [1000, 0])
def test_a_breakpoint_that_is_removed(machine: SmallMachine, counted: int) -> None:
    machine.load(PROGRAM)
    machine.cpu.breakpoints.add(INC)
    machine.start(USER, ebx=0)
    machine.cpu.run(counted, 1_000_000)
    assert machine.register("ebx") == 0
    machine.cpu.registers.write("cr2", 0x5678)
    machine.cpu.breakpoints.remove(INC)
    machine.cpu.run(counted, 1_000_000)
    assert (machine.register("ebx"), machine.register("cr2")) == (3, 0x5678)
    with pytest.raises(KeyError):
        machine.cpu.breakpoints.remove(INC)


def test_breakpoints_change_in_a_callback(machine: SmallMachine) -> None:
    """A one-shot breakpoint, as a tracer sets it."""
    text = f"{'int 2Eh'}\n inc ebx\n again:\n int 2Eh\n inc ebx\n cmp ebx, 9\n jne again"
    at = USER + 2

    def change(_event: Event) -> None:
        if len(machine.events) == 1:
            machine.cpu.breakpoints.add(at)
        elif len(machine.events) == 2:
            machine.cpu.breakpoints.remove(at)

    machine.on_event = change
    machine.run_program(text, ebx=0)
    assert machine.cpu.breakpoints.hits == [at]
    machine.cpu.step()
    machine.run()
    assert (machine.cpu.breakpoints.hits, machine.register("ebx")) == ([], 9)


def test_flags_at_a_breakpoint_on_a_fault(machine: SmallMachine) -> None:
    """The engine computes the flags there as it does where it counts."""
    machine.load(f";@org {USER:x}h\nStart:\n add edx, edx\n mov eax, [700000h]\n")
    machine.cpu.breakpoints.add(USER + 2)
    machine.start(USER, edx=0x80000000)
    machine.cpu.run(0, 1_000_000)
    assert machine.cpu.breakpoints.hits == [USER + 2]
    machine.cpu.step()
    machine.run()
    assert machine.events[0].eflags == 0x202 | RF | 0x845
