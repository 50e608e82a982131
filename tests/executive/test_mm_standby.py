"""Pages of an image that nobody maps any more: found again, dropped, and counted as available."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from pathlib import Path

import pytest
from mm_machine import NOWHERE, Guest, MmMachine, assemble
from test_mm_images import CODE, PLAIN, SHARED, Pe, PeSection, R, W, X

from ntgate.cpu.mmu import NO_EXECUTE, PRESENT
from ntgate.devices.host_file import HostContent
from ntgate.executive.io.content import MemoryContent, Space
from ntgate.executive.mm.fault import user_memory
from ntgate.executive.mm.files import BytesFile
from ntgate.executive.mm.section import create_section, delete_section
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.mm.view import map_view, unmap_view
from ntgate.layout.mm import (
    PAGE_EXECUTE_READ,
    PAGE_READONLY,
    PAGE_READWRITE,
    SEC_COMMIT,
    SEC_IMAGE,
)

MACHINE = MmMachine()


class CountedFile(BytesFile):
    """A file whose bytes can change; counts the reads."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.reads = 0
        self.stamp: Hashable = (id(self), 0)

    @property
    def version(self) -> Hashable:
        return self.stamp

    def read(self, offset: int, size: int) -> bytes:
        self.reads += 1
        return super().read(offset, size)

    def change(self, data: bytes) -> None:
        self._data = data
        self.stamp = (id(self), data)


@pytest.fixture
def space() -> Iterator[ProcessSpace]:
    manager = MACHINE.manager
    before = manager.frames.available
    space = MACHINE.process()
    yield space
    manager.delete_space(space)
    assert manager.frames.available == before


def mapped(space: ProcessSpace, file: BytesFile) -> int:
    section = create_section(MACHINE.manager, PAGE_EXECUTE_READ, SEC_IMAGE, file=file)
    view = map_view(space, section, PAGE_READONLY)
    delete_section(section)
    return view.base


def test_pages_are_found_again(space: ProcessSpace) -> None:
    file, memory = CountedFile(PLAIN.build()), user_memory(space)
    base = mapped(space, file)
    for page in (1, 2, 6):  # code of two pages; constants, behind three of data
        memory.read(base + page * 0x1000, 1)
    frames = space.tables.entry(base + 0x1000), space.tables.entry(base + 0x2000)
    unmap_view(space, base)
    assert MACHINE.manager.frames.on_standby == 3
    base, reads = mapped(space, file), file.reads
    assert memory.read(base + 0x1000, len(CODE)) == CODE
    memory.read(base + 0x2000, 1)
    assert (space.tables.entry(base + 0x1000), space.tables.entry(base + 0x2000)) == frames
    assert (file.reads, MACHINE.manager.frames.on_standby) == (reads, 0)
    unmap_view(space, base)


def test_data_that_is_only_read_waits_too(space: ProcessSpace) -> None:
    file, frames = CountedFile(PLAIN.build()), MACHINE.manager.frames
    waiting, seen = frames.on_standby, []
    for protect in (PAGE_READONLY, PAGE_READONLY, PAGE_READWRITE, PAGE_READONLY):
        section = create_section(MACHINE.manager, protect, SEC_COMMIT, file=file)
        base, reads = map_view(space, section, PAGE_READONLY).base, file.reads
        delete_section(section)
        assert user_memory(space).read(base, 2) == b"MZ"
        unmap_view(space, base)
        seen.append((file.reads - reads, frames.on_standby - waiting))
    assert seen == [(1, 1), (0, 1), (0, 0), (1, 1)]


def test_what_is_in_memory_of_a_cluster_comes_with_one_fault(space: ProcessSpace) -> None:
    """As far as it is protected alike: headers, constants and what a write copies stay away."""
    file, memory, tables = CountedFile(PLAIN.build()), user_memory(space), space.tables
    vm = space.process.Vm
    base = mapped(space, file)
    for page in (0, 1, 2, 3, 6):
        memory.read(base + page * 0x1000, 1)
    unmap_view(space, base)
    base, faults, pages = mapped(space, file), vm.PageFaultCount, vm.WorkingSetSize
    memory.read(base + 0x2000, 1)
    valid = [page for page in range(7) if tables.entry(base + page * 0x1000) & PRESENT]
    assert (valid, vm.PageFaultCount, vm.WorkingSetSize) == ([1, 2], faults + 1, pages + 2)
    unmap_view(space, base)
    assert vm.WorkingSetSize == pages


