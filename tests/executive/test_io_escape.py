"""Nothing leads out of a lent folder: no name, link, device or race."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ntgate.devices.console import MemoryDevice
from ntgate.devices.mounts import Mount
from ntgate.executive.events import Event, PathDenied
from ntgate.executive.io.source import Policy
from ntgate.executive.io.tree import Directory
from ntgate.machine import Machine

SECRET = "SECRET of the host"
ATTEMPTS = 59
WAYS, ENDS = 17, 4  # junctions and symbolic links of the guest's making, and what is tried there
CIRCLES = (8, 9, 10)
CIRCLE = "c0000280"  # STATUS_REPARSE_POINT_NOT_RESOLVED
SWAPS, MOMENT, LONG = 400, 0.0005, 0.3  # seconds
LINKS = {
    "absolute": "{outside}/secret.txt",
    "relative": "../outside/secret.txt",
    "chain": "relative",
    "folder": "{outside}",
    "up": "..",
    "root": "/",
    "passwd": "/etc/passwd",
    "proc": "/proc",
    "self": "sub/.",
    "dangling": "../nothing",
    "loop": "loop",
    "into": "sub",
    "null": "/dev/null",
    "zero": "/dev/zero",
}
# Links that lead to what the guest has anyway, or nowhere.
HARMLESS = ("self", "into", "loop")


@pytest.fixture
def lent(tmp_path: Path) -> Path:
    outside, work = tmp_path / "outside", tmp_path / "work"
    outside.mkdir()
    (outside / "secret.txt").write_text(SECRET)
    (outside / "file").write_text(SECRET)
    (work / "sub").mkdir(parents=True)
    (work / "inside.txt").write_text("inside")
    for name, target in LINKS.items():
        (work / name).symlink_to(target.format(outside=outside))
    os.mkfifo(work / "fifo")
    return work


def state_of(folder: Path) -> dict[str, object]:
    """Every file below with its contents, and every link with its target."""
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink()
        else path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }  # fmt: skip


def run(
    program: Path,
    work: Path,
    policy: Policy,
    *arguments: str,
    started: Callable[[], None] = lambda: None,
) -> tuple[str, list[PathDenied]]:
    """What a program writes that has the folder as C:\\work, and what it was denied."""
    machine, console = Machine(), MemoryDevice()
    denied: list[PathDenied] = []

    def heard(event: Event) -> None:
        if isinstance(event, PathDenied):
            denied.append(event)

    machine.events.listen(heard)
    mounts = [Mount.of(work, "C:\\work", policy)]
    process = machine.start(program, arguments, stdout=console, mounts=mounts)
    started()
    machine.run()
    assert process.exited and process.exit_status == 0
    return bytes(console.output).decode("ascii"), denied


@pytest.mark.parametrize("by_path", [False, True], ids=["descriptors", "paths"])
@pytest.mark.parametrize("policy", list(Policy), ids=lambda policy: str(policy.value))
def test_sixty_ways_out_are_refused(
    guest: Callable[[str], Path], lent: Path, policy: Policy, by_path: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """By descriptors, and by paths as on hosts without openat(2)."""
    if by_path:
        monkeypatch.setattr(os, "supports_dir_fd", set())
    outside = lent.parent / "outside"
    before = state_of(outside)
    output, denied = run(guest("file_escape"), lent, policy)
    lines = output.splitlines()
    assert len([line for line in lines if re.match(r"\d+ ", line)]) == ATTEMPTS
    assert "SECRET" not in output
    assert state_of(outside) == before
    assert not (lent.parent / "made").exists()
    # Each link that leads out was told by its name, and each way up as well.
    told = {event.path.lower() for event in denied}
    for name in LINKS:
        assert (f"c:\\work\\{name}" in told) == (name not in HARMLESS), name
    assert "c:\\work\\..\\outside\\secret.txt" in told
    assert {"\\\\localhost\\c$\\etc\\passwd", "\\??\\physicaldrive0"} <= told
    through = [line.split() for line in lines if line.startswith("through ")]
    assert len(through) == WAYS * ENDS
    made = [line.split()[2] for line in lines if line.startswith("way ")]
    if policy is Policy.COPY_ON_WRITE:
        assert made == ["00000000"] * WAYS
        assert {words[1] for words in through if CIRCLE in words} == {str(way) for way in CIRCLES}
    else:
        assert len(made) == WAYS and "00000000" not in made
    # The host's folder itself gets none.
    through_host = policy is Policy.WRITE_THROUGH
    assert any("reparse" in event.reason for event in denied) == through_host


def test_a_folder_that_becomes_a_link_while_it_is_opened(
    guest: Callable[[str], Path], lent: Path
) -> None:
    swap, aside, link = lent / "swap", lent / "aside", lent / "link"
    swap.mkdir()
    (swap / "file").write_text("inside")
    link.symlink_to(lent.parent / "outside")
    before = state_of(lent.parent / "outside")
    running = threading.Event()

    def swapping() -> None:
        running.wait()
        for number in range(SWAPS):
            swap.rename(aside)
            link.rename(swap)
            time.sleep(LONG if not number else MOMENT * (number % 2))
            swap.rename(link)
            aside.rename(swap)
            time.sleep(MOMENT * (number % 3))
        time.sleep(LONG)
        (lent / "stop").write_text("")

    thread = threading.Thread(target=swapping)
    thread.start()
    output, _denied = run(
        guest("file_escape"), lent, Policy.WRITE_THROUGH, "race", started=running.set
    )
    thread.join()
    assert output == "inside yes, refused yes, escaped 0\n"
    assert state_of(lent.parent / "outside") == before


COLLISION, INVALID, DENIED = "c0000035", "c0000033", "c0000022"
NOT_SAME_DEVICE, CANNOT_DELETE = "c00000d4", "c0000121"


@pytest.mark.parametrize("by_path", [False, True], ids=["descriptors", "paths"])
def test_what_the_guest_does_not_see_is_left_alone(
    guest: Callable[[str], Path], lent: Path, by_path: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names that the host can't spell or has taken, and the place of a mount within another."""
    if by_path:
        monkeypatch.setattr(os, "supports_dir_fd", set())
    (lent / "in").mkdir()
    (lent / "in" / "kept.txt").write_text("kept")
    (lent / "TWIN.txt").write_text("seen")
    (lent / "twin.txt").write_text("hidden")
    other = lent.parent / "other"
    other.mkdir()
    machine, console = Machine(), MemoryDevice()
    mounts = [
        Mount.of(lent, "C:\\work", Policy.WRITE_THROUGH),
        Mount.of(other, "C:\\work\\in", Policy.WRITE_THROUGH),
    ]
    process = machine.start(guest("file_hidden"), (), stdout=console, mounts=mounts)
    machine.run()
    assert process.exited and process.exit_status == 0
    lines = bytes(console.output).decode("ascii").splitlines()
    names, rest = lines[:12], dict(line.rsplit(" ", 1) for line in lines[12:])
    assert {line.split()[1] for line in names} == {INVALID}
    assert rest == {
        "rename over link": COLLISION, "rename over fifo": COLLISION,
        "link over link": COLLISION, "link over fifo": COLLISION,
        "rename over twin": COLLISION, "link over twin": COLLISION,
        "rename mount": DENIED, "rename over mount": DENIED,
        "rename into mount": NOT_SAME_DEVICE, "link into mount": NOT_SAME_DEVICE,
        "delete mount": CANNOT_DELETE, "delete mount on close": CANNOT_DELETE,
        "ids some, nameless": "0",
    }  # fmt: skip
    assert (lent / "own.txt").read_text() == "own"
    assert (lent / "TWIN.txt").read_text() == "seen"
    assert (lent / "twin.txt").read_text() == "hidden"
    assert (lent / "absolute").is_symlink() and (lent / "fifo").is_fifo()
    assert (lent / "in" / "kept.txt").read_text() == "kept" and not list(other.iterdir())


def test_a_file_stays_open_below_a_folder_that_the_host_takes_away(
    guest: Callable[[str], Path], lent: Path
) -> None:
    """Its name can still be told: the guest is not to bring the machine down by asking."""
    (lent / "gone").mkdir()
    (lent / "gone" / "file").write_text("open")
    program = guest("file_hidden")
    machine, console = Machine(), MemoryDevice()
    mounts = [Mount.of(lent, "C:\\work", Policy.WRITE_THROUGH)]
    machine.start(program, (), stdout=console, mounts=mounts)
    tree = machine.executive.io.volume.tree
    work = tree.root.find("work")
    assert work is not None and isinstance(work.node, Directory)
    gone = work.node.find("gone")
    assert gone is not None and isinstance(gone.node, Directory)
    file = gone.node.find("file")
    assert file is not None
    file.node.opens += 1
    (lent / "gone" / "file").unlink()
    (lent / "gone").rmdir()
    assert work.node.find("gone") is None
    assert file.path == "\\work\\gone\\file"
    assert not file.node.is_reachable
