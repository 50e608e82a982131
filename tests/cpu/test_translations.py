"""Code and mappings that change under the engine: no stale instruction runs."""

from __future__ import annotations

import pytest
from small_machine import ANYONE, USER, Event, SmallMachine

from ntgate.cpu.mmu import NO_EXECUTE

CODE = 0x700000
CALLS = f"""
;@org {USER:x}h
Start:
    mov edi, {CODE}
again:
    call edi
    int 2Eh
    jmp again
"""


def returns(value: int) -> bytes:
    return b"\xb8" + value.to_bytes(4, "little") + b"\xc3"  # mov eax,N / ret


@pytest.mark.parametrize("counted", [1000, 0])
def test_the_host_writes_code_that_has_run(machine: SmallMachine, counted: int) -> None:
    """From a service, in the middle of a run; and between runs."""
    frame = machine.map(CODE)
    machine.write(CODE, returns(0))
    machine.cpu.ran.add(frame)
    seen: list[int] = []

    def patch(event: Event) -> None:
        seen.append(machine.u32(event.frame - 12))  # eax, as the stub has saved it
        if len(seen) >= 5:
            machine.cpu.stop()
        machine.cpu.write_physical(frame << 12, returns(len(seen)))

    machine.on_event = patch
    machine.load(CALLS)
    machine.start(USER)
    machine.cpu.run(counted, 1_000_000)
    assert seen == [0, 1, 2, 3, 4]
    machine.cpu.write_physical(frame << 12, returns(77))
    machine.cpu.run(counted, 1_000_000)
    assert seen[5:] == [77]


def test_a_write_of_nothing(machine: SmallMachine) -> None:
    machine.cpu.ran.add(0)
    machine.cpu.write_physical(0, b"")
    machine.cpu.write_physical(0xFFE, b"1234")
    assert bytes(machine.ram.bytes[0xFFE:0x1002]) == b"1234"


def test_many_flushes_in_callbacks(machine: SmallMachine) -> None:
    """With much code behind it: what is flushed is not what the engine stands in."""
    blocks = "\n".join(f"block{i}:\n inc eax\n jmp block{i + 1}" for i in range(300))
    program = f"mov eax, 0\n int 2Eh\n{blocks}\nblock300:\n jmp Start\n"
    machine.load(f";@org {USER:x}h\nStart:\n{program}")

    def flush(event: Event) -> None:
        machine.cpu.flush_code()
        if len(machine.events) == 40:
            machine.cpu.stop()

    machine.on_event = flush
    for counted in (1 << 30, 0):
        machine.events.clear()
        machine.start(USER)
        machine.cpu.run(counted, 5_000_000)
        assert len(machine.events) == 40


def test_the_first_fetch_asks_the_owner(machine: SmallMachine) -> None:
    frame = machine.map(CODE, rights=ANYONE | NO_EXECUTE)
    machine.write(CODE, returns(5))
    asked = []

    def first_fetch(linear: int) -> bool:
        asked.append(linear)
        machine.set_entry(CODE, frame << 12 | ANYONE)
        machine.cpu.ran.add(frame)
        return True

    machine.cpu.first_fetch = first_fetch
    text = f"mov ecx, {CODE}\n call ecx\n mov ebx, eax\n call ecx"
    assert machine.run_program(text, cr2=0x1234) == []
    assert (asked, machine.register("ebx")) == ([CODE], 5)
    assert machine.register("cr2") == 0x1234  # the guest has seen no fault


def test_a_fetch_that_the_owner_refuses_is_a_fault(machine: SmallMachine) -> None:
    machine.map(CODE, rights=ANYONE | NO_EXECUTE)
    asked: list[int] = []

    def first_fetch(linear: int) -> bool:
        asked.append(linear)
        return False

    machine.cpu.first_fetch = first_fetch
    (event,) = machine.run_program(f"mov ecx, {CODE + 4}\n jmp ecx")
    assert (event.vector, event.error, event.eip) == (14, 0x15, CODE + 4)
    assert (asked, machine.register("cr2")) == ([CODE + 4], CODE + 4)


def test_an_instruction_across_two_first_fetches(machine: SmallMachine) -> None:
    both = (CODE, CODE + 0x1000)
    pages = {page: machine.map(page, rights=ANYONE | NO_EXECUTE) for page in both}
    machine.write(CODE + 0xFFD, returns(0x11223344))
    asked = []

    def first_fetch(linear: int) -> bool:
        asked.append(linear)
        machine.set_entry(linear & ~0xFFF, pages[linear & ~0xFFF] << 12 | ANYONE)
        return True

    machine.cpu.first_fetch = first_fetch
    machine.run_program(f"mov ecx, {CODE + 0xFFD}\n call ecx\n mov ebx, eax")
    assert (asked, machine.register("ebx")) == ([CODE + 0xFFD, CODE + 0x1000], 0x11223344)


def test_a_guest_changes_its_own_code(machine: SmallMachine) -> None:
    machine.map(CODE)
    machine.write(CODE, returns(1))
    text = f"""
    mov edi, {CODE}
    xor ebx, ebx
    mov ecx, 50
again:
    call edi
    add ebx, eax
    inc byte ptr [edi+1]
    loop again
"""
    assert machine.run_program(text) == []
    assert machine.register("ebx") == sum(range(1, 51))
