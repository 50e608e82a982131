"""A run by the clock ends although the engine's own timer has missed it."""

from __future__ import annotations

import ctypes as C
import threading
import time

import pytest
from small_machine import USER, SmallMachine

from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.overdue import GRACE

FOREVER = f"""
;@org {USER:x}h
Start:
    jmp Start
"""


@pytest.fixture
def looping(machine: SmallMachine) -> SmallMachine:
    machine.load(FOREVER)
    machine.start(USER)
    return machine


def without_a_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    start = abi.uc_emu_start

    def timeless(engine: C.c_void_p, begin: int, until: int, _timeout: int, count: int) -> int:
        code: int = start(engine, begin, until, 0, count)
        return code

    monkeypatch.setattr(abi, "uc_emu_start", timeless)


def test_a_run_whose_timer_is_lost_ends_late(
    looping: SmallMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_a_timer(monkeypatch)
    for _ in range(2):
        began = time.monotonic()
        assert looping.cpu.run(timeout_us=20_000)
        assert GRACE <= time.monotonic() - began < GRACE * 20
        assert looping.register("eip") == USER


def test_what_ran_once_is_not_stopped_later(looping: SmallMachine) -> None:
    assert looping.cpu.run(timeout_us=1000)
    time.sleep(3 * GRACE)
    assert looping.cpu.run(100_000)
    assert looping.cpu.executed == 100_000


def test_other_threads_run_beside_a_run_by_the_clock(looping: SmallMachine) -> None:
    ticks = []
    done = threading.Event()

    def tick() -> None:
        while not done.wait(0.001):
            ticks.append(0)

    thread = threading.Thread(target=tick)
    thread.start()
    assert looping.cpu.run(timeout_us=40_000)
    done.set()
    thread.join()
    assert len(ticks) > 5
