"""A processor without sysenter: the same programs, through int 2Eh alone."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from gate.gate_machine import DebuggedMachine, dots, program
from gate.ntgate_command import kd_answers, run_ntgate
from ntgate import Machine, MachineOptions
from ntgate.devices.console import MemoryDevice
from ntgate.loader.builtin.images import program_names

SAYS = {
    "direct": b"hello through int 2Eh outside of ntdll\n",
    "int2e": b"hello through KiIntSystemCall\n",
    "seh": b"handled an access violation\n",
    "sysenter": b"hello through sysenter\n",
}


@pytest.mark.parametrize("has_sep", [True, False])
@pytest.mark.parametrize("name", program_names())
def test_the_built_in_programs_run(name: str, has_sep: bool) -> None:
    machine = Machine(MachineOptions(has_sep=has_sep))
    console = MemoryDevice()
    process = machine.start(f"@{name}", stdout=console)
    machine.run()
    assert bytes(console.output) == SAYS[name]
    assert process.exit_status == 0


def test_system_call_names_ki_int_system_call() -> None:
    machine = DebuggedMachine(has_sep=False)
    shared = machine.kd("dt _KUSER_SHARED_DATA ffdf0000")
    assert "SystemCall       : 0x7c92e500" in shared
    assert "SystemCallReturn : 0x7c92e4f4" in shared


def test_every_call_takes_vector_2e(tmp_path: Path) -> None:
    machine = DebuggedMachine(dots(tmp_path, 4), has_sep=False)
    machine.kd('r $t0=0; bp nt!KiSystemService "r $t0=@$t0+1; g"; bp nt!KiFastCallEntry')
    assert machine.run_to_end() == b"...."
    assert machine.value("@$t0") == 6


def test_a_call_returns_by_iretd() -> None:
    machine = DebuggedMachine(has_sep=False)
    machine.kd("g nt!KiSystemCallExitBranch", "t")
    assert machine.kd("u . l1").endswith("iretd\n")
    machine.kd("t")
    assert (machine.value("@eip"), machine.value("@cs")) == (0x7C92E506, 0x1B)


FEATURES = """
        mov     eax, 1
        cpuid
        mov     [Text], edx
        lea     eax, [Handler]
        push    eax
        push    dword ptr fs:[0]
        mov     fs:[0], esp
        mov     eax, 112h
        mov     edx, esp
        sysenter
Resumed:
        pop     dword ptr fs:[0]
        add     esp, 4
        @write  NtWriteFile
        @leave
Handler:
        mov     edx, [esp+4]
        mov     eax, [edx]
        mov     [Text+4], eax
        mov     edx, [esp+0Ch]
        lea     ecx, [Resumed]
        mov     [edx+CONTEXT.Eip], ecx
        xor     eax, eax
        ret
"""


def test_sysenter_is_an_invalid_opcode(tmp_path: Path) -> None:
    path = program(tmp_path, "features", FEATURES, "Text:\n        .long 0, 0")
    machine = DebuggedMachine(path, has_sep=False)
    machine.kd("bp nt!KiTrap06")
    assert "Breakpoint 0 hit" in machine.kd("g")
    machine.kd("bc *")
    features, code = struct.unpack("<2I", machine.run_to_end())
    assert code == 0xC000001D
    assert not features & 1 << 11  # CPUID's SEP bit


def test_the_sep_bit_of_a_processor_with_sysenter(tmp_path: Path) -> None:
    code = FEATURES.replace("        sysenter\n", "")
    path = program(tmp_path, "features_sep", code, "Text:\n        .long 0, 0")
    features, code = struct.unpack("<2I", DebuggedMachine(path).run_to_end())
    assert (features >> 11 & 1, code) == (1, 0)


def test_there_are_no_sysenter_msrs() -> None:
    machine = DebuggedMachine(has_sep=False)
    for number in ("174", "175", "176"):
        assert machine.mistake(f"rdmsr {number}") == f"no such msr: {number}\n"
        assert machine.mistake(f"wrmsr {number} 8") == f"no such msr: {number}\n"


def test_no_sep_on_the_command_line() -> None:
    done = run_ntgate("run", "--no-sep", "@sysenter")
    assert (done.returncode, done.stdout) == (0, "hello through sysenter\n")
    done = run_ntgate("kd", "--no-sep", "-c", "dd 7ffe0300 l1")
    assert kd_answers(done.stdout) == [("dd 7ffe0300 l1", ["7ffe0300  7c92e500"])]
