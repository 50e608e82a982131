"""The registry that a userland brings: setup information, registration scripts, hives, places."""

from __future__ import annotations

from pathlib import Path

import pytest

from ntgate.errors import NtError
from ntgate.executive.cm import defaults
from ntgate.executive.cm.node import KeyNode
from ntgate.executive.cm.registry import USER_SID
from ntgate.executive.cm.stored_hive import StoredKey
from ntgate.executive.cm.tree import KeyTree
from ntgate.image.resources import Resource
from ntgate.layout import ntstatus
from ntgate.layout.cm import REG_DWORD, REG_EXPAND_SZ, REG_MULTI_SZ, REG_SZ
from ntgate.loader.userland import Userland, install
from ntgate.loader.userland.inf import Inf
from ntgate.loader.userland.placing import place
from ntgate.loader.userland.registrar import ScriptError, run_script
from ntgate.loader.userland.registry import build_hives

INF = """
[Version]
signature="$CHICAGO$"
[DefaultInstall.NT]
AddReg=\\
    Classes,\\
    VersionInfo
WineFakeDlls=FakeDlls
CopyFiles=EtcFiles
[DefaultInstall.NT.Services]
AddService=Sample,0,SampleService
[SampleService]
AddReg=SampleKeys
Description="A sample"
ServiceBinary="%11%\\svchost.exe -k sample"
ServiceType=32
StartType=3
ErrorControl=1
[SampleKeys]
HKR,Parameters,"ServiceDll",,"%11%\\sample.dll"
[Strings]
Own="Software\\Own"
[Classes]
HKCR,.smp,,2,"smpfile"   ; a comment
HKCR,smpfile\\shell\\open\\command,,2,\"\"\"%11%\\smp.exe\"\" \"\"%1\"\"\"
HKLM,%Own%,"Number",0x10001,0x1f
HKLM,%Own%,"Many",0x10000,"one","two"
HKLM,%Own%,"Many",0x10008,"two","three"
HKLM,%Own%,"Path",0x20000,"%%Own%%;x"
HKLM,%Own%,"Path",2,"not over it"
HKLM,%Own%\\Empty,,16
[VersionInfo]
HKLM,%Own%,"Version",,"7"
[FakeDlls]
10,,both.exe
11,,both.exe
11,deep,only.dll
11,,gone.exe,-
11,,*
[EtcFiles]
services,"@%11%\\net.dll,-4"
[DestinationDirs]
EtcFiles = 12,etc
"""
SCRIPT = """
HKCR
{
    NoRemove CLSID
    {
        '{1-2}' = s 'It''s one'
        {
            InprocServer32 = s '%MODULE%' { val ThreadingModel = s 'Both' val Size = d '16' }
            Bytes { val Data = b '00ff' }
        }
        ForceRemove Again { val New = s '100%%' }
        Delete Again2
    }
}
"""


def tree_of(hives: dict[str, bytes], folder: Path) -> KeyTree:
    """A tree on hive files that were written to a folder."""
    for name, data in hives.items():
        (folder / name).write_bytes(data)
    tree = KeyTree(lambda: 0)
    defaults.fill(tree, USER_SID, {name: folder / name for name in hives})
    return tree


def text(tree: KeyTree, path: str, name: str) -> str:
    return tree.value(tree.find(path), name).data.decode("utf-16-le").rstrip("\0")


def test_an_inf_s_lines() -> None:
    inf = Inf(INF)
    assert inf.named("defaultinstall.nt", "addreg") == [["Classes", "VersionInfo"]]
    assert inf.lines("Classes")[0] == ["HKCR", ".smp", "", "2", "smpfile"]
    assert inf.lines("Classes")[1][-1] == '"C:\\WINDOWS\\system32\\smp.exe" "%1"'
    assert inf.lines("Classes")[5][-1] == "%Own%;x"
    assert inf.lines("no such section") == []


def test_what_an_inf_sets_lies_below_what_xp_has(tmp_path: Path) -> None:
    tree = tree_of(build_hives(INF, {}), tmp_path)
    own = tree.find(r"\REGISTRY\MACHINE\SOFTWARE\Own")
    assert {value.name: value.type for value in own.values} == {
        "Number": REG_DWORD, "Many": REG_MULTI_SZ, "Path": REG_EXPAND_SZ,
    }  # fmt: skip
    assert text(tree, own.path, "Many") == "one\0two\0three"
    assert text(tree, own.path, "Path") == "%Own%;x"
    assert own.subkey("empty") is not None
    classes = r"\REGISTRY\MACHINE\SOFTWARE\Classes"
    assert text(tree, rf"{classes}\.smp", "") == "smpfile"
    service = r"\REGISTRY\MACHINE\SYSTEM\CurrentControlSet\Services\Sample"
    assert text(tree, service, "ImagePath") == r"C:\WINDOWS\system32\svchost.exe -k sample"
    assert text(tree, service, "ObjectName") == "LocalSystem"
    assert text(tree, rf"{service}\Parameters", "ServiceDll") == r"C:\WINDOWS\system32\sample.dll"
    version = r"\REGISTRY\MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
    assert text(tree, version, "CurrentVersion") == "5.1"


def test_a_registration_script(tmp_path: Path) -> None:
    module = r"C:\WINDOWS\system32\a.dll"
    tree = tree_of(build_hives(None, {module: [SCRIPT]}), tmp_path)
    key = r"\REGISTRY\MACHINE\SOFTWARE\Classes\CLSID\{1-2}"
    assert text(tree, key, "") == "It's one"
    assert text(tree, rf"{key}\InprocServer32", "") == module
    server = tree.find(rf"{key}\InprocServer32")
    assert [(value.name, value.type) for value in server.values] == [
        ("", REG_SZ), ("ThreadingModel", REG_SZ), ("Size", REG_DWORD),
    ]  # fmt: skip
    assert tree.value(server, "Size").data == (16).to_bytes(4, "little")
    assert tree.value(tree.find(rf"{key}\Bytes"), "Data").data == b"\x00\xff"
    assert text(tree, r"\REGISTRY\MACHINE\SOFTWARE\Classes\CLSID\Again", "New") == "100%"


