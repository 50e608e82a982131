"""Runs of counted instructions end at exact places, whatever happens in them."""

from __future__ import annotations

import threading
import time

import pytest
from small_machine import DATA, USER, Event, SmallMachine

LOOP = f"""
;@org {USER:x}h
Start:
    mov eax, 5
    int 2Eh
    push eax
    call Inner
    pop eax
    inc dword ptr [{DATA}]
    jmp Start
Inner:
    cpuid
    ret
"""


@pytest.fixture(autouse=True)
def loop(machine: SmallMachine) -> None:
    machine.load(LOOP)
    machine.on_event = lambda _event: None


def places(machine: SmallMachine, amounts: list[int]) -> list[tuple[int, int, int]]:
    machine.set_u32(DATA, 0)
    machine.start(USER)
    found = []
    for amount in amounts:
        assert machine.run(amount)
        assert machine.cpu.executed == amount
        found.append((machine.register("cs"), machine.register("eip"), machine.register("esp")))
    return found


def test_equal_runs_stop_at_equal_instructions(machine: SmallMachine) -> None:
    amounts = [1, 7, 113, 1000, 13, 5003, 2]
    assert places(machine, amounts) == places(machine, amounts)
    assert {cs for cs, _eip, _esp in places(machine, [1] * 40)} == {0x1B, 8}


def test_slices_add_up(machine: SmallMachine) -> None:
    whole = places(machine, [1234])[-1]
    assert places(machine, [1] * 200 + [34] + [100] * 10)[-1] == whole


def test_a_step_is_one_instruction_behind_a_run_of_any_kind(machine: SmallMachine) -> None:
    machine.start(USER)
    assert machine.cpu.run(0, 1000)
    machine.start(USER)
    eips = []
    for _ in range(2):
        machine.cpu.step()
        eips.append(machine.register("eip"))
    assert eips == [USER + 5, machine.stub(0x2E)]
    assert machine.cpu.run(0, 1000)


def test_what_stops_a_run_leaves_a_remainder(machine: SmallMachine) -> None:
    """A run that a callback or a breakpoint ends, and the rest of it, make the whole."""
    whole = places(machine, [3000])[-1]
    machine.on_event = lambda _event: machine.cpu.stop()
    inner = machine.symbols["Inner"]
    machine.cpu.breakpoints.add(inner)
    machine.start(USER)
    left, stops = 3000, 0
    while left:
        if machine.register("eip") == inner:
            machine.cpu.step()
            left -= 1
        if not machine.run(left):
            stops += 1
        left -= machine.cpu.executed
    assert (machine.register("cs"), machine.register("eip"), machine.register("esp")) == whole
    assert stops > 100


def test_internal_interruptions_do_not_show(machine: SmallMachine) -> None:
    """A flush of translations by a callback, and refused I/O, end no run."""
    plain = places(machine, [3000])[-1]

    def flush(_event: Event) -> None:
        machine.cpu.flush_code()

    machine.on_event = flush
    assert places(machine, [3000])[-1] == plain
    machine.load(f";@org {USER:x}h\nStart:\n in al, 60h\n inc ebx\n jmp Start\n")
    machine.on_event = lambda event: machine.skip(event, 2)
    machine.start(USER, ebx=0)
    assert machine.run(1100)
    assert (machine.cpu.executed, machine.register("ebx")) == (1100, 100)


def test_hlt_gives_up_the_rest(machine: SmallMachine) -> None:
    machine.run_program("nop\n hlt\n inc ecx", ring=0, ecx=0)
    assert machine.register("ecx") == 0
    assert machine.cpu.executed == 2
    assert machine.run(1)
    assert machine.register("ecx") == 1


@pytest.mark.parametrize("instructions", [0, 1 << 40])
def test_another_thread_stops_a_run(machine: SmallMachine, instructions: int) -> None:
    machine.load(f";@org {USER:x}h\nStart:\n cmp ebx, ecx\n mov eax, [{DATA}]\n jmp Start\n")
    machine.start(USER)
    timer = threading.Timer(0.05, machine.cpu.stop)
    timer.start()
    started = time.monotonic()
    assert not machine.cpu.run(instructions, 10_000_000)
    assert time.monotonic() - started < 5


def test_the_time_limit(machine: SmallMachine) -> None:
    machine.start(USER)
    started = time.monotonic()
    assert machine.cpu.run(1 << 40, 30_000)
    assert machine.cpu.run(0, 30_000)
    assert time.monotonic() - started < 5


def test_a_stop_by_the_clock_never_comes_behind_a_store_and_before_its_instruction_s_end(
    machine: SmallMachine,
) -> None:
    machine.load(f"""
;@org {USER:x}h
Start:
    lock inc dword ptr [{DATA}]
    inc ebx
    jmp Start
""")
    machine.set_u32(DATA, 0)
    machine.start(USER, ebx=0)
    for _ in range(100):
        assert machine.cpu.run(0, 1000)
        assert (machine.register("eip"), machine.u32(DATA)) == (USER, machine.register("ebx"))
    assert machine.u32(DATA) > 100
