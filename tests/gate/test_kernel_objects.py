"""The executive's objects read and edited from kd are those that the program's calls meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from gate.gate_machine import DebuggedMachine

EVENT_ACCESS = 0x1F0003
FIRST_PAGE, LAST_PAGE = 0x10000, 0x10022


def member(machine: DebuggedMachine, kind: str, address: int, name: str) -> str:
    """The value of one member, as `dt` prints it."""
    line = machine.kd(f"dt nt!{kind} {address:x} {name}").splitlines()[-1]
    return line.partition(" : ")[2]


def number(machine: DebuggedMachine, kind: str, address: int, name: str) -> int:
    return int(member(machine, kind, address, name).split()[0], 16)


def processes(machine: DebuggedMachine) -> Iterator[int]:
    """The EPROCESSes, by PsActiveProcessHead."""
    head = entry = machine.value("nt!PsActiveProcessHead")
    offset = machine.value("@@c++(#FIELD_OFFSET(nt!_EPROCESS, ActiveProcessLinks))")
    while (entry := machine.value(f"poi({entry:x})")) != head:
        yield entry - offset


def vads(machine: DebuggedMachine, node: int) -> Iterator[tuple[int, int]]:
    """First and last page of each node below."""
    if not node:
        return
    first, last, _parent, left, right = (
        machine.value(f"poi({node + offset:x})") for offset in (0, 4, 8, 12, 16)
    )
    yield from vads(machine, left)
    yield first, last
    yield from vads(machine, right)


def at_break(guest: Callable[[str], Path]) -> tuple[DebuggedMachine, int, list[int]]:
    """Machine, EPROCESS, and the program's pid, tid and event handle."""
    machine = DebuggedMachine(guest("kernel_objects"))
    machine.kd("g")
    pid, tid, event, seen = machine.output.decode().split()
    assert seen == "1"
    ours = [p for p in processes(machine)
            if number(machine, "_EPROCESS", p, "UniqueProcessId") == int(pid, 16)]  # fmt: skip
    assert len(ours) == 1
    return machine, ours[0], [int(text, 16) for text in (pid, tid, event)]


def test_lists_handles_and_vads_agree_with_the_program(guest: Callable[[str], Path]) -> None:
    machine, process, (pid, tid, event) = at_break(guest)
    assert "kernel_objects" in member(machine, "_EPROCESS", process, "ImageFileName")

    thread = machine.value(f"poi({process:x}+190)") - 0x22C
    assert number(machine, "_ETHREAD", thread, "ThreadsProcess") == process
    assert machine.value(f"poi({thread:x}+1ec)") == pid
    assert machine.value(f"poi({thread:x}+1f0)") == tid

    table = number(machine, "_EPROCESS", process, "ObjectTable")
    entry = machine.value(f"(poi({table:x}) & fffffff8) + {event // 4 * 8:x}")
    header = machine.value(f"poi({entry:x}) & fffffff8")
    assert machine.value(f"poi({entry + 4:x}) & 1ffffff") == EVENT_ACCESS
    kind = number(machine, "_OBJECT_HEADER", header, "Type")
    assert '"Event"' in member(machine, "_OBJECT_TYPE", kind, "Name")

    ranges = list(vads(machine, number(machine, "_EPROCESS", process, "VadRoot")))
    assert (FIRST_PAGE, LAST_PAGE) in ranges
    assert ranges == sorted(ranges)


def test_a_process_that_is_unlinked_is_hidden(guest: Callable[[str], Path]) -> None:
    machine, process, _ids = at_break(guest)
    links = process + 0x88
    forward, back = machine.value(f"poi({links:x})"), machine.value(f"poi({links + 4:x})")
    machine.kd(f"ed {back:x} {forward:x}", f"ed {forward + 4:x} {back:x}")
    machine.run_to_end()
    assert machine.output.decode().splitlines()[1].split()[0] == "0"


def test_an_edited_event_and_a_taken_right_are_what_the_calls_meet(
    guest: Callable[[str], Path]
) -> None:
    machine, process, (_pid, _tid, event) = at_break(guest)
    table = number(machine, "_EPROCESS", process, "ObjectTable")
    entry = machine.value(f"(poi({table:x}) & fffffff8) + {event // 4 * 8:x}")
    body = machine.value(f"(poi({entry:x}) & fffffff8) + 18")
    machine.kd(f"ed {body + 4:x} 0")  # SignalState
    machine.kd(f"ed {entry + 4:x} 100000")  # SYNCHRONIZE is all that is left
    machine.run_to_end()
    assert machine.output.decode().splitlines()[1] == "1 00000102 c0000022"
