"""An SSDT entry that is changed is the service that the next call gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.gate_machine import DebuggedMachine, dots
from gate.ntgate_command import run_ntgate

HOOK_BY_DRIVER = """
DriverEntry:
        mov     eax, [KiServiceTable+448h]      ; 4 * 112h
        mov     [Original], eax
        lea     eax, [Hook]
        mov     [KiServiceTable+448h], eax
        ret
; A service has nothing to preserve but ebp, ebx, esi and edi.
Hook:
        inc     dword ptr [Calls]
        mov     eax, [esp+1Ch]                  ; Length
        add     [Bytes], eax
        jmp     dword ptr [Original]
        .balign 4, 0
Original:
        .long   0
Calls:
        .long   0
Bytes:
        .long   0
"""


def test_kd_sends_nt_write_file_to_another_service() -> None:
    machine = DebuggedMachine()
    machine.kd("ed KiServiceTable+112*4 nt!NtYieldExecution", "bp nt!NtYieldExecution")
    assert "Breakpoint 0 hit" in machine.kd("g")
    assert machine.value("@eip") == machine.value("nt!NtYieldExecution")
    assert machine.value("@eax & fff") == 0x112
    machine.kd("gu", "g ntdll!KiFastSystemCallRet")
    assert machine.value("@eax") == 0x40000024  # STATUS_NO_YIELD_PERFORMED
    machine.run_to_end()
    assert machine.output == b""


def test_the_entry_that_is_put_back_is_obeyed_again(tmp_path: Path) -> None:
    machine = DebuggedMachine(dots(tmp_path, 4))
    original = machine.value("poi(KiServiceTable+112*4)")
    assert original == machine.value("nt!NtWriteFile")
    machine.kd("ed KiServiceTable+448 nt!NtYieldExecution", "bp nt!NtYieldExecution 2", "g")
    machine.kd(f"ed KiServiceTable+448 {original:x}")
    assert machine.run_to_end() == b".."


def test_a_user_hooks_a_service_from_the_command_line() -> None:
    done = run_ntgate("kd", "-c", "ed KiServiceTable+112*4 nt!NtYieldExecution; !ssdt 112; g")
    assert done.returncode == 0
    assert "nt!NtYieldExecution" in done.stdout
    assert "HOOKED, expected nt!NtWriteFile" in done.stdout
    assert "hello" not in done.stdout
    assert "hello" in run_ntgate("kd", "-c", "!ssdt 112; g").stdout


@pytest.mark.parametrize("routine", ["NtWriteFile", "DirectInterrupt", "DirectSysenter"])
def test_a_driver_hooks_a_service(tmp_path: Path, routine: str) -> None:
    machine = DebuggedMachine(dots(tmp_path, 7, routine))
    driver = machine.run_driver(HOOK_BY_DRIVER)
    assert machine.run_to_end() == b"." * 7
    assert machine.dword(driver["Calls"]) == 7
    assert machine.dword(driver["Bytes"]) == 7


def test_a_service_hooks_another_one(tmp_path: Path) -> None:
    """Ring-0 code that runs inside a system call changes the table for the next call."""
    machine = DebuggedMachine(dots(tmp_path, 5))
    driver = machine.install(
        """
OneShot:
        lea     eax, [NtWriteFile]
        mov     [KiServiceTable+448h], eax
        xor     eax, eax
        ret     24h
