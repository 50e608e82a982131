"""Which archive the packages come from: apt itself, with archives on loopback addresses."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

import debian_archive
import fake_wine
import pytest
from click.testing import CliRunner
from debian_archive import Archive

from ntgate.cli.app import app
from ntgate.errors import UsageError
from ntgate.loader.userland import Userland, UserlandError, fetch, install, prepare
from ntgate.loader.userland.apt import Package

ONE_LINE = "deb [trusted=yes] {archive} {suite} main\n"
DEB822 = "Types: deb\nURIs: {archive}\nSuites: {suite}\nComponents: main\nTrusted: yes\n"


@pytest.fixture
def pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Packages of the pinned names and versions, whose hashes are now the known ones."""
    fake_wine.tree(tmp_path / "wine" / "usr")
    zlib = tmp_path / "zlib" / "usr" / "i686-w64-mingw32" / "lib"
    zlib.mkdir(parents=True)
    (zlib / "zlib1.dll").write_bytes(fake_wine.plain_dll("zlib1.dll"))
    paths = []
    for known, tree in (("LIBWINE", "wine"), ("ZLIB", "zlib")):
        path = package(tmp_path, known, tree)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setattr(fetch, known, dataclasses.replace(getattr(fetch, known), sha256=sha256))
        paths.append(path)
    for module in (fetch, prepare):
        monkeypatch.setattr(module, "PINNED", (fetch.LIBWINE, fetch.ZLIB))
    return paths


def package(work: Path, known: str, tree: str, version: str | None = None) -> Path:
    pin: Package = getattr(fetch, known)
    return debian_archive.build_package(
        work, pin.name, pin.architecture, version or pin.version, work / tree
    )


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """What the sources of this machine name."""
    with debian_archive.serve(tmp_path / "own") as archive:
        use_sources(tmp_path, monkeypatch, ONE_LINE.format(archive=archive.address, suite="mine"))
        yield archive


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """What stands for Debian's own archive."""
    with debian_archive.serve(tmp_path / "debian") as archive:
        monkeypatch.setattr(fetch, "ARCHIVE", archive.address)
        yield archive


def use_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Make apt take these for the machine's own, in either form."""
    parts = tmp_path / "sources.list.d"
    parts.mkdir(exist_ok=True)
    (parts / "own.sources").unlink(missing_ok=True)
    (tmp_path / "sources.list").write_text(text if text.startswith("deb ") else "")
    if not text.startswith("deb "):
        (parts / "own.sources").write_text(text)
    (tmp_path / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{tmp_path}/sources.list";\n'
        f'Dir::Etc::sourceparts "{parts}";\nAcquire::http::Proxy "DIRECT";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))


@pytest.mark.parametrize("form", [ONE_LINE, DEB822])
def test_on_another_release_its_archive_is_asked_for_debian_12(
    form: str, own: Archive, debian: Archive, pinned: list[Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    newer = [package(tmp_path, "LIBWINE", "wine", "10.0~repack-6"), pinned[1]]
    own.publish("trixie", newer, "Debian")
    own.publish("bookworm", pinned, "Debian")
    use_sources(tmp_path, monkeypatch, form.format(archive=own.address, suite="trixie"))
    userland = install(root=tmp_path / "cache")
    assert userland.manifest.version == fetch.LIBWINE.version
    assert set(userland.manifest.packages.values()) == {each.sha256 for each in fetch.PINNED}
    assert debian.asked == []


def test_elsewhere_debian_s_own_archive_is_asked(
    own: Archive, debian: Archive, pinned: list[Path], tmp_path: Path
) -> None:
    own.publish("mine", [package(tmp_path, "LIBWINE", "wine", "9.0~repack-4ubuntu3")], "Ubuntu")
    debian.publish("bookworm", pinned, "Debian")
    assert install(root=tmp_path / "cache").manifest.version == fetch.LIBWINE.version
    assert not any("bookworm" in path for path in own.asked)


def test_the_machine_s_own_sources_do_where_they_have_it(
    own: Archive, debian: Archive, pinned: list[Path], tmp_path: Path
) -> None:
    own.publish("mine", pinned, "Debian")
    install(root=tmp_path / "cache")
    assert debian.asked == []


def test_a_mirror_alone_is_asked(
    own: Archive, debian: Archive, pinned: list[Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with debian_archive.serve(tmp_path / "mirror") as mirror:
        mirror.publish("bookworm", pinned, "Debian")
        words = ["userland", "install", "--mirror", mirror.address]
        result = CliRunner().invoke(app, words)
    assert result.exit_code == 0
    assert f"version                {fetch.LIBWINE.version}\n" in result.stdout
    assert own.asked == debian.asked == []


def test_another_file_of_the_pinned_version_is_refused(
    own: Archive, debian: Archive, pinned: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "wine" / "more").write_text("more")
    debian.publish("bookworm", [package(tmp_path, "LIBWINE", "wine"), pinned[1]], "Debian")
    with pytest.raises(UserlandError, match="is not the file that ntgate knows"):
        install(root=tmp_path / "cache")


def test_another_version_must_be_signed(
    own: Archive, debian: Archive, pinned: list[Path], tmp_path: Path
) -> None:
    newer = [package(tmp_path, "LIBWINE", "wine", "10.0~repack-6"), pinned[1]]
    debian.publish("bookworm", newer, "Debian")
    for mirror in (None, debian.address):
        with pytest.raises(UserlandError, match="apt finds no libwine 8"):
            install(root=tmp_path / "cache", any_version=True, mirror=mirror)
    own.publish("mine", newer, "Ubuntu")  # which the sources call trusted
    with pytest.raises(UserlandError, match=r"take 10\.0~repack-6 all the same with --any-version"):
        install(root=tmp_path / "cache")
    userland = install(root=tmp_path / "cache", any_version=True)
    assert userland.manifest.version == "10.0~repack-6"


def test_what_nobody_has_is_told_in_one_line(
    own: Archive, debian: Archive, pinned: list[Path], tmp_path: Path
) -> None:
    debian.publish("bookworm", pinned[1:], "Debian")
    with pytest.raises(UserlandError) as error:
        install(root=tmp_path / "cache")
    told = str(error.value)
    assert told.startswith("apt finds no libwine 8.0~repack-4 and libz-mingw-w64 1.2.13+dfsg-1 (")
    assert "(your apt sources: " in told and f"; {debian.address}: " in told
    assert own.address in told and "--mirror URL, or" in told
    assert "\n" not in told
    assert Userland.find(tmp_path / "cache") is None


@pytest.mark.parametrize(
    "mirror", ["", "host/debian", "http://", "http://h/a b", "http://h/[trusted=no]", "h://h/d"]
)
def test_what_is_no_address_of_an_archive_is_told(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^--mirror .*: a Debian archive is named as in http://"):
        install(root=tmp_path / "cache", mirror=mirror)


def test_a_mirror_and_a_folder_exclude_each_other(tmp_path: Path) -> None:
    words = ["userland", "install", "--mirror", "http://h/debian", "--from", str(tmp_path)]
    assert isinstance(CliRunner().invoke(app, words).exception, UsageError)
