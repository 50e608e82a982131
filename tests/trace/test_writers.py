"""Lines of text, JSON and summaries from records that tests make."""

from __future__ import annotations

import io
import json
from itertools import count
from typing import Any

import pytest

import ntgate.services.all  # noqa: F401
from ntgate.dispatch.tables import services_by_name
from ntgate.trace.json_writer import JsonLinesWriter
from ntgate.trace.places import Site
from ntgate.trace.plans import Planner
from ntgate.trace.record import CallRecord
from ntgate.trace.structures import StructureDecoder
from ntgate.trace.summary_writer import SummaryWriter
from ntgate.trace.text_writer import TextOptions, TextWriter
from ntgate.trace.values import Bytes, Word

STUB = Site("sysenter", "ntdll+0xe4f2", False, "prog+0x10", "prog!main+0x10")
DIRECT = Site("int2e", "prog+0x20", True, "prog+0x22", "prog+0x22")
SEQ = count(1)
PLANNER = Planner(StructureDecoder(32), with_names=False)


def record(service: str, args: dict[str, Any], out: dict[str, Any] | None = None, *,
           status: int | None = 0, tid: int = 8, site: Site = STUB) -> CallRecord:  # fmt: skip
    number = services_by_name()[service]
    plan = PLANNER.plan(number)
    names = [each.name for each in plan.inputs]
    raw = [args.get(each.name, None if each.decode else 0) for each in plan.inputs]
    made = CallRecord(next(SEQ), 4, tid, service, number.number, plan, raw, 1_000_000)
    made.out = {names.index(name): value for name, value in (out or {}).items()}
    made.status, made.site = status, site
    return made


def text(*records: CallRecord, **options: bool) -> str:
    out = io.StringIO()
    writer = TextWriter(out, TextOptions(**options))
    for each in records:
        writer.call(each)
    return out.getvalue()


CLOSE = {"Handle": 0x10}
ALLOCATE = {
    "ProcessHandle": 0xFFFFFFFF, "BaseAddress": Word("0x0"), "ZeroBits": 0,
    "RegionSize": Word("0x2345"), "AllocationType": 0x1000, "Protect": 4,
}  # fmt: skip


def test_a_plain_call() -> None:
    assert text(record("NtClose", CLOSE)) == (
        "NtClose(Handle=0x10) = STATUS_SUCCESS <sysenter prog!main+0x10>\n"
    )


def test_a_hook_and_a_window_procedure() -> None:
    hook = {"inst": 0, "module": None, "tid": 8, "id": 13, "proc": 0x401000, "ansi": 1}
    line = text(record("NtUserSetWindowsHookEx", hook, status=0x10020))
    assert "id=WH_KEYBOARD_LL, proc=0x401000, " in line
    window = {"hwnd": 0x10020, "offset": 0xFFFFFFFC, "newval": 0x3D0000, "ansi": 1}
    line = text(record("NtUserSetWindowLong", window, status=0x401000))
    assert "offset=GWL_WNDPROC, newval=0x3d0000, ansi=TRUE) = 0x401000 <" in line


def test_a_direct_call_is_marked() -> None:
    assert text(record("NtClose", CLOSE, status=0xC0000008, site=DIRECT)) == (
        "NtClose(Handle=0x10) = STATUS_INVALID_HANDLE <DIRECT int2e prog+0x22 at prog+0x20>\n"
    )


def test_outputs_stand_in_the_place_of_their_pointers() -> None:
    out = {"BaseAddress": Word("0x130000"), "RegionSize": Word("0x2345")}
    line = text(record("NtAllocateVirtualMemory", ALLOCATE, out))
    assert "BaseAddress=[0x0 => 0x130000], " in line
    assert "RegionSize=[0x2345], AllocationType=MEM_COMMIT" in line


def test_null_optional_arguments_are_left_out_but_for_the_whole_form() -> None:
    args = {
        "FileHandle": 0x10, "Event": 0, "ApcRoutine": 0, "ApcContext": 0,
        "IoStatusBlock": 0x12FF00,
        "Buffer": Bytes(b"ab", more=False), "Length": 2, "ByteOffset": None, "Key": None,
    }  # fmt: skip
    block = {"IoStatusBlock": {"Status": Word("STATUS_SUCCESS"), "Information": 2}}
    assert text(record("NtWriteFile", args, block)).startswith(
        'NtWriteFile(FileHandle=0x10, IoStatusBlock={Information=2}, Buffer="ab", Length=2) = '
    )
    whole = text(record("NtWriteFile", args, block), whole=True)
    assert "Event=0x0, ApcRoutine=0x0, ApcContext=0x0, IoStatusBlock={Status=" in whole
    assert whole.index("ByteOffset=NULL, Key=NULL)") > 0


