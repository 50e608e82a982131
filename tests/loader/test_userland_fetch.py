"""Getting Debian's packages, with an apt-get that is a script of ours."""

from __future__ import annotations

import dataclasses
import hashlib
import tarfile
from pathlib import Path

import fake_wine
import pytest

from ntgate.loader.userland import Userland, UserlandError, fetch, install, prepare
from ntgate.loader.userland.apt import Package

VERSION = fetch.LIBWINE.version

APT = """#!/bin/sh
# A stand-in for apt-get: it knows the files in {archive}, named name_version_arch.deb.
echo "$*" >> {archive}/log
for word; do
    case "$word" in
        update) {update} ;;
        --print-uris) print=yes ;;
        lib*) wanted="$wanted $word" ;;
    esac
done
for word in $wanted; do
    name=${{word%%[:=]*}}
    case "$word" in *=*) version=${{word#*=}} ;; *) version= ;; esac
    for file in {archive}/${{name}}_${{version:-*}}_*.deb; do
        if [ -e "$file" ]; then
            if [ "$print" ]; then
                echo "'http://archive/$(basename "$file")' $(basename "$file") $(wc -c < "$file") x"
            else
                cp "$file" .
            fi
        else
            echo "E: Version for '$word' was not found" >&2
        fi
    done
done
"""


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the stand-ins serve; `libwine` has the fake Wine."""
    place = tmp_path / "archive"
    tools = tmp_path / "bin"
    place.mkdir()
    tools.mkdir()
    script(tools / "apt-get", APT.format(archive=place, update=":"))
    script(tools / "dpkg-deb", '#!/bin/sh\ncat "$2"\n')
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    fake_wine.tree(tmp_path / "tree" / "usr")
    serve(place, monkeypatch, tmp_path / "tree", "LIBWINE", VERSION)
    zlib = tmp_path / "zlib" / "usr" / "i686-w64-mingw32" / "lib"
    zlib.mkdir(parents=True)
    (zlib / "zlib1.dll").write_bytes(fake_wine.plain_dll("zlib1.dll"))
    serve(place, monkeypatch, tmp_path / "zlib", "ZLIB", fetch.ZLIB.version)
    return place


def script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def serve(
    archive: Path, monkeypatch: pytest.MonkeyPatch, tree: Path, known: str, version: str
) -> None:
    """Put a tree into the archive, and make its hash the known one of a package."""
    package: Package = getattr(fetch, known)
    path = archive / f"{package.name}_{version}_{package.architecture}.deb"
    with tarfile.open(path, "w") as tar:
        tar.add(tree, ".")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(fetch, known, dataclasses.replace(package, sha256=sha256))
    pinned = (fetch.LIBWINE, fetch.ZLIB)
    monkeypatch.setattr(fetch, "PINNED", pinned)
    monkeypatch.setattr(prepare, "PINNED", pinned)


def log(archive: Path) -> list[str]:
    return (archive / "log").read_text().splitlines()


def test_the_packages_become_a_userland(archive: Path, tmp_path: Path) -> None:
    userland = install(root=tmp_path / "cache")
    assert {"ntdll.dll", "win32u.dll", "zlib1.dll", "bcryptprimitives.dll"} <= set(userland.names)
    assert set(userland.nls_names) == set(fake_wine.NLS)
    status = userland.status()
    assert (status.version, status.origin) == (VERSION, f"Debian package libwine:i386 {VERSION}")
    assert set(status.packages.values()) == {package.sha256 for package in fetch.PINNED}


def test_apt_keeps_to_a_folder_of_its_own(archive: Path, tmp_path: Path) -> None:
    install(root=tmp_path / "cache")
    for line in log(archive):
        assert f"Dir::State::lists={tmp_path}/cache/.work/own/lists" in line
        assert f"Dir::Cache={tmp_path}/cache/.work/own/cache" in line
        assert "APT::Architecture=i386" in line
    assert [line.split()[-1] for line in log(archive)] == [
        "update",
        f"libwine:i386={VERSION}",
        f"libz-mingw-w64={fetch.ZLIB.version}",
        f"libz-mingw-w64={fetch.ZLIB.version}",
    ]


def test_what_is_installed_and_whole_is_not_fetched_again(archive: Path, tmp_path: Path) -> None:
    first = install(root=tmp_path / "cache")
    calls = len(log(archive))
    assert install(root=tmp_path / "cache").place == first.place
    assert len(log(archive)) == calls
    (first.place / "system32" / "ntdll.dll").unlink()
    assert install(root=tmp_path / "cache").status().damaged == ()
    assert len(log(archive)) > calls


def test_another_version_is_taken_only_on_demand(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (archive / f"libwine_{VERSION}_i386.deb").rename(archive / "libwine_10.0~repack-6_i386.deb")
    with pytest.raises(UserlandError) as error:
        install(root=tmp_path / "cache")
    assert "(your apt sources: libwine 10.0~repack-6; " in str(error.value)
    assert "take 10.0~repack-6 all the same with --any-version" in str(error.value)
    assert "\n" not in str(error.value)
    assert Userland.find(tmp_path / "cache") is None
    userland = install(root=tmp_path / "cache", any_version=True)
    assert userland.manifest.version == "10.0~repack-6"


def test_a_changed_file_is_refused(archive: Path, tmp_path: Path) -> None:
    with (archive / f"libwine_{VERSION}_i386.deb").open("ab") as file:
        file.write(b"more")
    with pytest.raises(UserlandError, match="is not the file that ntgate knows"):
        install(root=tmp_path / "cache")


@pytest.mark.parametrize("size", [0, 0x3000, 0x3001])
def test_a_package_that_can_t_be_unpacked_is_told(size: int, archive: Path, tmp_path: Path) -> None:
    script(tmp_path / "bin" / "dpkg-deb", f'#!/bin/sh\nhead -c {size} "$2"\nexit 2\n')
    with pytest.raises(UserlandError, match=rf"libwine_{VERSION}_i386\.deb can't be unpacked"):
        install(root=tmp_path / "cache")


def test_a_package_that_apt_does_not_find_is_told_with_apt_s_own_reason(
    archive: Path, tmp_path: Path
) -> None:
    update = 'echo "W: Failed to fetch http://archive/InRelease  Could not connect" >&2'
    script(tmp_path / "bin" / "apt-get", APT.format(archive=archive, update=update))
    (archive / f"libwine_{VERSION}_i386.deb").unlink()
    with pytest.raises(UserlandError) as error:
        install(root=tmp_path / "cache")
    assert str(error.value).startswith(
        f"apt finds no libwine {VERSION} and libz-mingw-w64 {fetch.ZLIB.version} (your apt "
        "sources: Failed to fetch http://archive/InRelease Could not connect; "
    )
    assert "--from DIR" in str(error.value)


def test_a_host_without_apt_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserlandError, match=r"apt-get is not here .* --from DIR"):
        install(root=tmp_path / "cache")