"""
    )
    machine.kd(f"ed KiServiceTable+448 {driver['OneShot']:x}")
    assert machine.run_to_end() == b"...."


def test_argument_bytes_come_from_the_table_in_memory() -> None:
    """With a KiArgumentTable entry of 0 the service sees none of its arguments."""
    machine = DebuggedMachine()
    machine.kd("eb KiArgumentTable+112 0", "bp nt!NtWriteFile", "g")
    frame = machine.value("poi(@$thread+134)")
    assert machine.value("@esp") == frame - 4
    assert "ARGUMENT BYTES, expected 24" in machine.kd("!ssdt 112")


def test_the_limit_comes_from_the_descriptor_in_memory() -> None:
    machine = DebuggedMachine()
    machine.kd("ed KeServiceDescriptorTable+8 112", "bp ntdll!NtWriteFile", "g", "gu")
    assert machine.value("@eax") == 0xC000001C  # STATUS_INVALID_SYSTEM_SERVICE
    assert machine.output == b""


PRIVATE_TABLE = """
DriverEntry:
        cld
        lea     esi, [KiServiceTable]
        lea     edi, [PrivateServices]
        mov     ecx, 11Ch
        .byte   0F3h, 0A5h                      ; rep movsd
        lea     esi, [KeServiceDescriptorTable]
        lea     edi, [PrivateTable]
        mov     ecx, 10h
        .byte   0F3h, 0A5h
        lea     eax, [PrivateServices]
        mov     [PrivateTable], eax
        lea     eax, [PrivateWrite]
        mov     [PrivateServices+448h], eax
        mov     ecx, fs:[124h]                  ; KPCR.PrcbData.CurrentThread
        lea     eax, [PrivateTable]
        mov     [ecx+KTHREAD.ServiceTable], eax
        ret
PrivateWrite:
        inc     dword ptr [PrivateCalls]
        xor     eax, eax
        ret     24h
        .balign 4, 0
PrivateCalls:
        .long   0
PrivateTable:
        .fill   16, 4, 0
PrivateServices:
        .fill   284, 4, 0
"""


def test_a_thread_uses_the_table_that_its_kthread_names(tmp_path: Path) -> None:
    path = dots(tmp_path, 3)
    machine = DebuggedMachine(path)
    driver = machine.run_driver(PRIVATE_TABLE)
    assert machine.value("poi(KiServiceTable+448)") == machine.value("nt!NtWriteFile")
    assert machine.run_to_end() == b""
    assert machine.dword(driver["PrivateCalls"]) == 3

    other = machine.machine.start(path, stdout=machine.console)
    assert machine.run_to_end() == b"..."
    assert other.exit_status == 0
    assert machine.dword(driver["PrivateCalls"]) == 3


def test_kd_switches_the_table_of_a_thread() -> None:
    machine = DebuggedMachine()
    table = machine.machine.executive.pool.allocate(0x40, b"Test")
    services = machine.machine.executive.pool.allocate(4 * 0x11C, b"Test")
    machine.kd(
        f"m KeServiceDescriptorTable L40 {table:x}",
        f"m KiServiceTable L470 {services:x}",
        f"ed {table:x} {services:x}",
        f"ed {services:x}+112*4 nt!NtYieldExecution",
        f"ed @$thread+e0 {table:x}",
        "bp nt!NtYieldExecution",
    )
    assert "Breakpoint 0 hit" in machine.kd("g")
    assert machine.value("@ebx") == machine.value("nt!NtYieldExecution")
    machine.kd("gu", f"ed {services:x}+112*4 nt!NtWriteFile", "bc *")
    assert machine.run_to_end() == b""


def test_ssdt_marks_what_is_hooked(tmp_path: Path) -> None:
    machine = DebuggedMachine(dots(tmp_path, 1))
    driver = machine.run_driver(HOOK_BY_DRIVER)
    machine.kd("ed KiServiceTable+19*4 nt!NtYieldExecution")
    rows = [row for row in machine.kd("!ssdt -h").splitlines() if "HOOKED" in row]
    assert [row.split()[:2] for row in rows if "win32k!" not in row] == [
        ["19", f"{machine.value('nt!NtYieldExecution'):08x}"],
        ["112", f"{driver['Hook']:08x}"],
    ]
    assert "expected nt!NtClose" in rows[0]
    assert "expected nt!NtWriteFile" in rows[1]


def test_nothing_is_hooked_on_a_new_machine() -> None:
    done = run_ntgate("kd", "-c", "!ssdt -h")
    assert done.stdout.splitlines()[1:] == ["No service is hooked"]
