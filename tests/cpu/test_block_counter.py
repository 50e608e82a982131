"""Runs counted in translation blocks: equal, at the starts of blocks, and exact where asked."""

from __future__ import annotations

import ctypes as C

import pytest
from small_machine import DATA, USER, SmallMachine

from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.block_counter import BlockCounter
from ntgate.cpu.calibration import calibrate
from ntgate.cpu.processor import BLOCK
from ntgate.cpu.ram import PhysicalMemory
from ntgate.cpu.unicorn_abi import const
from ntgate.errors import CalibrationError

LOOP = f"""
;@org {USER:x}h
Start:
    lock inc dword ptr [{DATA}]
    inc ebx
    cmp bl, 7
    je Seventh
    jmp Start
Seventh:
    int 2Eh
    nop
    jmp Start
"""


@pytest.fixture(autouse=True)
def loop(machine: SmallMachine) -> None:
    machine.load(LOOP)
    machine.on_event = lambda _event: None


def places(machine: SmallMachine, amounts: list[int]) -> list[tuple[int, int, int]]:
    machine.set_u32(DATA, 0)
    machine.start(USER, ebx=0)
    found = []
    for amount in amounts:
        assert machine.cpu.run(amount, exact=False)
        assert machine.cpu.executed == -(-amount // BLOCK) * BLOCK
        found.append(
            (machine.register("cs"), machine.register("eip"), machine.u32(DATA))
        )
    return found


def test_equal_runs_stop_at_equal_places(machine: SmallMachine) -> None:
    amounts = [1, 70, 13, 1000, 250_001, 30]
    assert places(machine, amounts) == places(machine, amounts)


def test_slices_add_up(machine: SmallMachine) -> None:
    assert places(machine, [5] * 300)[-1] == places(machine, [1500])[-1]


def test_no_store_is_done_twice(machine: SmallMachine) -> None:
    machine.set_u32(DATA, 0)
    machine.start(USER, ebx=0)
    for _ in range(500):
        assert machine.cpu.run(5, exact=False)
        if machine.register("eip") == USER:
            assert machine.u32(DATA) == machine.register("ebx")


def test_exact_runs_between_them_stay_exact(machine: SmallMachine) -> None:
    machine.start(USER, ebx=0)
    machine.cpu.run(500, exact=False)
    machine.start(USER, ebx=0)
    eips = []
    for _ in range(3):
        machine.cpu.run(1)
        eips.append(machine.register("eip") - USER)
    assert eips == [7, 8, 11]
    assert machine.cpu.run(0, 1000)
    assert machine.cpu.run(500, exact=False)


def test_a_breakpoint_stops_at_its_instruction(machine: SmallMachine) -> None:
    machine.start(USER, ebx=0)
    machine.cpu.run(500, exact=False)
    machine.start(USER, ebx=0)
    machine.cpu.breakpoints.add(USER + 8)
    assert not machine.cpu.run(1000, exact=False)
    assert (machine.register("eip"), machine.register("ebx")) == (USER + 8, 1)


def test_an_engine_that_counts_nothing_is_refused() -> None:
    ram = PhysicalMemory(32)
    engine = C.c_void_p()
    abi.check(abi.uc_open(const.UC_ARCH_X86, const.UC_MODE_32, C.byref(engine)))
    abi.check(abi.uc_mem_map_ptr(engine, 0, ram.size, const.UC_PROT_ALL, ram.address))
    counter = calibrate(engine, ram).counter
    BlockCounter(engine, counter).take()
    with pytest.raises(CalibrationError, match="counting hook was not found"):
        BlockCounter(engine, counter)
    abi.uc_close(engine)
