"""Corrupted and truncated PE files: an NTSTATUS or one clear line, whatever is wrong with them."""

from __future__ import annotations

import random
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from corrupted_images import random_changes, single_changes, truncations, whole_image

from gate.consistency import check_machine
from gate.guest_run import GuestRun
from ntgate.cli import main
from ntgate.errors import NtError, UsageError
from ntgate.executive.mm.fault import user_memory
from ntgate.executive.mm.files import BytesFile
from ntgate.executive.mm.image import parse_image
from ntgate.executive.mm.relocate import relocate
from ntgate.executive.mm.section import create_section, delete_section
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.mm.view import map_view, unmap_view
from ntgate.image.pe_view import exports_of
from ntgate.layout import ntstatus
from ntgate.layout.mm import SEC_IMAGE
from ntgate.loader.programs import load_program
from ntgate.machine import Machine
from ntgate.memory.user import AccessViolation

PAGE_READONLY, PAGE_EXECUTE_READ = 0x02, 0x20
ELSEWHERE = 0x1000_0000
MOST_BYTES = 0x40000  # of a view that are touched
SEED, RANDOM = 20, 2_000
PROGRAMS, IN_GUEST, ON_COMMAND_LINE = 2_000, 400, 60


def mutants() -> Iterator[bytes]:
    """Some six thousand files."""
    whole = whole_image()
    yield from truncations(whole)
    yield from single_changes(whole)
    yield from random_changes(whole, SEED, RANDOM)


def sample(count: int) -> list[bytes]:
    return random.Random(SEED).sample(list(mutants()), count)


def status_of(file: bytes) -> int:
    """What the headers' check says."""
    try:
        parse_image(BytesFile(file))
    except NtError as error:
        return error.status
    return ntstatus.STATUS_SUCCESS


def use_view(space: ProcessSpace, base: int, size: int) -> None:
    """Move the image to where it is, read and write it all."""
    try:
        relocate(space, base)
    except NtError as error:
        assert error.status in (
            ntstatus.STATUS_INVALID_IMAGE_FORMAT, ntstatus.STATUS_CONFLICTING_ADDRESSES
        )  # fmt: skip
    memory = user_memory(space)
    for address in range(base, base + min(size, MOST_BYTES), 0x1000):
        for touch in (memory.u16, lambda at: memory.set_u16(at, 0)):
            try:
                touch(address)
            except AccessViolation as violation:
                assert violation.status == ntstatus.STATUS_ACCESS_VIOLATION


def test_the_image_that_the_others_come_from_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "whole.exe"
    path.write_bytes(whole_image())
    machine = Machine()
    process = machine.start(path)
    machine.run()
    assert process.exit_status == 42
    assert dict(exports_of(whole_image())) == {"Alpha": 0x1000, "Beta": 0x1004}


def test_the_memory_manager_maps_a_mutant_or_says_why_not() -> None:
    machine = Machine()
    process = machine.executive.processes.create_process("mutants", None)
    space, manager = process.space, machine.executive.mm
    charged, statuses = manager.committed, set()
    for file in mutants():
        status = status_of(file)
        statuses.add(status)
        try:
            section = create_section(manager, PAGE_EXECUTE_READ, SEC_IMAGE, file=BytesFile(file))
        except NtError as error:
            assert error.status == status or status == ntstatus.STATUS_SUCCESS
            continue
        for base in (0, ELSEWHERE):
            try:
                view = map_view(space, section, PAGE_READONLY, base=base)
            except NtError:
                continue
            use_view(space, view.base, view.size)
        delete_section(section)
        for node in list(space.vads):
            unmap_view(space, space.vads.view(node).StartingVpn << 12)
        exports_of(file)
        assert manager.committed == charged
    assert len(statuses) > 4
    check_machine(machine)


def test_a_program_file_is_taken_or_refused_in_one_line() -> None:
    taken = refused = 0
    for file in sample(PROGRAMS):
        try:
            load_program("mutant.exe", file)
            taken += 1
        except UsageError as error:
            refused += 1
            assert str(error).startswith("mutant.exe is ")
            assert str(error).isprintable()
    assert min(taken, refused) > 100


def test_a_guest_gets_the_status_of_each_mutant(guest: Callable[[str], Path]) -> None:
    files = sample(IN_GUEST)
    typed = struct.pack("<I", len(files))
    typed += b"".join(struct.pack("<I", len(file)) + file for file in files)
    run = GuestRun(guest("hostile_images"), typed=typed)
    lines = run.finish().splitlines()
    assert lines.pop() == "passed"
    readable = 0
    for file, line in zip(files, lines, strict=True):
        created, *mapped = (int(word, 16) for word in line.split())
        if not mapped:
            assert created == status_of(file) != ntstatus.STATUS_SUCCESS
        else:
            readable += mapped[1]
    assert readable > IN_GUEST
    check_machine(run.machine)


def test_the_command_line_says_in_one_line_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    codes = set()
    for index, file in enumerate(sample(ON_COMMAND_LINE)):
        path = tmp_path / f"mutant{index}.exe"
        path.write_bytes(file)
        monkeypatch.setattr(sys, "argv", ["ntgate", "run", "--time-limit", "10", str(path)])
        with pytest.raises(SystemExit) as left:
            main()
        codes.add(left.value.code)
        said = capfd.readouterr()
        assert said.out == ""
        assert len(said.err.splitlines()) <= 1, said.err
        if left.value.code == 2:
            assert said.err.startswith("ntgate: ")
            assert path.name in said.err or "ntdll has no" in said.err
    assert {2, 42} <= codes
