"""`t` through the gates, instruction by instruction; p, gu, pa, ta, pc, tc; stacks; `ba`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from gate.gate_machine import DebuggedMachine, dots, program

LISTINGS = (Path(__file__).parent / "study_listings.txt").read_text(encoding="utf-8")
FAST_CALL_RETURN = 0x7C92E4F4
INT_CALL_RETURN = 0x7C92E506
_CODE_LINE = re.compile(r"([0-9a-f]{8}) ([0-9a-f]+) +(\S+)")
_LEAVES_THE_LINE = re.compile(r"j|call|ret|iret|int$|sysenter|sysexit|rep|syscall")


@dataclass(frozen=True)
class Step:
    """The instruction that a step has stopped before."""

    address: int
    size: int
    mnemonic: str
    cs: int


def stop_of(machine: DebuggedMachine, printed: str) -> Step:
    """Where kd says that the machine stands: the last line is the instruction at eip."""
    line = _CODE_LINE.match(printed.splitlines()[-1])
    assert line, printed
    assert int(line[1], 16) == machine.value("@eip")
    return Step(int(line[1], 16), len(line[2]) // 2, line[3], machine.value("@cs"))


def trace_call(machine: DebuggedMachine, *, at_most: int = 400) -> list[Step]:
    """Trace a call from here on, to the second instruction that is back in ring 3."""
    steps = [stop_of(machine, machine.kd("r"))]
    while len(steps) < at_most:
        steps.append(stop_of(machine, machine.kd("t")))
        if len(steps) > 3 and steps[-3].cs == 0x08 and steps[-2].cs == steps[-1].cs == 0x1B:
            return steps
    raise AssertionError(f"{steps[-1]} after {at_most} steps")


def check_continuity(steps: list[Step]) -> None:
    """No instruction is left out: each follows the one before, unless that one jumps."""
    for before, after in pairwise(steps):
        if not _LEAVES_THE_LINE.match(before.mnemonic):
            assert after.address == before.address + before.size, (before, after)
        if before.cs != after.cs:
            assert before.mnemonic in ("sysenter", "int", "sysexit", "iretd"), before


def study_addresses(routine: str) -> list[int]:
    """The addresses of the eight instructions that the study lists of an entry routine."""
    listing = LISTINGS.partition(f"nt!{routine}:\n")[2].split("\n\n")[0]
    return [int(line[:8], 16) for line in listing.splitlines() if line[:2] == "80"]


def at_gate(machine: DebuggedMachine, routine: str) -> None:
    """Run to the gate routine in ntdll, in the program's second NtWriteFile."""
    machine.kd("g nt!NtWriteFile", f"bp ntdll!{routine}", "g", "bc *")
    assert machine.value("@eip") == machine.value(f"ntdll!{routine}")


@pytest.fixture
def in_second_write(tmp_path: Path) -> DebuggedMachine:
    machine = DebuggedMachine(dots(tmp_path, 3))
    at_gate(machine, "KiFastSystemCall")
    return machine


def test_a_trace_over_sysenter_and_sysexit(in_second_write: DebuggedMachine) -> None:
    machine = in_second_write
    esp = machine.value("@esp")
    steps = trace_call(machine)
    check_continuity(steps)
    addresses = [step.address for step in steps]
    listed = study_addresses("KiFastCallEntry")
    assert len(listed) == 8
    assert addresses[:10] == [0x7C92E4F0, 0x7C92E4F2, *listed]
    assert machine.value("nt!NtWriteFile") in addresses
    assert steps[-3].mnemonic == "sysexit"
    assert addresses[-2:] == [FAST_CALL_RETURN, 0x7C92DF6C]
    assert {step.cs for step in steps} == {0x1B, 0x08}
    assert machine.value("@esp") == esp + 4
    assert machine.value("@eax") == 0
    assert machine.output == b".."
    assert machine.run_to_end() == b"..."


@pytest.mark.parametrize(("has_sep", "leaves_by"), [(True, "sysexit"), (False, "iretd")])
def test_a_trace_over_int_2e(tmp_path: Path, has_sep: bool, leaves_by: str) -> None:
    machine = DebuggedMachine(dots(tmp_path, 3, "ThroughIntSystemCall"), has_sep=has_sep)
    at_gate(machine, "KiIntSystemCall")
    esp, flags = machine.value("@esp"), machine.value("@efl")
    machine.kd("t")
    assert machine.value("@eip") == 0x7C92E504
    machine.kd("t")
    stack = machine.value("@esp")
    pushed = [machine.dword(stack + 4 * place) for place in range(5)]
    assert pushed == [INT_CALL_RETURN, 0x1B, flags, esp, 0x23]
    assert stack + 4 * len(pushed) == machine.value("poi(80042004)")  # TSS.Esp0
    steps = trace_call(machine)
    check_continuity(steps)
    addresses = [step.address for step in steps]
    listed = study_addresses("KiSystemService")
    assert len(listed) == 8
    assert addresses[:8] == listed
    assert steps[-3].mnemonic == leaves_by
    assert addresses[-2] == INT_CALL_RETURN
    assert machine.run_to_end() == b"..."


