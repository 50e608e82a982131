"""Installing from a folder, finding it again, and what is told when it is not whole."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import fake_wine
import pefile
import pytest

from ntgate.loader.userland import Userland, UserlandError, install, userland_root
from ntgate.loader.userland.cache import LAYOUT, Manifest
from ntgate.loader.userland.provided import PROVIDED
from ntgate.loader.userland.stubs import xp_stub


class Steps:
    """A Progress that remembers, and may stop the run."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.titles: list[str] = []
        self.done = 0
        self._stop_at = stop_at

    def step(self, title: str, total: int | None) -> None:
        self.titles.append(title)

    def advance(self, done: int) -> None:
        self.done = done
        if done == self._stop_at:
            raise KeyboardInterrupt


@pytest.fixture
def wine(tmp_path: Path) -> Path:
    return fake_wine.tree(tmp_path / "wine")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def folders(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.is_dir())


def test_what_is_installed_is_found_again(wine: Path, root: Path) -> None:
    assert Userland.find(root) is None
    steps = Steps()
    installed = install(wine, root=root, progress=steps)
    found = Userland.find(root)
    assert found is not None
    assert (found.place, found.manifest) == (installed.place, installed.manifest)
    assert steps.titles == ["preparing the DLLs", "making the registry"]
    prepared = len(list(found.names)) - len(PROVIDED)
    assert steps.done == prepared + len(fake_wine.NLS)
    assert folders(root) == [found.place.name]


def test_what_is_in_it(wine: Path, root: Path) -> None:
    userland = install(wine, root=root)
    assert set(userland.names) == {
        *PROVIDED, "kernel32.dll", "kernelbase.dll", "ntdll.dll", "stdole2.tlb", "upper.dll",
        "win32u.dll",
    }  # fmt: skip
    assert set(userland.nls_names) == set(fake_wine.NLS)
    ntdll = userland.file("NtDll.dll")
    assert ntdll is not None
    assert pefile.PE(str(ntdll), fast_load=True).OPTIONAL_HEADER.ImageBase == userland.ntdll_base
    assert userland.ntdll_base == 0x7C920000
    assert userland.entries["KiFastSystemCall"] == 0x7C92E4F0
    locale = userland.nls("LOCALE.NLS")
    assert locale is not None
    assert locale.read_bytes() == b"locale.nls"
    assert userland.file("nosuch.dll") is None
    assert userland.file("../manifest.json") is None
    assert [row.number for row in userland.services(2)] == list(range(0x2000, 0x2027))
    assert [row.number for row in userland.services(3)] == list(range(0x3000, 0x302B))
    assert (0x11400, "start_thread.cold") in userland.symbols("NTDLL.DLL")
    assert userland.symbols("kernel32.dll") == []


def test_the_same_files_give_the_same_userland(wine: Path, root: Path, tmp_path: Path) -> None:
    first = install(wine, root=root)
    again = install(wine, root=root)
    elsewhere = install(wine, root=tmp_path / "other")
    assert first.place == again.place
    assert first.manifest.encode() == again.manifest.encode() == elsewhere.manifest.encode()
    assert Manifest.decode(first.manifest.encode()) == first.manifest


def test_another_userland_takes_its_place(wine: Path, root: Path) -> None:
    first = install(wine, root=root)
    (wine / "more.dll").write_bytes(fake_wine.plain_dll("more.dll"))
    second = install(wine, root=root)
    assert second.file("more.dll")
    assert first.place != second.place
    assert folders(root) == [second.place.name]


def test_an_interrupted_installation_leaves_the_earlier_one(wine: Path, root: Path) -> None:
    first = install(wine, root=root)
    (wine / "more.dll").write_bytes(fake_wine.plain_dll("more.dll"))
    with pytest.raises(KeyboardInterrupt):
        install(wine, root=root, progress=Steps(stop_at=3))
    found = Userland.find(root)
    assert found is not None
    assert found.place == first.place
    assert found.status().damaged == ()
    assert folders(root) == [first.place.name]


def test_what_a_killed_installation_left_is_cleared(wine: Path, root: Path) -> None:
    (root / ".work" / "userland" / "system32").mkdir(parents=True)
    assert folders(root) == [".work"]
    userland = install(wine, root=root)
    assert folders(root) == [userland.place.name]


def test_two_installations_take_turns(wine: Path, root: Path) -> None:
    waiting = Steps()
    second = threading.Thread(target=install, args=(wine,), kwargs={
        "root": root, "progress": waiting,
    })  # fmt: skip

    class StartsTheSecond(Steps):
        def advance(self, done: int) -> None:
            if done == 1:
                second.start()
                while not waiting.titles:
                    pass

    install(wine, root=root, progress=StartsTheSecond())
    second.join()
    assert waiting.titles == [
        "waiting for another installation", "preparing the DLLs", "making the registry",
    ]  # fmt: skip


def test_damage_is_told(wine: Path, root: Path) -> None:
    userland = install(wine, root=root)
    whole = userland.status()
    assert whole.damaged == ()
    assert (whole.kind, whole.version, whole.origin) == ("wine", "8.0", str(wine))
    assert whole.files == len(userland.manifest.files)
    (userland.place / "nls" / "locale.nls").unlink()
    (userland.place / "system32" / "ntdll.dll").write_bytes(b"MZ")
    assert userland.status().damaged == ("nls/locale.nls", "system32/ntdll.dll")


