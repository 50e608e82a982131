"""Code that is changed after it has run: the very next run of it is the new code."""

from __future__ import annotations

from pathlib import Path

import pytest
from gate_machine import TEXT, DebuggedMachine, dots, program

KE_SYSTEM_CALLS = 0xFFDFF638
ALIAS = 0xF9FF0000  # system PTEs that nothing else uses
DOTS, BEFORE = 20, 8  # system calls of the program in all, and before the patch
# The eight of NtWriteFile and NtContinue at the start have been made; the others and
# NtTerminateProcess follow.
AFTER = DOTS - BEFORE + 1

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


def in_the_middle(folder: Path, routine: str = "NtWriteFile") -> DebuggedMachine:
    """A machine whose program has made BEFORE of its DOTS calls, and is in the last of those."""
    machine = DebuggedMachine(dots(folder, DOTS, routine))
    machine.kd(f"bp nt!NtWriteFile {BEFORE:x}", "g", "bc *")
    assert machine.output == b"." * (BEFORE - 1)
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
    machine = in_the_middle(tmp_path)
    hook = machine.install(INLINE_HOOK)
    entry = machine.value("nt!KiFastCallEntry")
    machine.kd(f"eb {entry:x} {spaced(jump(entry, hook['InlineHook']))}")
    machine.kd("bp nt!NtWriteFile 5", "g", "bc *")
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
    machine.kd("eb ntdll!NtWriteFile+1 16 01", "bp nt!NtYieldExecution")  # 116h
    assert "Breakpoint 0 hit" in machine.kd("g")
    machine.kd("bc *")
    assert machine.run_to_end() == b"." * BEFORE


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
    assert f"{ALIAS >> 12:05x}" != "80542"
    frame = "pfn 542 "
    assert frame in machine.kd(f"!pte {ALIAS:x}") and frame in machine.kd("!pte 805426e0")


def test_guest_code_patches_every_second_call(tmp_path: Path) -> None:
    """Code that changes back and forth, each time after it has run."""
    machine = in_the_middle(tmp_path)
    symbols = machine.install(
        """
; Makes the stub's `mov eax, N` at Selected count either here or there.
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


@pytest.mark.parametrize("count", [2, 5])
def test_address_spaces_never_mix(tmp_path: Path, count: int) -> None:
    """Programs with different code at one address, each yielding to the next in its loop."""
    letters = [0x61 + i for i in range(count)]
    paths = [
        program(tmp_path, f"yield{letter:x}", YIELDING.replace("LETTER", f"{letter}"), ROOM)
        for letter in letters
    ]
    machine = DebuggedMachine(paths[0])
    place = machine.value(f"{TEXT:x}")
    consoles = [machine.console]
    for path in paths[1:]:
        consoles.append(type(machine.console)())
        machine.machine.start(path, stdout=consoles[-1])
    switches = machine.value("poi(nt!KiProcessorBlock)")
    machine.run_to_end()
    for letter, console in zip(letters, consoles, strict=True):
        assert bytes(console.output) == bytes([letter]) * LETTERS
    assert place and switches
