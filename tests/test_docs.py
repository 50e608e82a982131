"""The examples in README and docs run, and print what they claim."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ntgate.loader.userland import Userland, install
from programs.packages import NINJA

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


def programs_and_blocks(path: Path) -> list[tuple[str, str]]:
    """The kd examples that name their program behind the language."""
    return re.findall(r"^```kd ([^\n]+)\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("program", "block"), programs_and_blocks(ROOT / "docs/kd.md"))
def test_kd_examples_with_the_userland(program: str, block: str, userland: Userland) -> None:
    done = ntgate("kd", "-c", "; ".join(block.strip().splitlines()), *shlex.split(program))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Breakpoint") == len(re.findall("^bp ", block, re.M)), done.stdout


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


@pytest.fixture(scope="session")
def userland() -> Userland:
    return install()


def commands(session: str) -> Iterator[tuple[str, list[str]]]:
    """Each line behind a `$`, and what it prints; `...` stands for anything."""
    for part in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        command, *output = part.splitlines()
        yield command, output


def check_session(session: str, folder: Path) -> None:
    """Run the commands one after the other in a folder, with `ntgate` on the path."""
    tools = folder.parent / "tools"
    tools.mkdir()
    script = tools / "ntgate"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ntgate "$@"\n')
    script.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
    }
    for command, expected in commands(session):
        if expected == ["..."]:
            continue
        done = subprocess.run(
            command, shell=True, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.stdout.splitlines() == expected, command


CONSOLE_PAGES = [ROOT / "docs/running-programs.md", ROOT / "docs/known-gaps.md"]


@pytest.mark.parametrize(
    "session", [block for page in CONSOLE_PAGES for block in blocks(page, "console")]
)
def test_sessions_with_the_userland(session: str, tmp_path: Path, userland: Userland) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    check_session(session, folder)


def test_real_programs_of_the_readme(tmp_path: Path, userland: Userland) -> None:
    (session,) = [block for block in blocks(ROOT / "README.md", "") if "userland install" in block]
    folder = tmp_path / "work"
    folder.mkdir()
    (ninja,) = NINJA.folder().rglob("ninja.exe")
    shutil.copy(ninja, folder)
    check_session(session, folder)


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


def test_every_file_of_the_reading_order_is_there() -> None:
    """A name without a folder is in the folder of the one before it, within a table's cell."""
    package = ROOT / "src/ntgate"
    for cell in re.findall(r"[^|\n]+", (ROOT / "docs/reading-order.md").read_text()):
        folder = package
        for name in re.findall(r"`([\w/*]+(?:/|\.(?:py|asm|reg)))`", cell):
            if "/" in name:
                root = ROOT if name.startswith("tests/") else package
                folder = root / name if name.endswith("/") else (root / name).parent
            assert list(folder.glob("*" if name.endswith("/") else Path(name).name)), name


def test_services_that_are_missing_are_missing() -> None:
    page = (ROOT / "docs/known-gaps.md").read_text()
    services = (ROOT / "docs/services.md").read_text()
    missing = " ".join(re.findall(r"^Not implemented: .*", services, re.MULTILINE))
    named = re.findall(r"`(Nt\w+)`", page)
    assert named
    assert not [name for name in named if f"{name} (" not in missing]
