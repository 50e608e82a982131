"""The layout of the engine's context is found, and nothing is taken that only looks like it."""

from __future__ import annotations

import ctypes as C
from collections.abc import Callable

import pytest

from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.calibration import Context, ContextLayout, calibrate
from ntgate.cpu.ram import PhysicalMemory
from ntgate.cpu.unicorn_abi import const
from ntgate.errors import CalibrationError

RAM = PhysicalMemory(32)


def found() -> ContextLayout:
    engine = C.c_void_p()
    abi.check(abi.uc_open(const.UC_ARCH_X86, const.UC_MODE_32, C.byref(engine)))
    abi.check(abi.uc_mem_map_ptr(engine, 0, RAM.size, const.UC_PROT_ALL, RAM.address))
    try:
        return calibrate(engine, RAM)
    finally:
        abi.uc_close(engine)


def test_every_part_has_a_place_of_its_own() -> None:
    layout = found()
    places = [
        place
        for name, value in vars(layout).items()
        if name not in ("size", "counter")
        for place in (value if isinstance(value, tuple) else (value,))
    ]
    assert len(places) == len(set(places)) == 8 + 6 + 21
    assert all(0 < place < layout.size // 4 for place in places)


def test_the_trial_leaves_no_trace_in_ram() -> None:
    found()
    assert not any(RAM.bytes)


def double_registers(words: memoryview) -> None:
    words[700:760] = words[:60]


def swap_eax_and_ecx(words: memoryview) -> None:
    words[10], words[12] = words[12], words[10]


def hide_dr6(words: memoryview) -> None:
    for index, word in enumerate(words):
        if word == 0xFFFF_AFFF:
            words[index] = 0


@pytest.mark.parametrize("tamper", [double_registers, swap_eax_and_ecx, hide_dr6])
def test_an_unknown_layout_is_refused(
    tamper: Callable[[memoryview], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Context.save

    def tampered(self: Context, engine: C.c_void_p) -> memoryview:
        words = save(self, engine)
        tamper(words)
        return words

    monkeypatch.setattr(Context, "save", tampered)
    with pytest.raises(CalibrationError, match="the engine's"):
        found()
    assert not any(RAM.bytes)


def test_a_layout_is_found_wherever_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but distances is taken for granted."""
    plain, save = found(), Context.save
    monkeypatch.setattr(Context, "save", lambda self, engine: save(self, engine)[2:])
    moved = found()
    assert (moved.eip, moved.old_exception) == (plain.eip - 2, plain.old_exception - 2)
