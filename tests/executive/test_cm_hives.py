"""Hive files: the regf format, and the services that load and save them."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from cm_program import CREATE_LINK, TEST, USER, Program
from hypothesis import given
from hypothesis import strategies as st

from ntgate.errors import NtError
from ntgate.executive.cm import hives, regf, regf_writer
from ntgate.executive.cm.node import Hive, KeyNode
from ntgate.executive.cm.security import default_descriptor
from ntgate.executive.cm.tree import KeyTree
from ntgate.executive.ob import ObjectAttributes
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.privileges import SE_BACKUP, SE_RESTORE
from ntgate.layout import ntstatus as s
from ntgate.layout.type_table import TypeTable

Described = tuple[dict[str, bytes], dict[str, Any]]  # values, subkeys of the same form
TIME = 0x01CA1D2B3C000000
key_names = st.text(
    st.characters(exclude_characters="\\", codec="utf-16"), min_size=1, max_size=12
)
value_names = st.text(st.characters(codec="utf-16"), max_size=12)
datas = st.one_of(st.binary(max_size=40), st.integers(5000, 40000).map(bytes))
keys: st.SearchStrategy[Described] = st.recursive(
    st.dictionaries(value_names, datas, max_size=3).map(lambda values: (values, {})),
    lambda below: st.tuples(
        st.dictionaries(value_names, datas, max_size=3),
        st.dictionaries(key_names, below, max_size=4),
    ),
    max_leaves=8,
)


def build(described: Described) -> KeyNode:
    tree = KeyTree(lambda: TIME)
    root = tree.new_hive(tree.machine, "Test")
    waiting: list[tuple[KeyNode, Described]] = [(root, described)]
    while waiting:
        node, (values, subkeys) = waiting.pop()
        for name, data in values.items():
            node.set_value(name, len(data) % 12, data)
        for name, below in subkeys.items():
            child, missing = tree.follow(node, name)
            if missing:
                child = tree.create(node, name, class_name=name[::-1])
            waiting.append((child, below))
    return root


def content(node: KeyNode) -> object:
    values = [(value.name, value.type, value.data) for value in node.values]
    return (
        node.name, node.class_name, node.last_write_time, node.link, node.security, values,
        [content(subkey) for subkey in node.subkeys],
    )  # fmt: skip


def corrupt(data: bytes) -> int:
    """The status that reading answers with."""
    with pytest.raises(NtError) as error:
        regf.read(data, Hive(""))
    return error.value.status


@given(keys)
def test_what_is_written_reads_the_same(described: Described) -> None:
    root = build(described)
    data = regf_writer.write(root, TIME, "C:\\hive")
    assert len(data) % 0x1000 == 0
    assert content(regf.read(data, Hive(""))) == content(root)


def test_the_structures_are_xp_s() -> None:
    types = TypeTable()
    for packed, name, last in (
        (regf.KEY_NODE, "_CM_KEY_NODE", "Name"),
        (regf.KEY_VALUE, "_CM_KEY_VALUE", "Name"),
        (regf.KEY_SECURITY, "_CM_KEY_SECURITY", "Descriptor"),
        (regf.BASE_BLOCK, "_HBASE_BLOCK", "Reserved1"),
    ):
        assert packed.size == types.offset(name, last)
    assert types.offset("_HBASE_BLOCK", "CheckSum") == regf.CHECKSUM_OFFSET


def test_a_hive_by_its_bytes() -> None:
    root = build(({"v": b"abcd"}, {"sub": ({}, {})}))
    data = regf_writer.write(root, TIME)
    assert data[:4] == b"regf"
    assert struct.unpack_from("<5I", data, 20) == (1, 3, 0, 1, 0x20)
    assert struct.unpack_from("<4sIIQ", data, 0x1000)[:3] == (b"hbin", 0, 0x1000)
    # Cells from the first bin's header to its end, without a gap.
    at, kinds = 0x1020, []
    while at < 0x2000:
        (size,) = struct.unpack_from("<i", data, at)
        kinds.append(data[at + 4 : at + 6] if size < 0 else b"free")
        assert size % 8 == 0
        at += abs(size)
    assert at == 0x2000
    assert kinds.count(b"nk") == 2
    assert {b"vk", b"sk", b"lf", b"free"} < set(kinds)
    assert struct.unpack_from("<2sH", data, 0x1024) == (b"nk", 0x2C)


def test_many_subkeys_have_an_index_of_indexes() -> None:
    root = build(({}, {f"key{index}": ({}, {}) for index in range(1200)}))
    data = regf_writer.write(root, TIME)
    assert b"ri\x03\x00" in data
    assert content(regf.read(data, Hive(""))) == content(root)


def test_volatile_keys_are_not_written() -> None:
    tree = KeyTree(lambda: TIME)
    root = tree.new_hive(tree.machine, "Test")
    tree.create(tree.create(root, "a", volatile=True), "b", volatile=True)
    tree.create(root, "c")
    read = regf.read(regf_writer.write(root, TIME), Hive(""))
    assert [node.name for node in read.tree()] == ["Test", "c"]


def test_files_that_are_no_hives() -> None:
    data = regf_writer.write(build(({"v": bytes(100)}, {"sub": ({}, {})})), TIME)
    for wrong in (b"", data[:100], data[:0x1000], bytes(0x2000), b"ffgr" + data[4:]):
        assert corrupt(wrong) == s.STATUS_REGISTRY_CORRUPT


@given(st.lists(st.tuples(st.integers(0x1000, 0x2FFF), st.integers(0, 255)), max_size=12))
def test_damage_does_no_harm(damage: list[tuple[int, int]]) -> None:
    described: Described = (
        {"v": bytes(5000), "w": b"x"},
        {"sub": ({"y": b"1"}, {}), "two": ({}, {})},
    )
    data = bytearray(regf_writer.write(build(described), TIME))
    for at, byte in damage:
        data[at % len(data)] = byte
    try:
        for node in regf.read(bytes(data), Hive("")).tree():
            assert node.name
    except NtError as error:
        assert error.status in (s.STATUS_REGISTRY_CORRUPT, s.STATUS_INSUFFICIENT_RESOURCES)


def test_a_key_below_itself_and_a_small_file_that_unfolds() -> None:
    data = bytearray(regf_writer.write(build(({}, {"sub": ({}, {})})), TIME))
    place = data.index(b"lf\x01\x00") + 4
    struct.pack_into("<I", data, place, 0x20)
    assert corrupt(bytes(data)) == s.STATUS_REGISTRY_CORRUPT
    # One value of a megabyte, a thousand times in the list.
    big = build(({f"{index:04}": b"" for index in range(1000)} | {"big": bytes(1 << 20)}, {}))
    data = bytearray(regf_writer.write(big, TIME))
    offset = data.index(b"vk", data.index(b"vk") + 1)
    for at in range(0x1020, len(data)):
        if data[at : at + 2] == b"vk" and data[at + 20 : at + 23] == b"big":
            offset = at - 4 - 0x1000
    listed = struct.pack("<I", offset)
    start = data.rindex(listed) - 1000 * 4
    data[start : start + 4000] = listed * 1000
    assert corrupt(bytes(data)) == s.STATUS_INSUFFICIENT_RESOURCES


def test_the_default_descriptor_is_self_relative() -> None:
    data = default_descriptor()
    revision, _pad, control, owner, group, sacl, dacl = struct.unpack_from("<BBH4I", data)
    assert (revision, control, sacl) == (1, 0x8004, 0)
    assert data[owner:group] == bytes.fromhex("01020000000000052000000020020000")
    assert data[group:dacl] == bytes.fromhex("010100000000000512000000")
    _revision, _pad, size, count, _pad2 = struct.unpack_from("<BBHHH", data, dacl)
    assert (dacl + size, count) == (len(data), 3)


# The services.


class MemoryFiles:
    """Hive files by name, and by handles that are the name's number."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.by_handle: dict[int, bytes] = {}

    def read(self, caller: Thread, attributes: ObjectAttributes) -> tuple[str, bytes]:
        if attributes.name not in self.files:
            raise NtError(s.STATUS_OBJECT_NAME_NOT_FOUND)
        return attributes.name, self.files[attributes.name]

    def write(self, caller: Thread, attributes: ObjectAttributes, data: bytes) -> None:
        self.files[attributes.name] = data

    def read_handle(self, caller: Thread, handle: int) -> bytes:
        return self.by_handle[handle]

    def write_handle(self, caller: Thread, handle: int, data: bytes) -> None:
        self.by_handle[handle] = data


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