def test_a_call_that_waits_is_unfinished_and_resumed() -> None:
    out = io.StringIO()
    writer = TextWriter(out, TextOptions())
    args = {"FileHandle": 0x10, "IoStatusBlock": 0x20, "Buffer": 0x30}
    wait = record("NtReadFile", {**args, "Length": 5})
    writer.unfinished(wait)
    writer.call(record("NtClose", CLOSE, tid=12))
    wait.out = {5: Bytes(b"x", more=False)}
    writer.call(wait)
    assert out.getvalue().splitlines() == [
        "[4.8] NtReadFile(FileHandle=0x10, IoStatusBlock=0x20, Buffer=0x30, Length=5 "
        "<unfinished ...>",
        "[4.12] NtClose(Handle=0x10) = STATUS_SUCCESS <sysenter prog!main+0x10>",
        '[4.8] <... NtReadFile resumed>Buffer="x") = STATUS_SUCCESS <sysenter prog!main+0x10>',
    ]


def test_a_call_that_never_returns() -> None:
    assert ") = ? <" in text(record("NtClose", CLOSE, status=None))


def test_injected_and_missing_are_marked() -> None:
    injected = record("NtClose", CLOSE, status=0xC0000022)
    injected.injected = True
    assert "= STATUS_ACCESS_DENIED (INJECTED) <" in text(injected)
    missing = record("NtClose", CLOSE, status=0xC0000002)
    missing.missing = True
    assert "= STATUS_NOT_IMPLEMENTED (UNIMPLEMENTED) <" in text(missing)


def test_times() -> None:
    first, second = record("NtClose", CLOSE), record("NtClose", CLOSE)
    second.clock, second.ended = 1_015_000, 2_015_000
    lines = text(first, second, relative=True, spent=True).splitlines()
    assert lines[0].startswith("0.000000 NtClose") and lines[0].endswith(" <0.000000>")
    assert lines[1].startswith("0.001500 NtClose") and lines[1].endswith(" <0.100000>")


def test_the_time_of_day_and_the_number_of_a_service() -> None:
    line = text(record("NtClose", CLOSE), absolute=True, numbers=True)
    assert line.startswith("0.100000 [0x19] NtClose(Handle=0x10) = ")


def test_a_dump_is_below_its_call() -> None:
    made = record("NtClose", CLOSE)
    made.dumps = [("Buffer", b"0123456789abcdef\xff\n")]
    assert text(made).splitlines()[1:] == [
        " * 18 bytes of Buffer",
        " | 00000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  0123456789abcdef |",
        " | 00010  ff 0a                                             ..               |",
    ]
    out = io.StringIO()
    JsonLinesWriter(out).call(made)
    assert json.loads(out.getvalue())["dump"] == {"Buffer": "30313233343536373839616263646566ff0a"}


def test_another_process_makes_it_several() -> None:
    out = io.StringIO()
    writer = TextWriter(out, TextOptions())
    writer.event(4, 0, 0, "process start", {"parent": 0})
    writer.event(12, 0, 0, "process start", {"parent": 4})
    assert out.getvalue() == (
        "--- process start parent=0 ---\n[12] --- process start parent=4 ---\n"
    )


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("time", ["NtYieldExecution", "NtClose", "NtTestAlert"]),
        ("calls", ["NtClose", "NtYieldExecution", "NtTestAlert"]),
        ("errors", ["NtTestAlert", "NtYieldExecution", "NtClose"]),
        ("name", ["NtClose", "NtTestAlert", "NtYieldExecution"]),
    ],
)
def test_the_order_of_a_summary(order: str, expected: list[str]) -> None:
    out = io.StringIO()
    writer = SummaryWriter(out, order)
    slow = record("NtYieldExecution", {})
    slow.ended += 100
    close = record("NtClose", CLOSE)
    close.ended += 10
    for each in (slow, close, close, record("NtTestAlert", {}, status=0xC0000008)):
        writer.call(each)
    writer.close()
    assert [line.split()[-1] for line in out.getvalue().splitlines()[2:5]] == expected