@pytest.mark.parametrize(
    "script",
    ["HKXX { }", "HKCR { a = x 'b' }", "HKCR { val a }", "HKCR { a", "HKCR { a = s '%NONE%' }"],
)
def test_a_script_with_a_mistake(script: str) -> None:
    tree = KeyTree(lambda: 0)
    defaults.fill(tree, USER_SID)
    with pytest.raises(ScriptError):
        run_script(tree, USER_SID, script, {})


def test_hives_are_the_same_every_time() -> None:
    assert build_hives(INF, {"m": [SCRIPT]}) == build_hives(INF, {"m": [SCRIPT]})


def test_a_stored_hive_is_read_where_it_is_asked_for(tmp_path: Path) -> None:
    tree = tree_of(build_hives(INF, {}), tmp_path)
    software = tree.machine.subkey("SOFTWARE")
    assert isinstance(software, StoredKey)
    with pytest.raises(AttributeError):
        object.__getattribute__(software, "_subkeys")
    before = tree.used
    own = tree.find(r"\REGISTRY\MACHINE\SOFTWARE\Own")
    assert tree.used > before
    assert own.parent is software
    assert own.path == r"\REGISTRY\MACHINE\SOFTWARE\Own"
    tree.delete_tree(own)
    tree.unmount(software)
    with pytest.raises(NtError, match="c0000034"):
        tree.find(r"\REGISTRY\MACHINE\SOFTWARE\Own")


def test_a_stored_hive_and_its_text_say_the_same(tmp_path: Path) -> None:
    """default.reg read into an empty tree, and the hives that are made of it alone."""
    plain = KeyTree(lambda: 0)
    defaults.fill(plain, USER_SID)
    stored = tree_of(build_hives(None, {}), tmp_path)

    def content(node: KeyNode) -> dict[str, list[tuple[str, int, bytes]]]:
        return {
            each.path: [(value.name, value.type, value.data) for value in each.values]
            for each in node.tree()
        }

    assert content(stored.root) == content(plain.root)
    assert stored.used == plain.used


def test_a_damaged_hive_is_corrupt_where_it_is_asked_for(tmp_path: Path) -> None:
    hives = build_hives(None, {})
    hives["software"] = hives["software"][:0x3000]
    tree = tree_of(hives, tmp_path)
    assert tree.find(r"\REGISTRY\MACHINE\SYSTEM\Select")
    with pytest.raises(NtError) as caught:
        list(tree.find(r"\REGISTRY\MACHINE\SOFTWARE").tree())
    assert caught.value.status == ntstatus.STATUS_REGISTRY_CORRUPT


def test_files_have_the_places_that_an_inf_gives_them() -> None:
    manifest = b"""<assembly><assemblyIdentity type="win32" name="My.Part" version="1.0.0.0"
        processorArchitecture="" publicKeyToken="abc"/><file name="part.dll"/></assembly>"""
    resources = {
        ("net.dll", "WINE_DATA_FILE"): [Resource(3, b"3"), Resource(4, b"4")],
        ("part.dll", 24): [Resource("WINE_MANIFEST", manifest), Resource(1, b"<other/>")],
    }
    names = ["both.exe", "gone.exe", "net.dll", "only.dll", "part.dll"]
    places = place(names, Inf(INF), lambda name, kind: resources.get((name, kind), []))
    folder = "x86_my.part_abc_1.0.0.0_none_deadbeef"
    assert places.of == {
        "both.exe": [r"C:\WINDOWS\both.exe", r"C:\WINDOWS\system32\both.exe"],
        "only.dll": [r"C:\WINDOWS\system32\deep\only.dll"],
        "net.dll": [r"C:\WINDOWS\system32\net.dll"],
        "part.dll": [
            r"C:\WINDOWS\system32\part.dll", rf"C:\WINDOWS\WinSxS\{folder}\part.dll",
        ],
    }  # fmt: skip
    made = dict(places.made)
    assert made.pop(r"C:\WINDOWS\system32\drivers\etc\services") == b"4"
    ((path, text_of),) = made.items()
    assert path == rf"C:\WINDOWS\WinSxS\Manifests\{folder}.manifest"
    assert b'processorArchitecture="x86"' in text_of


@pytest.fixture(scope="module")
def userland() -> Userland:
    return install()


def test_debian_s_userland_registers_its_classes(userland: Userland) -> None:
    tree = KeyTree(lambda: 0)
    defaults.fill(tree, USER_SID, userland.hives())
    classes = r"\REGISTRY\MACHINE\SOFTWARE\Classes"
    xml = text(tree, rf"{classes}\Msxml2.DOMDocument\CLSID", "")
    server = text(tree, rf"{classes}\CLSID\{xml}\InprocServer32", "")
    assert server.lower() == r"c:\windows\system32\msxml3.dll"
    places = {path.lower() for path in userland.drive_files()}
    missing = set()
    for node in tree.find(rf"{classes}\CLSID").subkeys:
        key = node.subkey("InprocServer32")
        value = key.value("") if key is not None else None
        if value is not None:
            path = value.data.decode("utf-16-le").rstrip("\0").lower()
            if "\\" in path and path not in places:
                missing.add(path)
    assert missing == set()
