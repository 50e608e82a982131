"""A program that needs a DLL which is not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ntgate.cli.needed_dlls import NeededDlls
from ntgate.trace.modules import imported_dlls


@pytest.fixture
def program(guest: Callable[[str], Path], tmp_path: Path) -> Path:
    """It imports `kernel3x.dll` in kernel32's place."""
    made = tmp_path / "needy.exe"
    made.write_bytes(guest("evasive_calls").read_bytes().replace(b"kernel32.dll", b"kernel3x.dll"))
    return made


def test_the_imports_of_a_file(program: Path) -> None:
    assert "kernel3x.dll" in imported_dlls(program.read_bytes())
    assert imported_dlls(b"") == imported_dlls(program.read_bytes()[:0x180]) == []


def test_what_was_imported_and_never_loaded(program: Path) -> None:
    needed = NeededDlls()
    assert needed.missing(4) == ""
    needed.load(4, "needy.exe", program.read_bytes())
    needed.load(4, "NTDLL.DLL", b"")
    assert needed.missing(4) == "kernel3x.dll, which needy.exe needs"
    needed.load(4, "kernel3x.dll", b"")
    assert needed.missing(4) == ""
