"""The gates themselves: IDT, MSRs, SharedUserData!SystemCall.  The next call obeys a change."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from gate.gate_machine import DebuggedMachine, dots, program

GATE_OF_2E = 0x8003F570
KE_SYSTEM_CALLS = 0xFFDFF638
GATES = ("NtWriteFile", "DirectSysenter", "ThroughIntSystemCall", "DirectInterrupt")


def gate_to(address: int, *, dpl: int = 3) -> int:
    """The eight bytes of an interrupt gate."""
    return address & 0xFFFF | 0x8 << 16 | (0x8E | dpl << 5) << 40 | address >> 16 << 48


def guarded(folder: Path, instruction: str) -> Path:
    """A program that writes the code and the address of the exception that `instruction` is.

    Eight bytes: the NTSTATUS and the offset from the instruction; zeros where there is none.
    """
    code = f"""
        lea     eax, [Handler]
        push    eax
        push    dword ptr fs:[0]
        mov     fs:[0], esp
        mov     eax, 112h
        mov     edx, esp
Guarded:
        {instruction}
Resumed:
        pop     dword ptr fs:[0]
        add     esp, 4
        @write  NtWriteFile
        @leave
Handler:
        mov     edx, [esp+4]
        mov     eax, [edx]
        mov     [Text], eax
        mov     eax, [edx+EXCEPTION_RECORD.ExceptionAddress]
        lea     ecx, [Guarded]
        sub     eax, ecx
        mov     [Text+4], eax
        mov     edx, [esp+0Ch]
        lea     ecx, [Resumed]
        mov     [edx+CONTEXT.Eip], ecx
        xor     eax, eax
        ret
"""
    name = "guarded_" + "".join(filter(str.isalnum, instruction))
    return program(folder, name, code, "Text:\n        .long 0, 0")


def exception_of(written: bytes) -> tuple[int, int]:
    code, offset = struct.unpack("<Ii", written)
    return code, offset


def counts(machine: DebuggedMachine) -> tuple[int, int]:
    """How often each gate routine runs until the program ends: (sysenter's, int 2Eh's)."""
    hits = []
    for number, routine in enumerate(("KiFastCallEntry", "KiSystemService")):
        machine.kd(f"r $t{number}=0", f'bp nt!{routine} "r $t{number}=@$t{number}+1; g"')
    machine.run_to_end()
    for number in range(2):
        hits.append(machine.value(f"@$t{number}"))
    return hits[0], hits[1]


@pytest.mark.parametrize(
    ("routine", "expected"),
    [
        ("NtWriteFile", (7, 0)),
        ("DirectSysenter", (7, 0)),
        ("ThroughIntSystemCall", (2, 5)),
        ("DirectInterrupt", (2, 5)),
    ],
)
def test_each_way_takes_its_gate(tmp_path: Path, routine: str, expected: tuple[int, int]) -> None:
    """Besides the writes there are NtContinue of the thread's start and NtTerminateProcess."""
    machine = DebuggedMachine(dots(tmp_path, 5, routine))
    assert counts(machine) == expected
    assert machine.output == b"....."


# IDT


def test_kd_points_vector_2e_elsewhere(tmp_path: Path) -> None:
    machine = DebuggedMachine(dots(tmp_path, 6, "DirectInterrupt"))
    hook, counter = machine.counting_hook("KiSystemService")
    machine.kd(f"eq {GATE_OF_2E:x} {gate_to(hook):x}")
    assert f"2e:\t{hook:08x}" in machine.kd("!idt 2e")
    assert machine.run_to_end() == b"." * 6
    assert machine.dword(counter) == 6


def test_a_driver_points_vector_2e_elsewhere(tmp_path: Path) -> None:
    machine = DebuggedMachine(dots(tmp_path, 6, "ThroughIntSystemCall"))
    hook, counter = machine.counting_hook("KiSystemService")
    machine.run_driver(
        f"""
DriverEntry:
        sub     esp, 8
        .byte   0Fh, 01h, 0Ch, 24h              ; sidt [esp]
        mov     ebx, [esp+2]
        add     esp, 8
        mov     eax, 0{hook:x}h
        mov     [ebx+170h], ax
        shr     eax, 10h
        mov     [ebx+176h], ax
        ret
"""
    )
    assert machine.run_to_end() == b"." * 6
    assert machine.dword(counter) == 6


