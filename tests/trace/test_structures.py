"""What the data files describe, decoded from memory that tests lay out."""

from __future__ import annotations

import struct
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from laid_memory import BASE, Memory

import ntgate.services.all  # noqa: F401
from ntgate.dispatch.named_types import (
    DataError,
    InformationClass,
    NamedTypes,
    TypeName,
    named_types,
    read,
    type_name,
)
from ntgate.dispatch.service import SERVICES
from ntgate.dispatch.tables import services_by_name
from ntgate.trace.parameters import described_parameters
from ntgate.trace.peek import Peek, Unreadable
from ntgate.trace.plans import Planner
from ntgate.trace.scalars import scalar_type
from ntgate.trace.sockets import SOCKET_TYPES
from ntgate.trace.special_decoders import address_decoders, special_decoders
from ntgate.trace.structures import StructureDecoder, fixed_decoder
from ntgate.trace.values import Bytes, show

TIME = 116444736000000000  # 1970
MORE_TYPES = {"STRING", "SID", "GUID", "TEXT", "BYTES", "DATA", "RECEIVED", *SOCKET_TYPES}
MORE_TYPES |= special_decoders(StructureDecoder(32), with_names=False).keys()
MORE_TYPES |= address_decoders(StructureDecoder(32), None).keys()


def decode(class_name: str, number: int, data: bytes) -> Any:
    row = named_types().classes[class_name][number]
    return StructureDecoder(32).information(row, cast("Peek", Memory(data)), BASE, len(data))


def wide(text: str) -> bytes:
    return text.encode("utf-16-le")


def test_every_type_that_the_data_files_name_is_there() -> None:
    types = named_types()
    used = [kind for each in types.structures.values() for _name, kind in each.members]
    used += [row.content for rows in types.classes.values() for row in rows.values() if row.content]
    used += types.parameters.values()
    for row in types.controls.values():
        used += [kind for kind in (row.given, row.answered) if kind is not None]
    for kind in used:
        known = kind.name in types.structures or kind.name in MORE_TYPES
        assert known or scalar_type(kind.name) is not None, kind


def test_every_parameter_that_the_data_files_name_is_there() -> None:
    names = services_by_name()
    for key in named_types().parameters:
        service, dot, parameter = key.partition(".")
        if dot:
            assert parameter in [row.name for row in described_parameters(names[service])], key


def test_every_service_has_a_plan_with_its_parameters() -> None:
    planner = Planner(StructureDecoder(32), with_names=True)
    for number in services_by_name().values():
        plan = planner.plan(number)
        assert len(plan.inputs) * 4 == number.argument_bytes
        declared = SERVICES.get(number.name)
        if declared is not None and declared.number is number:
            assert [row[0] for row in plan.inputs] == [row.name for row in declared.parameters]


@pytest.mark.parametrize(
    ("service", "parameter", "type_of"),
    [
        ("NtQueryInformationFile", "FileInformationClass", "FILE_INFORMATION_CLASS"),
        ("NtWaitForMultipleObjects", "WaitType", "WAIT_TYPE"),
        ("NtSetInformationJobObject", "JobObjectInformationClass", "JOBOBJECTINFOCLASS"),
        ("NtGetContextThread", "ThreadContext", "CONTEXT"),
    ],
)
def test_prototypes_name_what_declarations_leave_open(
    service: str, parameter: str, type_of: str
) -> None:
    rows = {row.name: row for row in described_parameters(services_by_name()[service])}
    assert rows[parameter].type_name == type_of


def test_a_structure_of_numbers() -> None:
    data = struct.pack("<QQIBBH", 4096, 46, 1, 0, 1, 0)
    assert show(decode("FILE_INFORMATION_CLASS", 5, data)) == (
        "{AllocationSize=4096, EndOfFile=46, NumberOfLinks=1, DeletePending=FALSE, Directory=TRUE}"
    )


def test_a_buffer_that_is_too_short_shows_what_it_holds() -> None:
    data = struct.pack("<QQ", 4096, 46)
    assert show(decode("FILE_INFORMATION_CLASS", 5, data)) == "{AllocationSize=4096, EndOfFile=46}"
    assert show(decode("MEMORY_INFORMATION_CLASS", 0, b"\1\2\3")) == "{}"


