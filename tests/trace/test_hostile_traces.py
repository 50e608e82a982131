"""Random calls under the tracer: whatever a program passes, each call is one readable line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gate.hostile import ENDS, PARKS, calls_config

ENTRY = "from ntgate.cli import main; main()"
CALLS = 1500


@pytest.mark.parametrize(("form", "seed"), [("text", 11), ("jsonl", 12)])
def test_random_calls_are_traced(
    tmp_path: Path, guest: Callable[[str], Path], form: str, seed: int
) -> None:
    out = tmp_path / "trace"
    done = subprocess.run(
        [sys.executable, "-c", ENTRY, "trace", "-v", "-y", "-k", "-T", "--format", form,
         "-e", "event=none", "-o", str(out), str(guest("hostile_calls"))],
        input=calls_config(seed, CALLS, ENDS | PARKS), capture_output=True, timeout=100,
        check=False, cwd=tmp_path,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr
    assert done.stdout.endswith(b"passed\n")
    lines = out.read_text(encoding="utf-8").split("\n")[:-1]
    if form == "jsonl":
        calls = [json.loads(line) for line in lines]
        assert all(row["args"].keys() >= row["out"].keys() for row in calls)
    else:
        calls = [line for line in lines if not line.startswith(" > ")]
        assert all(line.isprintable() for line in lines)
    assert len(calls) > CALLS // 2
