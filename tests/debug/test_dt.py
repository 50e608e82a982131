"""`dt`, against the study's own listings and against memory made for each form of value."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debug.fakes import FakeTarget
from ntgate.debug.dt import dump, parse
from ntgate.debug.expressions import Evaluator, ExpressionError
from ntgate.layout.type_table import TypeTable

HERE = Path(__file__).parent
TYPES = TypeTable()
PAGE = 0x80550000

# The values of the study's page, by offset: (bytes, value).
SHARED_DATA = {
    0x000: (4, 0x6590), 0x004: (4, 0x0FA00000), 0x02C: (2, 0x14C), 0x02E: (2, 0x14C),
    0x264: (4, 1), 0x268: (1, 1), 0x26C: (4, 5), 0x270: (4, 1), 0x2B4: (4, 0x7FFEFFFF),
    0x2B8: (4, 0x80000000), 0x2D0: (4, 0x110), 0x2D4: (1, 3), 0x2D5: (1, 2),
    0x2E0: (4, 0xFFFFFFFF), 0x2E4: (4, 0x53B2C), 0x2E8: (4, 0x1FF6A), 0x2F8: (8, 0xC3),
    0x300: (4, 0x7C92E4F0), 0x304: (4, 0x7C92E4F4), 0x330: (4, 0xFF08DEAC),
}  # fmt: skip


def study_page() -> bytes:
    page = bytearray(0x1000)
    page[0x30:0x44] = "C:\\WINDOWS".encode("utf-16-le")
    for offset, (size, value) in SHARED_DATA.items():
        page[offset : offset + size] = value.to_bytes(size, "little")
    return bytes(page)


def study_listing(name: str) -> list[str]:
    """The study's lines without its command, its `// ...` notes and its spacing."""
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [squeeze(line.partition("//")[0]) for line in lines if not line.startswith("kd>")]


def squeeze(line: str) -> str:
    return " ".join(line.split())


def dt(target: FakeTarget, text: str) -> list[str]:
    return dump(parse(text, Evaluator(target, TYPES), TYPES), target, TYPES)


@pytest.fixture
def target() -> FakeTarget:
    made = FakeTarget()
    made.put(0xFFDF0000, study_page())
    made.put(PAGE, bytes(0x2000))
    return made


def test_the_studys_shared_data_comes_out_line_for_line(target: FakeTarget) -> None:
    shown = dt(target, "_KUSER_SHARED_DATA 0xffdf0000")
    assert [squeeze(line) for line in shown] == study_listing("study_kuser_shared_data.txt")


def test_the_studys_trap_frame_comes_out_line_for_line(target: FakeTarget) -> None:
    expected = [line for line in study_listing("study_ktrap_frame.txt") if line]
    assert [squeeze(line) for line in dt(target, "_KTRAP_FRAME")] == expected


def test_the_columns_are_windbgs(target: FakeTarget) -> None:
    shown = dt(target, "nt!_KUSER_SHARED_DATA 0xffdf0000")
    assert shown[0] == "nt!_KUSER_SHARED_DATA"
    assert "   +0x000 TickCountLow     : 0x6590" in shown
    assert "   +0x264 NtProductType    : 1 ( NtProductWinNt )" in shown
    assert "   +0x2c8 SystemExpirationDate : _LARGE_INTEGER 0x0" in shown
    assert '   +0x274 ProcessorFeatures : [64]  ""' in shown
    assert "   +0x2d4 KdDebuggerEnabled : 0x3 ''" in shown


@pytest.mark.parametrize(
    ("name", "raw", "line"),
    [
        ("_LIST_ENTRY Flink", "<II", "Flink : 0x80551000 _LIST_ENTRY [ 0x0 - 0x0 ]"),
        ("_KTHREAD TrapFrame", "<308xI", "TrapFrame : 0x80551000 _KTRAP_FRAME"),
        ("_KTHREAD Teb", "<32xI", "Teb : 0x80551000 Void"),
        ("_KSERVICE_TABLE_DESCRIPTOR Base", "<I", "Base : 0x80551000 -> 0"),
        ("_KSERVICE_TABLE_DESCRIPTOR Number", "<12xI", 'Number : 0x80551000 ""'),
    ],
)
def test_pointers(target: FakeTarget, name: str, raw: str, line: str) -> None:
    count = raw.count("I")
    target.put(PAGE, struct.pack(raw, *[0x80551000] * count))
    assert squeeze(dt(target, f"{name} {PAGE:x}")[1]).split(" ", 1)[1] == line


