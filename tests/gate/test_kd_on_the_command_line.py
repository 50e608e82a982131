"""`ntgate kd` as a user runs it: -c, piped input, exit codes, and what a mistake looks like."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.gate_machine import DebuggedMachine
from gate.ntgate_command import kd_answers, run_ntgate

MISTAKES = {
    "frobnicate": "^ Syntax error in 'frobnicate'",
    "? zork+": "Couldn't resolve error at 'zork+'",
    "? 1+": "Numeric expression missing from '<EOL>'",
    "? poi(10)": "Memory access error at ')'",
    "ed 10 5": "Memory access error at 00000010",
    "ed": "^ Syntax error in 'ed'",
    "eb 7c92e4f0 zork": "Couldn't resolve error at 'zork'",
    ".trap 10": "Memory access error at 00000010",
    "dt _NOSUCH": "Symbol _NOSUCH not found.",
    "r zork": "^ Bad register error in 'r zork'",
    "r eip=zork": "Couldn't resolve error at 'zork'",
    "rdmsr zork": "Couldn't resolve error at 'zork'",
    "wrmsr 176": "^ Syntax error in 'wrmsr 176'",
    "bp nt!nosuch": "Couldn't resolve error at 'nt!nosuch'",
    "bc 7": "^ No such breakpoint error in 'bc 7'",
    "ba w3 ffdf0000": "^ Invalid breakpoint size in 'ba w3 ffdf0000'",
    "ba w4 ffdf0001": "Data breakpoint must be aligned: ffdf0001 is no multiple of 4",
    "t zork": "Couldn't resolve error at 'zork'",
    "g zork": "Couldn't resolve error at 'zork'",
    "!idt 500": "Vector 500 is beyond the IDT's limit of 7ff",
    "!pte": "^ Syntax error in '!pte'",
    "u 7c92e4f0 l100000000": "Range error at 'l100000000'",
}


@pytest.mark.parametrize(("command", "message"), MISTAKES.items())
def test_a_mistake_is_one_clear_line(command: str, message: str) -> None:
    machine = DebuggedMachine()
    assert machine.mistake(command) == message + "\n"
    assert machine.run_to_end() == b"hello through sysenter\n"


def test_a_mistake_makes_the_exit_code() -> None:
    done = run_ntgate("kd", "-c", "frobnicate; ? zork; ed 10 5; r idtr")
    assert kd_answers(done.stdout) == [
        ("frobnicate", ["^ Syntax error in 'frobnicate'"]),
        ("? zork", ["Couldn't resolve error at 'zork'"]),
        ("ed 10 5", ["Memory access error at 00000010"]),
        ("r idtr", ["idtr=8003f400"]),
    ]
    assert (done.returncode, done.stderr) == (1, "")


def test_a_machine_that_halts_for_ever_stops() -> None:
    done = run_ntgate("kd", "-c", "f 80541000 L2000 f4; g; r eip")
    _fill, (_go, printed), (_r, eip) = kd_answers(done.stdout)
    assert printed[0] == (
        "the processor has halted at 80541231 with interrupts off: nothing can wake it"
    )
    assert eip == ["eip=80541232"]


def test_memory_that_is_not_there_ends_a_listing_of_code() -> None:
    printed = DebuggedMachine().mistake("u 10")
    assert printed.splitlines()[-1] == "Memory access error at 00000010"


def _not_a_program(folder: Path) -> None:
    (folder / "notes.txt").write_text("not a program\n")
    (folder / "empty.exe").touch()
    (folder / "folder.exe").mkdir()
    header = bytearray(b"MZ".ljust(0x3C, b"\0") + (0x40).to_bytes(4, "little"))
    header += b"PE\0\0" + (0x8664).to_bytes(2, "little") + bytes(18)
    (folder / "wide.exe").write_bytes(bytes(header) + b"\x0b\x02".ljust(0xF0, b"\0"))


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("kd", "missing.exe"),
        ("run", "missing.exe"),
        ("kd", "notes.txt"),
        ("run", "empty.exe"),
        ("kd", "folder.exe"),
        ("run", "wide.exe"),
        ("kd", "@nosuch"),
    ],
)
def test_a_program_that_cannot_be_started(tmp_path: Path, command: str, program: str) -> None:
    _not_a_program(tmp_path)
    done = run_ntgate(command, program, folder=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("ntgate: ")
    assert program in done.stderr


def test_piped_input_is_shown_behind_the_prompt() -> None:
    typed = "r cs\n\nbp KiFastCallEntry\ng\nr eip\nbl\nbc *\ng\nq\nr cs\n"
    done = run_ntgate("kd", typed=typed)
    assert (done.returncode, done.stderr) == (0, "")
    greeting, *_ = done.stdout.partition("kd> ")
    assert greeting.startswith("Break instruction exception - code 80000003 (first chance)\n")
    assert greeting.splitlines()[-2:] == [
        "nt!RtlpBreakWithStatusInstruction:",
        "80541296 cc              int     3",
    ]
    answers = kd_answers(done.stdout)
    assert [command for command, _ in answers] == [line for line in typed.split("\n")[:-2] if line]
    assert answers[0][1] == ["cs=00000008"]
    assert answers[2][1][0] == "Breakpoint 0 hit"
    assert answers[3][1] == ["eip=805426e0"]
    assert answers[6][1] == ["hello through sysenter", "The program has ended, status 00000000."]


def test_a_mistake_in_piped_input_makes_the_exit_code() -> None:
    done = run_ntgate("kd", typed="frobnicate\nr idtr\n")
    assert done.returncode == 1
    assert kd_answers(done.stdout) == [
        ("frobnicate", ["^ Syntax error in 'frobnicate'"]),
        ("r idtr", ["idtr=8003f400"]),
    ]


def test_arguments_of_the_program_are_passed_on() -> None:
    command = "du poi(poi(@$peb+10)+44)"  # PEB.ProcessParameters, its CommandLine.Buffer
    done = run_ntgate("kd", "-c", f"{command}; q; r cs", "@sysenter", "one", "two words")
    assert done.returncode == 0
    (_, (text,)), *others = kd_answers(done.stdout)
    assert text.endswith('"sysenter.exe one "two words""')
    assert others == [("q", [])]


def test_memory_changes_ram_and_shared_user_data() -> None:
    done = run_ntgate("kd", "--memory", "256", "-c", "dd ffdf02e8 l1")
    assert kd_answers(done.stdout)[0][1] == ["ffdf02e8  0000ff6a"]
    done = run_ntgate("kd", "--memory", "64", "-c", "r")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