def test_code_that_ran_runs_again_without_a_fetch_that_faults(space: ProcessSpace) -> None:
    code = assemble(f"mov ebx, 7; mov eax, [{NOWHERE:#x}]")
    file, guest = CountedFile(Pe((PeSection(X | R, code),)).build()), Guest(MACHINE, space)
    seen = []
    for _time in range(2):
        base = mapped(space, file)
        user_memory(space).read(base + 0x1000, 1)
        seen.append(bool(space.tables.entry(base + 0x1000) & NO_EXECUTE))
        assert guest.run(base + 0x1000)["ebx"] == 7
        unmap_view(space, base)
        MACHINE.manager.take_stale()
        MACHINE.cpu.flush_tlb()
    assert seen == [True, False]


def test_a_changed_file_is_read_anew(space: ProcessSpace) -> None:
    file, memory = CountedFile(PLAIN.build()), user_memory(space)
    base = mapped(space, file)
    assert memory.read(base + 0x1000, 1) == b"\xb8"
    unmap_view(space, base)
    file.change(Pe((PeSection(X | R, b"\xc3"),)).build())
    base = mapped(space, file)
    assert memory.read(base + 0x1000, 1) == b"\xc3"
    unmap_view(space, base)


def test_a_file_that_changes_under_its_image_leaves_nothing(space: ProcessSpace) -> None:
    file, waiting = CountedFile(PLAIN.build()), MACHINE.manager.frames.on_standby
    base = mapped(space, file)
    user_memory(space).read(base + 0x1000, 1)
    file.stamp = (id(file), 1)
    unmap_view(space, base)
    assert MACHINE.manager.frames.on_standby == waiting


def test_what_views_write_together_does_not_wait(space: ProcessSpace) -> None:
    file = CountedFile(Pe((PeSection(R | W | SHARED, b"data"),)).build())
    memory, waiting = user_memory(space), MACHINE.manager.frames.on_standby
    base = mapped(space, file)
    memory.write(base + 0x1000, b"mine")
    unmap_view(space, base)
    assert MACHINE.manager.frames.on_standby == waiting
    base = mapped(space, file)
    assert memory.read(base + 0x1000, 4) == b"data"
    unmap_view(space, base)


def test_they_are_given_up_when_frames_are_scarce(space: ProcessSpace) -> None:
    frames = MACHINE.manager.frames
    file, memory = CountedFile(PLAIN.build()), user_memory(space)
    base = mapped(space, file)
    memory.read(base + 0x1000, 1)
    unmap_view(space, base)
    assert frames.on_standby
    taken = [frames.allocate() for _ in range(frames.available)]
    assert (frames.on_standby, frames.available, len(set(taken))) == (0, 0, len(taken))
    for frame in taken:
        frames.free(frame)
    base = mapped(space, file)
    assert memory.read(base + 0x1000, 1) == b"\xb8"
    unmap_view(space, base)


def test_no_more_than_so_many_wait(space: ProcessSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ntgate.executive.mm.standby.MOST_PAGES", 2)
    memory = user_memory(space)
    files = [CountedFile(PLAIN.build()) for _ in range(3)]
    for file in files:
        base = mapped(space, file)
        memory.read(base + 0x1000, 1)
        unmap_view(space, base)
    assert MACHINE.manager.frames.on_standby == 2
    first, last = (file.reads for file in (files[0], files[2]))
    for file in (files[2], files[0]):
        memory.read(mapped(space, file) + 0x1000, 1)
    assert files[2].reads - last < files[0].reads - first


def test_a_host_file_is_another_once_the_host_has_written_it(tmp_path: Path) -> None:
    path = tmp_path / "program.exe"
    path.write_bytes(b"one")
    with path.open("rb") as file:
        content = HostContent(file.fileno(), writable=False)
        copy, stamp = MemoryContent(Space(1), content), content.stamp
        assert (content.stamp, copy.stamp) == (stamp, stamp)
        path.write_bytes(b"three")
        assert content.stamp != stamp
        assert copy.stamp == content.stamp