def test_a_driver_loads_another_idt(tmp_path: Path) -> None:
    machine = DebuggedMachine(dots(tmp_path, 6, "DirectInterrupt"))
    hook, counter = machine.counting_hook("KiSystemService")
    table = machine.machine.executive.pool.allocate(0x800, b"Test")
    machine.kd(f"m 8003f400 L800 {table:x}", f"eq {table:x}+2e*8 {gate_to(hook):x}")
    machine.run_driver(
        f"""
DriverEntry:
        push    0{table:x}h
        push    7FF0000h
        .byte   0Fh, 01h, 5Ch, 24h, 02h         ; lidt [esp+2]
        add     esp, 8
        ret
"""
    )
    assert machine.kd("r idtr") == f"idtr={table:08x}\n"
    assert machine.value(f"poi({GATE_OF_2E:x})") == 0x00082611
    assert machine.run_to_end() == b"." * 6
    assert machine.dword(counter) == 6


def test_a_gate_of_dpl_0_is_a_fault_in_ring_3(tmp_path: Path) -> None:
    path = guarded(tmp_path, "int 2Eh")
    machine = DebuggedMachine(path)
    machine.kd(f"eb {GATE_OF_2E:x}+5 8e", "bp nt!KiTrap0D", "bp nt!KiSystemService")
    assert "Breakpoint 0 hit" in machine.kd("g")
    eip, cs, error = (machine.dword(machine.value("@esp") + at) for at in (4, 8, 0))
    assert (error, cs) == (0x2E * 8 + 2, 0x1B)
    assert machine.kd("bc *", f"u {eip:x} l1").endswith("int     2Eh\n")
    assert exception_of(machine.run_to_end()) == (0xC0000005, 0)


def test_a_gate_that_is_not_present_is_a_fault(tmp_path: Path) -> None:
    machine = DebuggedMachine(guarded(tmp_path, "int 2Eh"))
    machine.kd(f"eb {GATE_OF_2E:x}+5 6e")
    assert exception_of(machine.run_to_end()) == (0xC0000005, 0)


def test_an_unchanged_gate_is_no_fault(tmp_path: Path) -> None:
    assert exception_of(DebuggedMachine(guarded(tmp_path, "int 2Eh")).run_to_end()) == (0, 0)


def test_a_gate_that_ring_3_may_use(tmp_path: Path) -> None:
    """Opening a vector of the kernel's own makes a new system call."""
    machine = DebuggedMachine(guarded(tmp_path, "int 0A0h"))
    hook, counter = machine.counting_hook("KiSystemService")
    machine.kd(f"eq 8003f400+a0*8 {gate_to(hook):x}")
    assert exception_of(machine.run_to_end()) == (0, 0)
    assert machine.dword(counter) == 1


# MSR 176


@pytest.mark.parametrize("routine", ["NtWriteFile", "DirectSysenter"])
def test_kd_writes_msr_176(tmp_path: Path, routine: str) -> None:
    machine = DebuggedMachine(dots(tmp_path, 9, routine))
    hook, counter = machine.counting_hook("KiFastCallEntry")
    before = machine.dword(KE_SYSTEM_CALLS)
    machine.kd(f"wrmsr 176 {hook:x}")
    assert machine.run_to_end() == b"." * 9
    assert machine.dword(counter) == machine.dword(KE_SYSTEM_CALLS) - before == 11


def test_a_driver_writes_msr_176(tmp_path: Path) -> None:
    machine = DebuggedMachine(dots(tmp_path, 9))
    driver = machine.run_driver(
        """
DriverEntry:
        mov     ecx, 176h
        rdmsr
        mov     [Original], eax
        lea     eax, [Hook]
        xor     edx, edx
        wrmsr
        ret
; Counts the calls of NtWriteFile alone.
Hook:
        pushfd
        cmp     eax, 112h
        jne     HookDone
        inc     dword ptr [Writes]
HookDone:
        popfd
        jmp     dword ptr [Original]
        .balign 4, 0
Original:
        .long   0
Writes:
        .long   0
"""
    )
    assert machine.kd("rdmsr 176") == f"msr[176] = 00000000`{driver['Hook']:08x}\n"
    assert machine.run_to_end() == b"." * 9
    assert machine.dword(driver["Original"]) == 0x805426E0
    assert machine.dword(driver["Writes"]) == 9


