"""Executive structures that kd has damaged: a bug check of the guest, and no fault of ntgate's."""

from __future__ import annotations

import pytest

from gate.gate_machine import IMAGE_BASE, DebuggedMachine
from ntgate.layout.mm import MMPFN
from ntgate.services.ps import process_query

NOWHERE = 0xDEADBEE0


def damage(machine: DebuggedMachine, structure: str) -> str:
    """Break something that the end of the program needs; gives the bug check to expect."""
    space, kernel = machine.process.space, machine.machine.kernel
    node = machine.value("poi(@$proc+11c)")  # VadRoot
    if structure == "VAD":
        machine.kd(f"ed {node + 0xC:x} {NOWHERE:x}")  # LeftChild
        return f"*** STOP: 0x00000050 (0x{NOWHERE:08X},0x00000000,"
    if structure == "VAD's control area":
        image = space.vad_at(IMAGE_BASE >> 12)
        assert image is not None
        machine.kd(f"ed {image.node + 0x18:x} {node:x}")
        return f"*** STOP: 0x00000109 (0x{node:08X},"
    if structure == "page frame":
        frame = space.tables.entry(machine.process.eprocess.Peb) >> 12 & 0xFFFFFF
        place = space.manager.pfn.address + MMPFN.SIZE * frame + 8
        assert kernel.u32(place) == 1  # ShareCount
        machine.kd(f"ed {place:x} 0")
        return f"*** STOP: 0x0000004E (0x00000007,0x{frame:08X},"
    machine.kd(f"ed {machine.process.handles:x} {NOWHERE:x}")  # TableCode
    return "*** STOP: 0x00000050 ("


@pytest.mark.parametrize("structure", ["VAD", "VAD's control area", "page frame", "handle table"])
def test_the_bug_check_names_what_is_wrong(structure: str) -> None:
    machine = DebuggedMachine()
    expected = damage(machine, structure)
    printed = machine.kd("g")
    assert expected in printed
    assert "fault of ntgate's" not in printed


@pytest.mark.parametrize("child", [0xC, 0x10])
def test_a_circle_of_vads_is_a_bug_check(child: int) -> None:
    machine = DebuggedMachine()
    node = machine.value("poi(@$proc+11c)")
    machine.kd(f"ed {node + child:x} {node:x}")
    printed = machine.kd("g")
    assert "*** STOP: 0x00000109 (" in printed or "*** STOP: 0x00000050 (" in printed


def test_a_list_without_an_end_is_a_bug_check() -> None:
    machine = DebuggedMachine()
    first = machine.value("poi(@$proc+190)")  # ThreadListHead
    machine.kd(f"ed {first:x} {first:x}")
    assert "*** STOP: 0x00000109 (" in machine.kd("g")


def test_commands_go_on_over_damaged_vads() -> None:
    machine = DebuggedMachine()
    node = machine.value("poi(@$proc+11c)")
    machine.kd(f"ed {node + 0xC:x} {NOWHERE:x}", f"ed {node + 0x10:x} {NOWHERE:x}")
    machine.kd("!process 0 7")
    assert "????????" in machine.kd("dd 12000 L1")
    assert machine.mistake("!vprot 12000") == "The process's VADs are damaged\n"


def test_counts_that_make_no_sense_are_told_as_they_are() -> None:
    machine = DebuggedMachine()
    machine.kd("ed @$proc+1ec ffffffff")  # CommitChargePeak
    _size, counters = process_query.ANSWERS[process_query.ProcessVmCounters]
    assert counters(machine.process).endswith(bytes.fromhex("00f0ffff"))