@pytest.mark.parametrize(
    ("name", "place", "raw", "line"),
    [
        ("_KTHREAD MutantListHead", 0x10, b"", "_LIST_ENTRY [ 0x0 - 0x0 ]"),
        ("_KTHREAD Teb", 0x20, b"", "(null)"),
        ("_KTHREAD Priority", 0x33, b"A", "0x41 'A'"),
        ("_KTHREAD WaitStatus", 0x54, b"\x03\x01\0\0", "0n259"),
        ("_KTHREAD WaitStatus", 0x54, b"\xff\xff\xff\xff", "0n-1"),
        ("_KTHREAD WaitTime", 0x68, b"\x0a", "0xa"),
        ("_KTHREAD WaitTime", 0x68, b"\x09", "9"),
        ("_KTHREAD WaitBlock", 0x70, b"", "[4] _KWAIT_BLOCK"),
        ("_KTHREAD ApcStatePointer", 0x138, b"", "[2] (null)"),
        ("_EPROCESS ImageFileName", 0x174, b"System\0x", '[16] "System"'),
        ("_EPROCESS QuotaUsage", 0x90, b"\x0a", "[3] 0xa"),
        ("_EPROCESS CreateTime", 0x70, b"\x6c\x5e\x5d\x3d\xa4\xe2\xc9\x01",
         "_LARGE_INTEGER 0x01c9e2a4`3d5d5e6c"),
        ("_EPROCESS HasAddressSpace", 0x248, b"\0\0\x04", "0y1"),
        ("_EPROCESS AddressSpaceInitialized", 0x248, b"\0\x08", "0y10"),
        ("_KUSER_SHARED_DATA NtProductType", 0x264, b"\x0b", "0xb (No matching name)"),
        ("_KINTERRUPT Mode", TYPES.offset("_KINTERRUPT", "Mode"), b"\1", "1 ( Latched )"),
        ("_KTHREAD Header", 0, b"", "_DISPATCHER_HEADER"),
    ],
)  # fmt: skip
def test_values(target: FakeTarget, name: str, place: int, raw: bytes, line: str) -> None:
    target.put(PAGE + place, raw)
    assert squeeze(dt(target, f"{name} {PAGE:x}")[1]).partition(" : ")[2] == line


def test_counted_strings_show_their_text(target: FakeTarget) -> None:
    text = "\\WINDOWS"
    target.put(PAGE, struct.pack("<HHI", 2 * len(text), 2 * len(text) + 2, PAGE + 0x100))
    target.put(PAGE + 0x100, text.encode("utf-16-le"))
    target.put_number(PAGE + 0x24 + TYPES.offset("_LDR_DATA_TABLE_ENTRY", "DllBase"), 0)
    assert dt(target, f"_UNICODE_STRING {PAGE:x}") == [
        "ntdll!_UNICODE_STRING",
        ' "\\WINDOWS"',
        "   +0x000 Length           : 0x10",
        "   +0x002 MaximumLength    : 0x12",
        '   +0x004 Buffer           : 0x80550100  "\\WINDOWS"',
    ]
    target.put(PAGE + 0x224, target.read(PAGE, 8))
    assert dt(target, f"nt!_LDR_DATA_TABLE_ENTRY {PAGE + 0x200:x} FullDllName") == [
        "nt!_LDR_DATA_TABLE_ENTRY",
        '   +0x024 FullDllName : _UNICODE_STRING "\\WINDOWS"',
    ]
    target.put_number(PAGE + 4, 0x1000)
    assert (
        "--- memory read error at address 0x00001000 ---"
        in dt(target, f"_UNICODE_STRING {PAGE:x}")[1]
    )


