"""The command on a host that is Windows, as far as this one can stand in for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ntgate
from loader import fake_wine
from ntgate.loader.builtin.images import builtin_program

SCRIPT = Path(__file__).parent / "windows_host.py"
SOURCE = Path(ntgate.__file__).parent.parent


def on_windows(folder: Path, *words: str, typed: str = "") -> tuple[int, str, str]:
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "LOCALAPPDATA": str(folder / "local")}
    environment.pop("XDG_CACHE_HOME", None)
    done = subprocess.run(
        [sys.executable, SCRIPT, *words], cwd=folder, env=environment, input=typed,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_every_module_can_be_imported(tmp_path: Path) -> None:
    assert on_windows(tmp_path, "--imports") == (0, "", "")


def test_programs_run(tmp_path: Path) -> None:
    (tmp_path / "program.exe").write_bytes(builtin_program("sysenter").file)
    assert on_windows(tmp_path, "run", "program.exe") == (0, "hello through sysenter\n", "")
    assert (tmp_path / "local" / "ntgate" / "kernel").is_file()  # the cache
    code, output, errors = on_windows(tmp_path, "trace", "-e", "%direct", "@direct")
    assert (code, output) == (0, "hello through int 2Eh outside of ntdll\n")
    assert "<DIRECT int2e direct!DirectWriteFile+0xb" in errors


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
