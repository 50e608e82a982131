"""`ntgate trace` as a user types it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ntgate.trace.families import family_names
from ntgate.trace.filters import EVENTS

KEYS = [
    "seq", "pid", "tid", "service", "number", "gate", "gate_at", "direct", "caller", "args", "out",
    "status", "status_name", "clock",
]  # fmt: skip


def trace(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from ntgate.cli import main; main()", "trace", *words],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def calls(*words: str) -> list[dict[str, object]]:
    done = trace("--format", "jsonl", *words)
    assert done.returncode == 0, done.stderr
    return [row for row in map(json.loads, done.stderr.splitlines()) if "service" in row]


@pytest.mark.parametrize(
    ("program", "gate", "gate_at", "direct"),
    [
        ("@sysenter", "sysenter", "ntdll+0xe4f2", False),
        ("@int2e", "int2e", "ntdll+0xe504", False),
        ("@direct", "int2e", "direct+", True),
    ],
)
def test_each_call_tells_its_gate(program: str, gate: str, gate_at: str, direct: bool) -> None:
    (write,) = [row for row in calls(program) if row["service"] == "NtWriteFile"]
    assert list(write) == (KEYS if program != "@int2e" else [*KEYS, "indirect", "through"])
    assert (write["gate"], write["direct"], write["number"]) == (gate, direct, 0x112)
    assert str(write["gate_at"]).startswith(gate_at)
    assert write["status_name"] == "STATUS_SUCCESS"
    arguments = write["args"]
    assert isinstance(arguments, dict)
    assert str(arguments["Buffer"]).startswith("hello through")
    assert next(iter(arguments)) == "FileHandle"


def test_the_text_form() -> None:
    done = trace("-e", "trace=NtWriteFile", "@direct")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Nt")]
    assert line.startswith("NtWriteFile(FileHandle=0x8<")
    assert ">, IoStatusBlock={Information=39}, Buffer=" in line
    assert 'Buffer="hello through int 2Eh outside of"..., Length=39) = STATUS_SUCCESS' in line
    assert "<DIRECT int2e direct!DirectWriteFile+0xb at direct+" in line
    assert done.stdout == "hello through int 2Eh outside of ntdll\n"


def test_a_call_that_does_not_return_has_no_status() -> None:
    (end,) = [row for row in calls("@sysenter") if row["service"] == "NtTerminateProcess"]
    assert (end["status"], end["status_name"]) == (None, None)


def test_two_traces_are_byte_identical() -> None:
    assert trace("--format", "jsonl", "@seh").stderr == trace("--format", "jsonl", "@seh").stderr


def test_an_injected_status_reaches_the_program() -> None:
    done = trace("-e", "inject=NtWriteFile:status=0xc0000022:when=1", "@sysenter")
    assert done.stdout == ""
    assert "= STATUS_ACCESS_DENIED (INJECTED)" in done.stderr


def test_the_summary_counts() -> None:
    rows = [line.split() for line in trace("-c", "-e", "NtWriteFile", "@seh").stderr.splitlines()]
    assert rows[0] == ["%", "time", "seconds", "usecs/call", "calls", "errors", "service"]
    assert rows[2][0] == "100.00" and rows[2][3:] == ["1", "NtWriteFile"]
    assert 0 < float(rows[2][1]) < 0.0001
    assert rows[-1] == [*rows[2][:-1], "total"]


def test_a_file_takes_the_trace(tmp_path: Path) -> None:
    target = tmp_path / "trace.txt"
    done = trace("-o", str(target), "@sysenter")
    assert (done.returncode, done.stderr) == (0, "")
    assert "NtWriteFile(" in target.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-e", "trace=NtMakeCoffee", "@seh"), "no service is named 'NtMakeCoffee'"),
        (("-e", "%coffee", "@seh"), "no service family is %coffee"),
        (("-e", "inject=NtClose:x=1", "@seh"), "inject=NtClose:x=1: 'x=1' is not understood"),
        (("--format", "xml", "@seh"), "--format xml: there are text and jsonl"),
        (("-o", "/nonexistent/x", "@seh"), "can't write /nonexistent/x"),
        (("-c", "/nonexistent.exe"), "can't read /nonexistent.exe"),
        (("-s", "-1", "@seh"), "-s -1: a number of bytes"),
        (("-e", "status=odd", "@seh"), "status=odd: one of all, successful"),
        (("-e", "event=coffee", "@seh"), "event=coffee: no kind of event is 'coffee'"),
        (("-ff", "@seh"), "-ff: the files' name is missing"),
        (("-ff", "-c", "-o", "x", "@seh"), "-ff: a table counts all processes"),
        (("--width", "5", "@seh"), "--width 5: at least 40 columns"),
        (("-P", "", "@seh"), "-P: a path"),
        (("-e", "inject=NtClose:delay_enter=2d", "@seh"), "inject=NtClose:delay_enter=2d: 'delay"),
        (("-e", "coffee=1", "@seh"), "-e coffee=1: use trace=NAME"),
    ],
)
def test_a_mistake_is_one_line(words: tuple[str, ...], message: str) -> None:
    done = trace(*words)
    assert done.returncode == 2
    assert done.stderr.startswith(f"ntgate: {message}"), done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("form", ["text", "jsonl"])
def test_a_full_disk_is_one_line(form: str) -> None:
    done = trace("-o", "/dev/full", "--format", form, "@seh")
    assert done.returncode == 2
    assert done.stderr == "ntgate: can't write /dev/full: No space left on device\n"


def test_a_trace_that_nobody_reads_ends_as_by_a_signal() -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "ntgate", "trace", "@seh"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert program.stderr is not None
    program.stderr.close()
    assert program.wait(60) == 141


DOCS = Path(__file__).parent.parent.parent / "docs/trace.md"


def test_the_example_of_the_documentation() -> None:
    (block,) = re.findall(r"^```console\n(.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    command, *expected = block.splitlines()
    done = trace(*command.removeprefix("$ ntgate trace ").split())
    assert done.stderr.splitlines() == expected


def test_the_documentation_names_every_family_and_event() -> None:
    text = DOCS.read_text()
    for name in [f"`%{family}`" for family in family_names()] + [f"`{kind}`" for kind in EVENTS]:
        assert name in text
