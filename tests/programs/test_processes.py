"""Processes, threads and exceptions through kernel32: guest programs that check themselves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from program_run import ENTRY, Runner, environment

Guest = Callable[[str], Path]


@pytest.mark.parametrize(
    "name",
    ["process_children", "thread_control", "exceptions_win32", "clocks_win32", "debugger",
     "debug_help", "shell_verbs"],
)
def test_a_program_s_own_checks(run: Runner, guest: Guest, name: str) -> None:
    assert run(guest(name)).lines() == ["passed"]


def test_what_children_print_and_their_exit_codes(run: Runner) -> None:
    words = "cmd.exe /c exit 3 & call echo %^errorlevel%"
    assert run("cmd.exe", "/c", words).output == "3\n"


@pytest.mark.parametrize(("status", "code"), [(0, 0), (300, 44), (256, 0), (0x10000, 0), (-1, 255)])
def test_the_host_sees_the_low_8_bits(run: Runner, status: int, code: int) -> None:
    done = run("cmd.exe", "/c", f"exit {status}")
    assert done.code == code
    assert ("exit code is" in done.errors) == bool(status and not code)


def test_the_run_goes_on_until_the_last_process_has_ended(run: Runner) -> None:
    """As on a console: what a program has left running still writes there."""
    ended = run("cmd.exe", "/c", "start /b cmd.exe /c echo late")
    assert (ended.code, ended.output) == (0, "late\n")


def test_the_function_that_wine_lacks_is_named(run: Runner, guest: Guest) -> None:
    ended = run(guest("lacking_function"))
    assert ended.errors.startswith("ntgate: unhandled exception 80000100 at kernelbase")
    assert ended.errors.endswith(" (Wine has no some.dll!Function)\n")


def test_a_program_by_its_path_in_the_guest(run: Runner) -> None:
    for place in ("C:\\WINDOWS\\system32\\cmd.exe", "c:/windows/System32/cmd"):
        assert run(Path(place), "/c", "echo here").output == "here\n"


def test_threads_go_on_while_one_waits_for_the_host_s_input(guest: Guest, tmp_path: Path) -> None:
    """Whoever drives a program through pipes sends only when it has heard something."""
    words = ["run", "--time-limit", "60", str(guest("standard_input"))]
    with subprocess.Popen(
        [sys.executable, "-c", ENTRY, *words], cwd=tmp_path, env=environment(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        assert running.stdin is not None and running.stdout is not None
        heard = []
        for heard_first, sent in (("before", "one"), ("between", "two")):
            while heard[-1:] != [heard_first]:
                line = running.stdout.readline()
                assert line, heard
                heard.append(line.strip())
            running.stdin.write(sent + "\n")
            running.stdin.flush()
        heard += running.stdout.read().split("\n")
        assert heard == ["before", "first one", "between", "second two", "passed", ""]
        assert running.wait() == 0