@pytest.mark.parametrize("below", ["", "lib/wine/i386-windows"])
def test_a_wine_tree_or_its_folder(below: str, wine: Path, root: Path) -> None:
    userland = install(wine.parent.parent.parent / below, root=root)
    assert set(userland.nls_names) == set(fake_wine.NLS)
    assert userland.manifest.origin == str(wine)


def test_the_zlib_of_a_distribution_s_wine(wine: Path, root: Path, tmp_path: Path) -> None:
    installed = tmp_path / "wine" / "i686-w64-mingw32" / "lib"
    installed.mkdir(parents=True)
    (installed / "zlib1.dll").write_bytes(fake_wine.plain_dll("zlib1.dll"))
    assert "zlib1.dll" in install(wine, root=root).names


@pytest.mark.parametrize("system", ["syswow64", "system32"])
def test_a_wine_prefix(system: str, wine: Path, root: Path, tmp_path: Path) -> None:
    windows = tmp_path / "prefix" / "drive_c" / "windows"
    windows.mkdir(parents=True)
    wine.rename(windows / system)
    (windows / "system32").mkdir(exist_ok=True)
    for table in (tmp_path / "wine" / "share" / "wine" / "nls").iterdir():
        table.rename(windows / "system32" / table.name)
    userland = install(tmp_path / "prefix", root=root)
    assert userland.manifest.origin == str(windows / system)
    assert set(userland.nls_names) == set(fake_wine.NLS)


def test_windows_xp_s_own_dlls_stay_as_they_are(wine: Path, root: Path, tmp_path: Path) -> None:
    close = next(rva for _, rva, _, name in fake_wine.stub_rows("ntdll") if name == "NtClose")
    ntdll = pefile.PE(data=fake_wine.ntdll())
    for _, rva, popped, _ in fake_wine.stub_rows("ntdll"):
        ntdll.set_bytes_at_rva(rva, xp_stub(0x19 if rva == close else 1, popped))
    xp = tmp_path / "xp"
    xp.mkdir()
    (xp / "NTDLL.DLL").write_bytes(bytes(ntdll.write()))
    (xp / "kernel32.dll").write_bytes(fake_wine.plain_dll("kernel32.dll"))
    userland = install(xp, root=root)
    path = userland.file("ntdll.dll")
    assert path is not None
    assert path.read_bytes() == (xp / "NTDLL.DLL").read_bytes()
    assert (userland.manifest.kind, userland.manifest.version) == ("xp", "xp")
    assert userland.ntdll_base == fake_wine.BASE
    assert userland.entries["LdrInitializeThunk"] == fake_wine.BASE + fake_wine.LDR_INITIALIZE
    assert userland.manifest.services == ()


def test_another_wine_is_taken_only_on_demand(wine: Path, root: Path) -> None:
    (wine / "ntdll.dll").write_bytes(fake_wine.ntdll((0xEF, 0x2000, 8, "NtOfATimeToCome")))
    with pytest.raises(UserlandError, match=r"is not Wine 8\.0's; --any-version"):
        install(wine, root=root)
    userland = install(wine, root=root, any_version=True)
    assert userland.manifest.version == "unknown"
    assert userland.services(2)[-1].name == "NtOfATimeToCome"


@pytest.mark.parametrize("missing", ["kernelbase.dll", "win32u.dll"])
def test_a_missing_dll_is_named(missing: str, wine: Path, root: Path) -> None:
    (wine / missing).unlink()
    with pytest.raises(UserlandError, match=f"has no {missing}$"):
        install(wine, root=root)
    assert Userland.find(root) is None


def test_folders_that_won_t_do(tmp_path: Path, root: Path) -> None:
    with pytest.raises(UserlandError, match=r"nosuch is not a folder$"):
        install(tmp_path / "nosuch", root=root)
    with pytest.raises(UserlandError, match=r"holds no ntdll\.dll"):
        install(tmp_path, root=root)
    (tmp_path / "ntdll.dll").write_bytes(b"not a DLL at all")
    with pytest.raises(UserlandError, match=r"ntdll\.dll is not a PE file"):
        install(tmp_path, root=root)
    pe = bytearray(fake_wine.ntdll())
    pe[0x84:0x86] = (0x8664).to_bytes(2, "little")
    (tmp_path / "ntdll.dll").write_bytes(pe)
    with pytest.raises(UserlandError, match="is not a 32-bit x86 file"):
        install(tmp_path, root=root)


def test_a_cache_that_can_t_be_made_is_told(wine: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserlandError, match="file"):
        install(wine, root=tmp_path / "file" / "cache")


def test_a_damaged_cache_is_told(wine: Path, root: Path) -> None:
    userland = install(wine, root=root)
    manifest = userland.place / "manifest.json"
    row = json.loads(manifest.read_text())
    for damage in ("", "[]", "{", json.dumps({**row, "layout": 0}), json.dumps({"layout": 1})):
        manifest.write_text(damage)
        with pytest.raises(UserlandError, match="no prepared userland"):
            Userland.find(root)
    (root / "current").write_text("../elsewhere")
    with pytest.raises(UserlandError, match="current is damaged"):
        Userland.find(root)


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/u/.cache"),
        ("linux", {}, "/home/u/.cache"),
        ("darwin", {}, "/home/u/Library/Caches"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local"),
        ("win32", {}, "/home/u/AppData/Local"),
    ],
)
def test_the_cache_is_where_the_platform_keeps_caches(
    platform: str, environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/u", **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.platform", platform)
    assert userland_root() == Path(expected) / "ntgate" / f"userland-{LAYOUT}"
