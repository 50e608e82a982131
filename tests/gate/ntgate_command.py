"""The `ntgate` command as a user runs it: a process with arguments, input and an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ntgate

SOURCE = Path(ntgate.__file__).parent.parent
ENTRY = "from ntgate.cli import main; main()"


def run_ntgate(
    *arguments: str | Path, typed: str = "", folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `ntgate ARGUMENTS` with `typed` on its standard input."""
    search = os.pathsep.join(filter(None, (str(SOURCE), os.environ.get("PYTHONPATH", ""))))
    return subprocess.run(
        [sys.executable, "-c", ENTRY, *map(str, arguments)],
        input=typed,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": search, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def kd_answers(printed: str) -> list[tuple[str, list[str]]]:
    """Each `kd> command` of a session with the lines that it printed."""
    answers: list[tuple[str, list[str]]] = []
    for line in printed.splitlines():
        if line.startswith("kd> "):
            answers.append((line.removeprefix("kd> "), []))
        elif answers:
            answers[-1][1].append(line)
    return answers