@pytest.fixture
def p(files: MemoryFiles) -> Program:
    program = Program()
    program.enable(SE_BACKUP, SE_RESTORE)
    program.registry.files = files
    key = program.key(TEST)
    program.set(key, "value", b"1234")
    program.close(program.key("sub", key, class_name="class"), key)
    return program


def test_save_and_load(p: Program, files: MemoryFiles) -> None:
    key = p.key(TEST)
    assert p.call("NtSaveKey", key, 4) == 0
    assert p.call("NtSaveKeyEx", key, 8, 2) == 0
    assert p.call("NtSaveKeyEx", key, 8, 3) == s.STATUS_INVALID_PARAMETER
    assert files.by_handle[4] == files.by_handle[8]
    files.files["\\??\\C:\\hive"] = files.by_handle[4]
    source = p.attributes("\\??\\C:\\hive")
    loaded = "\\Registry\\User\\Loaded"
    target = p.attributes(loaded)
    assert p.call("NtLoadKey", target, source) == 0
    assert p.call("NtLoadKey", target, source) == s.STATUS_OBJECT_NAME_COLLISION
    below = p.attributes(TEST + "\\x")
    assert p.call("NtLoadKey2", below, source, 0) == s.STATUS_INVALID_PARAMETER
    copy = p.key(loaded)
    assert p.value(copy, "VALUE") == (4, b"1234")
    assert p.subkeys(copy) == ["sub"]
    hive_list = p.key("\\Registry\\Machine\\System\\CurrentControlSet\\Control\\hivelist")
    listed = p.value(hive_list, "\\REGISTRY\\USER\\Loaded")
    assert listed == (1, "\\??\\C:\\hive\0".encode("utf-16-le"))
    count = p.room()
    sub = p.key("sub", copy)
    assert p.call("NtQueryOpenSubKeys", target, count) == 0
    assert p.memory.u32(count) == 1
    assert p.call("NtUnloadKey", target) == s.STATUS_CANNOT_DELETE
    p.close(sub, copy)
    assert p.call("NtUnloadKey", p.attributes(TEST)) == s.STATUS_INVALID_PARAMETER
    assert p.call("NtUnloadKey", target) == 0
    assert p.open(loaded)[0] == s.STATUS_OBJECT_NAME_NOT_FOUND
    assert p.value(hive_list, "\\REGISTRY\\USER\\Loaded") == s.STATUS_OBJECT_NAME_NOT_FOUND
    assert p.call("NtLoadKeyEx", target, source, 0, 0, 0, 0, 0, 0) == 0
    event = p.event()
    assert p.call("NtUnloadKeyEx", target, event) == 0
    assert p.is_signaled(event)
    p.close(key, hive_list)


