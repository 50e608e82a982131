"""Sections of the paging file and of data files: creation, views, sharing, writing back."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from itertools import product

import pytest
from mm_machine import MmMachine

from ntgate.errors import NtError
from ntgate.executive.mm import pte
from ntgate.executive.mm.allocate import allocate
from ntgate.executive.mm.copy import copy_virtual
from ntgate.executive.mm.fault import access_fault, user_memory
from ntgate.executive.mm.file_data import read_through, write_through
from ntgate.executive.mm.free import free
from ntgate.executive.mm.protect import protect
from ntgate.executive.mm.query import mapped_file_name, query, working_set
from ntgate.executive.mm.residence import flush_view
from ntgate.executive.mm.section import (
    SECTION_BODY_SIZE,
    Section,
    create_section,
    delete_section,
    extend_section,
)
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.mm.view import VIEW_NO_CHANGE, are_mapped_files_the_same, map_view, unmap_view
from ntgate.layout import ntstatus as s
from ntgate.layout.mm import (
    CONTROL_AREA,
    MEM_COMMIT,
    MEM_DECOMMIT,
    MEM_MAPPED,
    MEM_RELEASE,
    MEM_RESERVE,
    MEM_TOP_DOWN,
    MMPFN,
    MMVAD,
    PAGE_EXECUTE,
    PAGE_EXECUTE_READ,
    PAGE_EXECUTE_READWRITE,
    PAGE_EXECUTE_WRITECOPY,
    PAGE_GUARD,
    PAGE_NOACCESS,
    PAGE_READONLY,
    PAGE_READWRITE,
    PAGE_WRITECOPY,
    SEC_COMMIT,
    SEC_FILE,
    SEC_IMAGE,
    SEC_NO_CHANGE,
    SEC_RESERVE,
    SECTION_OBJECT,
    SEGMENT,
    SUBSECTION,
)
from ntgate.layout.status_names import name_of

MACHINE = MmMachine(commit_limit=0x5000)


class MemoryFile:
    """A file in memory that counts what is asked of it."""

    name = "\\Device\\HarddiskVolume1\\data.bin"

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.writes: list[tuple[int, int]] = []

    @property
    def identity(self) -> Hashable:
        return id(self)

    @property
    def version(self) -> Hashable:
        return id(self), bytes(self.data)

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self.data[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        assert offset + len(data) <= len(self.data)
        self.writes.append((offset, len(data)))
        self.data[offset : offset + len(data)] = data

    def extend(self, size: int) -> None:
        self.data.extend(bytes(size - len(self.data)))


class Scene:
    """Two processes, and sections that are deleted with them."""

    def __init__(self) -> None:
        self.one, self.other = MACHINE.process(), MACHINE.process()
        self.sections: list[Section] = []

    def section(
        self, protection: int = PAGE_READWRITE, kind: int = SEC_COMMIT, **keywords: object
    ) -> Section:
        section = create_section(MACHINE.manager, protection, kind, **keywords)  # type: ignore[arg-type]
        self.sections.append(section)
        return section

    def close(self, section: Section) -> None:
        self.sections.remove(section)
        delete_section(section)


@pytest.fixture
def scene() -> Iterator[Scene]:
    manager = MACHINE.manager
    before = manager.frames.available
    manager.take_stale()  # what other tests have left
    scene = Scene()
    yield scene
    for section in scene.sections:
        delete_section(section)
    for space in (scene.one, scene.other):
        manager.delete_space(space)
    assert manager.frames.available == before
    assert (manager.committed, manager.segments, manager.file_segments) == (0, {}, {})


def refused(status: int, function: object, *arguments: object, **keywords: object) -> None:
    assert callable(function)
    with pytest.raises(NtError) as caught:
        function(*arguments, **keywords)
    assert name_of(caught.value.status) == name_of(status)


@pytest.mark.parametrize(
    ("protection", "kind", "keywords", "status"),
    [
        (PAGE_READWRITE, 0, {"size": 1}, s.STATUS_INVALID_PARAMETER_6),
        (PAGE_READWRITE, SEC_COMMIT | SEC_RESERVE, {"size": 1}, s.STATUS_INVALID_PARAMETER_6),
        (PAGE_READWRITE, SEC_COMMIT | SEC_IMAGE, {"size": 1}, s.STATUS_INVALID_PARAMETER_6),
        (PAGE_READWRITE, SEC_COMMIT | 1, {"size": 1}, s.STATUS_INVALID_PARAMETER_6),
        (PAGE_READWRITE, SEC_COMMIT, {}, s.STATUS_INVALID_PARAMETER_4),
        (PAGE_READWRITE, SEC_IMAGE, {}, s.STATUS_INVALID_FILE_FOR_SECTION),
        (PAGE_NOACCESS, SEC_COMMIT, {"size": 1}, s.STATUS_INVALID_PAGE_PROTECTION),
        (PAGE_READONLY | PAGE_GUARD, SEC_COMMIT, {"size": 1}, s.STATUS_INVALID_PAGE_PROTECTION),
        (0, SEC_COMMIT, {"size": 1}, s.STATUS_INVALID_PAGE_PROTECTION),
        (PAGE_READWRITE, SEC_COMMIT, {"size": 1 << 40}, s.STATUS_SECTION_TOO_BIG),
        (PAGE_READWRITE, SEC_COMMIT, {"size": 0x5001000}, s.STATUS_COMMITMENT_LIMIT),
        (PAGE_READWRITE, SEC_COMMIT, {"file": MemoryFile(b"")}, s.STATUS_MAPPED_FILE_SIZE_ZERO),
        (PAGE_READONLY, SEC_COMMIT, {"file": MemoryFile(b"x"), "size": 2},
         s.STATUS_SECTION_TOO_BIG),
    ],
)  # fmt: skip
def test_a_wrong_section_says_why(
    scene: Scene, protection: int, kind: int, keywords: dict[str, object], status: int
) -> None:
    refused(status, scene.section, protection, kind, **keywords)
    assert MACHINE.manager.committed == 0


def test_the_guest_sees_the_section(scene: Scene) -> None:
    section = scene.section(size=0x12345)
    section.write_body(MACHINE.pool.allocate(SECTION_BODY_SIZE, b"Sect"))
    view = map_view(scene.one, section, PAGE_READONLY, offset=0x10000)
    kernel = MACHINE.kernel
    segment = SEGMENT(kernel, SECTION_OBJECT(kernel, section.address).Segment)
    area = CONTROL_AREA(kernel, segment.ControlArea)
    assert (area.Segment, area.Commit, area.File) == (segment.address, 1, 0)
    assert (area.NumberOfSectionReferences, area.NumberOfMappedViews) == (1, 1)
    assert (segment.TotalNumberOfPtes, segment.SizeOfSegment) == (0x13, 0x13000)
    vad = MMVAD(kernel, scene.one.vads.find(view.base >> 12))
    assert (vad.ControlArea, vad.FileOffset) == (area.address, 1)
    assert vad.FirstPrototypePte == segment.PrototypePte + 0x10 * 8
    assert vad.LastContiguousPte == segment.PrototypePte + 0x12 * 8
    assert MACHINE.pool.tag(vad.address) == b"Vad "
    sub = SUBSECTION(kernel, area.address + CONTROL_AREA.SIZE)
    assert (sub.ControlArea, sub.PtesInSubsection) == (area.address, 0x13)


def test_views_share_pages(scene: Scene) -> None:
    section = scene.section(size=0x20000)
    assert MACHINE.manager.committed == 0x20
    one = map_view(scene.one, section, PAGE_READWRITE)
    other = map_view(scene.other, section, PAGE_READWRITE, offset=0x10000)
    assert (one.size, other.size) == (0x20000, 0x10000)
    user_memory(scene.one).write(one.base + 0x1FFFF, b"!")
    user_memory(scene.other).write(other.base, b"?")
    assert user_memory(scene.other).read(other.base + 0xFFFF, 1) == b"!"
    assert user_memory(scene.one).read(one.base + 0x10000, 1) == b"?"
    assert working_set(scene.one) == [
        one.base + 0x10000 | 0x100 | 2 << 5 | 4, one.base + 0x1F000 | 0x100 | 2 << 5 | 4,
    ]  # fmt: skip
    scene.close(section)  # the views keep the pages
    unmap_view(scene.one, one.base + 0x1234)
    assert query(scene.one, one.base).State == 0x10000
    assert user_memory(scene.other).read(other.base, 1) == b"?"
    unmap_view(scene.other, other.base)
    assert MACHINE.manager.committed == 0
    refused(s.STATUS_NOT_MAPPED_VIEW, unmap_view, scene.other, other.base)


def test_copies_are_private(scene: Scene) -> None:
    section = scene.section(size=0x2000)
    shared = map_view(scene.one, section, PAGE_READWRITE).base
    copied = map_view(scene.other, section, PAGE_WRITECOPY).base
    memory, other = user_memory(scene.one), user_memory(scene.other)
    memory.write(shared, b"shared")
    assert other.read(copied, 6) == b"shared"
    other.write(copied, b"COPY")
    other.write(copied + 0x1000, b"zero")  # a page that nobody had
    assert other.read(copied, 6) == b"COPYed"
    memory.write(shared, b"again!")
    assert (memory.read(shared, 6), memory.read(shared + 0x1000, 4)) == (b"again!", bytes(4))
    assert other.read(copied, 6) == b"COPYed"
    assert scene.other.process.CommitCharge == 2
    assert query(scene.other, copied).Protect == PAGE_READWRITE
    assert protect(scene.other, copied, 1, PAGE_WRITECOPY)[2] == PAGE_READWRITE
    assert query(scene.other, copied).Protect == PAGE_READWRITE
    unmap_view(scene.other, copied)
    assert scene.other.process.CommitCharge == 0


def test_a_copy_needs_commitment(scene: Scene) -> None:
    section = scene.section(size=0x2000)
    base = map_view(scene.one, section, PAGE_WRITECOPY).base
    before = MACHINE.manager.frames.available
    scene.one.process.CommitChargeLimit = 1
    assert access_fault(scene.one, base, 2) == s.STATUS_SUCCESS
    assert access_fault(scene.one, base + 0x1000, 2) == s.STATUS_COMMITMENT_LIMIT
    assert MACHINE.manager.frames.available >= before - 2  # the copy and a page table


@pytest.mark.parametrize(
    ("keywords", "status"),
    [
        ({"zero_bits": 22}, s.STATUS_INVALID_PARAMETER_4),
        ({"inherit": 3}, s.STATUS_INVALID_PARAMETER_8),
        ({"allocation_type": 1}, s.STATUS_INVALID_PARAMETER_9),
        ({"base": 0x7FFE0000}, s.STATUS_INVALID_PARAMETER_3),
        ({"base": 0x7FFD0000}, s.STATUS_INVALID_PARAMETER_3),
        ({"base": 0x101000}, s.STATUS_MAPPED_ALIGNMENT),
        ({"offset": 0x1000}, s.STATUS_MAPPED_ALIGNMENT),
        ({"offset": 0x30000}, s.STATUS_INVALID_VIEW_SIZE),
        ({"size": 0x30001}, s.STATUS_INVALID_VIEW_SIZE),
        ({"offset": 0x10000, "size": 0x20001}, s.STATUS_INVALID_VIEW_SIZE),
        ({"base": 0x10000}, s.STATUS_CONFLICTING_ADDRESSES),
        ({"protect": 0}, s.STATUS_INVALID_PAGE_PROTECTION),
        ({"protect": PAGE_EXECUTE_READ}, s.STATUS_SECTION_PROTECTION),
    ],
)
def test_a_wrong_view_says_why(scene: Scene, keywords: dict[str, int], status: int) -> None:
    section = scene.section(size=0x30000)
    allocate(scene.one, 0x20000, 0x1000, 0x2000, PAGE_READWRITE)
    refused(
        status, map_view, scene.one, section, **({"protect": PAGE_READWRITE} | keywords)
    )
    assert scene.one.process.NumberOfVads == 1


def test_where_views_go(scene: Scene) -> None:
    section = scene.section(size=0x10000)
    assert map_view(scene.one, section, PAGE_READONLY).base == 0x10000
    top = map_view(scene.one, section, PAGE_READONLY, allocation_type=MEM_TOP_DOWN).base
    assert top == 0x7FFD0000
    assert map_view(scene.one, section, PAGE_READONLY, base=0x400000, size=1).size == 0x1000


# What Wine's tests of VirtualProtect on views find on Windows.
READ = {PAGE_NOACCESS, PAGE_READONLY, PAGE_WRITECOPY}
RUN = READ | {PAGE_EXECUTE, PAGE_EXECUTE_READ, PAGE_EXECUTE_WRITECOPY}
ALLOWED = {
    PAGE_READONLY: READ,
    PAGE_READWRITE: READ | {PAGE_READWRITE},
    PAGE_WRITECOPY: READ,
    PAGE_EXECUTE_READ: RUN,
    PAGE_EXECUTE_READWRITE: RUN | {PAGE_READWRITE, PAGE_EXECUTE_READWRITE},
    PAGE_EXECUTE_WRITECOPY: RUN,
}


@pytest.mark.parametrize("touched", [False, True])
def test_a_view_can_be_made_only_what_it_is_granted(scene: Scene, touched: bool) -> None:
    section = scene.section(PAGE_EXECUTE_READWRITE, size=0x1000)
    for granted, wanted in product(ALLOWED, ALLOWED[PAGE_EXECUTE_READWRITE]):
        base = map_view(scene.one, section, granted).base
        if touched:
            user_memory(scene.one).read(base, 1)
        if wanted in ALLOWED[granted]:
            assert protect(scene.one, base, 1, wanted)[2] == granted
            assert query(scene.one, base).Protect == wanted
            status = access_fault(scene.one, base, 0)
            assert (status == s.STATUS_SUCCESS) == (wanted != PAGE_NOACCESS)
            assert query(scene.one, base).Protect == wanted
            assert protect(scene.one, base, 1, granted)[2] == wanted
        else:
            refused(s.STATUS_SECTION_PROTECTION, protect, scene.one, base, 1, wanted)
        assert query(scene.one, base).Protect == granted
        unmap_view(scene.one, base)


def test_a_guard_page_of_a_view(scene: Scene) -> None:
    base = map_view(scene.one, scene.section(size=0x1000), PAGE_READWRITE).base
    user_memory(scene.one).write(base, b"kept")
    protect(scene.one, base, 1, PAGE_READWRITE | PAGE_GUARD)
    assert access_fault(scene.one, base, 0) == s.STATUS_GUARD_PAGE_VIOLATION
    assert query(scene.one, base).Protect == PAGE_READWRITE
    assert user_memory(scene.one).read(base, 4) == b"kept"


def test_a_view_that_may_not_change(scene: Scene) -> None:
    section = scene.section(PAGE_READWRITE, SEC_COMMIT | SEC_NO_CHANGE, size=0x1000)
    base = map_view(
        scene.one, section, PAGE_READWRITE, allocation_type=VIEW_NO_CHANGE
    ).base
    refused(s.STATUS_INVALID_PAGE_PROTECTION, protect, scene.one, base, 1, PAGE_READONLY)


def test_reserved_sections_are_committed_for_all_views(scene: Scene) -> None:
    section = scene.section(PAGE_READWRITE, SEC_RESERVE, size=0x10000)
    one = map_view(scene.one, section, PAGE_READWRITE).base
    other = map_view(scene.other, section, PAGE_READONLY).base
    info = query(scene.one, one)
    assert (info.State, info.Protect, info.RegionSize) == (MEM_RESERVE, 0, 0x10000)
    assert access_fault(scene.one, one, 0) == s.STATUS_ACCESS_VIOLATION
    refused(s.STATUS_NOT_COMMITTED, protect, scene.one, one, 1, PAGE_READONLY)
    allocate(scene.one, one + 0x4000, 0x8000, MEM_COMMIT, PAGE_READWRITE)
    allocate(scene.one, one + 0x8000, 0x2000, MEM_COMMIT, PAGE_READONLY)
    assert MACHINE.manager.committed == 8
    user_memory(scene.one).write(one + 0x4000, b"here")
    assert user_memory(scene.other).read(other + 0x4000, 4) == b"here"
    info = query(scene.other, other + 0x4000)
    assert (info.RegionSize, info.Protect, info.Type) == (0x8000, PAGE_READONLY, MEM_MAPPED)
    assert query(scene.one, one + 0x4000).RegionSize == 0x4000
    assert query(scene.one, one + 0x8000).Protect == PAGE_READONLY
    refused(s.STATUS_UNABLE_TO_DELETE_SECTION, free, scene.one, one, 0x1000, MEM_DECOMMIT)
    refused(s.STATUS_UNABLE_TO_DELETE_SECTION, free, scene.one, one, 0, MEM_RELEASE)
    committed = map_view(scene.one, scene.section(size=0x2000), PAGE_READWRITE).base
    allocate(scene.one, committed, 1, MEM_COMMIT, PAGE_READONLY)
    assert query(scene.one, committed).Protect == PAGE_READONLY
    file = scene.section(PAGE_READWRITE, file=MemoryFile(bytes(0x1000)), size=0)
    mapped = map_view(scene.one, file, PAGE_READWRITE).base
    refused(
        s.STATUS_ALREADY_COMMITTED, allocate, scene.one, mapped, 1, MEM_COMMIT, PAGE_READWRITE
    )


def test_a_file_is_read_when_it_is_touched_and_written_when_it_was(scene: Scene) -> None:
    file = MemoryFile(b"abc" * 0x1000)
    section = scene.section(PAGE_READWRITE, file=file, size=0)
    assert section.information() == (0, SEC_FILE, 0x3000)
    assert MACHINE.manager.committed == 0
    base = map_view(scene.one, section, PAGE_READWRITE).base
    memory = user_memory(scene.one)
    assert memory.read(base + 0x1000, 6) == file.data[0x1000:0x1006]
    memory.write(base + 0x2000, b"XYZ")
    assert flush_view(scene.one, base + 1, 0) == (base, 0x3000)
    assert (file.writes, file.read(0x2000, 3)) == ([(0x2000, 0x1000)], b"XYZ")
    assert MACHINE.manager.take_stale() == (False, [base + 0x2000])
    flush_view(scene.one, base, 0x3000)
    assert len(file.writes) == 1
    memory.write(base + 0x2000, b"!")  # a new first write
    unmap_view(scene.one, base)
    scene.close(section)
    assert file.data[0x2000:0x2003] == b"!YZ"
    assert len(file.writes) == 2


def test_two_sections_of_a_file_and_the_file_agree(scene: Scene) -> None:
    file = MemoryFile(b"0123456789" * 100)
    one = map_view(scene.one, scene.section(PAGE_READWRITE, file=file), PAGE_READWRITE).base
    readonly = scene.section(PAGE_READONLY, file=file)
    other = map_view(scene.other, readonly, PAGE_READONLY).base
    segment = readonly.segment
    user_memory(scene.one).write(one + 5, b"view")
    assert user_memory(scene.other).read(other, 10) == b"01234view9"
    assert read_through(segment, 3, file.read(3, 8)) == b"34view90"
    file.write(0, b"file")
    write_through(segment, 0, b"file")
    assert user_memory(scene.other).read(other, 10) == b"file4view9"
    assert user_memory(scene.one).read(one + 999, 3) == b"9\0\0"
    assert mapped_file_name(scene.one, one) == file.name
    assert are_mapped_files_the_same(scene.one, one, one) == s.STATUS_NOT_SAME_DEVICE


def test_a_file_grows_under_its_views(scene: Scene) -> None:
    file = MemoryFile(b"a" * 0x1800)
    section = scene.section(PAGE_READWRITE, file=file)
    base = map_view(scene.one, section, PAGE_READWRITE).base
    memory = user_memory(scene.one)
    memory.write(base, b"first")
    memory.write(base + 0x1000, b"second")
    assert extend_section(section, 0x1000) == 0x1800
    assert extend_section(section, 0x5000) == 0x5000
    larger = map_view(scene.one, section, PAGE_READWRITE).base
    assert query(scene.one, larger).RegionSize == 0x5000
    user_memory(scene.one).write(larger + 0x4000, b"end")
    frame = pte.frame_of(scene.one.tables.entry(base))
    described = MMPFN(MACHINE.kernel, MACHINE.manager.pfn.address + frame * MMPFN.SIZE)
    assert described.PteAddress == section.segment.prototypes
    memory.write(larger, b"FIRST")
    assert memory.read(base, 5) == b"FIRST"
    assert memory.read(larger + 0x17FF, 2) == b"a\0"
    third = scene.section(PAGE_READWRITE, file=file, size=0x6000)
    assert (third.size, file.size) == (0x6000, 0x6000)
    last = map_view(scene.one, third, PAGE_READWRITE).base
    assert memory.read(last + 0x4000, 3) == b"end"
    refused(
        s.STATUS_SECTION_NOT_EXTENDED, extend_section, scene.section(size=0x1000), 0x2000
    )


def test_a_file_that_was_truncated(scene: Scene) -> None:
    file = MemoryFile(b"a" * 0x3000)
    base = map_view(scene.one, scene.section(PAGE_READONLY, file=file), PAGE_READONLY).base
    del file.data[0x1800:]
    assert access_fault(scene.one, base + 0x1000, 0) == s.STATUS_SUCCESS
    assert user_memory(scene.one).read(base + 0x17FF, 2) == b"a\0"
    assert access_fault(scene.one, base + 0x2000, 0) == s.STATUS_IN_PAGE_ERROR


def test_a_file_that_cannot_be_read(scene: Scene) -> None:
    class Broken(MemoryFile):
        def read(self, offset: int, size: int) -> bytes:
            raise NtError(s.STATUS_DEVICE_NOT_READY)

    file = Broken(b"a" * 0x1000)
    base = map_view(scene.one, scene.section(PAGE_READONLY, file=file), PAGE_READONLY).base
    assert access_fault(scene.one, base, 0) == s.STATUS_IN_PAGE_ERROR


def test_what_is_not_a_file(scene: Scene) -> None:
    base = map_view(scene.one, scene.section(size=0x1000), PAGE_READONLY).base
    private, _ = allocate(scene.one, 0, 0x1000, 0x3000, PAGE_READWRITE)
    refused(s.STATUS_FILE_INVALID, mapped_file_name, scene.one, base)
    refused(s.STATUS_INVALID_ADDRESS, mapped_file_name, scene.one, private)
    refused(s.STATUS_INVALID_ADDRESS, mapped_file_name, scene.one, 0x70000000)
    refused(s.STATUS_NOT_MAPPED_VIEW, flush_view, scene.one, private, 1)
    refused(s.STATUS_NOT_MAPPED_DATA, flush_view, scene.one, base, 1)
    assert are_mapped_files_the_same(scene.one, base, 0x70000000) == s.STATUS_INVALID_ADDRESS
    assert (
        are_mapped_files_the_same(scene.one, base, private) == s.STATUS_CONFLICTING_ADDRESSES
    )


def commit(space: ProcessSpace, size: int, protection: int = PAGE_READWRITE) -> int:
    return allocate(space, 0, size, 0x3000, protection)[0]


def test_copies_between_processes(scene: Scene) -> None:
    source, target = commit(scene.one, 0x3000), commit(scene.other, 0x3000)
    data = bytes(range(256)) * 0x28
    user_memory(scene.one).write(source + 0x123, data)
    done = copy_virtual(scene.one, source + 0x123, scene.other, target + 0x7FF, len(data))
    assert done == (s.STATUS_SUCCESS, len(data))
    assert user_memory(scene.other).read(target + 0x7FF, len(data)) == data


def test_a_copy_stops_at_the_first_page_out_of_reach(scene: Scene) -> None:
    source, target = commit(scene.one, 0x3000), commit(scene.other, 0x3000)
    protect(scene.other, target + 0x1000, 0x1000, PAGE_READONLY)
    assert copy_virtual(scene.one, source, scene.other, target, 0x3000) == (
        s.STATUS_PARTIAL_COPY, 0x1000,
    )  # fmt: skip
    protect(scene.one, source, 0x1000, PAGE_NOACCESS)
    assert copy_virtual(scene.one, source, scene.other, target, 1) == (s.STATUS_PARTIAL_COPY, 0)
    assert copy_virtual(scene.one, 0x7FFF0000, scene.other, target, 1)[1] == 0
