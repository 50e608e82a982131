"""Folders of the host as the guest's: read-only, copied when written, written through."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ntgate.devices.console import MemoryDevice
from ntgate.devices.host_walk import DescriptorRoot, LeadsOut, PathRoot, open_root
from ntgate.devices.mounts import Mount, Mounts
from ntgate.executive.events import Event, FileChange
from ntgate.executive.io.source import Policy
from ntgate.machine import Machine

Lent = Callable[[Policy], "tuple[str, list[FileChange]]"]


@pytest.fixture(params=[DescriptorRoot, PathRoot])
def host(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """By descriptors, and by paths as on hosts without openat(2)."""
    if request.param is PathRoot:
        monkeypatch.setattr(os, "supports_dir_fd", set())
    assert type(open_root(str(tmp_path))) is request.param
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


@pytest.fixture
def lent(guest: Callable[[str], Path], host: Path) -> Lent:
    """Runs file_create with the folder as C:\\files: its output and the changes that were told."""

    def run(policy: Policy) -> tuple[str, list[FileChange]]:
        machine, console = Machine(), MemoryDevice()
        changes: list[FileChange] = []

        def heard(event: Event) -> None:
            if isinstance(event, FileChange):
                changes.append(event)

        machine.events.listen(heard)
        mounts = [Mount.of(host, "C:\\files", policy)]
        machine.start(guest("file_create"), stdout=console, mounts=mounts)
        machine.run()
        return bytes(console.output).decode(), changes

    return run


def test_a_written_through_folder_behaves_as_any_other(lent: Lent, host: Path) -> None:
    output, changes = lent(Policy.WRITE_THROUGH)
    assert output == "passed\n"
    names = sorted(str(path.relative_to(host)) for path in host.rglob("*"))
    assert names == ["a.txt", "moved", "moved/link", "moved/x", "r.txt", "size"]
    assert (host / "moved" / "link").read_text() == "one"
    assert (host / "moved" / "link").stat().st_nlink == 1  # its other name was deleted
    assert (host / "r.txt").read_text() == "once"
    assert (host / "size").stat().st_size == 0x100000003
    assert all(change.host for change in changes)


def test_a_copied_folder_stays_as_it_is(lent: Lent, host: Path) -> None:
    output, changes = lent(Policy.COPY_ON_WRITE)
    assert output == "passed\n"
    assert list(host.iterdir()) == []
    assert changes and not any(change.host for change in changes)


def test_a_read_only_folder_refuses_every_change(lent: Lent, host: Path) -> None:
    output, changes = lent(Policy.READ_ONLY)
    assert "c0000022" in output and "failed: " in output
    assert list(host.iterdir()) == [] and changes == []


def seen(machine: Machine, *names: str) -> dict[str, str]:
    """The entries of a folder of C:, with their 8.3 names."""
    directory = machine.executive.io.volume.tree.make_directories(*names)
    return {entry.name: directory.short_name_of(entry) for entry in directory.sorted_entries()}


def test_names_that_the_guest_cannot_have_are_left_out(host: Path) -> None:
    for name in ("Read", "read", "colon:", "ends.", "tab\t", "fine name.text"):
        (host / name).write_text(name)
    (host / "link").symlink_to("fine name.text")
    machine = Machine()
    Mounts([Mount.of(host, "C:\\files")]).apply(machine.executive.io.volume)
    found = seen(machine, "files")
    assert "Read" in found and "read" not in found  # in the host's order
    assert "colon:" not in found and "tab\t" not in found
    assert found["fine name.text"] == "FINENA~1.TEX"
    assert found["link"] == ""


def test_what_the_host_changes_below_a_written_through_folder_is_seen(host: Path) -> None:
    machine = Machine()
    Mounts([Mount.of(host, "C:\\files", Policy.WRITE_THROUGH)]).apply(machine.executive.io.volume)
    assert seen(machine, "files") == {}
    (host / "new").write_text("")
    os.utime(host, ns=(0, 1))
    assert seen(machine, "files") == {"new": ""}
    (host / "new").unlink()
    os.utime(host, ns=(0, 2))
    assert seen(machine, "files") == {}


def test_attributes_are_the_hosts(host: Path) -> None:
    locked = host / "locked"
    locked.write_text("x")
    locked.chmod(stat.S_IRUSR)
    machine = Machine()
    Mounts([Mount.of(host, "C:\\files")]).apply(machine.executive.io.volume)
    entry = machine.executive.io.volume.find("\\files\\LOCKED")
    assert entry.node.attributes == 0x21  # archive, read-only


def test_a_file_that_the_host_makes_a_folder_is_one(host: Path) -> None:
    machine = Machine()
    volume = machine.executive.io.volume
    Mounts([Mount.of(host, "C:\\files", Policy.WRITE_THROUGH)]).apply(volume)
    changing = host / "changing"
    changing.write_text("")
    os.utime(host, ns=(0, 1))
    assert not volume.find("\\files\\changing").node.is_directory
    changing.unlink()
    changing.mkdir()
    (changing / "inside").write_text("")
    os.utime(host, ns=(0, 2))
    assert volume.find("\\files\\changing").node.is_directory
    assert not volume.find("\\files\\changing\\inside").node.is_directory


def test_a_name_that_the_host_takes_for_another_one_is_never_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows opens a device as NUL, in whatever folder; its abspath says so."""
    absolute = os.path.abspath
    monkeypatch.setattr(
        os.path, "abspath", lambda path: r"\\.\nul" if path.endswith("/nul") else absolute(path)
    )
    (tmp_path / "file").write_text("x")
    root = PathRoot(str(tmp_path))
    for make in (
        lambda: root.create(["nul"], os.O_RDWR),
        lambda: root.make_directory(["nul"]),
        lambda: root.rename(["file"], ["nul"]),
        lambda: root.link(["file"], ["nul"]),
    ):
        with pytest.raises(LeadsOut, match="the host takes the name for another one"):
            make()
    os.close(root.create(["null"], os.O_RDWR))
    assert sorted(os.listdir(tmp_path)) == ["file", "null"]