def test_what_cannot_be_loaded(p: Program, files: MemoryFiles) -> None:
    files.files["\\x"] = b"no hive"
    target = p.attributes("\\Registry\\User\\Loaded")
    missing = p.attributes("\\y")
    assert p.call("NtLoadKey", target, missing) == s.STATUS_OBJECT_NAME_NOT_FOUND
    assert p.call("NtLoadKey", target, p.attributes("\\x")) == s.STATUS_REGISTRY_CORRUPT
    handle = p.room()
    arguments = (target, p.attributes("\\x"), 0, 0, 0, 0x20019, handle, 0)
    assert p.call("NtLoadKeyEx", *arguments) == s.STATUS_INVALID_PARAMETER_7
    assert p.memory.u32(handle) == 0


def test_restore(p: Program) -> None:
    key = p.key(TEST)
    assert p.call("NtSaveKey", key, 4) == 0
    p.set(key, "other", b"")
    late = p.key("late", key)
    assert p.call("NtRestoreKey", key, 4, 0) == s.STATUS_ACCESS_DENIED
    assert p.call("NtRestoreKey", key, 4, 8) == 0  # REG_FORCE_RESTORE
    assert p.set(late, "x", b"") == s.STATUS_KEY_DELETED
    assert p.value(key, "other") == s.STATUS_OBJECT_NAME_NOT_FOUND
    assert p.value(key, "value") == (4, b"1234")
    assert p.subkeys(key) == ["sub"]
    assert p.node(key).path == TEST
    sub = p.key("sub", key)
    assert p.node(sub).class_name == "class"
    assert p.node(sub).path == f"{TEST}\\sub"
    p.close(late, sub)
    assert p.call("NtRestoreKey", key, 4, 0) == 0
    p.close(key)
    assert p.registry.tree.find(USER).kcb == 0


def test_the_quota_counts_what_is_restored_and_unloaded(p: Program, files: MemoryFiles) -> None:
    key = p.key(TEST)
    tree = p.registry.tree
    used = tree.used
    assert p.call("NtSaveKey", key, 4) == 0
    p.set(key, "more", bytes(1000))
    p.close(p.key("late", key))
    assert p.call("NtRestoreKey", key, 4, 0) == 0
    assert tree.used == used
    files.files["\\x"] = files.by_handle[4]
    target = p.attributes("\\Registry\\Machine\\Loaded")
    assert p.call("NtLoadKey", target, p.attributes("\\x")) == 0
    assert tree.used > used
    assert p.call("NtUnloadKey", target) == 0
    assert tree.used == used
    p.close(key)


