"""kd with real programs: the kernel's own records agree with what the programs see."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from gate.ntgate_command import kd_answers, run_ntgate
from ntgate.loader.userland import Userland

Guest = Callable[[str], Path]
Rows = dict[str, list[list[int]]]


def ask(*commands: str, program: list[str], folder: Path | None = None) -> list[list[str]]:
    """The lines of each command's answer; what fails is a test's failure."""
    done = run_ntgate("kd", "-c", "; ".join(commands), *program, folder=folder)
    answers = kd_answers(done.stdout)
    assert [name for name, _lines in answers] == list(commands), done.stdout
    assert done.stderr == ""
    return [lines for _name, lines in answers]


@cache
def own_view(program: Path) -> tuple[Rows, dict[str, list[str]]]:
    """What the program says of itself, by the first word; and what kd says at that moment."""
    asked = ("!process 0 0", "!process -1 2", "!handle 0 1", "!address", "!vad", "!teb", "!peb",
             "~", "dt _EPROCESS @$proc ActiveThreads NumberOfVads UniqueProcessId")  # fmt: skip
    said, *answers = ask("g", *asked, program=[str(program)])
    rows: Rows = {}
    for line in said:
        word, *numbers = line.split()
        if word in ("self", "process", "thread", "handle", "region"):
            rows.setdefault(word, []).append([int(number, 16) for number in numbers])
    return rows, dict(zip(asked, answers, strict=True))


@pytest.fixture
def views(userland: Userland, guest: Guest) -> tuple[Rows, dict[str, list[str]]]:
    assert userland.names
    return own_view(guest("own_view"))


def test_process_lists_and_ids(views: tuple[Rows, dict[str, list[str]]]) -> None:
    said, kd = views
    heads = re.findall(r"Cid: (\w+) .* ParentCid: (\w+)", "\n".join(kd["!process 0 0"]))
    assert [[int(cid, 16), int(parent, 16)] for cid, parent in heads] == [
        row[:2] for row in said["process"] if row[0]
    ]
    pid, tid, peb, teb = said["self"][0]
    head = next(line for line in kd["!process -1 2"] if line.startswith("PROCESS"))
    assert f"Cid: {pid:04x}    Peb: {peb:08x}" in head
    listed = re.findall(r"Id: (\w+)\.(\w+) .*Teb: (\w+)", "\n".join(kd["~"]))
    assert [[int(text, 16) for text in row[:2]] for row in listed] == [
        row for row in said["thread"] if row[0] == pid
    ]
    assert (f"{pid:x}", f"{tid:x}", f"{teb:08x}") in listed
    assert kd["!teb"][0] == f"TEB at {teb:08x}"
    assert kd["!peb"][0] == f"PEB at {peb:08x}"


def test_threads_and_what_they_wait_for(views: tuple[Rows, dict[str, list[str]]]) -> None:
    said, kd = views
    text = "\n".join(kd["!process -1 2"])
    states = re.findall(r"THREAD \w+  Cid (\w+)\.(\w+) .* (RUNNING|WAIT)", text)
    pid, tid, *_rest = said["self"][0]
    assert [state for _pid, _tid, state in states] == ["RUNNING", "WAIT", "WAIT"]
    assert [int(states[0][0], 16), int(states[0][1], 16)] == [pid, tid]
    # Both wait for the event, whose handle is the first that the program has made.
    waited = set(re.findall(r"(\w{8})  NotificationEvent", text))
    assert len(waited) == 1
    assert int(waited.pop(), 16) in [body for _handle, body, _access in said["handle"]]


def test_the_handle_table(views: tuple[Rows, dict[str, list[str]]]) -> None:
    said, kd = views
    row = re.compile(r"(\w+): Object: (\w+)  GrantedAccess: (\w+) ")
    found = [row.match(line) for line in kd["!handle 0 1"]]
    rows = [[int(text, 16) for text in match.groups()] for match in found if match]
    assert rows == said["handle"]
    assert f"with {len(said['handle'])} entries in use" in "\n".join(kd["!handle 0 1"])


PROTECTIONS = {
    "PAGE_NOACCESS": 1, "PAGE_READONLY": 2, "PAGE_READWRITE": 4, "PAGE_WRITECOPY": 8,
    "PAGE_EXECUTE": 0x10, "PAGE_EXECUTE_READ": 0x20, "PAGE_EXECUTE_READWRITE": 0x40,
    "PAGE_EXECUTE_WRITECOPY": 0x80, "PAGE_GUARD": 0x100, "": 0,
}  # fmt: skip
SHARED_USER_DATA = 0x7FFE0000  # the program's walk ends below it
STATES = {"MEM_COMMIT": 0x1000, "MEM_RESERVE": 0x2000, "MEM_FREE": 0x10000}
TYPES = {"": 0, "MEM_PRIVATE": 0x20000, "MEM_MAPPED": 0x40000, "MEM_IMAGE": 0x1000000}


def test_the_address_space(views: tuple[Rows, dict[str, list[str]]]) -> None:
    said, kd = views
    shown = []
    for line in kd["!address"][2:]:
        base, _end, size = (int(text, 16) for text in line[2:].split()[:3])
        kind, state, protect = line[29:40].strip(), line[41:52].strip(), line[53:87].strip()
        bits = sum(PROTECTIONS[name] for name in protect.split("|"))
        if base < SHARED_USER_DATA:
            shown.append([base, size, STATES[state], bits, TYPES[kind]])
    assert shown == [row[:5] for row in said["region"]]
    pid, _tid, _peb, _teb = said["self"][0]
    uses = "\n".join(kd["!address"])
    for number in range(3):
        assert f"Stack [~{number}; {pid:x}." in uses
    assert 'kernel32.dll"]' in uses


def test_the_vad_tree(views: tuple[Rows, dict[str, list[str]]]) -> None:
    said, kd = views
    nodes = [line.split() for line in kd["!vad"] if re.match(r"\w{8} \(", line)]
    starts = [int(re.split(r"\) +", " ".join(node))[1].split()[0], 16) << 12 for node in nodes]
    allocations = {row[5] for row in said["region"] if row[2] != STATES["MEM_FREE"]}
    assert starts == sorted(allocations)
    own = next(line for line in kd["!vad"] if line.endswith(".exe"))
    assert own.split()[-4:-1] == ["Mapped", "Exe", "EXECUTE_WRITECOPY"]
    assert own.endswith("\\own_view.exe")
    count = next(line for line in kd["dt _EPROCESS @$proc ActiveThreads NumberOfVads "
                                     "UniqueProcessId"] if "NumberOfVads" in line)  # fmt: skip
    assert int(count.split(":")[1], 0) == len(nodes)


def test_a_program_and_its_child(userland: Userland, tmp_path: Path) -> None:
    """cmd.exe waits for a second one: each is looked at from the other."""
    assert userland.names
    first, listed, heads, chosen, peb, waiting, stack, back, own = ask(
        "bp nt!NtWriteFile", "g", "!process 0 0 cmd.exe", ".process c", "!peb", "!thread 10 6",
        "~0 k 6", ".thread", "!peb",
        program=["cmd.exe", "/c", "cmd /c echo inner"], folder=tmp_path,
    )  # fmt: skip
    assert first == [] and "Breakpoint 0 hit" in listed
    ids = re.findall(r"Cid: (\w+) .* ParentCid: (\w+)", "\n".join(heads))
    assert ids == [("000c", "0004"), ("0014", "000c")]
    address = re.findall(r"PROCESS (\w{8}) ", "\n".join(heads))[0]
    assert chosen == [f"Implicit process is now {address}"]
    assert any("CommandLine:" in line and "/c cmd /c echo inner" in line.replace('"', "")
               for line in peb)  # fmt: skip
    assert "WAIT: (UserRequest) UserMode" in waiting[0]
    assert any(line.endswith("  ProcessObject") for line in waiting)
    for rows in (waiting, stack):
        assert any(line.endswith("nt!KiSwapThread+0x25") for line in rows)
        assert any("kernelbase!WaitForSingleObject" in line or "ntdll!NtWaitFor" in line
                   for line in rows)  # fmt: skip
    assert back[0].startswith("Implicit thread is now ")
    assert any("CommandLine:" in line and "/c cmd" not in line for line in own)


def test_events_of_a_program(userland: Userland, tmp_path: Path) -> None:
    assert userland.names
    sets, notes, also, loaded, last, modules, ended = ask(
        "sxe ld:kernel32", "sxn ct", "sxe epr", "g", ".lastevent", "lm m k*", "g",
        program=["cmd.exe", "/c", "exit 7"], folder=tmp_path,
    )  # fmt: skip
    assert sets == notes == also == []
    assert re.match(r"ModLoad: \w{8} \w{8}   kernel32\.dll$", loaded[0])
    assert last[0].startswith("Last event: c.10: ModLoad: ")
    assert [line.split()[2] for line in modules[1:]] == ["kernel32"]
    assert "Exit process c, code 7" in ended
