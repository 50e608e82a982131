"""A terminal is a console: a program reads lines from it and asks it for its size."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from ntgate.loader.userland import Userland

TYPED = b"cls\necho first\nset /p name=who? \nsecond\necho [%name%]\nexit 3\n"
SECONDS = 60


def read_all(terminal: int) -> bytes:
    """What is written until the other end is closed."""
    out = b""
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # how Linux tells the end of a terminal
            return out
        if not data:
            return out
        out += data


def test_cmd_on_a_terminal_without_a_size(userland: Userland, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, TYPED)
    with subprocess.Popen(
        [sys.executable, "-m", "ntgate", "run", "--time-limit", str(SECONDS), "cmd.exe"],
        cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(),
    ) as running:  # fmt: skip
        os.close(theirs)
        out = read_all(ours)
    os.close(ours)
    assert running.returncode == 3, out.decode("utf-8", "replace")
    assert b"first" in out
    assert b"who?" in out
    assert b"[second]" in out


def environment() -> dict[str, str]:
    """With the package, whether it is installed or not."""
    import ntgate

    source = Path(ntgate.__file__).parent.parent
    search = os.pathsep.join(filter(None, (str(source), os.environ.get("PYTHONPATH", ""))))
    return os.environ | {"PYTHONPATH": search}
