"""Code that is changed after it has run: the very next run of it is the new code."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.gate_machine import DebuggedMachine, dots, program
from ntgate.devices.console import MemoryDevice

KE_SYSTEM_CALLS = 0xFFDFF638
ALIAS = 0xF9FF0000  # system PTEs that nothing else uses
DOTS, BEFORE = 20, 8  # system calls that write, in all and before the patch
AFTER = DOTS - BEFORE + 1  # those after it, and NtTerminateProcess

INLINE_HOOK = """
InlineHook:
        pushfd
        inc     dword ptr [InlineCounter]
        popfd
        mov     ecx, 23h
        jmp     _EntryBehind
        .balign 4, 0
InlineCounter:
        .long   0
"""


def in_the_middle(
    folder: Path, routine: str = "NtWriteFile", *, then: tuple[int, ...] = ()
) -> DebuggedMachine:
    """A machine whose program has made BEFORE of its DOTS calls, and stands in ring 3."""
    machine = DebuggedMachine(dots(folder, DOTS, routine, breaks=(BEFORE, *then)))
    assert "80000003" in machine.kd("g")
    assert machine.output == b"." * BEFORE
    return machine


def jump(at: int, to: int) -> bytes:
    return b"\xe9" + (to - at - 5 & 0xFFFFFFFF).to_bytes(4, "little")


def spaced(code: bytes) -> str:
    return " ".join(f"{byte:02x}" for byte in code)


def finish_and_count(machine: DebuggedMachine, counter: int) -> int:
    """Run to the end; how often the hook ran, which all system calls since now must have met."""
    before = machine.dword(KE_SYSTEM_CALLS)
    assert machine.run_to_end() == b"." * DOTS
    assert machine.dword(counter) == machine.dword(KE_SYSTEM_CALLS) - before
    return machine.dword(counter)


def test_kd_patches_ki_fast_call_entry(tmp_path: Path) -> None:
    machine = in_the_middle(tmp_path)
    hook = machine.install(INLINE_HOOK)
    entry = machine.value("nt!KiFastCallEntry")
    machine.kd(f"eb {entry:x} {spaced(jump(entry, hook['InlineHook']))}")
    assert f"jmp     {hook['InlineHook']:08x}" in machine.kd("u nt!KiFastCallEntry l1")
    assert finish_and_count(machine, hook["InlineCounter"]) == AFTER


def test_a_patch_that_is_taken_back(tmp_path: Path) -> None:
    machine = in_the_middle(tmp_path, then=(BEFORE + 5,))
    hook = machine.install(INLINE_HOOK)
    entry = machine.value("nt!KiFastCallEntry")
    machine.kd(f"eb {entry:x} {spaced(jump(entry, hook['InlineHook']))}", "g")
    assert machine.output == b"." * (BEFORE + 5)
    machine.kd(f"eb {entry:x} b9 23 00 00 00")
    assert machine.run_to_end() == b"." * DOTS
    assert machine.dword(hook["InlineCounter"]) == 5


def test_kd_patches_ki_system_service(tmp_path: Path) -> None:
    machine = in_the_middle(tmp_path, "DirectInterrupt")
    hook = machine.install(
        """
InterruptHook:
        inc     dword ptr [InterruptCounter]
        push    0
        push    ebp
        push    ebx
        push    esi
        jmp     _ServiceBehind
        .balign 4, 0
InterruptCounter:
        .long   0
"""
    )
    service = machine.value("nt!KiSystemService")
    machine.kd(f"eb {service:x} {spaced(jump(service, hook['InterruptHook']))}")
    assert machine.run_to_end() == b"." * DOTS
    assert machine.dword(hook["InterruptCounter"]) == DOTS - BEFORE


def test_kd_patches_the_stub_in_ntdll(tmp_path: Path) -> None:
    machine = in_the_middle(tmp_path)
    machine.kd("eb ntdll!NtWriteFile+1 16 01")  # NtYieldExecution
    assert machine.run_to_end() == b"." * BEFORE


def test_kd_patches_code_that_has_not_run_yet() -> None:
    """At the initial break no page of the program or of ntdll is in memory."""
    machine = DebuggedMachine()
    machine.kd("eb ntdll!NtWriteFile+1 16 01", "bp nt!NtYieldExecution")
    assert "Breakpoint 0 hit" in machine.kd("g")
    machine.kd("bc *")
    assert machine.run_to_end() == b""


def test_kd_writes_an_int_3(tmp_path: Path) -> None:
    machine = DebuggedMachine(dots(tmp_path, 2))
    machine.kd("eb ntdll!NtWriteFile cc")
    printed = machine.kd("g")
    assert printed.startswith("Break instruction exception - code 80000003 (first chance)")
    assert machine.value("@eip") == machine.value("ntdll!NtWriteFile")
    machine.kd("eb ntdll!NtWriteFile b8", "r eip=@eip")
    assert machine.run_to_end() == b".."


# From guest code, in ring 0, in a system call.

PATCH_FROM_A_CALL = """
; In place of NtWriteFile, once.
Patch:
        cli
{patch}
        sti
        lea     eax, [NtWriteFile]
        mov     [KiServiceTable+448h], eax
        jmp     eax
