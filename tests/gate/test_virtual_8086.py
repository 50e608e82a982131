"""An iretd of ring 3 that asks for virtual-8086 mode, which the engine would enter."""

from __future__ import annotations

from pathlib import Path

from gate.gate_machine import program
from gate.guest_run import GuestRun
from ntgate.layout import ntstatus

# Above EFLAGS, whose IOPL lies at bit 12, what the mode takes: ESP, SS, ES, DS, FS and GS.
INTO_THE_MODE = """
        push    0
        push    0
        push    23h
        push    23h
        push    23h
        push    100h
        push    23202h
        push    0FED8h
        push    5678h
        iretd
"""


def test_the_program_faults_and_the_machine_goes_on(tmp_path: Path) -> None:
    run = GuestRun(program(tmp_path, "mode", INTO_THE_MODE, "Text:"))
    run.machine.run()
    assert run.process.exited
    assert run.process.exit_status == ntstatus.STATUS_ACCESS_VIOLATION
    [exception] = [event for event in run.exceptions if not event.first_chance]
    assert exception.code == ntstatus.STATUS_ACCESS_VIOLATION
