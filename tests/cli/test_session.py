"""`ntgate run` and `trace`: what a program is given, what it may use, how its end is told."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ntgate
from ntgate.cli import session
from ntgate.machine import Cause, MachineOptions

SOURCE = Path(ntgate.__file__).parent.parent
ENTRY = [sys.executable, "-c", "from ntgate.cli import main; main()"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(SOURCE), "PYTHONUNBUFFERED": "1"}

Ntgate = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    (work / "input.txt").write_text("of the host")
    return work


@pytest.fixture
def program(guest: Callable[[str], Path]) -> str:
    return str(guest("file_session"))


@pytest.fixture
def run(folder: Path, program: str) -> Ntgate:
    """ntgate COMMAND OPTIONS program WORDS, in the folder."""

    def run(
        options: list[str], *words: str, command: str = "run"
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*ENTRY, command, *options, program, *words],
            cwd=folder, env=ENVIRONMENT, input="", capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip

    return run


def report_of(run: Ntgate, folder: Path, options: list[str], *words: str) -> dict[str, Any]:
    path = folder.parent / "report.json"
    run(["--report", str(path), *options], *words)
    report: dict[str, Any] = json.loads(path.read_text())
    return report


def test_a_program_sees_its_words_and_the_current_folder(run: Ntgate) -> None:
    done = run(["--env", "TEST=a b", "--env", "test2=c"], "one", "two words", 'q"uote', "")
    assert done.stdout.splitlines() == [
        "C:\\work\\",
        'file_session.exe one "two words" q\\"uote ""',
        "TEST=a b",
        "of the host",
    ]
    assert (done.returncode, done.stderr) == (7, "")  # the low 8 bits of 107h


def test_the_end_of_a_programs_name_may_be_left_out(folder: Path, program: str) -> None:
    shutil.copy(program, folder / "session.exe")
    (folder / "session").mkdir()  # which is no program
    for word in ("session", "./session", str(folder / "session")):
        done = subprocess.run(
            [*ENTRY, "run", word], cwd=folder, env=ENVIRONMENT, input="", capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.stdout.splitlines()[1] == "session.exe", done.stderr


def test_verbatim_words_are_the_command_line(run: Ntgate) -> None:
    done = run(["--verbatim"], "/c", 'find "b" <x', "")
    assert done.stdout.splitlines()[1] == 'file_session.exe /c find "b" <x '


def test_what_it_writes_stays_in_the_machine(run: Ntgate, folder: Path) -> None:
    done = run([], "w")
    assert done.stdout.splitlines()[-1] == "00000000"
    assert sorted(path.name for path in folder.iterdir()) == ["input.txt"]


def test_rw_lets_it_change_the_folder(run: Ntgate, folder: Path) -> None:
    (folder / "output.txt").write_text("something longer than what the guest will write")
    assert run(["--rw"], "w").stdout.splitlines()[-1] == "00000000"
    assert (folder / "output.txt").read_text() == "written by the guest"


@pytest.mark.parametrize(
    ("mode", "status", "written"),
    [(":ro", "c0000022", False), (":cow", "00000000", False), (":rw", "00000000", True)],
)
def test_mounts(run: Ntgate, folder: Path, mode: str, status: str, written: bool) -> None:
    other = folder.parent / "other"
    other.mkdir()
    (other / "input.txt").write_text("of another folder")
    done = run(["--mount", f"{other}=C:\\work{mode}"], "w")
    assert done.stdout.splitlines()[-2:] == ["of another folder", status]
    assert (other / "output.txt").exists() == written
    assert not (folder / "output.txt").exists()


def test_the_report(run: Ntgate, folder: Path) -> None:
    report = report_of(run, folder, ["--rw"], "w")
    assert report["command"][1:] == ["w"]
    assert (report["ended"], report["exit_code"], report["exit_status"]) == ("exit", 7, 0x107)
    assert report["services"]["NtCreateFile"] == 2
    assert report["unhandled_exception"] is None and report["unimplemented"] == {}
    assert report["files_written"] == [{"path": "C:\\work\\output.txt", "on_host": True}]
    assert report == report_of(run, folder, ["--rw"], "w")


def test_an_unhandled_exception(run: Ntgate, folder: Path) -> None:
    done = run([], "x")
    assert done.returncode == 5
    (line,) = done.stderr.splitlines()
    assert line.startswith("ntgate: unhandled exception c0000005 STATUS_ACCESS_VIOLATION at ")
    assert line.endswith(" (write to 00000010)") and "file_session+0x" in line
    exception = report_of(run, folder, [], "x")["unhandled_exception"]
    assert (exception["code"], exception["parameters"]) == (0xC0000005, [1, 0x10])


def test_a_breakpoint_ends_a_program_and_minus_1_is_no_status(run: Ntgate) -> None:
    done = run([], "b")
    assert done.returncode == 3
    assert done.stderr.startswith("ntgate: unhandled exception 80000003 STATUS_BREAKPOINT at ")
    done = run([], "n")
    assert (done.returncode, done.stderr) == (255, "")


@pytest.mark.parametrize("word", ["l", "r"])
def test_the_time_limit(folder: Path, program: str, word: str) -> None:
    """Also while the program waits for input that doesn't come."""
    reading, writing = os.pipe()
    started = time.monotonic()
    done = subprocess.run(
        [*ENTRY, "run", "--time-limit", "1", program, word],
        cwd=folder, env=ENVIRONMENT, stdin=reading, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    os.close(reading)
    os.close(writing)
    assert done.returncode == 124
    assert done.stderr == "ntgate: time limit: the program was ended\n"
    assert "of the host" in done.stdout
    assert time.monotonic() - started >= 1


def test_the_time_limit_breaks_off_a_service_that_does_not_end(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "GRACE_S", 0.1)
    one = session.Session(MachineOptions(), session.SessionOptions(time_limit=0.1))
    one.start("@sysenter", ())
    ends = time.monotonic() + 60

    def endless() -> Cause:
        while time.monotonic() < ends:
            time.sleep(0.01)
        raise AssertionError("nobody has broken it off")

    monkeypatch.setattr(one.machine, "resume", endless)
    one.run()
    assert one.finish() == session.EXIT_TIME_LIMIT


@pytest.mark.parametrize("word", ["l", "r"])
def test_ctrl_c_ends_a_trace_with_all_of_it_written(
    folder: Path, program: str, word: str
) -> None:
    trace, report = folder.parent / "trace", folder.parent / "report.json"
    options = ["--format", "jsonl", "-o", str(trace), "--report", str(report)]
    running = subprocess.Popen(
        [*ENTRY, "trace", *options, program, word],
        cwd=folder, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stdin is not None and running.stdout is not None
    while "of the host" not in running.stdout.readline():
        assert running.poll() is None
    time.sleep(0.3)
    running.send_signal(signal.SIGINT)
    errors = running.communicate(timeout=60)[1]
    assert (running.returncode, errors) == (130, "")
    calls = [json.loads(line) for line in trace.read_text().splitlines()]
    last = "NtReadFile" if word == "r" else "NtWriteFile"
    assert [call["service"] for call in calls if "service" in call][-1] == last
    assert json.loads(report.read_text())["ended"] == "interrupted"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_is_in_the_exit_code(
    folder: Path, program: str, number: signal.Signals, code: int
) -> None:
    running = subprocess.Popen(
        [*ENTRY, "run", program, "l"], cwd=folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stdout is not None
    while "of the host" not in running.stdout.readline():
        assert running.poll() is None
    running.send_signal(number)
    running.communicate(timeout=60)
    assert running.returncode == code


def test_a_program_that_waits_for_what_cannot_come(run: Ntgate) -> None:
    done = run([], "s")
    assert done.returncode == 125
    assert done.stderr == "ntgate: every thread waits for what can't come: the program was ended\n"


def test_the_memory_limit(run: Ntgate) -> None:
    done = run(["--memory-limit", "32"], "m")
    assert done.stdout.splitlines()[-1] == "more than 10 MB, c000012d"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--env", "NAME"], "--env NAME: write NAME=VALUE"),
        (["--mount", "nowhere=C:\\x"], "can't mount nowhere: No such file or directory"),
        (["--mount", ".=x"], "can't mount at x: a place is a path such as C:\\data"),
        (["--mount", ".=C:\\a:wr"], "'.=C:\\\\a:wr': 'wr' is none of ro, cow, rw"),
        (["--time-limit", "0"], "--time-limit 0: a number of seconds above 0, at most a year"),
        (["--memory-limit", "1"], "--memory-limit 1: at least 16 MB"),
        (["--report", "no/where"], "can't write no/where: No such file or directory"),
    ],
)
def test_a_wrong_option_gives_one_line(
    run: Ntgate, options: list[str], message: str
) -> None:
    done = run(options)
    assert (done.returncode, done.stderr) == (2, f"ntgate: {message}\n")
