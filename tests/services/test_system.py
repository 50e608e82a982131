"""The machine's own information, and the services that keep settings."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from gate.guest_run import GuestRun
from ntgate.loader.userland import Userland


def test_system_information_locale_atoms_and_settings(guest: Callable[[str], Path]) -> None:
    assert GuestRun(guest("system_information")).finish() == "passed\n"


def test_the_locale_tells_the_size_of_its_table_of_casings(
    userland: Userland, tmp_path: Path
) -> None:
    out, casings = tmp_path / "trace", userland.nls("l_intl.nls")
    assert casings is not None
    subprocess.run(
        [sys.executable, "-m", "ntgate", "trace", "-o", str(out), "--format", "jsonl",
         "-e", "NtInitializeNlsFiles", "-e", "event=none", "hostname.exe"],
        capture_output=True, timeout=100, check=True, cwd=tmp_path,
    )  # fmt: skip
    told = json.loads(out.read_text(encoding="utf-8"))
    assert told["out"]["DefaultCasingTableSize"] == casings.stat().st_size
