"""The listings of the study, as `ntgate kd` prints them, and what they say of the live machine.

study_listings.txt has them as they are in the study; the command of the KTRAP_FRAME listing,
which the study leaves out, is added.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gate.gate_machine import DebuggedMachine
from gate.ntgate_command import kd_answers, run_ntgate

LISTINGS = (Path(__file__).parent / "study_listings.txt").read_text(encoding="utf-8")
_IDA_LINE = re.compile(r"\.text:([0-9A-F]{8}) ((?:mov|call|lea|int|retn)\b.*)")


def plain(line: str) -> str:
    """A line without the student's comment and without its layout."""
    return " ".join(line.partition("//")[0].split())


def kd_listings() -> list[tuple[str, list[str]]]:
    blocks = [block.splitlines() for block in LISTINGS.split("\n\n")]
    return [
        (plain(first.removeprefix("kd> ")), [plain(line) for line in rest])
        for first, *rest in blocks
        if first.startswith("kd> ")
    ]


def ida_listing() -> list[tuple[int, str]]:
    """(address, instruction) of the two IDA listings."""
    found = []
    for line in LISTINGS.splitlines():
        instruction = _IDA_LINE.match(line)
        if instruction:
            text = plain(instruction[2].partition(";")[0]).replace(", ", ",")
            found.append((int(instruction[1], 16), text.replace("retn", "ret")))
    return found


COMMANDS = [command for command, _ in kd_listings()]


@pytest.fixture(scope="module")
def answers() -> dict[str, list[str]]:
    done = run_ntgate("kd", "-c", "; ".join(COMMANDS))
    assert (done.returncode, done.stderr) == (0, "")
    return dict(kd_answers(done.stdout))


def test_the_study_has_ten_listings() -> None:
    assert COMMANDS == [
        "dt _KUSER_SHARED_DATA 0xffdf0000",
        "u 0x7c92e4f0",
        "rdmsr 174",
        "rdmsr 175",
        "rdmsr 176",
        "u 805426e0",
        "dt _KTRAP_FRAME",
        "r idtr",
        "dq 8003f400 + 2e*8",
        "u 80542611",
    ]
    assert len(ida_listing()) == 7


@pytest.mark.parametrize(("command", "listing"), kd_listings(), ids=COMMANDS)
def test_a_listing_of_the_study(
    command: str, listing: list[str], answers: dict[str, list[str]]
) -> None:
    printed = [plain(line) for line in answers[command]]
    assert printed[: len(listing)] == listing
    if command.startswith(("dt", "rdmsr", "r ")) or len(listing) > 8:
        assert len(printed) == len(listing)


def test_operands_are_spelt_as_in_the_study(answers: dict[str, list[str]]) -> None:
    entry = answers["u 805426e0"]
    assert "805426e9 8ed9            mov     ds,cx" in entry
    assert "805426ed 648b0d40000000  mov     ecx,dword ptr fs:[40h]" in entry


def test_the_ida_listings_by_u() -> None:
    done = run_ntgate("kd", "-c", "u 7c92df60 l4; u 7c92e500 l3")
    assert done.returncode == 0
    printed = []
    for line in done.stdout.splitlines():
        row = re.match(r"([0-9a-f]{8}) [0-9a-f]+ +(\w.*)", line)
        if row:
            printed.append((int(row[1], 16), " ".join(row[2].split())))
    assert printed == ida_listing()


def test_the_ida_listings_as_bytes() -> None:
    machine = DebuggedMachine()
    stub = bytes.fromhex("b812010000 ba0003fe7f ff12 c22400")
    gate = bytes.fromhex("8d542408 cd2e c3")
    assert machine.target.read(0x7C92DF60, len(stub)) == stub
    assert machine.target.read(0x7C92E500, len(gate)) == gate
    assert "b8 12 01 00 00 ba 00 03-fe 7f ff 12 c2 24 00" in machine.kd("db 7c92df60 lf")


def test_shared_user_data_is_one_page_at_two_addresses() -> None:
    machine = DebuggedMachine()
    machine.kd("ed 7ffe02d0 119")
    assert "SuiteMask        : 0x119" in machine.kd("dt _KUSER_SHARED_DATA 0xffdf0000")
    machine.kd("ed ffdf02d0 11a")
    assert "SuiteMask        : 0x11a" in machine.kd("dt _KUSER_SHARED_DATA 0x7ffe0000")
    assert machine.kd("!pte 7ffe0000").count("pfn 41 ") == 1
    assert machine.kd("!pte ffdf0000").count("pfn 41 ") == 1


def test_the_listings_follow_the_machine() -> None:
    machine = DebuggedMachine()
    driver = machine.run_driver(
        """
DriverEntry:
        mov     byte ptr [KiFastCallEntry+1], 24h
        mov     byte ptr [8003F570h], 34h       ; the low byte of the gate of vector 2e
        mov     ecx, 176h
        xor     edx, edx
        lea     eax, [DriverEntry]
        wrmsr
        ret
"""
    )
    assert "b924000000      mov     ecx,24h" in machine.kd("u 805426e0 l1")
    assert "8054ee00`00082634" in machine.kd("dq 8003f400 + 2e*8 l1")
    entry = driver["DriverEntry"]
    assert machine.kd("rdmsr 176") == f"msr[176] = 00000000`{entry:08x}\n"


def test_the_trap_frame_of_a_call_has_the_callers_registers() -> None:
    machine = DebuggedMachine()
    machine.kd("bp ntdll!KiFastSystemCall", "g", "g")
    user = {name: machine.value(f"@{name}") for name in "ebp ebx esi edi esp efl".split()}
    machine.kd("g nt!NtWriteFile")
    frame = machine.value("poi(@$thread+134)")
    assert frame == machine.value("poi(@$thread+18)") - 0x29C
    listing = machine.kd(f"dt _KTRAP_FRAME {frame:x}")
    fields = dict(re.findall(r"\+0x\w+ (\w+) +: (0x[0-9a-f]+|0)$", listing, re.M))
    saved = {name: int(value, 16) for name, value in fields.items()}
    assert saved["Eip"] == saved["DbgEip"] == 0x7C92E4F4
    assert saved["DbgArgMark"] == 0xBADB0D00
    assert saved["DbgArgPointer"] == user["esp"] + 8
    assert (saved["SegCs"], saved["HardwareSegSs"], saved["SegFs"]) == (0x1B, 0x23, 0x3B)
    assert saved["HardwareEsp"] == user["esp"]
    assert saved["EFlags"] == user["efl"]
    for name in ("ebp", "ebx", "esi", "edi"):
        assert saved[name.capitalize()] == user[name]
