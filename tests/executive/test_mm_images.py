"""Image sections: which headers pass, how pages are mapped, moved images, relocation."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mm_machine import Guest, MmMachine, assemble

from ntgate.cpu.mmu import NO_EXECUTE
from ntgate.errors import NtError
from ntgate.executive.mm import pte
from ntgate.executive.mm.fault import access_fault, user_memory
from ntgate.executive.mm.files import BytesFile
from ntgate.executive.mm.image import parse_image
from ntgate.executive.mm.protect import protect
from ntgate.executive.mm.query import mapped_file_name, query
from ntgate.executive.mm.relocate import relocate
from ntgate.executive.mm.section import create_section, delete_section
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.mm.view import are_mapped_files_the_same, map_view
from ntgate.layout import ntstatus as s
from ntgate.layout.mm import (
    CONTROL_AREA,
    MEM_IMAGE,
    PAGE_EXECUTE_READ,
    PAGE_EXECUTE_READWRITE,
    PAGE_EXECUTE_WRITECOPY,
    PAGE_NOACCESS,
    PAGE_READONLY,
    PAGE_READWRITE,
    PAGE_WRITECOPY,
    SEC_COMMIT,
    SEC_IMAGE,
    SECTION_IMAGE_INFORMATION,
    SUBSECTION,
)
from ntgate.layout.status_names import name_of

MACHINE = MmMachine()
BASE = 0x0040_0000
R, W, X, SHARED = 0x4000_0000, 0x8000_0000, 0x2000_0000, 0x1000_0000


@dataclass(frozen=True)
class PeSection:
    flags: int
    data: bytes = b""
    virtual_size: int = 0  # 0: that of the data
    rva: int = 0           # 0: behind the one before


@dataclass(frozen=True)
class Pe:
    """A PE file, wrong where a test wants it."""

    sections: tuple[PeSection, ...] = ()
    base: int = BASE
    alignment: int = 0x1000
    file_alignment: int = 0x200
    magic: int = 0x10B
    machine: int = 0x14C
    characteristics: int = 0x0102
    signature: bytes = b"PE\0\0"
    dos: bytes = b"MZ"
    lfanew: int = 0x40
    size: int | None = None
    headers: int = 0x400
    relocations: tuple[int, int] = (0, 0)
    entry: int = 0x1000
    cut: int | None = None
    replaced: dict[int, bytes] = field(default_factory=dict)

    def build(self) -> bytes:
        table, body, rva, position = b"", b"", self.headers, self.headers
        for part in self.sections:
            rva = part.rva or -(-rva // self.alignment) * self.alignment
            raw = part.data.ljust(-(-len(part.data) // 0x200) * 0x200, b"\0")
            size = part.virtual_size or len(part.data)
            table += struct.pack(
                "<8sIIIIIIHHI", b".test", size, rva, len(raw), position if raw else 0,
                0, 0, 0, 0, part.flags,
            )  # fmt: skip
            body += raw
            position += len(raw)
            rva += size
        image_size = -(-rva // 0x1000) * 0x1000 if self.size is None else self.size
        optional = struct.pack(
            "<HBBIIIIIIIIIHHHHHHIIIIHHIIIIII", self.magic, 0, 0, 0x200, 0, 0, self.entry, 0, 0,
            self.base, self.alignment, self.file_alignment, 4, 0, 0, 0, 4, 0, 0, image_size,
            self.headers, 0, 3, 0x8000, 0x100000, 0x1000, 0x100000, 0x1000, 0, 16,
        )  # fmt: skip
        directories = [(0, 0)] * 16
        directories[5] = self.relocations
        optional += b"".join(struct.pack("<II", *entry) for entry in directories)
        header = self.signature + struct.pack(
            "<HHIIIHH", self.machine, len(self.sections), 0, 0, 0, len(optional),
            self.characteristics,
        )  # fmt: skip
        dos = self.dos.ljust(0x3C, b"\0") + struct.pack("<I", self.lfanew)
        file = bytearray((dos + header + optional + table).ljust(self.headers, b"\0") + body)
        for offset, data in self.replaced.items():
            file[offset : offset + len(data)] = data
        return bytes(file[: self.cut])


CODE = b"\xb8\x01\x00\x00\x00\xc3"
PLAIN = Pe((
    PeSection(X | R, CODE.ljust(0x1200, b"\x90")),
    PeSection(R | W, b"data", 0x3000),
    PeSection(R, b"const"),
))  # fmt: skip


@pytest.fixture
def space() -> Iterator[ProcessSpace]:
    manager = MACHINE.manager
    before = manager.frames.available
    space = MACHINE.process()
    yield space
    manager.delete_space(space)
    assert manager.frames.available == before
    assert (manager.committed, manager.segments, manager.file_segments) == (0, {}, {})


def mapped(space: ProcessSpace, file: BytesFile, base: int = 0) -> int:
    """The base of a view that outlives its section."""
    section = create_section(MACHINE.manager, PAGE_EXECUTE_READ, SEC_IMAGE, file=file)
    view = map_view(space, section, PAGE_READONLY, base=base)
    delete_section(section)
    return view.base


def layout_of(space: ProcessSpace, base: int) -> list[tuple[int, int, int]]:
    """(offset, size, protection) of each region of the image."""
    regions = []
    address = base
    while (info := query(space, address)).AllocationBase == base:
        assert (info.Type, info.AllocationProtect) == (MEM_IMAGE, PAGE_EXECUTE_WRITECOPY)
        regions.append((address - base, info.RegionSize, info.Protect))
        address += info.RegionSize
    return regions


FORMAT = s.STATUS_INVALID_IMAGE_FORMAT
NE = b"NE".ljust(0x36, b"\0")


@pytest.mark.parametrize(
    ("pe", "status"),
    [
        (replace(PLAIN, cut=0), s.STATUS_INVALID_FILE_FOR_SECTION),
        (replace(PLAIN, cut=0x3F), s.STATUS_INVALID_IMAGE_NOT_MZ),
        (replace(PLAIN, dos=b"ZM"), s.STATUS_INVALID_IMAGE_NOT_MZ),
        (replace(PLAIN, lfanew=0x98760000), s.STATUS_INVALID_IMAGE_PROTECT),
        (replace(PLAIN, signature=b"\xef\xbe\xad\xde"), s.STATUS_INVALID_IMAGE_PROTECT),
        (replace(PLAIN, signature=b"LE\0\0"), s.STATUS_INVALID_IMAGE_LE_FORMAT),
        (replace(PLAIN, replaced={0x40: NE + b"\1"}), s.STATUS_INVALID_IMAGE_NE_FORMAT),
        (replace(PLAIN, replaced={0x40: NE + b"\2"}), s.STATUS_INVALID_IMAGE_WIN_16),
        (replace(PLAIN, replaced={0x40: NE + b"\5"}), s.STATUS_INVALID_IMAGE_PROTECT),
        (replace(PLAIN, cut=0x60), FORMAT),
        (replace(PLAIN, machine=0x8664, magic=0x20B), s.STATUS_INVALID_IMAGE_WIN_64),
        (replace(PLAIN, machine=0x166), FORMAT),
        (replace(PLAIN, magic=0), FORMAT),
        (replace(PLAIN, characteristics=0x0100), FORMAT),
        (replace(PLAIN, base=0x401000), FORMAT),
        (replace(PLAIN, file_alignment=0), FORMAT),
        (replace(PLAIN, file_alignment=0x300), FORMAT),
        (replace(PLAIN, file_alignment=0x2000), FORMAT),
        (replace(PLAIN, alignment=0x800), FORMAT),
        (replace(PLAIN, alignment=0x200), FORMAT),  # its third section is elsewhere in the file
        (replace(PLAIN, size=0), FORMAT),
        (replace(PLAIN, size=0x5000), FORMAT),
        (replace(PLAIN, headers=0x10000, size=0x8000), FORMAT),
        (replace(PLAIN, sections=(PeSection(R, b"x", rva=0x2000),)), FORMAT),
        (replace(PLAIN, sections=(PeSection(R, b"x", rva=0x1800),)), FORMAT),
        (replace(PLAIN, sections=(PeSection(R),)), FORMAT),
        (replace(PLAIN, cut=0x1000), FORMAT),
        (replace(PLAIN, sections=(PeSection(R, b"x", 0xFFFFF000),), size=0x2000), FORMAT),
    ],
)
def test_a_wrong_image_says_why(pe: Pe, status: int) -> None:
    with pytest.raises(NtError) as caught:
        create_section(
            MACHINE.manager, PAGE_READONLY, SEC_IMAGE, file=BytesFile(pe.build(), "wrong")
        )
    assert name_of(caught.value.status) == name_of(status)
    assert MACHINE.manager.segments == {}


@given(st.data())
def test_no_header_breaks_the_parser(data: st.DataObject) -> None:
    """Either an NtError, or an image whose parts cover it without a gap."""
    file = bytearray(PLAIN.build())
    for _ in range(data.draw(st.integers(1, 4))):
        offset = data.draw(st.integers(0x3C, 0x1C0))
        file[offset] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(file)))
    try:
        image = parse_image(BytesFile(bytes(file[cut:]) if cut < 4 else bytes(file[:cut])))
    except NtError:
        return
    following = 0
    for part in image.parts:
        assert part.first_page == following and part.pages > 0
        assert part.file_offset + part.file_bytes <= cut or cut < 4
        following += part.pages
    assert following == image.pages


def test_pages_have_their_sections_protection(space: ProcessSpace) -> None:
    shared = PeSection(R | W | SHARED, b"shared")
    pe = replace(
        PLAIN, sections=(*PLAIN.sections, shared, PeSection(X | R | W, b"rwx")), size=0xC000
    )
    file = BytesFile(pe.build(), "\\Device\\image.exe")
    base = mapped(space, file)
    assert base == BASE
    assert layout_of(space, base) == [
        (0x0000, 0x1000, PAGE_READONLY),
        (0x1000, 0x2000, PAGE_EXECUTE_READ),
        (0x3000, 0x3000, PAGE_WRITECOPY),
        (0x6000, 0x1000, PAGE_READONLY),
        (0x7000, 0x1000, PAGE_READWRITE),
        (0x8000, 0x1000, PAGE_EXECUTE_WRITECOPY),
        (0x9000, 0x3000, PAGE_NOACCESS),  # SizeOfImage says more than the sections
    ]
    memory = user_memory(space)
    assert memory.read(base, 2) == b"MZ"
    assert memory.read(base + 0x1000, 6) == CODE
    assert memory.read(base + 0x21FF, 2) == b"\x90\0"
    assert memory.read(base + 0x3000, 0x3000) == b"data".ljust(0x3000, b"\0")
    assert access_fault(space, base + 0x9000, 0) == s.STATUS_ACCESS_VIOLATION
    assert access_fault(space, base + 0x1000, 2) == s.STATUS_ACCESS_VIOLATION
    assert mapped_file_name(space, base + 0x5000) == file.name


def test_the_guest_sees_subsections_and_image_information(space: ProcessSpace) -> None:
    section = create_section(
        MACHINE.manager, PAGE_READONLY, SEC_IMAGE, file=BytesFile(PLAIN.build())
    )
    area = section.segment.area
    assert (area.Image, area.File, area.NumberOfSubsections) == (1, 1, 4)
    sub = SUBSECTION(MACHINE.kernel, area.address + CONTROL_AREA.SIZE)
    rows = []
    while True:
        rows.append((sub.StartingSector, sub.NumberOfFullSectors, sub.PtesInSubsection,
                     sub.Protection))  # fmt: skip
        if not sub.NextSubsection:
            break
        sub = SUBSECTION(MACHINE.kernel, sub.NextSubsection)
    assert rows == [(0, 2, 1, 1), (2, 9, 2, 3), (11, 1, 3, 5), (12, 1, 1, 1)]
    block = section.segment.image_information()
    scratch = MACHINE.pool.allocate(len(block), b"Test")
    MACHINE.kernel.write(scratch, block)
    information = SECTION_IMAGE_INFORMATION(MACHINE.kernel, scratch)
    assert information.TransferAddress == BASE + 0x1000
    assert (information.MaximumStackSize, information.CommittedStackSize) == (0x100000, 0x1000)
    assert (information.SubSystemType, information.SubSystemMajorVersion) == (3, 4)
    assert (information.Machine, information.ImageContainsCode) == (0x14C, 1)
    delete_section(section)


def test_processes_share_an_images_pages_until_they_write(space: ProcessSpace) -> None:
    other = MACHINE.process()
    file = BytesFile(PLAIN.build())
    base = mapped(space, file)
    mapped(other, file)
    one, two = user_memory(space), user_memory(other)
    for offset in range(0, 0x7000, 0x1000):
        assert one.read(base + offset, 0x1000) == two.read(base + offset, 0x1000)
        frames = {pte.frame_of(s_.tables.entry(base + offset)) for s_ in (space, other)}
        assert len(frames) == 1
    one.write(base + 0x3000, b"MINE")
    assert two.read(base + 0x3000, 4) == b"data"
    assert query(space, base + 0x3000).Protect == PAGE_READWRITE
    assert query(other, base + 0x3000).Protect == PAGE_WRITECOPY
    MACHINE.manager.delete_space(other)


def test_shared_sections_are_not_copied(space: ProcessSpace) -> None:
    other = MACHINE.process()
    file = BytesFile(Pe((PeSection(R | W | SHARED, b"shared"),)).build())
    base = mapped(space, file)
    mapped(other, file)
    user_memory(space).write(base + 0x1000, b"SHARED")
    assert user_memory(other).read(base + 0x1000, 6) == b"SHARED"
    assert protect(space, base + 0x1000, 1, PAGE_READONLY)[2] == PAGE_READWRITE
    assert protect(space, base + 0x1000, 1, PAGE_EXECUTE_READWRITE)[2] == PAGE_READONLY
    assert query(space, base + 0x1000).Protect == PAGE_EXECUTE_READWRITE
    MACHINE.manager.delete_space(other)


def test_a_page_made_writable_is_copied_on_the_write(space: ProcessSpace) -> None:
    """What a loader does to write an import table."""
    other = MACHINE.process()
    file = BytesFile(PLAIN.build())
    base = mapped(space, file)
    mapped(other, file)
    for offset in (0x1000, 0x6000):
        old = protect(space, base + offset, 1, PAGE_READWRITE)[2]
        assert query(space, base + offset).Protect == PAGE_WRITECOPY
        user_memory(space).write(base + offset, b"patch")
        assert query(space, base + offset).Protect == PAGE_READWRITE
        assert protect(space, base + offset, 1, old)[2] == PAGE_READWRITE
        assert query(space, base + offset).Protect == old
        assert user_memory(space).read(base + offset, 5) == b"patch"
        assert user_memory(other).read(base + offset, 5) != b"patch"
    assert protect(space, base, 1, PAGE_EXECUTE_READWRITE)[2] == PAGE_READONLY
    assert query(space, base).Protect == PAGE_EXECUTE_WRITECOPY
    MACHINE.manager.delete_space(other)


def test_an_image_elsewhere_says_so(space: ProcessSpace) -> None:
    section = create_section(
        MACHINE.manager, PAGE_READONLY, SEC_IMAGE, file=BytesFile(PLAIN.build())
    )
    assert map_view(space, section, PAGE_READONLY).status == s.STATUS_SUCCESS
    moved = map_view(space, section, PAGE_READONLY)
    assert (moved.status, moved.base) == (s.STATUS_IMAGE_NOT_AT_BASE, 0x10000)
    assert map_view(space, section, 2, base=0x5000000).status == s.STATUS_IMAGE_NOT_AT_BASE
    assert are_mapped_files_the_same(space, BASE, moved.base) == s.STATUS_SUCCESS
    data = create_section(
        MACHINE.manager, PAGE_READONLY, SEC_COMMIT, file=section.segment.file
    )
    flat = map_view(space, data, PAGE_READONLY).base
    assert are_mapped_files_the_same(space, BASE, flat) == s.STATUS_SUCCESS
    assert are_mapped_files_the_same(space, flat, BASE) == s.STATUS_NOT_SAME_DEVICE
    with pytest.raises(NtError) as caught:
        map_view(space, section, PAGE_READONLY, base=BASE)
    assert caught.value.status == s.STATUS_CONFLICTING_ADDRESSES
    delete_section(section)
    delete_section(data)


@pytest.mark.parametrize("base", [0, 0x8000_0000, 0x7FFE_0000])
def test_a_base_out_of_reach_moves_the_image(space: ProcessSpace, base: int) -> None:
    assert mapped(space, BytesFile(replace(PLAIN, base=base).build())) == 0x10000


def test_an_image_of_low_alignment_is_the_file(space: ProcessSpace) -> None:
    pe = Pe((PeSection(X | R, CODE),), alignment=0x200, headers=0x200 * 3, entry=0x600)
    file = pe.build()
    base = mapped(space, BytesFile(file))
    assert layout_of(space, base) == [(0, 0x1000, PAGE_EXECUTE_WRITECOPY)]
    assert user_memory(space).read(base, 0x1000) == file.ljust(0x1000, b"\0")


def relocatable(fixups: dict[int, list[int]], data: bytes) -> Pe:
    """A section of `data` at 1000h and relocations at 4000h: pages to fixup words."""
    table = b""
    for page, words in fixups.items():
        block = struct.pack(f"<{len(words)}H", *words)
        table += struct.pack("<II", page, 8 + len(block)) + block
    sections = (PeSection(X | R, data), PeSection(R, table))
    return Pe(sections, relocations=(0x4000, len(table)))


def test_relocation_moves_pointers_and_keeps_protection(space: ProcessSpace) -> None:
    data = bytearray(0x3000)
    struct.pack_into("<I", data, 0x10, BASE + 0x1234)
    struct.pack_into("<I", data, 0xFFE, BASE + 0x5678)  # over two pages
    struct.pack_into("<I", data, 0x2FFC, 0xFFFFFFFF)
    fixups = {0x1000: [0x3010, 0x3FFE, 0], 0x3000: [0x3FFC, 0]}
    file = BytesFile(relocatable(fixups, bytes(data)).build())
    base = mapped(space, file, base=0x1000000)
    memory = user_memory(space)
    memory.read(base + 0x1000, 1)
    relocate(space, base)
    assert memory.u32(base + 0x1010) == base + 0x1234
    assert memory.u32(base + 0x1FFE) == base + 0x5678
    assert memory.u32(base + 0x3FFC) == base - BASE - 1
    assert layout_of(space, base)[1] == (0x1000, 0x3000, PAGE_EXECUTE_READ)
    assert space.process.CommitCharge == 3
    straight = mapped(space, file)
    relocate(space, straight)  # at its base: nothing to do
    assert memory.u32(straight + 0x1010) == BASE + 0x1234


@pytest.mark.parametrize(
    ("pe", "status"),
    [
        (PLAIN, s.STATUS_CONFLICTING_ADDRESSES),
        (replace(relocatable({0x1000: [0x3000, 0]}, bytes(0x3000)), characteristics=0x103),
         s.STATUS_CONFLICTING_ADDRESSES),
        (relocatable({0x1000: [0x9000, 0]}, bytes(0x3000)), FORMAT),
        (relocatable({0x1001: [0x3000, 0]}, bytes(0x3000)), FORMAT),
        (relocatable({0x9000: [0x3000, 0]}, bytes(0x3000)), FORMAT),
        (replace(relocatable({0x1000: [0x3000, 0]}, bytes(0x3000)), relocations=(0x4000, 10)),
         FORMAT),
        (replace(relocatable({0x1000: [0x3000, 0]}, bytes(0x3000)), relocations=(0x9000, 12)),
         FORMAT),
    ],
)  # fmt: skip
def test_a_wrong_relocation_says_why(space: ProcessSpace, pe: Pe, status: int) -> None:
    base = mapped(space, BytesFile(pe.build()), base=0x1000000)
    with pytest.raises(NtError) as caught:
        relocate(space, base)
    assert name_of(caught.value.status) == name_of(status)


def test_an_images_code_runs(space: ProcessSpace) -> None:
    file = BytesFile(PLAIN.build())
    other = MACHINE.process()
    base = mapped(space, file)
    mapped(other, file)
    user_memory(other).read(base + 0x1000, 1)
    guest = Guest(MACHINE, space)
    code = MACHINE.commit(space, 0x1000, PAGE_EXECUTE_READWRITE)
    stack = MACHINE.commit(space) + 0x800
    guest.memory.write(code, assemble("mov esp, esi; call edi; mov ebx, eax; mov eax, [0xd000]"))
    assert guest.run(code, edi=base + 0x1000, esi=stack)["ebx"] == 1
    assert not other.tables.entry(base + 0x1000) & NO_EXECUTE
    MACHINE.manager.delete_space(other)
