"""Child processes of native programs: their life, and what is left of them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from gate.consistency import check_machine
from gate.guest_run import GuestRun
from ntgate.executive.events import ModuleLoad, ProcessExit, ProcessStart, ThreadExit, ThreadStart
from ntgate.layout.ob import UNICODE_STRING
from ntgate.layout.ps import EPROCESS
from ntgate.machine import Machine
from ntgate.services.ex.system_processes import process_information

CHILD_STATUS = 41
CHILDREN = 200
WARM = 10  # children after which everything that is kept for later is there

Guest = Callable[[str], Path]


def used(machine: Machine) -> dict[str, int]:
    """Everything of the machine that a process takes, and must give back."""
    executive = machine.executive
    kinds = executive.objects.types
    return {
        "frames": -executive.mm.frames.available,
        "commit": executive.mm.committed,
        "spaces": len(executive.mm.spaces),
        "segments": len(executive.mm.segments),
        "processes": len(executive.processes.processes),
        "threads": len(executive.processes.threads),
        "ids": len(list(executive.objects.ids())),
        "pool": executive.pool._next_page,
        "stacks": executive.processes.stacks._next,
        **{name: kind.view.TotalNumberOfObjects for name, kind in kinds.items()},
    }


def test_children_made_as_xp_makes_them(guest: Guest) -> None:
    run = GuestRun(guest("process_native"))
    assert run.finish() == "passed\n"
    check_machine(run.machine)


def test_two_hundred_children_leave_nothing_behind(guest: Guest) -> None:
    run = GuestRun(guest("process_native"), arguments=["m"])
    states: list[dict[str, int]] = []
    run.machine.events.listen(
        lambda event: states.append(used(run.machine))
        if isinstance(event, ProcessStart)
        else None
    )
    assert run.finish() == "passed\n"
    assert len(states) == CHILDREN
    assert states[-1] == states[WARM]
    check_machine(run.machine)


def test_children_are_told_of_as_their_parent_is(guest: Guest) -> None:
    run = GuestRun(guest("process_native"))
    run.finish()
    started = [event for event in run.events if isinstance(event, ProcessStart)]
    parent, child = started[0].pid, started[1]
    assert (child.image, child.parent) == ("process_native.exe", parent)
    assert (started[0].command_line, child.command_line) == ("process_native.exe", "")
    of_child = [event for event in run.events if event.pid == child.pid]
    kinds = [type(event) for event in of_child]
    assert kinds == [
        ProcessStart, ModuleLoad, ModuleLoad, ThreadStart, ThreadExit, ProcessExit,
    ]  # fmt: skip
    assert [event.name for event in of_child if isinstance(event, ModuleLoad)] == [
        "ntdll.dll", "process_native.exe",
    ]  # fmt: skip
    assert [event.status for event in of_child if isinstance(event, ProcessExit)] == [CHILD_STATUS]


def test_the_run_ends_with_the_first_program_s_status(guest: Guest) -> None:
    run = GuestRun(guest("process_native"))
    run.machine.run()
    assert run.process.exit_status == 0
    processes = run.machine.executive.processes.active()
    assert [process.image_name for process in processes if not process.exited] == ["System"]


def test_a_process_hidden_from_the_list_runs_on(guest: Guest) -> None:
    run = GuestRun(guest("process_native"))
    machine = run.machine
    entry = run.process.eprocess.address + EPROCESS.ActiveProcessLinks.offset
    before, after = machine.kernel.u32(entry + 4), machine.kernel.u32(entry)
    machine.kernel.set_u32(before, after)
    machine.kernel.set_u32(after + 4, before)
    machine.kernel.set_u32(entry, entry)
    machine.kernel.set_u32(entry + 4, entry)
    assert run.process not in machine.executive.processes.active()
    assert run.finish() == "passed\n"


def listed_names(machine: Machine) -> list[str]:
    """As NtQuerySystemInformation tells them for a buffer at 10000h."""
    base, at, names = 0x10000, 0, []
    told = process_information(machine.executive, base, extended=False)
    while True:
        following, length, buffer = struct.unpack_from("<I52xH2xI", told, at)
        names.append(told[buffer - base :][:length].decode("utf-16-le") if buffer else "")
        if not following:
            return names
        at += following


def test_a_process_has_the_name_that_its_eprocess_leads_to(guest: Guest) -> None:
    run = GuestRun(guest("process_native"))
    machine, path = run.machine, run.process.image_path
    assert path.startswith("\\Device\\HarddiskVolume1\\")
    assert listed_names(machine) == ["", "System", "process_native.exe"]
    name = UNICODE_STRING(machine.kernel, run.process.eprocess.SeAuditProcessCreationInfo)
    assert (name.text, name.MaximumLength) == (path, name.Length + 2)
    name.Length -= len(".exe") * 2
    assert listed_names(machine)[-1] == "process_native"
    assert run.process.image_path == path.removesuffix(".exe")


def test_two_runs_with_children_are_the_same(guest: Guest) -> None:
    runs = [GuestRun(guest("process_native")) for _ in range(2)]
    for run in runs:
        run.finish()
    assert runs[0].events == runs[1].events


def test_a_process_without_a_section_is_a_clone(guest: Guest) -> None:
    run = GuestRun(guest("clone_process"))
    assert run.finish() == "passed\n"
    check_machine(run.machine)
    assert run.machine.executive.mm.committed == 0


def test_jobs_limit_tokens_and_form_sets(guest: Guest) -> None:
    run = GuestRun(guest("jobs"))
    assert run.finish() == "passed\n"
    check_machine(run.machine)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_clones_of_clones_keep_their_own_pages(guest: Guest, seed: str) -> None:
    run = GuestRun(guest("clone_model"), arguments=[seed])
    assert run.finish() == "passed\n"
    check_machine(run.machine)
    assert run.machine.executive.mm.committed == 0