def test_fields_by_pattern_path_and_prefix(target: FakeTarget) -> None:
    assert dt(target, "nt!_KTHREAD -y Tr") == [
        "nt!_KTHREAD",
        "   +0x134 TrapFrame : Ptr32 _KTRAP_FRAME",
    ]
    assert dt(target, "_EPROCESS Image* UniqueProcessId") == [
        "ntdll!_EPROCESS",
        "   +0x084 UniqueProcessId : Ptr32 Void",
        "   +0x174 ImageFileName : [16] UChar",
    ]
    opened = dt(target, "_EPROCESS Pcb.")
    assert opened[1:3] == [
        "   +0x000 Pcb :",
        "      +0x000 Header           : _DISPATCHER_HEADER",
    ]
    assert len(opened) == 2 + len(TYPES.struct("_KPROCESS").fields)
    target.put_number(PAGE + 0x134, PAGE + 0x400)
    target.put_number(PAGE + 0x400 + 0x68, 0x7C92E4F4)
    assert dt(target, f"_KTHREAD {PAGE:x} TrapFrame.Eip ApcState.UserApcPending") == [
        "ntdll!_KTHREAD",
        "   +0x034 ApcState :",
        "      +0x016 UserApcPending : 0 ''",
        "   +0x134 TrapFrame : 0x80550400",
        "      +0x068 Eip : 0x7c92e4f4",
    ]
    assert dt(target, "_KTHREAD NoSuchField") == [
        "ntdll!_KTHREAD",
        "Cannot find specified field members.",
    ]


def test_an_address_is_an_expression_unless_a_field_is_called_so(target: FakeTarget) -> None:
    target.registers["eax"] = PAGE
    assert dt(target, "_LIST_ENTRY @eax + 8")[1] == " [ 0x0 - 0x0 ]"
    assert dt(target, "_LIST_ENTRY eax")[1] == " [ 0x0 - 0x0 ]"
    assert dt(target, "_KTRAP_FRAME eax")[1] == "   +0x044 Eax : Uint4B"


def test_r_opens_structures_and_pointers_as_deep_as_it_says(target: FakeTarget) -> None:
    target.put_number(PAGE + 0x134, PAGE + 0x400)
    shut = dt(target, f"_KTHREAD {PAGE:x}")
    one = dt(target, f"-r1 _KTHREAD {PAGE:x}")
    two = dt(target, f"_KTHREAD -r2 {PAGE:x}")
    assert len(shut) < len(one) < len(two)
    assert "      +0x068 Eip              : 0" in one
    assert max(len(line) - len(line.lstrip()) for line in one) == 6
    assert max(len(line) - len(line.lstrip()) for line in two) == 9


def test_r_shows_what_several_pointers_lead_to_once(target: FakeTarget) -> None:
    target.put(PAGE, struct.pack("<II", PAGE, PAGE))
    assert len(dt(target, f"-r _LIST_ENTRY {PAGE:x}")) == 4
    assert len(dt(target, "-r _LIST_ENTRY")) == 3
    assert len(dt(target, "-r _EPROCESS")) < 20_000


def test_b_opens_what_is_embedded_and_writes_out_arrays(target: FakeTarget) -> None:
    target.put(PAGE + 0x2E, b"\1\2")
    shown = dt(target, f"-b _KTHREAD {PAGE:x}")
    at = shown.index("   +0x02e Alerted          :")
    assert shown[at + 1 : at + 3] == ["    [00] 0x1 ''", "    [01] 0x2 ''"]
    assert "      +0x004 SignalState      : 0n0" in shown
    assert sum(line.startswith("    [0") for line in shown) > 6
    first_only = dt(target, f"-a1 _KTHREAD {PAGE:x} Alerted")
    assert first_only[1:] == ["   +0x02e Alerted :", "    [00] 0x1 ''"]