def test_a_stack_is_below_its_call() -> None:
    with_stack = record("NtClose", CLOSE)
    with_stack.stack = ["prog!main+0x10 [0x401010]"]
    assert text(with_stack).splitlines()[1] == " > prog!main+0x10 [0x401010]"


def test_a_line_is_broken_between_arguments() -> None:
    line = text(record("NtAllocateVirtualMemory", ALLOCATE), width=60)
    assert line.splitlines() == [
        "NtAllocateVirtualMemory(ProcessHandle=NtCurrentProcess,",
        "    BaseAddress=[0x0], ZeroBits=0x0, RegionSize=[0x2345],",
        "    AllocationType=MEM_COMMIT,",
        "    Protect=PAGE_READWRITE) = STATUS_SUCCESS",
        "    <sysenter prog!main+0x10>",
    ]
    assert line.replace("\n    ", " ") == text(record("NtAllocateVirtualMemory", ALLOCATE))
    assert text(record("NtClose", CLOSE), width=70).count("\n") == 1


def test_what_is_too_long_for_a_line_is_broken_without_blanks_of_its_own() -> None:
    name = "\\??\\C:\\" + "folder\\" * 5
    attributes = {"ObjectName": name, "Attributes": Word("OBJ_CASE_INSENSITIVE")}
    asked = record("NtDeleteFile", {"ObjectAttributes": attributes}, status=0xC0000034)
    whole = text(asked)
    assert text(asked, width=60).splitlines() == [
        "NtDeleteFile(",
        f"    ObjectAttributes={{ObjectName=\"{name}\",",
        "    Attributes=OBJ_CASE_INSENSITIVE})",
        "    = STATUS_OBJECT_NAME_NOT_FOUND <sysenter prog!main+0x10>",
    ]
    for width in range(70, len(whole)):
        line = text(asked, width=width)
        assert line.replace("(\n    ", "(").replace("\n    ", " ") == whole


def test_what_failed_in_win32k_tells_the_last_error() -> None:
    made = record("NtUserDestroyWindow", {"hwnd": 5}, status=0)
    made.last_error = 1400
    assert "(hwnd=0x5) = FALSE (error 1400) <" in text(made)


def test_colour_is_for_terminals_alone() -> None:
    assert "\x1b" not in text(record("NtClose", CLOSE, status=0xC0000008))
    assert "\x1b[31mSTATUS_INVALID_HANDLE\x1b[0m" in text(
        record("NtClose", CLOSE, status=0xC0000008), colour=True
    )


@pytest.mark.parametrize("status", [0, None])
def test_a_json_line_has_the_documented_keys_in_order(status: int | None) -> None:
    out = io.StringIO()
    JsonLinesWriter(out).call(record("NtClose", CLOSE, status=status))
    row = json.loads(out.getvalue())
    assert list(row) == [
        "seq", "pid", "tid", "service", "number", "gate", "gate_at", "direct", "caller", "args",
        "out", "status", "status_name", "clock",
    ]  # fmt: skip
    assert row["args"] == {"Handle": "0x10"} and row["caller"] == "prog+0x10"
    assert row["status_name"] == (None if status is None else "STATUS_SUCCESS")


def test_json_keeps_every_byte_and_every_code_unit() -> None:
    out = io.StringIO()
    args = {"Buffer": Bytes(bytes(range(256)), more=False), "ByteOffset": "\ud800\u2028"}
    made = record("NtWriteFile", args)
    JsonLinesWriter(out).call(made)
    assert out.getvalue().isascii() and out.getvalue().count("\n") == 1
    row = json.loads(out.getvalue())
    assert row["args"]["Buffer"].encode("latin-1") == bytes(range(256))
    assert row["args"]["ByteOffset"] == "\ud800\u2028"


def test_a_summary() -> None:
    out = io.StringIO()
    writer = SummaryWriter(out)
    slow = record("NtReadFile", {})
    slow.ended += 20_000_000
    for each in (record("NtClose", CLOSE), slow, record("NtClose", CLOSE, status=0xC0000008)):
        writer.call(each)
    writer.close()
    rows = [line.split() for line in out.getvalue().splitlines()]
    assert rows[0] == ["%", "time", "seconds", "usecs/call", "calls", "errors", "service"]
    assert rows[2] == ["100.00", "2.000000", "2000000", "1", "NtReadFile"]
    assert rows[3] == ["0.00", "0.000000", "0", "2", "1", "NtClose"]
    assert rows[-1] == ["100.00", "2.000000", "666667", "3", "1", "total"]
