"""A program that can't start without a DLL: the line says which, and who needs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from program_run import ENTRY, environment


@pytest.mark.usefixtures("userland")
@pytest.mark.parametrize("command", [["run"], ["trace", "-o", "trace.txt"]])
def test_the_line_names_it(
    guest: Callable[[str], Path], tmp_path: Path, command: list[str]
) -> None:
    content = guest("evasive_calls").read_bytes()
    (tmp_path / "needy.exe").write_bytes(content.replace(b"kernel32.dll", b"kernel3x.dll"))
    done = subprocess.run(
        [sys.executable, "-c", ENTRY, *command, "needy.exe"],
        capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path, env=environment(),
    )  # fmt: skip
    assert done.stderr == (
        "ntgate: the program ended with c0000135 STATUS_DLL_NOT_FOUND: "
        "there is no 32-bit kernel3x.dll, which needy.exe needs\n"
    )
