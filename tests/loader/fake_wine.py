"""A Wine small enough to make in a test: its ntdll has all stubs of Wine 8.0's, and little else."""

from __future__ import annotations

import struct
from pathlib import Path

from ntgate.image import pe_writer
from ntgate.image.pe_writer import CODE, DATA, PeWriter
from ntgate.layout.pe import IMAGE_DIRECTORY_ENTRY_RESOURCE
from ntgate.loader.userland.tables import read_csv

BASE = 0x7BC00000
CALLER = 0x1000  # call NtClose; ret
CALLBACK = 0x1100
EXCEPTION = 0x1200
LDR_INITIALIZE = 0x1300
USER_THREAD_START = 0x1400
DATA_RVA = 0xE000
CLOSE_POINTER = DATA_RVA + 8  # the address of NtClose
NLS = ("locale.nls", "l_intl.nls", "c_1252.nls")


def wine_stub(number: int, popped_bytes: int) -> bytes:
    """Wine 8.0's form."""
    leave = struct.pack("<BH", 0xC2, popped_bytes) if popped_bytes else b"\xc3"
    code = struct.pack("<BIBI", 0xB8, number, 0xBA, BASE + 0x1500) + b"\xff\xd2" + leave
    return code.ljust(16, b"\x90")


def stub_rows(dll: str) -> list[tuple[int, int, int, str]]:
    """(Wine's number, RVA, popped bytes, name) of each stub of ntdll or win32u."""
    return [
        (int(row["wine_number"], 16), int(row["rva"], 16), int(row["argument_bytes"]), row["name"])
        for row in read_csv("loader", f"wine80_{dll}_stubs.csv")
    ]


def ntdll(*extra: tuple[int, int, int, str]) -> bytes:
    """ntdll.dll; `extra` stubs come on top of Wine 8.0's."""
    rows = [*stub_rows("ntdll"), *extra]
    rvas = {name: rva for _, rva, _, name in rows}
    text = bytearray(b"\x90" * (DATA_RVA - 0x1000))
    pe = PeWriter("ntdll.dll", BASE, 1, dll_characteristics=0x140)
    for number, rva, popped, _ in rows:
        text[rva - 0x1000 : rva - 0x1000 + 16] = wine_stub(number, popped)
        pe.relocations.add(rva + 6)
    text[:6] = struct.pack("<BiB", 0xE8, rvas["NtClose"] - CALLER - 5, 0xC3)
    pe.add_section(".text", bytes(text), CODE)
    data = struct.pack("<4xII", BASE + CALLBACK, BASE + rvas["NtClose"])
    pe.add_section(".data", data, DATA)
    pe.relocations |= {DATA_RVA + 4, CLOSE_POINTER}
    pe.add_section(".bss", b"", pe_writer.BSS, size=0x1800)
    resources = pe.next_rva
    pe.add_section(".rsrc", _resources(resources), pe_writer.READ_ONLY)
    pe.directories[IMAGE_DIRECTORY_ENTRY_RESOURCE] = resources, 0x60
    pe.export(rvas)
    pe.export({f"Zw{name[2:]}": rva for name, rva in rvas.items() if name.startswith("Nt")})
    pe.export({
        "KiUserApcDispatcher": 0x1600,
        "KiUserCallbackDispatcher": CALLBACK,
        "KiUserExceptionDispatcher": EXCEPTION,
        "LdrInitializeThunk": LDR_INITIALIZE,
        "RtlUserThreadStart": USER_THREAD_START,
        "RtlGetNativeSystemInformation": rvas["NtWow64GetNativeSystemInformation"],
        "__wine_unix_call_dispatcher": DATA_RVA + 4,
    })  # fmt: skip
    return pe.build()


