""".reg files: reading, writing, and the default content of the registry."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntgate.errors import NtError, UsageError
from ntgate.executive.cm import defaults, reg_text
from ntgate.executive.cm.node import KeyNode, Value, utf16
from ntgate.executive.cm.reg_import import RegFiles
from ntgate.executive.cm.tree import KeyTree
from ntgate.executive.ob.names import upcase
from ntgate.layout.cm import (
    REG_BINARY,
    REG_DWORD,
    REG_EXPAND_SZ,
    REG_LINK,
    REG_MULTI_SZ,
    REG_NONE,
    REG_QWORD,
    REG_SZ,
)

SID = "S-1-5-21-1-2-3-500"
HEAD = "Windows Registry Editor Version 5.00\n\n"
KEY = "[HKEY_CURRENT_USER\\Test]\n"

names = st.text(st.characters(codec="utf-16"), max_size=12)
key_names = st.text(
    st.characters(exclude_characters="\\\r\n\0", codec="utf-16"), min_size=1, max_size=8
)
texts = st.text(max_size=20).map(lambda text: utf16(text + "\0"))
datas = st.binary(max_size=60)
values = st.builds(
    Value, names, st.one_of(st.sampled_from(range(12)), st.integers(0, 0xFFFFFFFF)),
    st.one_of(datas, texts),
)  # fmt: skip


def new_tree() -> tuple[KeyTree, RegFiles]:
    tree = KeyTree(lambda: 1)
    tree.new_hive(tree.machine, "SOFTWARE")
    tree.new_hive(tree.machine, "HARDWARE", volatile=True)
    tree.new_hive(tree.user, SID)
    return tree, RegFiles(tree, SID)


def read_values(text: str, header: str = HEAD) -> dict[str, tuple[int, bytes]]:
    tree, files = new_tree()
    files.read(header + KEY + text)
    node = tree.find(rf"\Registry\User\{SID}\Test")
    return {value.name: (value.type, value.data) for value in node.values}


def content(node: KeyNode) -> object:
    """All that a .reg file keeps of a tree."""
    listed = [(value.name, value.type, value.data) for value in node.values]
    return node.name, listed, [content(subkey) for subkey in node.subkeys]


@pytest.mark.parametrize(
    ("line", "kind", "data"),
    [
        ('"x"="text"', REG_SZ, utf16("text\0")),
        ('"x"=""', REG_SZ, b"\0\0"),
        (r'"x"="C:\\a \"b\" [c] ; d"', REG_SZ, utf16('C:\\a "b" [c] ; d\0')),
        ('"x"="two\nlines"', REG_SZ, utf16("two\nlines\0")),
        ('"x"="commented"  ; here', REG_SZ, utf16("commented\0")),
        ('  "x" = "spaced"  ', REG_SZ, utf16("spaced\0")),
        ('"x"=dword:2a', REG_DWORD, b"\x2a\0\0\0"),
        ('"x"=DWORD:FFFFFFFF ; all', REG_DWORD, b"\xff\xff\xff\xff"),
        ('"x"=hex:', REG_BINARY, b""),
        ('"x"=hex:0,1,ff', REG_BINARY, b"\0\x01\xff"),
        ('"x"=hex:01,02,\\\n  03,\\\n  04', REG_BINARY, b"\x01\x02\x03\x04"),
        ('"x"=hex(0):01', REG_NONE, b"\x01"),
        ('"x"=hex(2):25,00,00,00', REG_EXPAND_SZ, utf16("%\0")),
        ('"x"=hex(7):61,00,00,00,00,00,', REG_MULTI_SZ, utf16("a\0\0")),
        ('"x"=hex(b):01,00,00,00,00,00,00,80', REG_QWORD, b"\x01\0\0\0\0\0\0\x80"),
        ('"x"=hex(ff00ff00):aa', 0xFF00FF00, b"\xaa"),
        ('"x"=str(2):"%a%\\\\b"', REG_EXPAND_SZ, utf16("%a%\\b\0")),
        ('"x"=str(7):"one\\0two\\0"', REG_MULTI_SZ, utf16("one\0two\0\0")),
    ],
)
def test_kinds_of_values(line: str, kind: int, data: bytes) -> None:
    assert read_values(line) == {"x": (kind, data)}


def test_names_of_values() -> None:
    text = '@="a"\n"quo\\"te"="b"\n"back\\\\slash"="c"\n"="="d"\n"]"="e"'
    assert list(read_values(text)) == ["", 'quo"te', "back\\slash", "=", "]"]


def test_version_4_has_ansi_text_in_hex() -> None:
    text = '"a"=hex(2):25,e9,00\n"b"=hex(7):61,00,62,00,00\n"c"=hex:e9\n"d"="\u00e9"'
    assert read_values(text, "REGEDIT4\n") == {
        "a": (REG_EXPAND_SZ, utf16("%\u00e9\0")),
        "b": (REG_MULTI_SZ, utf16("a\0b\0\0")),
        "c": (REG_BINARY, b"\xe9"),
        "d": (REG_SZ, utf16("\u00e9\0")),
    }


def test_deletions() -> None:
    tree, files = new_tree()
    files.read(HEAD + KEY + '"a"="1"\n"b"="2"\n[HKCU\\Test\\sub\\subsub]\n"c"="3"\n')
    files.read(HEAD + KEY + '"A"=-\n"none"=-\n[-HKCU\\Test\\SUB]\n[-HKCU\\None\\None]\n')
    node = tree.find(rf"\Registry\User\{SID}\Test")
    assert content(node) == ("Test", [("b", REG_SZ, utf16("2\0"))], [])
    files.read(HEAD + "[-HKEY_CURRENT_USER\\Test]")
    with pytest.raises(NtError):
        tree.find(rf"\Registry\User\{SID}\Test")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a .reg file begins with"),
        ("[HKLM]", "a .reg file begins with"),
        (HEAD + '"a"="b"', "line 3: a value stands outside of a [key]"),
        (HEAD + "[-HKCU\\x]\n@=\"\"", "line 4: a value stands outside of a [key]"),
        (HEAD + "[HKCU\\x", "line 3: a [key] has no closing bracket"),
        (HEAD + KEY + "hello", 'line 4: neither a [key] nor a "name"=value'),
        (HEAD + KEY + '"open', 'line 4: neither a [key] nor a "name"=value'),
        (HEAD + KEY + '"a"="open\n\n', "line 4: a string has no closing quote"),
        (HEAD + KEY + '"a"=word:1', "line 4: 'word' is no kind of value"),
        (HEAD + KEY + '"a"=dword:xyz', "line 4: 'dword' is no kind of value"),
        (HEAD + KEY + '"a"=hex:1,2,zz', "line 4: 'hex' is no kind of value"),
        (HEAD + KEY + '"a"=hex:' + "f" * 60 + "z", "line 4: 'hex' is no kind of value"),
        (HEAD + "[HKXX\\x]", "line 3: HKXX is no root of the registry"),
        (HEAD + "[HKLM\\new]", "line 3: HKLM\\new: STATUS_INVALID_PARAMETER"),
        (HEAD + "[-HKLM\\SOFTWARE]", "line 3: HKLM\\SOFTWARE: STATUS_CANNOT_DELETE"),
    ],
)
def test_mistakes_name_their_line(text: str, message: str) -> None:
    _tree, files = new_tree()
    with pytest.raises(UsageError) as error:
        files.read(text)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@given(st.lists(values, max_size=6, unique_by=lambda value: upcase(value.name)),
       st.dictionaries(key_names, values, max_size=4))  # fmt: skip
def test_what_is_written_reads_the_same(listed: list[Value], below: dict[str, Value]) -> None:
    tree, files = new_tree()
    test = tree.create(tree.find(rf"\Registry\User\{SID}"), "Test")
    for value in listed:
        tree.set_value(test, value.name, value.type, value.data)
    for name, value in below.items():
        node, missing = tree.follow(test, name)
        node = tree.create(node, missing) if missing else node
        if value.type != REG_LINK:
            tree.set_value(node, value.name, value.type, value.data)
    for text in (
        files.write("HKCU\\Test"),
        reg_text.decode(reg_text.encode(files.write(f"HKEY_USERS\\{SID}\\Test"))),
    ):
        other, again = new_tree()
        again.read(text)
        assert content(other.find(rf"\Registry\User\{SID}\Test")) == content(test)


@given(st.text(st.sampled_from('[]-\\"@=:;, \nhexdwor(2)str0aZ'), max_size=60))
def test_no_text_does_harm(text: str) -> None:
    _tree, files = new_tree()
    try:
        files.read(HEAD + KEY + text)
    except UsageError as error:
        assert str(error).startswith("line ")


def test_regedit_form() -> None:
    tree, files = new_tree()
    test = tree.create(tree.find(rf"\Registry\User\{SID}"), "Test")
    tree.set_value(test, "", REG_SZ, utf16('a "quote" \\\0'))
    tree.set_value(test, "n", REG_DWORD, b"\x2a\0\0\0")
    tree.set_value(test, "odd", REG_DWORD, b"\x2a")
    tree.set_value(test, "bytes", REG_BINARY, bytes(range(30)))
    tree.set_value(test, "raw", REG_SZ, utf16("not ended"))
    text = files.write("HKEY_CURRENT_USER\\Test")
    assert text == (
        "Windows Registry Editor Version 5.00\n\n"
        "[HKEY_CURRENT_USER\\Test]\n"
        '@="a \\"quote\\" \\\\"\n'
        '"n"=dword:0000002a\n'
        '"odd"=hex(4):2a\n'
        '"bytes"=hex:00,01,02,03,04,05,06,07,08,09,0a,0b,0c,0d,0e,0f,10,11,12,13,14,15,\\\n'
        "  16,17,18,19,1a,1b,1c,1d\n"
        '"raw"=hex(1):6e,00,6f,00,74,00,20,00,65,00,6e,00,64,00,65,00,64,00\n'
    )
    assert reg_text.encode(text)[:8] == b"\xff\xfeW\0i\0n\0"
    assert b"\r\0\n\0" in reg_text.encode(text)


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode("utf-16"),
        lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-8"),
        lambda text: text.encode("cp1252"),
        lambda text: text.replace("\n", "\r\n").encode("utf-16"),
    ],
)
def test_encodings(encode: Callable[[str], bytes]) -> None:
    tree, files = new_tree()
    files.read(reg_text.decode(encode(HEAD + KEY + '"\u00e9"="\u00fc"\n')))
    value = tree.find(rf"\Registry\User\{SID}\Test").value("\u00c9")
    assert value is not None
    assert value.data == utf16("\u00fc\0")


def test_a_path_that_no_file_can_hold() -> None:
    tree, files = new_tree()
    tree.create(tree.find(rf"\Registry\User\{SID}"), "two\nlines")
    with pytest.raises(UsageError, match="can't hold the key"):
        files.write("HKCU")
    with pytest.raises(UsageError, match=r"HKCU\\x: STATUS_OBJECT_NAME_NOT_FOUND"):
        files.write("HKCU\\x")


# The default content.


@pytest.fixture(scope="module")
def machine() -> KeyTree:
    tree = KeyTree(lambda: 1)
    defaults.fill(tree, SID)
    return tree


def text_of(tree: KeyTree, path: str, name: str) -> str:
    value = tree.value(tree.find(path), name)
    return value.data.decode("utf-16-le").removesuffix("\0")


def test_the_machine_is_xp_sp3(machine: KeyTree) -> None:
    version = r"\Registry\Machine\Software\Microsoft\Windows NT\CurrentVersion"
    assert text_of(machine, version, "CurrentVersion") == "5.1"
    assert text_of(machine, version, "CurrentBuildNumber") == "2600"
    assert text_of(machine, version, "CSDVersion") == "Service Pack 3"
    assert text_of(machine, version, "SystemRoot") == "C:\\WINDOWS"
    control = r"\Registry\Machine\System\CurrentControlSet\Control"
    assert machine.value(machine.find(control + r"\Windows"), "CSDVersion").data == b"\0\3\0\0"
    assert text_of(machine, control + r"\Nls\CodePage", "ACP") == "1252"
    assert text_of(machine, control + r"\Nls\Language", "Default") == "0409"
    known = control + r"\Session Manager\KnownDLLs"
    assert text_of(machine, known, "DllDirectory") == r"%SystemRoot%\system32"
    assert text_of(machine, known, "kernel32") == "kernel32.dll"
    assert machine.value(machine.find(control + r"\TimeZoneInformation"), "Bias").data == bytes(4)
    assert text_of(machine, control + r"\Session Manager\Environment", "ComSpec") == (
        "%SystemRoot%\\system32\\cmd.exe"
    )


def test_the_links_of_the_machine(machine: KeyTree) -> None:
    for path, expected in {
        r"\Registry\Machine\System\CurrentControlSet": r"\REGISTRY\MACHINE\SYSTEM\ControlSet001",
        r"\Registry\User\S-1-5-18": r"\REGISTRY\USER\.DEFAULT",
        rf"\Registry\User\{SID}\Software\Classes": rf"\REGISTRY\USER\{SID}_Classes",
    }.items():
        assert machine.find(path).path == expected
    time_zones = r"\Registry\Machine\Software\Microsoft\Windows\CurrentVersion\Time Zones"
    for zone in machine.find(time_zones).subkeys:
        assert len(machine.value(zone, "TZI").data) == 44


def test_the_hives_of_the_machine(machine: KeyTree) -> None:
    listed = {value.name for value in machine.find(defaults.HIVE_LIST).values}
    assert listed == {
        r"\REGISTRY\MACHINE\HARDWARE", r"\REGISTRY\MACHINE\SAM", r"\REGISTRY\MACHINE\SECURITY",
        r"\REGISTRY\MACHINE\SOFTWARE", r"\REGISTRY\MACHINE\SYSTEM", r"\REGISTRY\USER\.DEFAULT",
        rf"\REGISTRY\USER\{SID}", rf"\REGISTRY\USER\{SID}_Classes",
    }  # fmt: skip
    for node in machine.find(r"\Registry\Machine\Hardware").tree():
        assert node.volatile
    assert all(node.security for node in machine.root.tree())


def test_the_default_file_reads_the_same_when_written(machine: KeyTree) -> None:
    other = KeyTree(lambda: 1)
    for name in ("SYSTEM", "SOFTWARE"):
        other.new_hive(other.machine, name)
        RegFiles(other, SID).read(RegFiles(machine, SID).write(f"HKEY_LOCAL_MACHINE\\{name}"))
        path = rf"\Registry\Machine\{name}"
        assert content(other.find(path)) == content(machine.find(path))


def test_the_default_file_is_read_when_it_is_asked_for() -> None:
    from ntgate.machine import Machine

    machine = Machine()
    registry = machine.executive.registry
    assert registry.objects.lookup("\\REGISTRY")[0]
    assert not registry.is_filled
    assert registry.tree.find(r"\Registry\Machine\Software").subkeys
    assert registry.is_filled


def test_import_and_export_of_a_machine() -> None:
    from ntgate.machine import Machine

    registry = Machine().executive.registry
    registry.import_reg(HEAD + "[HKEY_CLASSES_ROOT\\.nt]\n@=\"gate\"\n")
    assert registry.export_reg("HKLM\\Software\\Classes\\.nt") == (
        HEAD.rstrip("\n") + '\n\n[HKLM\\Software\\Classes\\.nt]\n@="gate"\n'
    )
