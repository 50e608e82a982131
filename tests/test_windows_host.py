"""The command on a host that is Windows, as far as this one can stand in for it."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import ntgate
from loader import fake_wine
from ntgate.devices.host_errors import is_broken_pipe
from ntgate.loader.builtin.images import builtin_program

SCRIPT = Path(__file__).parent / "windows_host.py"
SOURCE = Path(ntgate.__file__).parent.parent


def start(folder: Path, *words: str, stdin: int = subprocess.PIPE) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "LOCALAPPDATA": str(folder / "local")}
    environment.pop("XDG_CACHE_HOME", None)
    return subprocess.Popen(
        [sys.executable, SCRIPT, *words], cwd=folder, env=environment, stdin=stdin,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def on_windows(folder: Path, *words: str, typed: str = "") -> tuple[int, str, str]:
    with start(folder, *words) as running:
        output, errors = running.communicate(typed, timeout=120)
    return running.returncode, output, errors


def test_every_module_can_be_imported(tmp_path: Path) -> None:
    assert on_windows(tmp_path, "--imports") == (0, "", "")


def test_programs_run(tmp_path: Path) -> None:
    (tmp_path / "program.exe").write_bytes(builtin_program("sysenter").file)
    assert on_windows(tmp_path, "run", "program.exe") == (0, "hello through sysenter\n", "")
    assert (tmp_path / "local" / "ntgate" / "kernel").is_file()  # the cache
    code, output, errors = on_windows(tmp_path, "trace", "-e", "%direct", "@direct")
    assert (code, output) == (0, "hello through int 2Eh outside of ntdll\n")
    assert "<DIRECT int2e direct!DirectWriteFile+0xb" in errors


def test_ctrl_c_and_the_time_limit_end_a_wait_for_input(
    tmp_path: Path, guest: Callable[[str], Path]
) -> None:
    words = [str(guest("file_session")), "r"]  # which says something, then reads
    with start(tmp_path, "run", "--time-limit", "1", *words) as running:
        assert running.wait(120) == 124
        assert running.stderr is not None
        assert running.stderr.read() == "ntgate: time limit: the program was ended\n"
    with start(tmp_path, "run", *words) as running:
        assert running.stdout is not None
        running.stdout.readline()
        time.sleep(0.2)  # it is at its read by then; where it is not, the end is the same
        running.send_signal(signal.SIGINT)
        assert running.wait(120) == 130


def test_nul_is_no_console(tmp_path: Path, guest: Callable[[str], Path]) -> None:
    words = ["trace", "-e", "NtReadFile", str(guest("file_session")), "r"]
    with start(tmp_path, *words, stdin=subprocess.DEVNULL) as running:
        _output, errors = running.communicate(timeout=120)
    assert "NtReadFile(FileHandle=0x4<\\Device\\NamedPipe>" in errors


def test_kd_and_demo(tmp_path: Path) -> None:
    code, output, errors = on_windows(tmp_path, "kd", typed="g ntdll!NtWriteFile\nr eip\nq\n")
    assert (code, errors) == (0, "")
    assert "kd> r eip\neip=7c92df60\n" in output
    code, output, errors = on_windows(tmp_path, "demo")
    assert (code, errors) == (0, "")
    assert "=== The two ways ===" in output


def test_a_folder_of_dlls_becomes_the_userland(tmp_path: Path) -> None:
    wine = fake_wine.tree(tmp_path / "wine")
    code, output, errors = on_windows(tmp_path, "userland", "install", "--from", str(wine))
    assert code == 0, errors
    assert "hashes                 all right\n" in output
    code, told, errors = on_windows(tmp_path, "userland", "status")
    assert (code, told, errors) == (0, output, "")
    assert str(tmp_path / "local" / "ntgate" / "userland-") in output


def test_mistakes(tmp_path: Path) -> None:
    code, _output, errors = on_windows(tmp_path, "run", "missing.exe")
    assert (code, len(errors.splitlines())) == (2, 1)
    assert on_windows(tmp_path, "userland", "status")[0] == 1
    assert on_windows(tmp_path, "--help")[::2] == (0, "")


def test_a_pipe_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The C library of Windows calls its ERROR_NO_DATA an invalid argument."""
    error = OSError(errno.EINVAL, "Invalid argument")
    assert is_broken_pipe(BrokenPipeError(errno.EPIPE, "")) and not is_broken_pipe(error)
    monkeypatch.setattr(sys, "platform", "win32")
    assert is_broken_pipe(error)
    assert not is_broken_pipe(OSError(errno.EINVAL, "Invalid argument", "a file"))