"""


def patch_from_a_call(machine: DebuggedMachine, patch: str) -> int:
    """Have the next NtWriteFile run `patch` first; gives the hook's counter."""
    symbols = machine.install(INLINE_HOOK + PATCH_FROM_A_CALL.format(patch=patch))
    machine.kd(f"ed KiServiceTable+448 {symbols['Patch']:x}")
    return symbols["InlineCounter"]


def test_guest_code_patches_at_the_same_address(tmp_path: Path) -> None:
    machine = in_the_middle(tmp_path)
    counter = patch_from_a_call(
        machine,
        """
        mov     byte ptr [KiFastCallEntry], 0E9h
        lea     eax, [InlineHook]
        lea     ecx, [KiFastCallEntry+5]
        sub     eax, ecx
        mov     [KiFastCallEntry+1], eax
""",
    )
    assert machine.run_to_end() == b"." * DOTS
    # The call that patches has entered before.
    assert machine.dword(counter) == AFTER - 1


def test_guest_code_patches_through_a_second_mapping(tmp_path: Path) -> None:
    """The alias is a PTE that the guest writes into the self map, with NX clear."""
    machine = in_the_middle(tmp_path)
    counter = patch_from_a_call(
        machine,
        f"""
        mov     eax, [{0xC0000000 + (0x805426E0 >> 12) * 8:#x}]
        mov     ecx, [{0xC0000004 + (0x805426E0 >> 12) * 8:#x}]
        mov     [{0xC0000004 + (ALIAS >> 12) * 8:#x}], ecx
        mov     [{0xC0000000 + (ALIAS >> 12) * 8:#x}], eax
        mov     ecx, {ALIAS:#x}
        invlpg  [ecx]
        mov     byte ptr [ecx+6E0h], 0E9h
        lea     eax, [InlineHook]
        lea     edx, [KiFastCallEntry+5]
        sub     eax, edx
        mov     [ecx+6E1h], eax
""",
    )
    assert machine.run_to_end() == b"." * DOTS
    assert machine.dword(counter) == AFTER - 1
    assert machine.kd(f"db {ALIAS + 0x6E0:x} l5")[10:] == machine.kd("db 805426e0 l5")[10:]
    frame = "pfn 542 "
    assert frame in machine.kd(f"!pte {ALIAS:x}") and frame in machine.kd("!pte 805426e0")


def test_guest_code_patches_every_second_call(tmp_path: Path) -> None:
    """Code that changes back and forth, each time after it has run."""
    machine = in_the_middle(tmp_path)
    symbols = machine.install(
        """
; In place of NtWriteFile: rewrites its own next instruction, to count here or there.
Toggle:
        xor     byte ptr [Selected+1], 4        ; Even and Odd are 4 bytes apart
Selected:
        mov     ecx, 0
        inc     dword ptr [ecx+Even]
        jmp     NtWriteFile
        .balign 8, 0
Even:
        .long   0
Odd:
        .long   0
"""
    )
    machine.kd(f"ed KiServiceTable+448 {symbols['Toggle']:x}")
    assert machine.run_to_end() == b"." * DOTS
    half = (DOTS - BEFORE) // 2
    assert machine.dword(symbols["Even"]) == machine.dword(symbols["Odd"]) == half


def test_kd_patches_through_a_second_mapping(tmp_path: Path) -> None:
    machine = in_the_middle(tmp_path)
    hook = machine.install(INLINE_HOOK)
    pte = 0xC0000000 + (ALIAS >> 12) * 8
    machine.kd(f"eq {pte:x} 542103")
    machine.kd(f"eb {ALIAS + 0x6E0:x} {spaced(jump(0x805426E0, hook['InlineHook']))}")
    assert finish_and_count(machine, hook["InlineCounter"]) == AFTER


# Ring 3.