def test_v_and_o(target: FakeTarget) -> None:
    shown = dt(target, "-v nt!_KTHREAD")
    assert (
        shown[1] == f"struct _KTHREAD, {len(TYPES.struct('_KTHREAD').fields)} elements, 0x1c0 bytes"
    )
    assert (
        shown[2] == "   +0x000 Header           : struct _DISPATCHER_HEADER, 6 elements, 0x10 bytes"
    )
    assert dt(target, "-v _MMPTE")[2].endswith("union __unnamed, 9 elements, 0x8 bytes")
    assert dt(target, "-o _LIST_ENTRY")[1] == "   Flink            : Ptr32 _LIST_ENTRY"


def test_a_list_of_processes(target: FakeTarget) -> None:
    """The command that the public documentation of dt shows."""
    for at, following, name, pid in (
        (PAGE, 0x80550400, b"System", 4),
        (0x80550400, PAGE, b"a.exe", 8),
    ):
        target.put_number(at + 0x84, pid)
        target.put_number(at + 0x88, following + 0x88)
        target.put(at + 0x174, name)
    shown = dt(target, f"nt!_EPROCESS -l ActiveProcessLinks.Flink -y Ima -yoi Uni {PAGE:x}")
    assert shown == [
        "ActiveProcessLinks.Flink at 0x80550000",
        "-" * 45,
        "UniqueProcessId : 0x00000004 Void",
        'ImageFileName : [16]  "System"',
        "",
        "ActiveProcessLinks.Flink at 0x80550400",
        "-" * 45,
        "UniqueProcessId : 0x00000008 Void",
        'ImageFileName : [16]  "a.exe"',
        "",
    ]


def test_missing_memory_is_marked_field_by_field(target: FakeTarget) -> None:
    shown = dt(target, "_KTRAP_FRAME 80551fa0")
    assert "   +0x05c Ebx              : 0" in shown
    assert "   +0x060 Ebp              : ??" in shown
    assert shown[-1] == "Memory read error 80552000"


def test_lists_of_types_and_enumerations(target: FakeTarget) -> None:
    assert dt(target, "nt!_KPR*")[0] == "          nt!_KPRCB"
    assert dt(target, "nt!_ZZ*") == ["Symbol nt!_ZZ* not found."]
    assert dt(target, "_KINTERRUPT_MODE") == [
        "ntdll!_KINTERRUPT_MODE",
        "   LevelSensitive = 0n0",
        "   Latched = 0n1",
    ]
    assert dt(target, "_NOSUCH 1000") == ["Symbol _NOSUCH not found."]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Type name missing from 'dt'"),
        ("-q _KTHREAD", "Unknown option '-q'"),
        ("_KTHREAD 80550000 1000", "Extra character error at '1000'"),
        ("_KTHREAD poi(0)", "Memory access error at ')'"),
        ("_EPROCESS -l ActiveProcessLinks.Flink", "Numeric expression missing from '<EOL>'"),
        ("_EPROCESS -l NoSuch 80550000", "Cannot find specified field members."),
        ("_EPROCESS -l ExitStatus 80550000", "Type conflict error at 'ExitStatus'"),
    ],
)
def test_mistakes_are_one_line(target: FakeTarget, text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=f"^{re.escape(message)}$"):
        dt(target, text)


WORDS = st.sampled_from(
    ["_KTHREAD", "nt!_EPROCESS", "_LIST_ENTRY", "nt!_KP*", "_POOL_TYPE", "-r1", "-b", "-a2", "-v",
     "-y", "-l", "-oi", "Pcb.", "Pcb.Header.", "ActiveProcessLinks.Flink", "*", "T*", "a.b..c",
     "80550000", "ffffffff", "@eax", "+", "1000", "poi(80550000)", "-", "!", "."]
)  # fmt: skip


@given(st.lists(WORDS, max_size=6))
def test_any_words_give_lines_or_one_error(words: list[str]) -> None:
    target = FakeTarget()
    target.put(PAGE, bytes(0x1000))
    try:
        shown = dt(target, " ".join(words))
    except ExpressionError as error:
        assert "\n" not in str(error)
    else:
        assert shown
        assert all("\n" not in line for line in shown)
