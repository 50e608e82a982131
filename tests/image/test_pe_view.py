"""Our own images as they lie in memory, against pefile."""

from __future__ import annotations

import pefile
import pytest

from ntgate.boot.nt_image import KernelImage, build_kernel_images
from ntgate.image.pe_view import exports_of, map_image, section_data, size_of_image
from ntgate.image.pe_writer import CODE, DATA, PeWriter

NT, WIN32K = build_kernel_images()


def sample(sections: dict[str, tuple[bytes, int, int]]) -> bytes:
    pe = PeWriter("sample.dll", 0x10000000, 0)
    for name, (data, flags, size) in sections.items():
        pe.add_section(name, data, flags, size=size)
    return pe.build()


@pytest.mark.parametrize("image", [NT, WIN32K], ids=lambda image: image.module)
def test_a_kernel_image_is_mapped_as_pefile_maps_it(image: KernelImage) -> None:
    parsed = pefile.PE(data=image.file)
    mapped, code = map_image(image.file)
    assert len(mapped) == size_of_image(image.file) == parsed.OPTIONAL_HEADER.SizeOfImage
    reference = parsed.get_memory_mapped_image()
    assert mapped[: len(reference)] == reference[: len(mapped)]
    assert not any(mapped[len(reference) :])
    assert code == [
        (section.VirtualAddress, section.Misc_VirtualSize)
        for section in parsed.sections
        if section.Characteristics & 0x20000000
    ]
    for section in parsed.sections:
        name = section.Name.rstrip(b"\0").decode()
        assert section_data(image.file, name) == section.get_data()[: section.Misc_VirtualSize]


def test_a_section_that_is_larger_in_memory_is_zero_filled() -> None:
    file = sample({".text": (b"\xc3", CODE, 1), ".data": (b"abc", DATA, 0x2345)})
    mapped, code = map_image(file)
    code_at, data_at = (section.VirtualAddress for section in pefile.PE(data=file).sections)
    assert mapped[data_at : data_at + 0x2345] == b"abc" + bytes(0x2342)
    assert code == [(code_at, 1)]
    assert section_data(file, ".data")[:3] == b"abc"
    with pytest.raises(KeyError, match=r"\.rsrc"):
        section_data(file, ".rsrc")


def test_exports() -> None:
    exports = exports_of(NT.file)
    assert {name: NT.base + rva for name, rva in exports.items()} == {
        name: NT.symbols[name] for name in exports
    }
    assert {"NtWriteFile", "ZwWriteFile", "KeServiceDescriptorTable", "PsActiveProcessHead"} <= (
        exports.keys()
    )
    assert exports_of(WIN32K.file) == {}


def test_forwarded_exports_are_left_out() -> None:
    pe = PeWriter("sample.dll", 0x10000000, 0)
    pe.add_section(".text", b"\xc3\xc3", CODE)
    exports: dict[str, int | str] = {"Here": 0x1001, "Elsewhere": "NTDLL.NtClose"}
    pe.export(exports)
    assert exports_of(pe.build()) == {"Here": 0x1001}
