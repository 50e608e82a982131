"""Every line of JSON is as docs/trace.schema.json says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from json_schema import problems
from ntgate.dispatch.tables import services_by_name

ENTRY = "from ntgate.cli import main; main()"
SCHEMA = Path(__file__).parent.parent.parent / "docs/trace.schema.json"
BuildGuest = Callable[[str], Path]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="ascii"))
    return read


@pytest.mark.usefixtures("userland")
@pytest.mark.parametrize("name", ["traced_calls", "evasive_calls", "exceptions_win32"])
def test_every_line_is_of_the_schema(
    tmp_path: Path, guest: BuildGuest, schema: dict[str, Any], name: str
) -> None:
    out = tmp_path / "trace"
    subprocess.run(
        [sys.executable, "-c", ENTRY, "trace", "-o", str(out), "--format", "jsonl", "-k", "-T",
         "-y", "-e", "inject=NtClose:status=STATUS_ACCESS_DENIED:delay_enter=20ms:when=2",
         str(guest(name))],
        capture_output=True, timeout=100, check=False, cwd=tmp_path,
    )  # fmt: skip
    lines = out.read_text(encoding="ascii").splitlines()
    assert len(lines) > 20
    for line in lines:
        assert problems(json.loads(line), schema, schema) == [], line
    if name == "exceptions_win32":
        prints = [row for row in map(json.loads, lines) if row.get("event") == "debug print"]
        # By OutputDebugString, which raises an exception.
        assert prints[0]["text"] == "nobody reads this"
    delayed = [row for row in map(json.loads, lines) if row.get("delayed")]
    assert [(row["injected"], row["delayed"]) for row in delayed] == [(True, 20_000)]
    assert delayed[0]["time"] >= 200_000


def test_every_service_has_a_name_of_the_schema(schema: dict[str, Any]) -> None:
    name = schema["$defs"]["call"]["properties"]["service"]
    assert [row for row in services_by_name() if problems(row, name, schema)] == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"seq": "1"}, "line.seq: '1' is no integer"),
        ({"gate": "call"}, "line.gate: 'call' is none of"),
        ({"more": 1}, "line: more is not in the schema"),
        ({"args": {"Handle": 1.5}}, "line.args.Handle: 1.5 is no"),
        ({"indirect": False}, "line.indirect: False is not True"),
    ],
)
def test_the_schema_refuses(
    schema: dict[str, Any], change: dict[str, Any], problem: str
) -> None:
    line = {
        "seq": 1, "pid": 4, "tid": 8, "service": "NtClose", "number": 25, "gate": "sysenter",
        "gate_at": "", "direct": False, "caller": "", "args": {"Handle": "0x4"}, "out": {},
        "status": 0, "status_name": "STATUS_SUCCESS", "clock": 1,
    }  # fmt: skip
    call = schema["$defs"]["call"]
    assert problems(line, call, schema) == []
    assert problems(line | change, call, schema)[0].startswith(problem)