def test_a_program_whose_code_kd_changes_in_a_loop(tmp_path: Path) -> None:
    code = """
        mov     ebx, 6
Again:
        call    Letter
        mov     [Text], al
        @write  NtWriteFile
        dec     ebx
        jnz     Again
        @leave
Letter:
        mov     al, 61h
        ret
"""
    machine = DebuggedMachine(program(tmp_path, "letters", code, 'Text:\n        .ascii "."'))
    machine.kd("bu letters!Letter")
    for letter in b"abcdef":
        machine.kd("g", f"eb letters!Letter+1 {letter:x}")
    assert machine.run_to_end() == b"abcdef"


LETTERS = 60
YIELDING = f"""
        xor     ebx, ebx
Again:
        call    Letter
        mov     [Text+ebx], al
        call    NtYieldExecution
        inc     ebx
        cmp     ebx, {LETTERS}
        jne     Again
        @write  NtWriteFile
        @leave
Letter:
        mov     al, LETTER
        ret
"""
ROOM = f"Text:\n        .fill {LETTERS}, 1, 0"


def start_together(paths: list[Path]) -> tuple[DebuggedMachine, list[bytes], int]:
    """Run programs side by side; what each has written, and the number of thread switches."""
    machine = DebuggedMachine(paths[0])
    consoles = [machine.console]
    for path in paths[1:]:
        consoles.append(MemoryDevice())
        machine.machine.start(path, stdout=consoles[-1])
    switches = machine.interpreter.session.types.offset("_KPRCB", "KeContextSwitches") + 0xFFDFF120
    before = machine.dword(switches)
    machine.run_to_end()
    written = [bytes(console.output) for console in consoles]
    return machine, written, machine.dword(switches) - before


@pytest.mark.parametrize("count", [2, 5])
def test_address_spaces_never_mix(tmp_path: Path, count: int) -> None:
    """Programs with different code at one address, each yielding to the next in its loop."""
    letters = [0x61 + i for i in range(count)]
    paths = [
        program(tmp_path, f"yield{letter:x}", YIELDING.replace("LETTER", f"{letter}"), ROOM)
        for letter in letters
    ]
    _, written, switches = start_together(paths)
    assert written == [bytes([letter]) * LETTERS for letter in letters]
    assert switches >= count * LETTERS


def test_a_process_that_changes_its_code_changes_no_other(tmp_path: Path) -> None:
    """One image in three processes, each of which rewrites Letter in its own copy of the page.

    The letters tell the process id and change case with each rewrite; between a rewrite and
    the next run of Letter the other processes run theirs.
    """
    code = f"""
        lea     eax, [OldProtection]
        push    eax
        push    40h                             ; PAGE_EXECUTE_READWRITE
        lea     eax, [RegionSize]
        push    eax
        lea     eax, [BaseAddress]
        push    eax
        push    -1
        call    NtProtectVirtualMemory
        call    Letter
        mov     eax, fs:[20h]                   ; TEB.ClientId.UniqueProcess
        shr     eax, 2
        and     eax, 0Fh
        add     al, 41h
        mov     [Letter+1], al
        xor     ebx, ebx
Again:
        xor     byte ptr [Letter+1], 20h
        call    NtYieldExecution
        call    Letter
        mov     [Text+ebx], al
        inc     ebx
        cmp     ebx, {LETTERS}
        jne     Again
        @write  NtWriteFile
        @leave
Letter:
        mov     al, 2Eh
        ret
"""
    data = f"""
BaseAddress:
        .long   401000h
RegionSize:
        .long   1000h
OldProtection:
        .long   0
{ROOM}"""
    path = program(tmp_path, "rewriter", code, data)
    _, written, switches = start_together([path] * 3)
    for line in written:
        upper = line[1]
        assert 0x41 <= upper < 0x51
        assert line == bytes([upper | 0x20, upper]) * (LETTERS // 2)
    assert len(set(written)) == 3
    assert switches >= 3 * LETTERS


def test_address_spaces_do_not_mix_when_the_clock_switches(tmp_path: Path) -> None:
    """The same without yielding: the clock takes the processor away in the middle of the loop."""
    rounds = 0x80000
    code = f"""
        xor     ebx, ebx
        mov     edi, {rounds}
Again:
        call    Addend
        add     ebx, eax
        dec     edi
        jnz     Again
        mov     [Text], ebx
        @write  NtWriteFile
        @leave
Addend:
        mov     eax, ADDEND
        ret
"""
    addends = (1, 0x100, 0x10001)
    paths = [
        program(tmp_path, f"adds{addend:x}", code.replace("ADDEND", f"{addend}"), "Text:\n .long 0")
        for addend in addends
    ]
    _, written, switches = start_together(paths)
    sums = [int.from_bytes(line, "little") for line in written]
    assert sums == [rounds * addend & 0xFFFFFFFF for addend in addends]
    assert switches > 2 * len(paths)