def test_merged_keys(p: Program, files: MemoryFiles) -> None:
    assert p.call("NtSaveKey", p.key(TEST), 4) == 0
    files.files["\\x"] = files.by_handle[4]
    target = "\\Registry\\User\\Loaded"
    assert p.call("NtLoadKey", p.attributes(target), p.attributes("\\x")) == 0
    low, high = p.key(TEST), p.key(target)
    p.set(high, "Value", b"high")
    p.set(low, "low", b"low")
    p.close(p.key("sub\\", high), p.key("Other", low), p.key("SUB\\below", high))
    assert p.call("NtSaveMergedKeys", high, low, 12) == 0
    merged = regf.read(files.by_handle[12], Hive(""))
    assert [(value.name, value.data) for value in merged.values] == [
        ("value", b"high"), ("low", b"low"),
    ]  # fmt: skip
    assert [node.name for node in merged.tree()] == ["Loaded", "Other", "sub", "below"]
    assert p.call("NtSaveMergedKeys", high, high, 12) == s.STATUS_INVALID_PARAMETER


def test_replace(p: Program, files: MemoryFiles) -> None:
    key = p.key(TEST)
    new, old = p.attributes("\\new"), p.attributes("\\old")
    assert p.call("NtReplaceKey", new, key, old) == s.STATUS_OBJECT_NAME_NOT_FOUND
    files.files["\\new"] = b""
    assert p.call("NtReplaceKey", new, key, old) == 0
    assert [value.name for value in regf.read(files.files["\\old"], Hive("")).values] == ["value"]


def test_links_are_saved_as_links(p: Program, files: MemoryFiles) -> None:
    key = p.key(TEST)
    link = p.key("link", key, options=CREATE_LINK)
    p.set(link, "SymbolicLinkValue", "\\Registry\\User".encode("utf-16-le"), 6)
    assert p.call("NtSaveKey", key, 4) == 0
    read = regf.read(files.by_handle[4], Hive("")).subkey("link")
    assert read is not None
    assert read.link
    assert read.link_target == "\\Registry\\User"


def test_the_registry_as_a_whole(p: Program) -> None:
    assert p.call("NtInitializeRegistry", 0) == s.STATUS_ACCESS_DENIED
    assert p.call("NtInitializeRegistry", 0x10) == 0
    assert p.call("NtInitializeRegistry", 0x1000) == s.STATUS_INVALID_PARAMETER
    key = p.key(TEST)
    assert p.call("NtLockRegistryKey", key) == s.STATUS_PRIVILEGE_NOT_HELD
    assert p.call("NtCompactKeys", 1, p.put(struct.pack("<I", key))) == 0
    assert p.call("NtCompactKeys", 1, p.put(bytes(4))) == s.STATUS_INVALID_HANDLE
    assert p.call("NtCompactKeys", 0x10000, p.page) == s.STATUS_INVALID_PARAMETER
    assert p.call("NtCompressKey", key) == s.STATUS_INVALID_PARAMETER
    assert p.call("NtCompressKey", p.key(USER)) == 0
    not_a_hive = p.call("NtQueryOpenSubKeys", p.attributes(TEST), p.room())
    assert not_a_hive == s.STATUS_INVALID_PARAMETER


def test_privileges_are_needed() -> None:
    program = Program()
    key, source = program.key(USER), program.attributes("\\??\\C:\\hive")
    target = program.attributes("\\Registry\\User\\Loaded")
    assert program.call("NtSaveKey", key, 4) == s.STATUS_PRIVILEGE_NOT_HELD
    assert program.call("NtLoadKey", target, source) == s.STATUS_PRIVILEGE_NOT_HELD
    program.enable(SE_RESTORE)
    assert program.call("NtLoadKey", target, source) == s.STATUS_OBJECT_NAME_NOT_FOUND


def test_hives_are_files_of_the_volume() -> None:
    program = Program()
    program.enable(SE_BACKUP, SE_RESTORE)
    key = program.key(TEST)
    program.set(key, "value", b"1234")
    name = ObjectAttributes("\\??\\C:\\WINDOWS\\saved.hiv", 0, 0x40)
    files, tree = program.registry.files, program.registry.tree
    files.write(program.thread, name, b"longer than a hive" * 1000)
    files.write(program.thread, name, hives.save(tree, tree.find(TEST)))
    path, data = files.read(program.thread, name)
    assert path.endswith("\\WINDOWS\\saved.hiv")
    assert data[:4] == b"regf"
    loaded = "\\Registry\\User\\Loaded"
    source = program.attributes("\\??\\C:\\WINDOWS\\saved.hiv")
    assert program.call("NtLoadKey", program.attributes(loaded), source) == 0
    assert program.value(program.key(loaded), "value") == (4, b"1234")
