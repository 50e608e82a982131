"""A guest program that makes calls of every kind, and what a trace shows of them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ENTRY = "from ntgate.cli import main; main()"
BuildGuest = Callable[[str], Path]


def trace(tmp_path: Path, program: Path, *words: str) -> list[str]:
    """The lines of a trace; the program must have passed its own checks."""
    out = tmp_path / "trace"
    done = subprocess.run(
        [sys.executable, "-c", ENTRY, "trace", "-o", str(out), *words, str(program)],
        capture_output=True, text=True, timeout=100, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert done.stdout == "passed\n"
    return out.read_text(encoding="utf-8").splitlines()


def rows(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def of_program(lines: list[str]) -> list[str]:
    """The calls that the program itself makes, without where and without thread."""
    ours = [line for line in lines if re.search(r"<(DIRECT )?\w+ traced_calls\+", line)]
    return [
        re.sub(r"^\[\d+\.\d+\] ", "", re.sub(r" <(?:DIRECT )?\w+ traced_calls\+[^>]*>$", "", line))
        for line in ours
    ]


GOLDEN = [
    r'NtCreateFile(FileHandle=[H], DesiredAccess=FILE_GENERIC_READ|FILE_GENERIC_WRITE, '
    r'ObjectAttributes={ObjectName="\Device\Null", Attributes=OBJ_CASE_INSENSITIVE}, '
    r'IoStatusBlock={Information=FILE_OPENED}, FileAttributes=FILE_ATTRIBUTE_NORMAL, '
    r'ShareAccess=FILE_SHARE_READ|FILE_SHARE_WRITE, CreateDisposition=FILE_OPEN, '
    r'CreateOptions=FILE_SYNCHRONOUS_IO_NONALERT) = STATUS_SUCCESS',
    r'NtWriteFile(FileHandle=H<\Device\Null>, IoStatusBlock={Information=55}, '
    r'Buffer="line one\r\n\x01\xff\"\\ and a tail that i"..., Length=55, ByteOffset=16) '
    r'= STATUS_SUCCESS',
    r'NtWriteFile(FileHandle=H<\Device\Null>, IoStatusBlock={Information=18}, '
    r'Buffer=L"wide text", Length=18) = STATUS_SUCCESS',
    r'NtWriteFile(FileHandle=H<\Device\Null>, IoStatusBlock=H, Buffer="l", Length=1) '
    r'= STATUS_ACCESS_VIOLATION',
    r'NtClose(Handle=H<\Device\Null>) = STATUS_SUCCESS',
    r'NtOpenFile(FileHandle=H, DesiredAccess=FILE_GENERIC_READ, ObjectAttributes={ObjectName='
    r'"\??\C:\no such<U+2028> file", Attributes=OBJ_CASE_INSENSITIVE}, IoStatusBlock=H, '
    r'ShareAccess=0, OpenOptions=0) = STATUS_OBJECT_NAME_NOT_FOUND',
    r'NtCreateKey(KeyHandle=[H], DesiredAccess=KEY_ALL_ACCESS, ObjectAttributes={ObjectName='
    r'"\Registry\Machine\Software\Traced", Attributes=OBJ_CASE_INSENSITIVE}, TitleIndex=0, '
    r'CreateOptions=0) = STATUS_SUCCESS',
    r'NtSetValueKey(KeyHandle=H<\REGISTRY\MACHINE\SOFTWARE\Traced>, ValueName="number", '
    r'Type=REG_DWORD, SystemData=H, DataSize=4) = STATUS_SUCCESS',
    r'NtSetValueKey(KeyHandle=H<\REGISTRY\MACHINE\SOFTWARE\Traced>, ValueName="text", '
    r'Type=REG_SZ, SystemData="some text", DataSize=20) = STATUS_SUCCESS',
    r'NtQueryValueKey(KeyHandle=H<\REGISTRY\MACHINE\SOFTWARE\Traced>, ValueName="text", '
    r'KeyValueInformationClass=KeyValuePartialInformation, KeyValueInformation={TitleIndex=0, '
    r'Type=REG_SZ, Data="some text"}, Length=64, ResultLength=[32]) = STATUS_SUCCESS',
    r'NtClose(Handle=H<\REGISTRY\MACHINE\SOFTWARE\Traced>) = STATUS_SUCCESS',
    r'NtAllocateVirtualMemory(ProcessHandle=NtCurrentProcess, BaseAddress=[H => H], ZeroBits=H, '
    r'RegionSize=[H => H], AllocationType=MEM_COMMIT|MEM_RESERVE, '
    r'Protect=PAGE_EXECUTE_READWRITE) = STATUS_SUCCESS',
    r'NtQueryVirtualMemory(ProcessHandle=NtCurrentProcess, BaseAddress=H, '
    r'MemoryInformationClass=MemoryBasicInformation, MemoryInformation={BaseAddress=H, '
    r'AllocationBase=H, AllocationProtect=PAGE_EXECUTE_READWRITE, RegionSize=H, '
    r'State=MEM_COMMIT, Protect=PAGE_EXECUTE_READWRITE, Type=MEM_PRIVATE}, '
    r'MemoryInformationLength=H) = STATUS_SUCCESS',
    r'NtProtectVirtualMemory(ProcessHandle=NtCurrentProcess, BaseAddress=[H], RegionSize=[H], '
    r'NewProtect=PAGE_READONLY|PAGE_GUARD, OldProtect=[PAGE_EXECUTE_READWRITE]) = STATUS_SUCCESS',
    r'NtFreeVirtualMemory(ProcessHandle=NtCurrentProcess, BaseAddress=[H], RegionSize=[H => H], '
    r'FreeType=MEM_RELEASE) = STATUS_SUCCESS',
    r'NtClose(Handle=H) = STATUS_INVALID_HANDLE',
    r'NtClose(Handle=H) = STATUS_INVALID_HANDLE',
    r'NtCreateEvent(EventHandle=[H], DesiredAccess=EVENT_ALL_ACCESS, '
    r'EventType=SynchronizationEvent, InitialState=FALSE) = STATUS_SUCCESS',
]  # fmt: skip


def test_the_text_of_every_kind_of_call(tmp_path: Path, guest: BuildGuest) -> None:
    lines = of_program(trace(tmp_path, guest("traced_calls")))
    without_numbers = [re.sub(r"\b0x[0-9a-f]+", "H", line) for line in lines]
    assert without_numbers[: len(GOLDEN)] == GOLDEN


def test_a_wait_is_unfinished_while_the_other_thread_runs(
    tmp_path: Path, guest: BuildGuest
) -> None:
    lines = trace(tmp_path, guest("traced_calls"), "-e", "event=thread")
    numbers = [re.sub(r"^\[\d+\.(\d+)\] .*", r"\1", line) for line in lines]
    waits = [i for i, line in enumerate(lines) if "NtWaitForSingleObject(" in line]
    first = lines[waits[0]]
    waiting = r"\(ObjectHandle=0x\w+<Event>, Alertable=FALSE <unfinished \.\.\.>"
    assert re.search(waiting + "$", first)
    waiter = numbers[waits[0]]
    started = waits[0] + 1
    assert "--- thread start" in lines[started] and numbers[started] != waiter
    resumed = next(i for i, line in enumerate(lines) if "<... NtWait" in line)
    assert lines[resumed].startswith(f"[{first.split('.')[0][1:]}.{waiter}] <... NtWaitFor")
    assert ") = STATUS_SUCCESS <sysenter traced_calls+" in lines[resumed]
    between = [line for line in lines[started:resumed] if "NtSetEvent(" in line]
    assert len(between) == 1
    (ended,) = [i for i, line in enumerate(lines) if "NtTerminateThread(" in line]
    assert ") = ? <" in lines[ended] and "--- thread exit status=7 ---" in lines[ended + 1]


def test_gates_outside_of_ntdll(tmp_path: Path, guest: BuildGuest) -> None:
    program = guest("traced_calls")
    jsonl = ("--format", "jsonl", "-e", "event=none")
    direct = rows(trace(tmp_path, program, *jsonl, "-e", "%direct"))
    assert [(row["service"], row["gate"]) for row in direct] == [
        ("NtClose", "sysenter"), ("NtClose", "int2e"),
    ]  # fmt: skip
    for row in direct:
        assert row["direct"] and row["gate_at"].startswith("traced_calls+")
    every = rows(trace(tmp_path, program, *jsonl))
    assert sum(row["direct"] for row in every) == 2
    assert {row["gate_at"] for row in every if not row["direct"]} == {"ntdll+0xe4f2"}


EVASIONS = {
    "0x7000": r"<DIRECT sysenter 0x\w+ at 0x\w+>",  # a sysenter of its own, in private memory
    "0x7010": r"<INDIRECT sysenter evasive_calls\+0x\w+ through 0x\w+>",  # a stub's copy
    "0x7020": r"<DIRECT int2e evasive_calls\+0x\w+ at evasive_calls\+0x\w+>",
    "0x7030": r"<INDIRECT sysenter evasive_calls\+0x\w+ through ntdll!KiFastSystemCall\+0x2>",
    "0x7040": r"<INDIRECT sysenter evasive_calls\+0x\w+ through ntdll!NtDeleteKey\+0xc>",
    "0x7050": r"<INDIRECT sysenter evasive_calls\+0x\w+ through ntdll@\w+!NtClose\+0xc>",
    "0x7060": r"<UNCALLED sysenter ntdll!KiFastSystemCallRet>",
    "0x7070": r"<sysenter evasive_calls\+0x\w+>",
}


@pytest.mark.usefixtures("userland")
def test_every_way_past_the_stubs_is_marked(tmp_path: Path, guest: BuildGuest) -> None:
    program = guest("evasive_calls")
    lines = trace(tmp_path, program, "-e", "NtClose", "-e", "event=none")
    shown = dict(re.findall(r"^NtClose\(Handle=(0x70\w+)\) = \w+ (<.*>)$", "\n".join(lines), re.M))
    assert shown.keys() == EVASIONS.keys()
    for handle, expected in EVASIONS.items():
        assert re.fullmatch(expected, shown[handle]), (handle, shown[handle])
    marked = rows(trace(tmp_path, program, "--format", "jsonl", "-e", "event=none",
                        "-e", "%direct,%indirect"))  # fmt: skip
    told = {row["args"]["Handle"]: row for row in marked}
    assert told.keys() == EVASIONS.keys() - {"0x7070"}
    assert told["0x7040"]["indirect"] and told["0x7040"]["through"] == "ntdll!NtDeleteKey+0xc"
    assert told["0x7060"]["uncalled"] and not told["0x7060"]["direct"]


@pytest.mark.usefixtures("userland")
def test_code_in_private_memory_and_addresses_are_told(tmp_path: Path, guest: BuildGuest) -> None:
    """Once for the pages that run near each other; a base by the function that it is in."""
    program = guest("evasive_calls")
    words = ("-e", "event=code", "-e", "dump=NtQueryVirtualMemory", "-e", "NtQueryVirtualMemory")
    lines = trace(tmp_path, program, *words)
    started, unpacked = [line for line in lines if line.startswith("--- code start ")]
    assert re.fullmatch(
        r"--- code start address=evasive_calls\+0x\w+ base=0x\w+ size=0x\w+ "
        r"protect=PAGE_EXECUTE_READWRITE memory=image ---", unpacked,
    )  # fmt: skip
    assert re.fullmatch(
        r"--- code start address=(0x\w+) base=\1 size=0x1000 protect=PAGE_EXECUTE_READWRITE "
        r"memory=private ---", started,
    )  # fmt: skip
    (asked,) = [at for at, line in enumerate(lines) if " evasive_calls+" in line]
    assert re.search(r"BaseAddress=0x\w+<ntdll!NtClose>, ", lines[asked])
    assert lines[asked + 1] == " * 28 bytes of MemoryInformation"
    again = trace(tmp_path, program, "-A", "-e", "none", *words[:2])
    assert again == [*lines, started, unpacked]


def test_json_lines_are_in_the_order_of_completion(
    tmp_path: Path, guest: BuildGuest
) -> None:
    lines = rows(trace(tmp_path, guest("traced_calls"), "--format", "jsonl", "-T"))
    calls = [row for row in lines if "service" in row]
    assert sorted(row["seq"] for row in calls) == list(range(1, len(calls) + 1))
    (delay,) = [row for row in calls if row["service"] == "NtDelayExecution"]
    wait = next(row for row in calls if row["service"] == "NtWaitForSingleObject")
    assert wait["seq"] < delay["seq"] and calls.index(wait) > calls.index(delay)
    assert wait["time"] >= delay["time"] >= 300_000
    assert {row["event"] for row in lines if "event" in row} == {
        "process start", "process exit", "thread start", "thread exit", "module load",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["traced_calls", "process_native"])
@pytest.mark.parametrize("form", ["text", "jsonl"])
def test_two_traces_are_byte_identical(
    tmp_path: Path, guest: BuildGuest, name: str, form: str
) -> None:
    program = guest(name)
    first = trace(tmp_path, program, "--format", form)
    assert first == trace(tmp_path, program, "--format", form)
    assert len(first) > 30


def test_stacks(tmp_path: Path, guest: BuildGuest) -> None:
    lines = trace(tmp_path, guest("traced_calls"), "-k", "-e", "NtSetValueKey")
    call = next(i for i, line in enumerate(lines) if line.startswith("NtSetValueKey("))
    stack = [line for line in lines[call + 1 : call + 4] if line.startswith(" > ")]
    own = r" > traced_calls\+0x[0-9a-f]+ \[0x40[0-9a-f]+\]"
    assert re.fullmatch(own, stack[0]) and re.fullmatch(own, stack[1])
    assert stack[-1].startswith(" > ntdll!RtlUserThreadStart+")


def test_an_injected_fault_is_an_event_too(tmp_path: Path, guest: BuildGuest) -> None:
    out, inject = tmp_path / "trace", "inject=NtSetValueKey:status=STATUS_ACCESS_DENIED:when=2"
    subprocess.run(
        [sys.executable, "-c", ENTRY, "trace", "-o", str(out), "--format", "jsonl", "-e", inject,
         str(guest("traced_calls"))],
        capture_output=True, timeout=100, check=False, cwd=tmp_path,
    )  # fmt: skip
    lines = rows(out.read_text().splitlines())
    (fault,) = [row for row in lines if row.get("event") == "fault injected"]
    first, second = [row for row in lines if row.get("service") == "NtSetValueKey"]
    assert (fault["name"], fault["seq"]) == ("NtSetValueKey", second["seq"])
    assert first["status_name"] == "STATUS_SUCCESS" and "injected" not in first
    assert second["status_name"] == "STATUS_ACCESS_DENIED" and second["injected"] is True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_trace_is_whole(
    tmp_path: Path, guest: BuildGuest, number: signal.Signals
) -> None:
    out = tmp_path / "trace"
    running = subprocess.Popen(
        [sys.executable, "-c", ENTRY, "trace", "-o", str(out), "--format", "jsonl",
         str(guest("endless_calls"))],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (out.exists() and out.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(number)
    _output, errors = running.communicate(timeout=60)
    assert b"Traceback" not in errors
    lines = rows(out.read_text().splitlines())
    assert lines[0]["event"] == "process start"
    assert lines[-1].get("service") == "NtYieldExecution"


def test_a_file_for_each_process(tmp_path: Path, guest: BuildGuest) -> None:
    assert trace_files(tmp_path, guest("process_native"), "-ff") == []
    files = sorted(tmp_path.glob("trace.*"))
    assert len(files) > 1
    for file in files:
        first = file.read_text().splitlines()[0]
        assert first.startswith("--- process start image=")
        pids = re.findall(r"^\[(\d+)", file.read_text(), re.MULTILINE)
        assert set(pids) <= {file.name.rpartition(".")[2]}
    assert "--- process exit status=" in files[0].read_text()


def trace_files(tmp_path: Path, program: Path, *words: str) -> list[Path]:
    """Traces it; the files that a trace has without -ff."""
    out = tmp_path / "trace"
    subprocess.run(
        [sys.executable, "-c", ENTRY, "trace", "-o", str(out), *words, str(program)],
        capture_output=True, timeout=100, check=True, cwd=tmp_path,
    )  # fmt: skip
    return [out] if out.exists() else []


def test_calls_that_name_a_path(tmp_path: Path, guest: BuildGuest) -> None:
    program = guest("traced_calls")
    lines = trace(tmp_path, program, "-P", "software\\traced", "-e", "event=none")
    names = [line.partition("(")[0] for line in lines]
    assert names == [
        "NtCreateKey", "NtSetValueKey", "NtSetValueKey", "NtQueryValueKey", "NtClose",
    ]  # fmt: skip
    rows_of_file = rows(trace(tmp_path, program, "-P", "/device/null", "-e", "event=none",
                              "--format", "jsonl"))  # fmt: skip
    assert {row["service"] for row in rows_of_file} == {"NtCreateFile", "NtWriteFile", "NtClose"}
