"""`ntgate demo`: what it prints, and that it follows the machine wherever that is changed."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable

import pytest
from rich.console import Console

from ntgate.cli import walk_printer
from ntgate.cli.demo import walk_program
from ntgate.cli.walk_printer import WalkPrinter
from ntgate.debug import peek
from ntgate.debug.live import LiveMachine
from ntgate.debug.walk import CallNotFound, Walk
from ntgate.debug.walk_comparison import compare
from ntgate.debug.walk_frame import FrameField, frame_fields
from ntgate.debug.walk_stages import Kind, argument_copy, stage_of, stages
from ntgate.layout.type_table import TypeTable
from ntgate.machine import Machine, MachineOptions

SHARED_USER_DATA = 0xFFDF0000
SYSTEM_CALL = SHARED_USER_DATA + 0x300
NT_WRITE_FILE = 0x112
FAST_SYSTEM_CALL, FAST_SYSTEM_CALL_RET = 0x7C92E4F0, 0x7C92E4F4
INT_SYSTEM_CALL = 0x7C92E500


def machine(options: MachineOptions | None = None) -> LiveMachine:
    return LiveMachine(Machine(options))


def nt(target: LiveMachine, name: str) -> int:
    address = target.symbols.lookup(f"nt!{name}")
    assert address is not None
    return address


def poke(target: LiveMachine, address: int, value: int, size: int = 4) -> None:
    target.write(address, value.to_bytes(size, "little"))


def way(walk: Walk, kind: Kind = Kind.GATE) -> str:
    stage = stage_of(walk, kind)
    assert stage is not None
    crossing = walk.steps[stage.start].crossing
    assert crossing is not None
    return crossing.way


def field(walk: Walk, name: str) -> FrameField:
    return next(field for field in frame_fields(walk) if field.name == name)


def text(walk: Walk, monkeypatch: pytest.MonkeyPatch, width: int = 100) -> str:
    """What the printer makes of a walk, as a file would get it."""
    out = io.StringIO()

    def to_file(**options: object) -> Console:
        return Console(file=out, width=width, highlight=False, soft_wrap=True)

    monkeypatch.setattr(walk_printer, "_Console", to_file)
    WalkPrinter(width).walk("@sysenter", walk)
    return out.getvalue()


@pytest.fixture(scope="module")
def by_sysenter() -> Walk:
    return walk_program(machine(), "@sysenter")


@pytest.fixture(scope="module")
def by_int2e() -> Walk:
    return walk_program(machine(), "@int2e")


# The command.


def demo(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from ntgate.cli import main; main()", "demo", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def output() -> str:
    done = demo()
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def squeezed(output: str) -> str:
    return " ".join(output.split())


def test_the_demo_is_plain_text_of_100_columns(output: str) -> None:
    assert output.isascii() and "\x1b" not in output
    assert max(len(line) for line in output.splitlines()) <= 100
    assert not [line for line in output.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize(
    "fact",
    [
        "SharedUserData!SystemCall = 7c92e4f0 ntdll!KiFastSystemCall",
        "1b:7c92e4f2 0012ffbc 00000112 sysenter",
        "MSR 174 00000008 CS 08, SS 10",
        "MSR 175 f88c7000 ESP",
        "MSR 176 805426e0 EIP nt!KiFastCallEntry",
        "it pushes nothing",
        "edx+8 = 0012ffc4, the arguments",
        "KPCR.TSS = 80042000 KTSS",
        "KTSS.Esp0 = f801fde0",
        "SharedUserData!SystemCallReturn = 7c92e4f4 ntdll!KiFastSystemCallRet into KTRAP_FRAME.Eip",
        "+74 HardwareEsp 0012ffbc ring 3's edx push edx",
        "+6c SegCs 0000001b constant 1Bh push 1Bh",
        "the program writes hello through sysenter",
    ],
)
def test_the_way_of_sysenter_is_told(output: str, fact: str) -> None:
    assert fact in squeezed(output.partition("=== By int 2Eh")[0])


@pytest.mark.parametrize(
    "fact",
    [
        "1b:7c92e504 0012ffbc 00000112 int 2Eh",
        "IDT[2e] [8003f570] 8054ee00`00082611 interrupt gate, DPL 3, 08:80542611",
        "KTSS.Esp0 [80042004] f801fde0 ESP",
        "it pushes f801fddc 00000023 KTRAP_FRAME.HardwareSegSs",
        "f801fdcc 7c92e506 KTRAP_FRAME.Eip",
        "edx = 0012ffc4, the arguments",
        "+74 HardwareEsp 0012ffbc ring 3's esp int 2Eh, the processor",
        "+6c SegCs 0000001b ring 3's cs int 2Eh, the processor",
        "the program writes hello through KiIntSystemCall",
    ],
)
def test_the_way_of_int_2e_is_told(output: str, fact: str) -> None:
    assert fact in squeezed(output.partition("=== By int 2Eh")[2])


@pytest.mark.parametrize("half", [0, 2], ids=["sysenter", "int 2Eh"])
@pytest.mark.parametrize(
    "fact",
    [
        "SSDT[112h] = 804de240 nt!NtWriteFile",
        "copies 24h bytes 0012ffc4 -> f801fd40",
        "KPRCB.KeSystemCalls 1 -> 2",
        "it returns 00000000 STATUS_SUCCESS",
        "1b:00401030",
    ],
)
def test_both_ways_tell_what_they_share(output: str, half: int, fact: str) -> None:
    walks = output.partition("=== The two ways")[0].partition("=== By int 2Eh")
    assert fact in squeezed(walks[half])


def test_the_end_sets_the_two_ways_side_by_side(output: str) -> None:
    end = squeezed(output.partition("=== The two ways")[2])
    for fact in (
        "it pushes nothing 14h bytes",
        "ring 3 passes arguments at edx+8 edx",
        "ring 0 is left by sysexit sysexit",
        "KPRCB.KeSystemCalls 1 -> 2 1 -> 2",
        "+68 Eip 7c92e4f4 SharedUserData!SystemCallReturn 7c92e506 ring 3's eip",
        "int 2Eh pushes Eip SegCs EFlags HardwareEsp HardwareSegSs. sysenter does not",
    ):
        assert fact in end


def test_without_sep_both_programs_go_by_int_2e_and_iretd() -> None:
    output = squeezed(demo("--no-sep").stdout)
    assert "SharedUserData!SystemCall = 7c92e500 ntdll!KiIntSystemCall" in output
    assert "By sysenter" not in output
    assert "ring 0 is left by iretd iretd" in output


def test_a_width_that_is_too_small_is_refused() -> None:
    done = demo("--width", "40")
    assert done.returncode == 2
    assert "--width" in done.stderr and "Traceback" not in done.stderr


# The walk.


def test_every_step_follows_the_one_before(by_sysenter: Walk, by_int2e: Walk) -> None:
    for walk in (by_sysenter, by_int2e):
        assert walk.end is None
        for one, other in zip(walk.steps, walk.steps[1:], strict=False):
            assert one.after == other.before
            assert other.line.address == one.after["eip"]


def test_every_step_is_in_one_stage(by_sysenter: Walk) -> None:
    found = stages(by_sysenter)
    assert [stage.start for stage in found] == [0, *(stage.end for stage in found[:-1])]
    assert found[-1].end == len(by_sysenter.steps)
    assert [stage.kind for stage in found] == [
        Kind.RING3, Kind.RING3, Kind.GATE, Kind.FRAME, Kind.DISPATCH,
        Kind.SERVICE, Kind.EXIT, Kind.LEAVE, Kind.RETURN,
    ]  # fmt: skip


def test_edx_of_sysenter_lies_8_below_the_arguments(by_sysenter: Walk, by_int2e: Walk) -> None:
    for walk, distance in ((by_sysenter, 8), (by_int2e, 0)):
        stage, copy = stage_of(walk, Kind.GATE), argument_copy(walk)
        assert stage is not None and copy is not None
        assert walk.steps[stage.start].before["edx"] + distance == copy.source
        assert (copy.size, copy.target + copy.size) == (0x24, walk.places.frame)


def test_the_arguments_are_the_services_own(by_sysenter: Walk) -> None:
    assert by_sysenter.service is not None
    arguments = {a.name: a for a in by_sysenter.service.arguments}
    assert list(arguments) == [
        "FileHandle", "Event", "ApcRoutine", "ApcContext", "IoStatusBlock", "Buffer", "Length",
        "ByteOffset", "Key",
    ]  # fmt: skip
    assert arguments["Buffer"].text == r'"hello through sysenter\n"'
    assert arguments["Length"].value == len("hello through sysenter\n")


def test_the_frame_is_the_one_in_memory(by_int2e: Walk) -> None:
    offsets = {f.name: f.offset for f in TypeTable().struct("_KTRAP_FRAME").fields}
    assert {f.name: f.offset for f in frame_fields(by_int2e)} == offsets
    assert field(by_int2e, "SegDs").writer is None
    assert field(by_int2e, "Eip").is_pushed_by_processor
    assert not field(by_int2e, "Ebx").is_pushed_by_processor


def test_the_comparison_finds_where_the_ways_join(by_sysenter: Walk, by_int2e: Walk) -> None:
    found = compare(by_sysenter, by_int2e)
    assert found.joined_at == "nt!KiFastCallEntry+0x94"
    assert {d.first.name for d in found.made_up} == {
        "Eip", "SegCs", "EFlags", "HardwareEsp", "HardwareSegSs"
    }  # fmt: skip
    assert compare(by_sysenter, by_sysenter).fields == ()


# The walk goes where the machine goes.


def test_a_redirected_ssdt_entry_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    target = machine()
    entry = nt(target, "KiServiceTable") + 4 * NT_WRITE_FILE
    poke(target, entry, nt(target, "NtYieldExecution"))
    walk = walk_program(target, "@sysenter")
    assert walk.service is not None
    assert walk.service.routine == nt(target, "NtYieldExecution")
    assert {argument.name for argument in walk.service.arguments} == {""}
    shown = squeezed(text(walk, monkeypatch))
    assert "SSDT[112h] = " in shown and "nt!NtYieldExecution" in shown
    assert "nt!NtWriteFile" not in shown and "hello" not in shown


def test_systemcall_on_kiintsystemcall_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    target = machine()
    poke(target, SYSTEM_CALL, INT_SYSTEM_CALL)
    walk = walk_program(target, "@sysenter")
    assert (way(walk), way(walk, Kind.LEAVE)) == ("int 2Eh", "sysexit")
    assert field(walk, "Eip").value == INT_SYSTEM_CALL + 6
    assert "hello through sysenter" in text(walk, monkeypatch)


def test_a_changed_return_address_is_followed() -> None:
    target = machine()
    poke(target, SYSTEM_CALL + 4, FAST_SYSTEM_CALL_RET + 0x12)  # the ret of KiIntSystemCall
    walk = walk_program(target, "@sysenter")
    assert field(walk, "Eip").value == INT_SYSTEM_CALL + 6
    leave = stage_of(walk, Kind.LEAVE)
    assert leave is not None
    assert walk.steps[leave.start].after["eip"] == INT_SYSTEM_CALL + 6


def test_a_patched_exit_branch_leaves_by_iretd() -> None:
    target = machine()
    branch = nt(target, "KiSystemCallExitBranch") + 1
    poke(target, branch, peek.number(target, branch, 1) - 1, 1)
    assert way(walk_program(target, "@sysenter"), Kind.LEAVE) == "iretd"


def test_another_msr_176_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the vector that traced calls use, the entry code stands a second time."""
    target = machine()
    target.write_msr(0x176, nt(target, "KiFastCallEntryTraced"))
    walk = walk_program(target, "@sysenter")
    assert "EIP nt!KiFastCallEntryTraced" in squeezed(text(walk, monkeypatch))
    assert field(walk, "EFlags").origin == "EFLAGS | 100h | 200h"
    assert way(walk, Kind.LEAVE) == "iretd"