def win32u() -> bytes:
    """win32u.dll with the stubs of Wine 8.0's."""
    rows = stub_rows("win32u")
    text = bytearray(b"\x90" * 0xE000)
    pe = PeWriter("win32u.dll", 0x64A80000, 1)
    for number, rva, popped, _ in rows:
        text[rva - 0x1000 : rva - 0x1000 + 16] = wine_stub(number, popped)
        pe.relocations.add(rva + 6)
    pe.add_section(".text", bytes(text), CODE)
    pe.add_section(".data", struct.pack("<I", pe.base + 0x1000), DATA)
    pe.relocations.add(pe.sections[-1].rva)
    pe.export({name: rva for _, rva, _, name in rows})
    return pe.build()


def plain_dll(name: str) -> bytes:
    """A DLL that exports one function."""
    pe = PeWriter(name, 0x10000000, 1)
    pe.add_section(".text", b"\xc3" * 0x20, CODE)
    pe.export({"Nothing": 0x1000})
    return pe.build()


def with_debug_sections(data: bytes, symbols: dict[str, int]) -> bytes:
    """The file as mingw links it: two DWARF sections, and COFF symbols of functions in .text."""
    strings = bytearray(bytes(4))

    def string(text: str) -> int:
        strings.extend(text.encode() + b"\0")
        return len(strings) - len(text) - 1

    out = bytearray(data)
    (count,) = struct.unpack_from("<H", out, 0x86)
    (image_size,) = struct.unpack_from("<I", out, 0x98 + 0x38)
    for name, body in (".debug_info", b"I" * 0x345), (".debug_line", b"L" * 0x1234):
        at = 0x98 + 0xE0 + 0x28 * count
        raw = pe_writer.align(len(body), 0x200)
        header = struct.pack(
            "<8sIIII12xI", f"/{string(name)}".encode(), len(body), image_size, raw, len(out),
            0x42000040,
        )  # fmt: skip
        out[at : at + 0x28] = header
        out += body.ljust(raw, b"\0")
        image_size += pe_writer.align(len(body), 0x1000)
        count += 1
    struct.pack_into("<H", out, 0x86, count)
    struct.pack_into("<II", out, 0x8C, len(out), len(symbols) + 2)
    struct.pack_into("<I", out, 0x98 + 0x38, image_size)
    out += struct.pack("<8sIhHBB", b".text", 0, 1, 0, 3, 1) + b"\xff" * 18  # and its aux record
    for name, rva in symbols.items():
        field = name.encode() if len(name) <= 8 else struct.pack("<4xI", string(name))
        out += struct.pack("<8sIhHBB", field, rva - 0x1000, 1, 0x20, 2, 0)
    struct.pack_into("<I", strings, 0, len(strings))
    return bytes(out + strings)


def tree(place: Path) -> Path:
    """An installed Wine below `place`; gives its `i386-windows` folder."""
    dlls = place / "lib" / "wine" / "i386-windows"
    nls = place / "share" / "wine" / "nls"
    dlls.mkdir(parents=True)
    nls.mkdir(parents=True)
    for name in NLS:
        (nls / name).write_bytes(name.encode())
    symbols = {"_NtClose@4": dict((n, r) for _, r, _, n in stub_rows("ntdll"))["NtClose"]}
    symbols["_start_thread.cold"] = USER_THREAD_START
    (dlls / "ntdll.dll").write_bytes(with_debug_sections(ntdll(), symbols))
    (dlls / "win32u.dll").write_bytes(win32u())
    for name in ("kernel32.dll", "kernelbase.dll"):
        (dlls / name).write_bytes(plain_dll(name))
    (dlls / "Upper.DLL").write_bytes(plain_dll("upper.dll"))
    (dlls / "old.dll16").write_bytes(b"MZ")
    (dlls / "stdole2.tlb").write_bytes(b"MSFT not a PE file")
    return dlls


def _resources(rva: int) -> bytes:
    """Three levels of directory, one entry each, then the data entry and its four bytes."""
    out = b""
    for level in range(3):
        link = 24 * (level + 1) | (0x8000_0000 if level < 2 else 0)
        out += struct.pack("<12xHHII", 0, 1, 16, link)
    return out + struct.pack("<IIII", rva + 0x58, 4, 0, 0) + b"DATA".ljust(16, b"\0")