def directory_entry(name: str, *, last: bool) -> bytes:
    fixed = struct.pack("<4Q2Q3I", *[TIME] * 4, 5, 4096, 0x20, 2 * len(name), 0)
    body = fixed + struct.pack("<Bx24s", 4, wide("AB")) + wide(name)
    entry = struct.pack("<2I", 0, 0) + body
    entry += bytes(-len(entry) % 8)
    return struct.pack("<I", 0 if last else len(entry)) + entry[4:]


def test_a_chain_of_entries() -> None:
    data = directory_entry("a.txt", last=False) + directory_entry("b", last=True)
    first, second = decode("FILE_INFORMATION_CLASS", 3, data)
    assert (first["FileName"], second["FileName"]) == ("a.txt", "b")
    assert first["ShortName"] == "AB"
    assert first["FileAttributes"] == "FILE_ATTRIBUTE_ARCHIVE"
    assert first["CreationTime"] == "1970-01-01T00:00:00.0000000Z"
    assert "NextEntryOffset" not in first and "FileNameLength" not in first


def test_nested_structures_keep_their_alignment() -> None:
    basic = struct.pack("<4Q2I", TIME, TIME, TIME, TIME, 0x10, 0)
    standard = struct.pack("<QQIBBH", 8, 5, 1, 0, 1, 0)
    rest = struct.pack("<QIIQII", 7, 0, 1, 3, 0x20, 1)
    data = basic + standard + rest + struct.pack("<I", 4) + wide("\\a")
    shown = decode("FILE_INFORMATION_CLASS", 18, data)
    assert shown["InternalInformation"] == {"IndexNumber": "0x7"}
    assert shown["PositionInformation"] == {"CurrentByteOffset": 3}
    assert shown["NameInformation"] == {"FileName": "\\a"}


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        (1, wide("text\0"), '"text"'),
        (2, wide("%PATH%"), '"%PATH%"'),
        (4, struct.pack("<I", 0x1234), "0x1234"),
        (4, b"\1\2", '"\\x01\\x02"'),
        (7, wide("a\0bc\0\0"), '["a", "bc"]'),
        (7, b"", "[]"),
        (11, struct.pack("<Q", 1 << 40), "0x10000000000"),
        (3, b"\0\xff", '"\\0\\xff"'),
    ],
)
def test_registry_data_by_its_type(kind: int, data: bytes, text: str) -> None:
    shown = decode("KEY_VALUE_INFORMATION_CLASS", 2, struct.pack("<3I", 0, kind, len(data)) + data)
    assert show(shown["Data"]) == text


def test_data_lies_where_its_offset_says() -> None:
    head = struct.pack("<5I", 0, 1, 24, 6, 2)
    shown = decode("KEY_VALUE_INFORMATION_CLASS", 1, head + wide("n") + b"\xcc\xcc" + wide("xy\0"))
    assert (shown["Name"], shown["Data"]) == ("n", "xy")


def test_strings_and_sids_are_followed() -> None:
    text = wide("\\Device\\x")
    data = struct.pack("<HHI", len(text), len(text), BASE + 8) + text
    assert decode("PROCESSINFOCLASS", 27, data) == "\\Device\\x"
    sid = struct.pack("<BB6s2I", 1, 2, b"\0\0\0\0\0\5", 32, 544)
    data = struct.pack("<2I", BASE + 8, 7) + sid
    assert show(decode("TOKEN_INFORMATION_CLASS", 1, data)) == (
        "{Sid=S-1-5-32-544, "
        "Attributes=SE_GROUP_MANDATORY|SE_GROUP_ENABLED_BY_DEFAULT|SE_GROUP_ENABLED}"
    )
    assert decode("PROCESSINFOCLASS", 27, struct.pack("<HHI", 4, 4, 0x666)) == "0x666"


def test_a_counted_array() -> None:
    data = struct.pack("<I", 2) + struct.pack("<6I", 20, 0, 2, 23, 0, 3)
    shown = decode("TOKEN_INFORMATION_CLASS", 3, data)
    assert [row["Luid"] for row in shown["Privileges"]] == [
        "SeDebugPrivilege", "SeChangeNotifyPrivilege"
    ]  # fmt: skip


