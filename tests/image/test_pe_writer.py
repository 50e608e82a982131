"""The image writer, read back with pefile."""

import struct
from uuid import UUID

import pefile
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntgate.image import pe_writer
from ntgate.image.pe_writer import CODE, DATA, Export, PeWriter, Rsds

GUID = UUID("12345678-9abc-def0-1122-334455667788")

EXPORTS: dict[str, int | str] = {"Zeta": 0x1010, "Alpha": 0x1000, "Gone": "NTDLL.NtClose"}


def sample() -> PeWriter:
    pe = PeWriter("sample.dll", 0x1000_0000, 0x4802_5BFB)
    pe.add_section(".text", b"\xc3" * 0x300, CODE)
    slots = pe.add_imports({"kernel32.dll": ["ExitProcess", "Sleep"], "ntdll.dll": ["NtClose"]})
    pe.add_section(
        ".data", struct.pack("<I", pe.base + slots["ntdll.dll", "NtClose"]), DATA, size=0x2345
    )
    pe.relocations.add(pe.sections[-1].rva)
    pe.export(EXPORTS)
    pe.rsds = Rsds("sample.pdb", GUID, 2)
    pe.entry = 0x1000
    return pe


def parse(file: bytes) -> pefile.PE:
    return pefile.PE(data=file)


def test_headers() -> None:
    pe = parse(sample().build())
    assert pe.OPTIONAL_HEADER.ImageBase == 0x1000_0000
    assert pe.OPTIONAL_HEADER.AddressOfEntryPoint == 0x1000
    assert pe.OPTIONAL_HEADER.SizeOfImage == pe.sections[-1].VirtualAddress + 0x1000
    assert (pe.is_dll(), pe.is_exe()) == (True, False)
    assert pe.FILE_HEADER.TimeDateStamp == 0x4802_5BFB
    assert pe.verify_checksum()
    assert [w for w in pe.get_warnings() if "of the file's contents" not in w] == []


def test_sections_touch_and_are_zero_filled() -> None:
    pe = parse(sample().build())
    for section, following in zip(pe.sections, pe.sections[1:], strict=False):
        end = section.VirtualAddress + pe_writer.align(section.Misc_VirtualSize, 0x1000)
        assert end == following.VirtualAddress
    data = next(s for s in pe.sections if s.Name.startswith(b".data"))
    assert (data.Misc_VirtualSize, data.SizeOfRawData) == (0x2345, 0x200)


def test_imports() -> None:
    writer = sample()
    pe = parse(writer.build())
    seen = {
        (entry.dll.decode(), function.name.decode()): function.address - writer.base
        for entry in pe.DIRECTORY_ENTRY_IMPORT
        for function in entry.imports
    }
    other = PeWriter("x", 0x1000_0000, 0)
    other.add_section(".text", b"\xc3", CODE)
    assert seen == other.add_imports(
        {"kernel32.dll": ["ExitProcess", "Sleep"], "ntdll.dll": ["NtClose"]}
    )


def test_exports_are_sorted_and_forwarded() -> None:
    pe = parse(sample().build())
    rows = [
        (s.name, s.ordinal, s.forwarder or s.address) for s in pe.DIRECTORY_ENTRY_EXPORT.symbols
    ]
    assert rows == [(b"Alpha", 1, 0x1000), (b"Gone", 2, b"NTDLL.NtClose"), (b"Zeta", 3, 0x1010)]
    assert pe.DIRECTORY_ENTRY_EXPORT.name == b"sample.dll"


def test_exports_by_ordinal_keep_their_number() -> None:
    pe = PeWriter("o.dll", 0x1000_0000, 0)
    pe.add_section(".text", b"\xc3" * 16, CODE)
    pe.export([Export(None, 0x1004, 12), Export("B", 0x1008), Export("A", 0x1000, 10)], base=10)
    symbols = parse(pe.build()).DIRECTORY_ENTRY_EXPORT.symbols
    assert {s.ordinal: (s.name, s.address) for s in symbols} == {
        10: (b"A", 0x1000),
        11: (b"B", 0x1008),
        12: (None, 0x1004),
    }


def test_debug_directory() -> None:
    pe = parse(sample().build())
    (entry,) = pe.DIRECTORY_ENTRY_DEBUG
    assert entry.entry.PdbFileName.rstrip(b"\0") == b"sample.pdb"
    assert entry.entry.Age == 2
    record = pe.__data__[entry.struct.PointerToRawData :][: entry.struct.SizeOfData]
    assert record == Rsds("sample.pdb", GUID, 2).encode()
    assert pe.get_data(entry.struct.AddressOfRawData, entry.struct.SizeOfData) == record


def test_relocating_moves_the_address() -> None:
    pe = parse(sample().build())
    data = next(s for s in pe.sections if s.Name.startswith(b".data"))
    before = pe.get_dword_at_rva(data.VirtualAddress)
    pe.relocate_image(0x2000_0000)
    assert pe.get_dword_at_rva(data.VirtualAddress) == before + 0x1000_0000


def test_a_gap_belongs_to_the_section_in_front() -> None:
    pe = PeWriter("gap.exe", 0x40_0000, 0, dll=False, fixed=True)
    pe.add_section(".text", b"\x90", CODE)
    pe.add_section(".far", b"\x90", CODE, rva=0x8000)
    image = parse(pe.build())
    assert [s.Misc_VirtualSize for s in image.sections] == [0x7000, 1]
    assert image.FILE_HEADER.Characteristics & 1


def test_an_image_can_be_built_twice() -> None:
    pe = sample()
    assert pe.build() == pe.build()


@pytest.mark.parametrize("rva", [0x1000, 0x2100, 0x800])
def test_bad_places_are_refused(rva: int) -> None:
    pe = PeWriter("bad.dll", 0x1000_0000, 0)
    pe.add_section(".text", b"\xc3" * 0x1001, CODE)
    with pytest.raises(ValueError, match=r"bad\.dll: no section"):
        pe.add_section(".more", b"\xc3", CODE, rva=rva)


def test_a_name_is_exported_once() -> None:
    with pytest.raises(ValueError, match="can't be exported twice"):
        pe_writer.export_table("x.dll", [Export("A", 1, 1), Export("A", 2, 2)], 0x1000, 0)


@given(st.sets(st.integers(0, 0xFFFFF)))
def test_relocation_blocks_round_trip(rvas: set[int]) -> None:
    table = pe_writer.relocation_table(rvas)
    seen: list[int] = []
    at = 0
    while at < len(table):
        page, size = struct.unpack_from("<II", table, at)
        assert size % 4 == 0
        entries = struct.unpack_from(f"<{(size - 8) // 2}H", table, at + 8)
        seen += [page + (e & 0xFFF) for e in entries if e >> 12 == 3]
        at += size
    assert seen == sorted(rvas)


@given(st.binary(min_size=8, max_size=67))
def test_checksum_is_the_folded_word_sum(data: bytes) -> None:
    total = 0
    padded = data + bytes(len(data) % 2)
    for at in range(0, len(padded), 2):
        if not 4 <= at < 8:
            total += int.from_bytes(padded[at : at + 2], "little")
            total = (total & 0xFFFF) + (total >> 16)
    assert pe_writer.image_checksum(data, 4) == total + len(data)
