"""The engine's registers are found where they stand, and only there."""

from __future__ import annotations

import ctypes as C

import pytest
from small_machine import SmallMachine

from ntgate.cpu import live
from ntgate.cpu.calibration import GENERAL
from ntgate.errors import CalibrationError


def test_they_are_the_registers_of_the_interface(machine: SmallMachine) -> None:
    cpu = machine.cpu
    for value, name in enumerate(GENERAL, 0x1234567):
        cpu.registers.write(name, value)
        place = cpu.layout.general[GENERAL.index(name)]
        assert cpu.live[place] == value
        cpu.live[place] = ~value & 0xFFFFFFFF
        assert cpu.registers.read(name) == ~value & 0xFFFFFFFF


def test_all_that_a_saved_context_holds_is_there(machine: SmallMachine) -> None:
    cpu = machine.cpu
    first, end = cpu.layout.general[0], cpu.layout.old_exception + 1
    assert cpu.context.save(cpu.engine)[first:end].tolist() == cpu.live[first:end].tolist()


def test_a_callback_changes_them_in_place(machine: SmallMachine) -> None:
    eax = machine.cpu.layout.general[0]

    def answer(value: int) -> bool:
        machine.cpu.live[eax] = value + 1
        return True

    program = "mov eax, 5\n out 0E9h, eax\n add eax, 10h\n mov ecx, eax\n hlt"
    machine.load(f";@org 80030000h\nStart:\n {program}\n")
    machine.cpu.host_call = answer
    machine.start(0x80030000, ring=0)
    machine.run()
    assert machine.register("ecx") == 0x16


def test_wrong_addresses_can_be_read(machine: SmallMachine) -> None:
    data = C.create_string_buffer(b"some bytes", 16)
    with live._probe() as read:
        assert read(C.addressof(data), 10) == b"some bytes"
        assert read(8, 16) == b""
        assert read(0xFFFF_FFFF_FFFF_F000, 16) == b""


def test_what_is_not_found_stops_the_start(
    machine: SmallMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = machine.cpu
    monkeypatch.setattr(live, "_PROCESSOR_SIZE", 8)
    with pytest.raises(CalibrationError, match="found 0 times; install unicorn"):
        live.live_registers(cpu.engine, cpu.context, cpu.layout)
