"""Processes, threads and exceptions through kernel32: guest programs that check themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from program_run import Runner

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