def test_a_number_beyond_the_limit_calls_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    target = machine()
    poke(target, nt(target, "KeServiceDescriptorTable") + 8, NT_WRITE_FILE)
    walk = walk_program(target, "@int2e")
    assert walk.service is None
    assert walk.steps[-1].after["eax"] == 0xC000001C
    shown = text(walk, monkeypatch)
    assert "ServiceTable[0].Limit = 112, jae: yes" in shown
    assert "no routine of the service table is called" in shown
    assert "STATUS_INVALID_SYSTEM_SERVICE" in shown


def test_a_gate_that_ring_3_may_not_use_is_a_trap(monkeypatch: pytest.MonkeyPatch) -> None:
    """DPL 0: the walk goes on through the exception to the call that reports it."""
    target = machine()
    gate = target.register("idtr") + 8 * 0x2E + 4
    poke(target, gate, peek.number(target, gate) & ~0x6000)
    walk = walk_program(target, "@int2e")
    assert walk.service is not None
    assert walk.symbol(walk.service.routine) == "nt!NtRaiseException"
    shown = text(walk, monkeypatch)
    assert "A trap, to nt!KiTrap0D" in shown
    assert "Out of the trap, to ntdll!KiUserExceptionDispatcher" in shown
    assert "no return            Access violation - code c0000005" in shown
    assert "it returns" not in shown


def test_a_program_without_a_call_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ntgate.debug.walk.LONGEST_WALK", 3)
    with pytest.raises(CallNotFound, match="no system call"):
        walk_program(machine(), "@sysenter")


def changed_instruction(change: Callable[[LiveMachine], None]) -> Walk:
    target = machine()
    change(target)
    return walk_program(target, "@sysenter")


def test_a_changed_constant_of_the_entry_shows_in_the_frame(by_sysenter: Walk) -> None:
    """`push 0` (ErrCode) of KiFastCallEntry becomes `push 7`."""
    push = field(by_sysenter, "ErrCode").writer
    assert push is not None
    walk = changed_instruction(lambda target: poke(target, push.line.address + 1, 7, 1))
    found = field(walk, "ErrCode")
    assert (found.value, found.origin) == (7, "constant 7")