def test_a_trace_changes_nothing(tmp_path: Path) -> None:
    """A program whose every instruction is traced does what it does when it runs freely."""
    traced, free = (DebuggedMachine(dots(tmp_path, 2)) for _ in range(2))
    traced.kd("g nt!NtWriteFile")
    for _ in range(6):
        traced.kd("t 40")
    assert traced.run_to_end() == free.run_to_end() == b".."
    calls = [machine.dword(0xFFDFF638) for machine in (traced, free)]
    assert calls[0] == calls[1] == 4


def test_the_flags_of_the_user_come_back(in_second_write: DebuggedMachine) -> None:
    machine = in_second_write
    machine.kd("r efl=00000ed7")  # of df if sf zf af pf cf
    machine.kd("t 2")
    assert machine.value("@efl") & 0x200 == 0
    machine.kd("g 7c92e4f4")
    assert machine.value("@efl") == 0xED7
    machine.kd("r df=0")
    assert machine.run_to_end() == b"..."


def test_p_steps_over_sysenter(in_second_write: DebuggedMachine) -> None:
    machine = in_second_write
    machine.kd("p")
    assert machine.value("@eip") == 0x7C92E4F2
    machine.kd("p")
    assert (machine.value("@eip"), machine.value("@cs")) == (FAST_CALL_RETURN, 0x1B)
    assert machine.output == b".."


def test_p_steps_over_int_2e(tmp_path: Path) -> None:
    machine = DebuggedMachine(dots(tmp_path, 2, "DirectInterrupt"))
    machine.kd("g nt!NtWriteFile", "gu", "gu", "bp dots_directinterrupt!DirectInterrupt", "g")
    machine.kd("p 2")
    assert machine.kd("u . l1").endswith("int     2Eh\n")
    address = machine.value("@eip")
    machine.kd("p")
    assert (machine.value("@eip"), machine.value("@cs")) == (address + 2, 0x1B)
    assert machine.output == b".."


def test_p_steps_over_the_call_of_the_stub() -> None:
    machine = DebuggedMachine()
    machine.kd("g ntdll!NtWriteFile", "p 2")
    assert machine.value("@eip") == 0x7C92DF6A
    assert "call    dword ptr [edx]" in machine.kd("r")
    machine.kd("p")
    assert machine.value("@eip") == 0x7C92DF6C
    assert machine.output == b"hello through sysenter\n"


def test_gu_goes_up_through_the_gate() -> None:
    machine = DebuggedMachine()
    machine.kd("g nt!NtWriteFile")
    places = []
    for _ in range(4):
        machine.kd("gu")
        places.append(machine.interpreter.session.name(machine.value("@eip")))
    assert places == [
        "nt!KiFastCallEntry+0x101",
        "ntdll!KiFastSystemCallRet",
        "ntdll!NtWriteFile+0xc",
        "sysenter!Start+0x30",
    ]


def test_ta_and_pa_stop_at_an_address() -> None:
    machine = DebuggedMachine()
    machine.kd("g ntdll!NtWriteFile", "ta 805426f7")
    assert machine.value("@eip") == 0x805426F7
    assert machine.value("@esp") == machine.value("poi(80042004)")
    machine.kd("pa ntdll!KiFastSystemCallRet")
    assert machine.value("@eip") == FAST_CALL_RETURN


def test_pc_and_tc_stop_at_calls() -> None:
    machine = DebuggedMachine()
    machine.kd("g ntdll!NtWriteFile", "pc")
    assert machine.value("@eip") == 0x7C92DF6A
    machine.kd("tc")
    assert machine.kd("u . l1").endswith("call    ebx\n")
    assert machine.value("@ebx") == machine.value("nt!NtWriteFile")
    machine.kd("tc")
    assert "call    nt!KiCallHost" in machine.kd("u . l1")
    machine.kd("pc")
    assert "call    ntdll!NtTerminateProcess" in machine.kd("u . l1")


def test_tt_and_pt_stop_at_returns() -> None:
    machine = DebuggedMachine()
    machine.kd("g ntdll!NtWriteFile", "pt")
    assert machine.value("@eip") == 0x7C92DF6C
    machine = DebuggedMachine()
    machine.kd("g ntdll!NtWriteFile", "tt")
    assert "nt!KiCallHost" in machine.kd("u . l1")


def test_a_breakpoint_stops_a_trace_too(in_second_write: DebuggedMachine) -> None:
    machine = in_second_write
    machine.kd("bp 805426f7")
    assert "Breakpoint 0 hit" in machine.kd("t 100")
    assert machine.value("@eip") == 0x805426F7


# Stacks and frames


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("sysenter", ["ntdll!KiFastSystemCallRet", "ntdll!NtWriteFile+0xc", "sysenter!Start+0x30"]),
        ("int2e", ["ntdll!KiIntSystemCall+0x6", "int2e!WriteFileByInterrupt+0xd",
                   "int2e!Start+0x30"]),
        ("direct", ["direct!DirectWriteFile+0xb", "direct!Start+0x30"]),
    ],
)  # fmt: skip
def test_k_goes_across_the_gate(name: str, calls: list[str]) -> None:
    machine = DebuggedMachine(f"@{name}")
    machine.kd("g nt!NtWriteFile")
    places = [line.split()[2] for line in machine.kd("k").splitlines()[1:]]
    assert places == ["nt!NtWriteFile", "nt!KiFastCallEntry+0x101", *calls]


