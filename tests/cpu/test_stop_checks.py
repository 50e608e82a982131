"""The engine's flag against stops inside of an instruction is found, and nothing else."""

from __future__ import annotations

import ctypes as C

import pytest

from ntgate.cpu import stop_checks
from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.calibration import calibrate
from ntgate.cpu.ram import PhysicalMemory
from ntgate.cpu.stop_checks import StopChecks
from ntgate.cpu.unicorn_abi import const
from ntgate.errors import CalibrationError

RAM = PhysicalMemory(32)


@pytest.fixture
def engine() -> C.c_void_p:
    handle = C.c_void_p()
    abi.check(abi.uc_open(const.UC_ARCH_X86, const.UC_MODE_32, C.byref(handle)))
    abi.check(abi.uc_mem_map_ptr(handle, 0, RAM.size, const.UC_PROT_ALL, RAM.address))
    return handle


def test_one_byte_changes(engine: C.c_void_p) -> None:
    counter = calibrate(engine, RAM).counter
    assert engine.value is not None
    before = C.string_at(engine.value, 0x1000)
    checks = StopChecks(engine, counter)
    checks.set_at_accesses(False)
    after = C.string_at(engine.value, 0x1000)
    assert [(a, b) for a, b in zip(before, after, strict=True) if a != b] == [(0, 1)]
    checks.set_at_accesses(True)
    assert C.string_at(engine.value, 0x1000) == before
    abi.uc_close(engine)


def test_another_engine_is_refused(
    engine: C.c_void_p, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = calibrate(engine, RAM).counter
    monkeypatch.setattr(stop_checks, "_TARGET_PAGE", 0x2000)
    with pytest.raises(CalibrationError, match=r"install unicorn 2\.1\.4"):
        StopChecks(engine, counter)
    abi.uc_close(engine)
