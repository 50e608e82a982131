"""Registry services; the statuses are those of Wine's conformance tests against Windows."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from cm_program import (
    CREATE_LINK,
    DELETE,
    KEY_ALL_ACCESS,
    KEY_READ,
    NO_MEMORY,
    OBJ_OPENLINK,
    REG_DWORD,
    REG_LINK,
    REG_SZ,
    TEST,
    USER,
    VOLATILE,
    Program,
)

from ntgate.dispatch.outcome import Wait
from ntgate.dispatch.service import SERVICES
from ntgate.layout import ntstatus as s

REGISTRY_SERVICES = sorted(
    name for name, service in SERVICES.items() if service.family.startswith("registry")
)


@pytest.fixture(scope="module")
def machine() -> Program:
    return Program()


@pytest.fixture
def p(machine: Program) -> Program:
    """The program, with an empty test key."""
    machine.empty_test_key()
    return machine


# Opening and creating.


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("", s.STATUS_OBJECT_PATH_SYNTAX_BAD),
        ("Machine", s.STATUS_OBJECT_PATH_SYNTAX_BAD),
        ("Machine\\Software\\Classes", s.STATUS_OBJECT_PATH_SYNTAX_BAD),
        ("\\", s.STATUS_OBJECT_TYPE_MISMATCH),
        ("\\\\\\", s.STATUS_OBJECT_NAME_INVALID),
        ("\\Foobar", s.STATUS_OBJECT_NAME_NOT_FOUND),
        ("\\Foobar\\Machine", s.STATUS_OBJECT_PATH_NOT_FOUND),
        ("\\Registry\\Foobar", s.STATUS_OBJECT_NAME_NOT_FOUND),
        ("\\Registry\\Machine\\Foobar\\Sub", s.STATUS_OBJECT_NAME_NOT_FOUND),
        ("\\Registry\\Machine\\" + 257 * "x", s.STATUS_INVALID_PARAMETER),
        ("\\ObjectTypes\\Key", s.STATUS_OBJECT_TYPE_MISMATCH),
    ],
)
def test_names_that_lead_nowhere(p: Program, name: str, status: int) -> None:
    assert p.open(name) == (status, 0)


@pytest.mark.parametrize(
    "name",
    [
        "\\Registry", "\\Registry\\", "\\Registry\\\\", "\\registry\\MACHINE\\software\\classes",
        "\\Registry\\Machine\\\\Software\\", "\\Registry\\User\\.default\\console",
        "\\Registry\\User\\S-1-5-18\\Console",
        "\\Registry\\Machine\\System\\CurrentControlSet\\Hardware Profiles\\Current\\Software",
    ],
)  # fmt: skip
def test_names_that_lead_to_a_key(p: Program, name: str) -> None:
    status, handle = p.open(name)
    assert status == 0
    p.close(handle)


def test_create_makes_one_key_at_a_time(p: Program) -> None:
    key = p.key(TEST)
    for name in ("test\\sub\\key", "test\\subkey", "test\\\\subkey", "test\\subkey\\"):
        assert p.create(name, key) == (s.STATUS_OBJECT_NAME_NOT_FOUND, 0)
    p.close(*(p.key(name, key) for name in ("test\\", "test\\sub\\", "Test\\SUB\\\\key\\\\")))
    assert p.open("\\test", key) == (s.STATUS_OBJECT_PATH_SYNTAX_BAD, 0)
    assert p.subkeys(key) == ["test"]
    p.close(key)


def test_nothing_is_made_beside_hives(p: Program) -> None:
    for name in ("\\Registry\\New", "\\Registry\\Machine\\New", "\\Registry\\User\\New"):
        assert p.create(name) == (s.STATUS_INVALID_PARAMETER, 0)


def test_disposition_and_class(p: Program) -> None:
    handle, disposition = p.room(), p.room()
    attributes = p.attributes(TEST + "\\sub")
    arguments = (handle, KEY_ALL_ACCESS, attributes, 0, p.string("a class"), 0, disposition)
    for expected in (1, 2):
        assert p.call("NtCreateKey", *arguments) == 0
        assert p.memory.u32(disposition) == expected
        key = p.memory.u32(handle)
        status, size, data = p.query("NtQueryKey", key, -1, 2)
        assert (status, size) == (0, 44 + 14)
        assert struct.unpack_from("<3I", data, 8) == (0, 44, 14)
        assert data[44:58].decode("utf-16-le") == "a class"
        p.close(key)


def test_pointers_attributes_and_options_that_are_wrong(p: Program) -> None:
    attributes = p.attributes(TEST)
    handle = p.room()
    assert p.call("NtOpenKey", 0, 0, 0) == s.STATUS_ACCESS_VIOLATION
    assert p.call("NtOpenKey", handle, KEY_READ, 0) == s.STATUS_ACCESS_VIOLATION
    assert p.call("NtOpenKey", 0, KEY_READ, attributes) == s.STATUS_ACCESS_VIOLATION
    assert p.open(TEST, access=0) == (s.STATUS_ACCESS_DENIED, 0)
    assert p.create(TEST, access=0) == (s.STATUS_ACCESS_DENIED, 0)
    assert p.open(TEST + "\\none") == (s.STATUS_OBJECT_NAME_NOT_FOUND, 0)
    assert p.create(TEST, options=0x100) == (s.STATUS_INVALID_PARAMETER, 0)
    for flags in (0x10, 0x20):  # OBJ_PERMANENT, OBJ_EXCLUSIVE
        assert p.open(TEST, flags=flags) == (s.STATUS_INVALID_PARAMETER, 0)
    p.memory.set_u32(attributes, 0x30)
    assert p.call("NtOpenKey", handle, KEY_READ, attributes) == s.STATUS_INVALID_PARAMETER
    event = p.event()
    assert p.open("x", event)[0] == s.STATUS_INVALID_HANDLE
    assert p.call("NtFlushKey", event) == s.STATUS_OBJECT_TYPE_MISMATCH
    p.close(event)


def test_every_service_survives_hostile_arguments(p: Program) -> None:
    key = p.key(TEST)
    for value in (0, 1, 0xFFFFFFFF, NO_MEMORY, 0x80541000, key, p.page + 0x3FFFD):
        for name in REGISTRY_SERVICES:
            for first in (value, key):
                count = len(SERVICES[name].parameters)
                answer = p.call(name, *((first,) + (count - 1) * (value,))[:count])
                assert isinstance(answer, int), name
                assert answer >> 30 in (0, 2, 3)
    p.close(key)


def test_access_is_what_the_handle_was_opened_with(p: Program) -> None:
    reader = p.key(TEST, access=KEY_READ)
    assert p.set(reader, "x", b"1234") == s.STATUS_ACCESS_DENIED
    assert p.call("NtDeleteValueKey", reader, p.string("x")) == s.STATUS_ACCESS_DENIED
    assert p.call("NtDeleteKey", reader) == s.STATUS_ACCESS_DENIED
    assert p.call("NtRenameKey", reader, p.string("x")) == s.STATUS_ACCESS_DENIED
    # A root's own rights don't count for what is below it.
    p.close(p.key("sub", reader))
    writer = p.key(TEST, access=2)
    assert p.value(writer, "x") == s.STATUS_ACCESS_DENIED
    assert p.query("NtEnumerateKey", writer, 0, 0)[0] == s.STATUS_ACCESS_DENIED
    assert p.query("NtQueryKey", writer, -1, 0)[0] == s.STATUS_ACCESS_DENIED
    assert p.query("NtQueryKey", writer, -1, 3)[0] == 0
    p.close(reader, writer)


def test_volatile_keys(p: Program) -> None:
    key = p.key(TEST + "\\volatile", options=VOLATILE)
    assert p.create("sub", key) == (s.STATUS_CHILD_MUST_BE_VOLATILE, 0)
    p.close(p.key("sub", key, options=VOLATILE))
    p.close(p.key("sub", key))  # it is there already
    assert p.create("\\Registry\\Machine\\HARDWARE\\x")[0] == s.STATUS_CHILD_MUST_BE_VOLATILE
    p.close(key)


def test_names_compare_unit_by_unit(p: Program) -> None:
    key = p.key(TEST)
    p.close(p.key("\xf6\xf3\u014d\u0371\U00010400", key))
    assert p.open("\xd6\xd3\u014c\u0370\U00010428", key)[0] == s.STATUS_OBJECT_NAME_NOT_FOUND
    status, handle = p.open("\xd6\xd3\u014c\u0370\U00010400", key)
    assert status == 0
    p.close(handle, key)


@pytest.mark.parametrize("access", [KEY_READ, DELETE])
def test_open_key_ex(p: Program, access: int) -> None:
    handle = p.room()
    attributes = p.attributes(TEST)
    assert p.call("NtOpenKeyEx", handle, access, attributes, 8) == 0
    p.close(p.memory.u32(handle))
    assert p.call("NtOpenKeyEx", handle, access, attributes, 0x80) == s.STATUS_INVALID_PARAMETER


# Values.


def test_a_value_is_what_was_set(p: Program) -> None:
    key = p.key(TEST)
    assert p.set(key, "Count", struct.pack("<I", 711)) == 0
    assert p.set(key, "cOUNT", struct.pack("<I", 712), kind=0xFF00FF00) == 0
    assert p.value(key, "COUNT") == (0xFF00FF00, struct.pack("<I", 712))
    assert p.set(key, "", b"d\0\0\0", REG_SZ) == 0
    assert p.value(key, "") == (REG_SZ, b"d\0\0\0")
    assert p.call("NtSetValueKey", key, p.string("empty"), 0, 3, 0, 0) == 0
    assert p.value(key, "empty") == (3, b"")
    status, _size, data = p.query("NtEnumerateValueKey", key, 0, 0)
    assert status == 0
    assert data[12:22].decode("utf-16-le") == "Count"
    assert p.query("NtEnumerateValueKey", key, 3, 0)[0] == s.STATUS_NO_MORE_ENTRIES
    assert p.call("NtDeleteValueKey", key, p.string("count")) == 0
    assert p.value(key, "count") == s.STATUS_OBJECT_NAME_NOT_FOUND
    assert p.call("NtDeleteValueKey", key, p.string("count")) == s.STATUS_OBJECT_NAME_NOT_FOUND
    p.close(key)


def test_value_names(p: Program) -> None:
    key = p.key(TEST)
    assert p.set(key, "name\0\0", b"1234") == 0
    assert p.value(key, "name") == (REG_DWORD, b"1234")
    long = p.string("a" * 0x7FFD)
    assert p.call("NtDeleteValueKey", key, long) == 0xC0000034
    result = p.room()
    assert p.call("NtQueryValueKey", key, long, 0, 0, 0, result) == 0xC0000034
    assert p.call("NtSetValueKey", key, p.string("a" * 0x4000), 0, 4, 0, 0) == 0xC000000D
    assert p.call("NtSetValueKey", key, p.string("a" * 0x3FFF), 0, 4, 0, 0) == 0
    odd = p.string("abc", length=3)
    assert p.call("NtSetValueKey", key, odd, 0, 4, 0, 0) == s.STATUS_INVALID_PARAMETER
    p.close(key)


@pytest.mark.parametrize(
    ("kind", "fixed", "expected"),
    [
        (0, 12, struct.pack("<3I", 0, REG_DWORD, 6) + b"v\0a\0l\0"),
        (1, 20, struct.pack("<5I", 0, REG_DWORD, 28, 4, 6) + b"v\0a\0l\0\0\0data"),
        (2, 12, struct.pack("<3I", 0, REG_DWORD, 4) + b"data"),
        (3, 20, struct.pack("<5I", 0, REG_DWORD, 32, 4, 6) + b"v\0a\0l\0" + bytes(6) + b"data"),
        (4, 8, struct.pack("<2I", REG_DWORD, 4) + b"data"),
    ],
)
def test_value_information_and_short_buffers(
    p: Program, kind: int, fixed: int, expected: bytes
) -> None:
    key = p.key(TEST)
    assert p.set(key, "val", b"data") == 0
    for length in range(len(expected) + 3):
        status, size, data = p.query("NtQueryValueKey", key, p.string("VAL"), kind, length)
        assert size == len(expected)
        if length < fixed:
            assert status == s.STATUS_BUFFER_TOO_SMALL
            assert data == b"\xcc" * length
            continue
        short = length < len(expected)
        assert status == (s.STATUS_BUFFER_OVERFLOW if short else s.STATUS_SUCCESS)
        assert data == (expected + b"\xcc" * length)[:length]
        assert p.query("NtEnumerateValueKey", key, 0, kind, length) == (status, size, data)
    p.close(key)


def test_unknown_classes(p: Program) -> None:
    key = p.key(TEST)
    assert p.query("NtQueryValueKey", key, p.string(""), 5)[0] == s.STATUS_INVALID_PARAMETER
    assert p.query("NtEnumerateValueKey", key, 0, 5)[0] == s.STATUS_INVALID_PARAMETER
    assert p.query("NtQueryKey", key, -1, 6)[0] == s.STATUS_INVALID_PARAMETER
    assert p.query("NtEnumerateKey", key, 0, 3)[0] == s.STATUS_INVALID_PARAMETER
    p.close(key)


def test_several_values_at_once(p: Program) -> None:
    key = p.key(TEST)
    p.set(key, "one", b"12345", 3)
    p.set(key, "two", b"abc", 3)
    entries = p.put(b"".join(struct.pack("<4I", p.string(n), 0, 0, 0) for n in ("one", "TWO")))
    for room, status, used, buffer in (
        (16, 0, 11, b"12345\0\0\0abc"), (8, s.STATUS_BUFFER_OVERFLOW, 5, b"12345\0\0\0"),
    ):  # fmt: skip
        values, length, required = p.put(bytes(16)), p.put(struct.pack("<I", room)), p.room()
        answer = p.call("NtQueryMultipleValueKey", key, entries, 2, values, length, required)
        assert (answer, p.memory.u32(length), p.memory.u32(required)) == (status, used, 11)
        assert p.memory.read(values, len(buffer)) == buffer
        assert struct.unpack("<3I", p.memory.read(entries + 20, 12)) == (3, 8, 3)
    p.close(key)


# Information on keys.


def test_key_information(p: Program) -> None:
    key = p.key(TEST)
    sub = p.key("sub\\", key)
    p.close(p.key("Longer", sub), p.key("x", sub))
    p.set(sub, "val", b"12345678", 3)
    time = struct.pack("<Q", p.node(sub).last_write_time)
    none = 0xFFFFFFFF
    name = "sub".encode("utf-16-le")
    path = f"{TEST}\\sub".encode("utf-16-le")
    expected = {
        0: (16, time + struct.pack("<2I", 0, 6) + name),
        1: (24, time + struct.pack("<4I", 0, none, 0, 6) + name),
        2: (44, time + struct.pack("<9I", 0, none, 0, 2, 12, 0, 1, 6, 8)),
        3: (4, struct.pack("<I", len(path)) + path),
        4: (40, time + struct.pack("<8I", 0, 2, 12, 1, 6, 8, 6, 0)),
        5: (4, bytes(4)),
    }
    for kind, (fixed, data) in expected.items():
        for length in (0, 1, fixed - 1, fixed, len(data) - 1, len(data)):
            status, size, got = p.query("NtQueryKey", sub, -1, kind, length)
            assert size == len(data)
            if length < fixed:
                assert (status, got) == (s.STATUS_BUFFER_TOO_SMALL, b"\xcc" * length)
            else:
                overflow = s.STATUS_BUFFER_OVERFLOW if length < len(data) else 0
                assert (status, got) == (overflow, data[:length])
        if kind < 3:
            assert p.query("NtEnumerateKey", key, 0, kind, len(data)) == (0, len(data), data)
    p.close(sub, key)


def test_subkeys_are_listed_by_name_and_volatile_ones_last(p: Program) -> None:
    key = p.key(TEST)
    for name, options in (("b", 0), ("A", 0), ("aa", VOLATILE), ("_", 0), ("C", 0), ("0", 1)):
        p.close(p.key(name, key, options=options))
    assert p.subkeys(key) == ["A", "b", "C", "_", "0", "aa"]
    p.close(key)


def test_last_write_time_is_the_virtual_clock(p: Program) -> None:
    key, clock = p.key(TEST), p.executive.clock
    sub = p.key("sub", key)
    changes: list[Callable[[], int | Wait]] = [
        lambda: p.set(key, "x", b""),
        lambda: p.call("NtDeleteValueKey", key, p.string("x")),
        lambda: p.call("NtDeleteKey", sub),
    ]
    for change in changes:
        clock.tick()
        assert p.node(key).last_write_time < clock.system_time
        assert change() == 0
        assert p.node(key).last_write_time == clock.system_time
    given = p.put(struct.pack("<Q", 0x1234567890))
    assert p.call("NtSetInformationKey", key, 0, given, 4) == s.STATUS_INFO_LENGTH_MISMATCH
    assert p.call("NtSetInformationKey", key, 0, given, 8) == 0
    assert p.node(key).last_write_time == 0x1234567890
    assert p.call("NtSetInformationKey", key, 1, p.put(b"\x03\0\0\0"), 4) == 0
    assert p.query("NtQueryKey", key, -1, 5, 4)[2] == b"\x03\0\0\0"
    assert p.call("NtSetInformationKey", key, 9, given, 8) == s.STATUS_INVALID_PARAMETER
    p.close(key, sub)


# Deleting and renaming.


def test_a_deleted_key(p: Program) -> None:
    key = p.key(TEST + "\\gone")
    assert p.call("NtDeleteKey", 0) == s.STATUS_INVALID_HANDLE
    assert p.call("NtDeleteKey", key) == 0
    assert p.open(TEST + "\\gone")[0] == s.STATUS_OBJECT_NAME_NOT_FOUND
    name = p.string("value")
    result, buffer = p.room(), p.room(64)
    for service, arguments in {
        "NtQueryKey": (3, buffer, 64, result),
        "NtEnumerateKey": (0, 2, buffer, 64, result),
        "NtQueryValueKey": (name, 0, buffer, 64, result),
        "NtEnumerateValueKey": (0, 2, buffer, 64, result),
        "NtSetValueKey": (name, 0, 1, buffer, 4),
        "NtDeleteValueKey": (name,),
        "NtFlushKey": (),
        "NtRenameKey": (name,),
    }.items():
        assert p.call(service, key, *arguments) == s.STATUS_KEY_DELETED, service
    assert p.call("NtDeleteKey", key) == 0
    assert p.open("sub", key)[0] == s.STATUS_KEY_DELETED
    assert p.create("sub", key)[0] == s.STATUS_KEY_DELETED
    p.close(key)


def test_what_cannot_be_deleted(p: Program) -> None:
    key = p.key(TEST)
    p.close(p.key("sub", key))
    assert p.call("NtDeleteKey", key) == s.STATUS_CANNOT_DELETE
    p.close(key)
    for name in ("\\Registry", "\\Registry\\Machine", "\\Registry\\Machine\\SECURITY", USER):
        status, handle = p.open(name)
        assert status == 0
        assert p.call("NtDeleteKey", handle) == s.STATUS_CANNOT_DELETE
        p.close(handle)


def test_rename(p: Program) -> None:
    key = p.key(TEST)
    sub = p.key("old", key)
    assert p.call("NtRenameKey", 0, 0) == s.STATUS_ACCESS_VIOLATION
    assert p.call("NtRenameKey", sub, 0) == s.STATUS_ACCESS_VIOLATION
    assert p.call("NtRenameKey", 0, p.string("x")) == s.STATUS_INVALID_HANDLE
    assert p.call("NtRenameKey", sub, p.string("")) == s.STATUS_INVALID_PARAMETER
    assert p.call("NtRenameKey", sub, p.string("a\\b")) == s.STATUS_INVALID_PARAMETER
    assert p.call("NtRenameKey", sub, p.string("old")) == s.STATUS_CANNOT_DELETE
    assert p.call("NtRenameKey", sub, p.string("new")) == 0
    assert p.subkeys(key) == ["new"]
    assert p.node(sub).path == f"{TEST}\\new"
    body = p.thread.object(sub, "Key", 0)
    assert p.executive.objects.name_of(body) == f"{TEST}\\new"
    assert p.guest_path(sub) == f"{TEST}\\new"
    p.close(sub, key)


# Links.


def test_links(p: Program) -> None:
    root = p.key(TEST)
    link = p.key("link", root, options=CREATE_LINK)
    target = f"{TEST}\\target".encode("utf-16-le")
    value = "SymbolicLinkValue"
    assert p.set(link, value, target, REG_SZ) == s.STATUS_ACCESS_DENIED
    assert p.set(link, "link", target, REG_LINK) == s.STATUS_ACCESS_DENIED
    assert p.open("link", root) == (s.STATUS_OBJECT_NAME_NOT_FOUND, 0)
    assert p.set(link, value, target, REG_LINK) == 0
    assert p.create("sub", link)[0] == s.STATUS_OBJECT_NAME_NOT_FOUND
    assert p.open("link", root) == (s.STATUS_OBJECT_NAME_NOT_FOUND, 0)
    key = p.key("link", root)  # makes the target
    assert p.node(key).path == f"{TEST}\\target"
    assert p.set(key, "value", b"1234") == 0
    assert p.set(key, value, target, REG_LINK) == 0  # a value as any other here
    p.close(key, p.key("link\\sub", root))
    p.close(p.key("target\\sub", root))
    for flags, name in ((0, "target"), (OBJ_OPENLINK, "link")):
        status, key = p.open("link", root, flags=flags)
        assert status == 0
        assert p.node(key).path == f"{TEST}\\{name}"
        p.close(key)
    assert p.create("link", root, options=CREATE_LINK) == (s.STATUS_OBJECT_NAME_COLLISION, 0)
    assert p.create("target", root, options=CREATE_LINK)[0] == s.STATUS_OBJECT_NAME_COLLISION
    # A target with a NUL at its end, one that is relative, one outside the registry, a circle.
    for wrong, status in (
        (target + b"\0\0", s.STATUS_OBJECT_NAME_NOT_FOUND),
        ("target".encode("utf-16-le"), s.STATUS_OBJECT_NAME_NOT_FOUND),
        ("\\Device\\Null".encode("utf-16-le"), s.STATUS_OBJECT_NAME_NOT_FOUND),
        (f"{TEST}\\link".encode("utf-16-le"), s.STATUS_NAME_TOO_LONG),
        (f"{TEST}\\link\\link".encode("utf-16-le"), s.STATUS_NAME_TOO_LONG),
    ):
        assert p.set(link, value, wrong, REG_LINK) == 0
        assert p.open("link", root) == (status, 0)
    p.close(link, root)
