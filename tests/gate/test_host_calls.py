"""The kernel's way to the host keeps nothing where an interrupt could change it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.gate_machine import program
from ntgate.devices.console import MemoryDevice
from ntgate.layout import machine as m
from ntgate.machine import Cause, Machine, MachineOptions

TURNS = 3
STEPS = 400_000

# Answers of every kind, one after the other: a status, a wait, a page and all pages to flush, and
# a CONTEXT that is loaded.  Where one differs from what belongs there, the program stops writing.
CODE = """
        mov     ebp, TURNS
Again:
        @write  NtWriteFile
        test    eax, eax
        jnz     Wrong
        lea     ecx, [Delay]
        push    ecx
        push    0
        call    NtDelayExecution
        test    eax, eax
        jnz     Wrong
        push    12345678h
        call    NtClose
        cmp     eax, 0C0000008h
        jne     Wrong
        mov     dword ptr [Base], 0
        mov     dword ptr [Size], 3000h
        push    4
        push    3000h
        lea     ecx, [Size]
        push    ecx
        push    0
        lea     ecx, [Base]
        push    ecx
        push    -1
        call    NtAllocateVirtualMemory
        test    eax, eax
        jnz     Wrong
        mov     esi, [Base]
        mov     dword ptr [esi], 1
        mov     dword ptr [esi+1000h], 1
        mov     dword ptr [esi+2000h], 1
        mov     dword ptr [Size], 1000h
        call    Protect
        mov     dword ptr [Size], 3000h
        call    Protect
        mov     dword ptr [Size], 0
        push    8000h
        lea     ecx, [Size]
        push    ecx
        lea     ecx, [Base]
        push    ecx
        push    -1
        call    NtFreeVirtualMemory
        test    eax, eax
        jnz     Wrong
        lea     ecx, [Context]
        push    ecx
        push    -2
        call    NtGetContextThread
        test    eax, eax
        jnz     Wrong
        lea     ecx, [Behind]
        mov     [Context+0B8h], ecx
        mov     [Context+0C4h], esp
        mov     [Context+0B4h], ebp
        push    0
        lea     ecx, [Context]
        push    ecx
        call    NtContinue
        jmp     Wrong
Behind:
        dec     ebp
        jnz     Again
Wrong:
        @leave
Protect:
        lea     ecx, [Old]
        push    ecx
        push    2
        lea     ecx, [Size]
        push    ecx
        lea     ecx, [Base]
        push    ecx
        push    -1
        call    NtProtectVirtualMemory
        test    eax, eax
        jnz     Wrong
        ret
""".replace("TURNS", str(TURNS))
DATA = """
Base:
        .long   0
Size:
        .long   0
Old:
        .long   0
Delay:
        .long   -10000, -1
Context:
        .long   10007h
        .fill   0B2h, 4, 0
Text:
        .ascii "."
"""


@pytest.mark.parametrize("has_sep", [True, False])
def test_a_tick_between_any_two_instructions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_sep: bool
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # the built-in ntdll, which starts at once
    machine = Machine(MachineOptions(has_sep=has_sep))
    path = program(tmp_path, "calls", CODE, DATA)
    consoles = [MemoryDevice(), MemoryDevice()]
    for console in consoles:
        machine.start(path, stdout=console)
    symbols, registers = machine.symbols, machine.cpu.registers
    first, end = symbols["KiCallHost"], symbols["KiSwapThread"]  # with KiCallHostWithNpx
    interrupted: set[int] = set()
    ticked: set[tuple[int, int]] = set()  # and not yet gone on from there
    for _ in range(STEPS):
        if machine.resume(1) is Cause.EXIT:
            break
        eip, place = registers.eip, (registers.eip, registers.read("esp"))
        if place in ticked:
            ticked.remove(place)
        elif first <= eip < end and machine.cpu.interrupt(m.CLOCK_VECTOR):
            interrupted.add(eip - first)
            ticked.add(place)
    else:
        pytest.fail("the programs do not end")
    assert [bytes(console.output) for console in consoles] == [b"." * TURNS] * 2
    assert len(interrupted) >= 6
