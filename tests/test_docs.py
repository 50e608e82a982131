"""The examples in README and docs run, and print what they claim."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def ntgate(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ntgate", *words],
        capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
    )  # fmt: skip


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", blocks(ROOT / "docs/kd.md", "kd"))
def test_every_kd_example_succeeds(block: str) -> None:
    done = ntgate("kd", "-c", "; ".join(block.strip().splitlines()))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""


def test_the_session_of_the_readme() -> None:
    sessions = blocks(ROOT / "README.md", "")
    (session,) = [block for block in sessions if block.startswith("$ ntgate kd")]
    command, *expected = session.splitlines()
    done = ntgate(*shlex.split(command.removeprefix("$ ntgate ")))
    assert done.returncode == 0
    assert done.stdout.splitlines()[: len(expected)] == expected


@pytest.mark.parametrize("block", blocks(ROOT / "README.md", "python"))
def test_python_examples_run(block: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "0"


PROGRAMS = re.findall(r"^\| `(@\w+)`", (ROOT / "README.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_built_in_programs_of_the_readme_run(program: str) -> None:
    done = ntgate("run", program)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\n")


def test_every_page_is_linked() -> None:
    readme = (ROOT / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert f"docs/{page.name}" in readme