def test_a_count_that_lies_ends_with_the_buffer() -> None:
    data = struct.pack("<4I", 0xFFFFFFFF, 20, 0, 2)
    for rest in (b"", b"\1", b"\1\2\3"):
        assert len(decode("TOKEN_INFORMATION_CLASS", 3, data + rest)["Privileges"]) == 1


def test_an_array_that_fills_the_buffer() -> None:
    data = struct.pack("<II16x", 1, 0) + struct.pack("<II16x", 3, 3)
    assert show(decode("SYSTEM_INFORMATION_CLASS", 73, data)) == (
        "[{ProcessorMask=0x1, Relationship=RelationProcessorCore}, "
        "{ProcessorMask=0x3, Relationship=RelationProcessorPackage}]"
    )


def test_texts_with_room_of_their_own_end_at_a_zero() -> None:
    at = struct.pack("<8H", 0, 10, 5, 3, 0, 0, 0, 0)
    zone = struct.pack("<i64s", -60, wide("CET")) + at + struct.pack("<i64s", 0, wide("CEST"))
    data = zone + at + struct.pack("<i256sB", -60, wide("Europe\0left behind"), 1)
    told = decode("SYSTEM_INFORMATION_CLASS", 102, data)
    standard = told["Standard"]
    assert (standard["StandardName"], standard["DaylightName"]) == ("CET", "CEST")
    assert (standard["StandardStart"]["Month"], standard["DaylightBias"]) == (10, -60)
    assert (told["TimeZoneKeyName"], told["DynamicDaylightTimeDisabled"]) == ("Europe", True)


def test_counts_of_the_machine_are_at_their_places() -> None:
    words = range(70)
    data = struct.pack("<4q70I", 1, 2, 3, 4, *words)
    told = decode("SYSTEM_INFORMATION_CLASS", 2, data)
    assert (told["IoOtherTransferCount"], told["PageFaultCount"]) == (4, 7)
    assert (told["ContextSwitches"], told["SystemCalls"]) == (66, 69)


def test_what_is_not_described_is_bytes() -> None:
    shown = decode("FILE_INFORMATION_CLASS", 33, bytes(40))
    assert isinstance(shown, Bytes) and shown.more and len(shown.data) == 32


CLASSES = [
    (row, number, described)
    for row, rows in sorted(named_types().classes.items())
    for number, described in rows.items()
]


@given(st.sampled_from(CLASSES), st.binary(max_size=200))
def test_no_content_breaks_a_decoder(
    case: tuple[str, int, InformationClass], data: bytes
) -> None:
    class_name, number, _described = case
    try:
        shown = decode(class_name, number, data)
    except Unreadable:
        assert not data or case[2].content is None
    else:
        assert isinstance(show(shown), str)


def test_the_quick_decoder_agrees_with_the_other() -> None:
    types, slow = named_types(), StructureDecoder(32)
    memory = cast("Peek", Memory(bytes(range(1, 200))))
    checked = 0
    for structure in types.structures.values():
        quick = fixed_decoder(structure)
        if quick is not None:
            assert quick(memory, BASE) == slow.structure(structure.name, memory, BASE)
            checked += 1
    assert checked > 30


def test_the_data_format() -> None:
    types = NamedTypes()
    read("# x\nflags A\n    1 ONE\nflags B + A\n    2 TWO\nparam N.P B\nstruct S\n"
         "    ULONG a, b\n    TEXT[a/24] c\nclass C\n    1 One S+\n", types)  # fmt: skip
    assert types.values["B"].rows == ((2, "TWO"), (1, "ONE"))
    assert types.of_parameter("N", "P") == TypeName("B")
    assert types.structures["S"].members[2] == ("c", TypeName("TEXT", count="a", room=24))
    assert types.classes["C"][1].chain
    assert type_name("HEX:2") == TypeName("HEX", 2)
    for wrong in ("flug A\n", "param P A[\n"):
        with pytest.raises(DataError):
            read(wrong, types)