def test_msr_175_is_the_stack_of_the_first_push() -> None:
    machine = DebuggedMachine()
    machine.kd("wrmsr 175 f88c6800", "g nt!KiFastCallEntry")
    assert machine.value("@esp") == 0xF88C6800
    machine.kd("t 2")
    assert machine.value("@esp") == 0xF88C67FC
    assert machine.dword(0xF88C67FC) == 0x30
    assert machine.run_to_end() == b"hello through sysenter\n"


def test_msr_174_of_0_forbids_sysenter(tmp_path: Path) -> None:
    machine = DebuggedMachine(guarded(tmp_path, "sysenter"))
    machine.kd(
        "ed ffdf0300 7c92e500",
        "wrmsr 174 0",
        # sysexit needs the MSR too: leave by iretd, as the image does before boot patches it.
        "eb nt!KiSystemCallExitBranch+1 by(nt!KiSystemCallExitBranch+1)-1",
        "bp nt!KiTrap0D",
    )
    assert "Breakpoint 0 hit" in machine.kd("g")
    machine.kd("bc *")
    assert exception_of(machine.run_to_end()) == (0xC0000005, 0)


# SharedUserData!SystemCall


@pytest.mark.parametrize("alias", ["ffdf0300", "7ffe0300"])
def test_kd_changes_system_call(tmp_path: Path, alias: str) -> None:
    machine = DebuggedMachine(dots(tmp_path, 5))
    machine.kd(f"ed {alias} 7c92e500")
    assert "SystemCall       : 0x7c92e500" in machine.kd("dt _KUSER_SHARED_DATA 7ffe0000")
    assert counts(machine) == (0, 7)
    assert machine.output == b"....."


def test_a_driver_changes_system_call(tmp_path: Path) -> None:
    machine = DebuggedMachine(dots(tmp_path, 5))
    machine.run_driver(
        """
DriverEntry:
        mov     dword ptr [0FFDF0300h], 7C92E500h
        ret
"""
    )
    assert counts(machine) == (0, 7)


def test_ring_3_cannot_change_system_call(tmp_path: Path) -> None:
    machine = DebuggedMachine(guarded(tmp_path, "mov dword ptr [7FFE0300h], 7C92E500h"))
    assert exception_of(machine.run_to_end()) == (0xC0000005, 0)
    assert machine.dword(0xFFDF0300) == 0x7C92E4F0


def test_system_call_may_name_code_of_the_program(tmp_path: Path) -> None:
    """All stubs of the process then go through the program's own hook."""
    code = """
        mov     ebx, 3
Again:
        @write  NtWriteFile
        dec     ebx
        jnz     Again
        @leave
UserHook:
        inc     dword ptr [HookCounter]
        lea     edx, [KiFastSystemCall]
        jmp     edx
"""
    data = 'HookCounter:\n        .long 0\nText:\n        .ascii "."'
    machine = DebuggedMachine(program(tmp_path, "user_hook", code, data))
    machine.kd("g user_hook!Start", "ed ffdf0300 user_hook!UserHook", "g nt!NtTerminateProcess")
    assert machine.dword(machine.value("user_hook!HookCounter")) == 4
    assert machine.run_to_end() == b"..."


def test_system_call_return_is_where_a_fast_call_ends(tmp_path: Path) -> None:
    machine = DebuggedMachine(dots(tmp_path, 2))
    machine.kd("bp 7c92e506", "ed ffdf0304 7c92e506")
    assert "Breakpoint 0 hit" in machine.kd("g")
    assert machine.value("@eip") == 0x7C92E506
    machine.kd("bc *")
    assert machine.run_to_end() == b".."


# Privilege


@pytest.mark.parametrize(
    "instruction", ["rdmsr", "wrmsr", "cli", "hlt", "mov cr3, eax", "sysexit", "out 0E9h, eax"]
)
def test_ring_3_has_no_privileged_instructions(tmp_path: Path, instruction: str) -> None:
    machine = DebuggedMachine(guarded(tmp_path, instruction))
    assert exception_of(machine.run_to_end()) == (0xC0000096, 0)