def test_k_in_the_first_instructions_of_the_entry() -> None:
    machine = DebuggedMachine()
    machine.kd("g ntdll!NtWriteFile", "g nt!KiFastCallEntry")
    for _ in range(9):
        places = [line.split()[2] for line in machine.kd("k").splitlines()[1:]]
        assert places[0].startswith("nt!KiFastCallEntry")
        assert places[1:4] == [
            "ntdll!KiFastSystemCallRet", "ntdll!NtWriteFile+0xc", "sysenter!Start+0x30"
        ]  # fmt: skip
        machine.kd("t")


def test_trap_shows_the_registers_of_the_caller(in_second_write: DebuggedMachine) -> None:
    machine = in_second_write
    names = "ebx esi edi ebp esp cs ss fs efl".split()
    user = {name: machine.value(f"@{name}") for name in names}
    machine.kd("g nt!NtWriteFile")
    kernel = machine.kd("r")
    printed = machine.kd(".trap @ebp")
    assert "ntdll!KiFastSystemCallRet:" in printed
    assert machine.kd("r") in printed
    assert {name: machine.value(f"@{name}") for name in names} == user
    assert machine.value("@eip") == FAST_CALL_RETURN
    assert machine.mistake("r eax=1").count("\n") == 1
    machine.kd(".trap")
    assert machine.kd("r") == kernel


# Breakpoints on data


STORE = """
DriverEntry:
        mov     eax, 1
Store:
        mov     [Watched], eax
Stored:
        mov     ecx, [Watched]
Read:
        mov     byte ptr [Watched+3], 7
WroteByte:
        mov     [Watched+4], eax
        ret
        .balign 4, 0
Watched:
        .long   0, 0
"""


def _run_watched(machine: DebuggedMachine, watch: str) -> list[str]:
    """The labels behind the stores and loads that a data breakpoint reports."""
    symbols = machine.install(STORE)
    machine.kd(f"ba {watch} {symbols['Watched']:x}")
    machine.kd(f"r eip={symbols['DriverEntry']:x}")
    stops = []
    for _ in range(10):
        printed = machine.kd("g")
        if "Breakpoint 0 hit" not in printed:
            break
        address = machine.value("@eip")
        stops.append(next(name for name, at in symbols.items() if at == address))
    return stops


@pytest.mark.parametrize(
    ("watch", "stops"),
    [("w4", ["Stored", "WroteByte"]), ("w1", ["Stored"]), ("r4", ["Stored", "Read", "WroteByte"])],
)
def test_ba_stops_behind_the_access(watch: str, stops: list[str]) -> None:
    assert _run_watched(DebuggedMachine(), watch) == stops


def test_ba_finds_who_hooks_the_service_table() -> None:
    machine = DebuggedMachine()
    driver = machine.install(
        """
Rootkit:
        lea     eax, [NtYieldExecution]
        mov     [KiServiceTable+448h], eax
Hooked:
        jmp     KiServiceExit2
"""
    )
    machine.kd("ba w4 KiServiceTable+112*4", f"r eip={driver['Rootkit']:x}")
    assert "Breakpoint 0 hit" in machine.kd("g")
    assert machine.value("@eip") == driver["Hooked"]
    assert machine.value("poi(KiServiceTable+112*4)") == machine.value("nt!NtYieldExecution")
    assert machine.run_to_end() == b""


def test_ba_on_the_tss_sees_a_thread_switch(tmp_path: Path) -> None:
    """SwapContext writes TSS.Esp0, which KiFastCallEntry reads in each call."""
    machine = DebuggedMachine(dots(tmp_path, 2))
    machine.kd("ba r4 80042004")
    for _ in range(2):
        assert "Breakpoint 0 hit" in machine.kd("g")
        assert machine.value("@eip") == 0x805426F7


# Exceptions


def test_an_unhandled_exception_shows_the_program_where_it_failed(tmp_path: Path) -> None:
    code = """
        mov     esi, 0CAFEh
        xor     ecx, ecx
        mov     [ecx], esi
"""
    machine = DebuggedMachine(program(tmp_path, "crash", code, "Text:\n        .long 0"))
    printed = machine.kd("g")
    assert printed.startswith("Access violation - code c0000005 (!!! second chance !!!)\n")
    assert printed.endswith("mov     dword ptr [ecx],esi ds:0023:00000000=????????\n")
    assert (machine.value("@esi"), machine.value("@cs")) == (0xCAFE, 0x1B)
    places = [line.split()[2] for line in machine.kd("k").splitlines()[2:]]
    assert places == ["crash!Start+0x7", "ntdll!RtlUserThreadStart+0x3"]
    assert machine.kd("g") == "The program has ended, status c0000005.\n"
    assert machine.kd("g") == "The program has ended, status c0000005.\n"
    assert machine.process.exit_status == 0xC0000005
