"""Breakpoints, Ctrl-C and masked interrupts: the machine under kd keeps its clock, and stops."""

from __future__ import annotations

import threading
from pathlib import Path

from gate.gate_machine import DebuggedMachine, dots, program
from ntgate.debug.target import StopReason

# More instructions than a clock tick has, with interrupts off.
MASKED = """
Masked:
        cli
        mov     ecx, 0A0000h
MaskedLoop:
        dec     ecx
        jnz     MaskedLoop
MaskedEnd:
        nop
        jmp     KiServiceExit2
"""


def test_a_breakpoint_behind_a_tick_that_had_to_wait() -> None:
    machine = DebuggedMachine()
    driver = machine.install(MASKED)
    machine.kd(f"r eip={driver['Masked']:x}", f"bp {driver['MaskedEnd']:x}")
    assert "Breakpoint 0 hit" in machine.kd("g")
    assert machine.value("@eip") == driver["MaskedEnd"]
    assert machine.run_to_end() == b"hello through sysenter\n"


def test_ctrl_c_stops_a_machine_that_has_masked_interrupts() -> None:
    machine = DebuggedMachine()
    driver = machine.install(
        """
Stuck:
        cli
StuckLoop:
        jmp     StuckLoop
"""
    )
    machine.kd(f"r eip={driver['Stuck']:x}")
    presses = threading.Timer(0.3, machine.target.request_interrupt)
    presses.start()
    stop = machine.target.resume()
    presses.join()
    assert stop.reason is StopReason.INTERRUPT
    assert machine.value("@eip") == driver["StuckLoop"]


def test_ctrl_c_stops_a_program_in_a_loop(tmp_path: Path) -> None:
    path = program(tmp_path, "stuck", "        jmp     Start", 'Text:\n        .ascii "."')
    machine = DebuggedMachine(path)
    presses = threading.Timer(0.3, machine.target.request_interrupt)
    presses.start()
    printed = machine.kd("g")
    presses.join()
    assert printed.startswith("Break-in by the user")
    assert machine.kd("r").endswith("jmp     stuck!Start (00401000)\n")


def test_time_passes_while_a_breakpoint_stops_the_machine_again_and_again(tmp_path: Path) -> None:
    code = """
        mov     ebx, [7FFE0000h]                ; TickCountLow
Again:
        call    Probe
        cmp     ebx, [7FFE0000h]
        je      Again
        @write  NtWriteFile
        @leave
Probe:
        ret
"""
    path = program(tmp_path, "waits", code, 'Text:\n        .ascii "."')
    machine = DebuggedMachine(path)
    machine.kd('bu waits!Probe "g"')
    assert machine.run_to_end() == b"."


def test_the_initial_break_costs_no_tick() -> None:
    machine = DebuggedMachine()
    before = machine.dword(0x7FFE0000)
    machine.kd("t 20")
    machine.run_to_end()
    assert machine.dword(0x7FFE0000) == before == 0x6590


def test_a_step_is_not_taken_by_the_clock(tmp_path: Path) -> None:
    """A tick that is due waits while kd steps: `t` shows the program's next instruction."""
    machine = DebuggedMachine(dots(tmp_path, 2))
    machine.kd(f"bp {machine.install(MASKED)['MaskedEnd']:x}", "g ntdll!NtWriteFile")
    for address in (0x7C92DF65, 0x7C92DF6A, 0x7C92E4F0, 0x7C92E4F2, 0x805426E0):
        machine.kd("t")
        assert machine.value("@eip") == address
