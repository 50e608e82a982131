"""The re-linked ntdll and win32u: made from a small Wine, and as installed from Debian's."""

from __future__ import annotations

import hashlib
import struct

import fake_wine
import pefile
import pytest
from iced_x86 import Decoder, Mnemonic

from ntgate.loader.userland import Userland, UserlandError
from ntgate.loader.userland.cache import LAYOUT
from ntgate.loader.userland.relink import SHIFT, entries, is_wine, relink_ntdll, relink_win32u
from ntgate.loader.userland.strip import Stripped
from ntgate.loader.userland.stubs import xp_stub
from ntgate.loader.userland.tables import nt_numbering, win32k_numbering

BASE = 0x7C920000

# What LAYOUT stands for. Another hash means another output: raise LAYOUT, so that caches that
# earlier versions prepared are not taken for this one's.
PREPARED = {
    13: {
        "system32/ntdll.dll":
            "fa741bfd157ebba093c2c4b2f1b401710ececf7f5a629b7205028b159cc1b069",
        "system32/kernelbase.dll":
            "2d92ee1c090d244f62e3f6b86148feb283259c9563a5c37c52ddaeb61ae07f89",
        "system32/conhost.exe":
            "bd5627ebec397e148eefec42f5143dfd7b5d6e244ba67c33d5cc5fa8b5234896",
        "system32/findstr.exe":
            "d9e370cc1a1ff95964f3266aa7ea2ebde05382a9ef0f03085dcc97661ef75143",
        "system32/where.exe":
            "3497095af7a59a2986a2fb3b1b7b6a6a851ec283135e7436907ef84e61856a2b",
        "system32/win32u.dll":
            "1d0d951229260fb8dd179f3a3329fd1230e30fb26f26ec0b68391fda85ecdd7b",
        "system32/bcryptprimitives.dll":
            "717754d50c1bfae2adf6d40c1c17fec66b571f250265d3fd9f8073ce95eaf09c",
        "hives/software":
            "ceeefae0268d14260587a6a157ef849476ac8c46f2010c94e1410ffb212a0263",
        "hives/system":
            "659c9930c9ef7c6930b8871479802be600aa48e41e0b107c3719d29101b11025",
        "hives/ntuser.dat":
            "69c42f17f46c0447b8719b1131cad71ff231b3009d16f2ea2284aeb86c7f0108",
    }
}


class Image:
    """An image as it lies in memory."""

    def __init__(self, data: bytes) -> None:
        self.pe = pefile.PE(data=data)
        self.base: int = self.pe.OPTIONAL_HEADER.ImageBase
        self.memory: bytes = self.pe.get_memory_mapped_image()
        self.exports: dict[str, int] = {
            symbol.name.decode(): self.base + symbol.address
            for symbol in self.pe.DIRECTORY_ENTRY_EXPORT.symbols
        }

    def read(self, address: int, size: int) -> bytes:
        return self.memory[address - self.base :][:size]

    def pointer(self, address: int) -> int:
        (value,) = struct.unpack("<I", self.read(address, 4))
        return int(value)

    def target(self, address: int, mnemonic: int) -> int:
        """Where the branch at this address goes."""
        instruction = next(iter(Decoder(32, self.read(address, 16), ip=address)))
        assert instruction.mnemonic == mnemonic
        return instruction.near_branch_target

    def relocations(self) -> list[int]:
        return [
            self.base + entry.rva
            for block in self.pe.DIRECTORY_ENTRY_BASERELOC
            for entry in block.entries
            if entry.type == 3
        ]


@pytest.fixture(scope="module")
def small() -> Image:
    symbols = [(fake_wine.CALLER, "caller")]
    return Image(relink_ntdll(Stripped(fake_wine.ntdll(), symbols)).file.data)


@pytest.fixture(scope="module")
def debian(userland: Userland) -> Image:
    path = userland.file("NTDLL.DLL")
    assert path is not None
    return Image(path.read_bytes())


@pytest.fixture(params=["small", "debian"])
def ntdll(request: pytest.FixtureRequest) -> Image:
    image: Image = request.getfixturevalue(request.param)
    return image


def test_all_of_xp_s_services_stand_in_the_stub_block(ntdll: Image) -> None:
    for row in nt_numbering().xp:
        address = 0x7C92CE40 + 16 * row.number
        assert ntdll.exports[row.name] == ntdll.exports[f"Zw{row.name[2:]}"] == address
        assert ntdll.read(address, 16) == xp_stub(row.number, row.argument_bytes)


def test_the_study_s_addresses_and_bytes(ntdll: Image) -> None:
    assert ntdll.base == BASE
    assert ntdll.exports["NtWriteFile"] == 0x7C92DF60
    assert ntdll.exports["KiFastSystemCall"] == 0x7C92E4F0
    assert ntdll.exports["KiFastSystemCallRet"] == 0x7C92E4F4
    assert ntdll.exports["KiIntSystemCall"] == 0x7C92E500
    assert ntdll.read(0x7C92DF60, 15) == bytes.fromhex("b812010000 ba0003fe7f ff12 c22400")
    assert ntdll.read(0x7C92E4F0, 5) == bytes.fromhex("8bd4 0f34 c3")
    assert ntdll.read(0x7C92E500, 7) == bytes.fromhex("8d542408 cd2e c3")


def test_wine_s_slot_of_an_xp_service_jumps_to_its_stub(ntdll: Image) -> None:
    numbering = nt_numbering()
    for _, rva, popped, name in fake_wine.stub_rows("ntdll"):
        slot = BASE + SHIFT + rva
        row = numbering.row(name, popped)
        if numbering.is_xp(row):
            assert ntdll.target(slot, Mnemonic.JMP) == ntdll.exports[name]
        else:
            assert ntdll.exports[name] == slot
            assert ntdll.read(slot, 16) == xp_stub(row.number, popped)


def test_unix_calls_go_to_a_service(ntdll: Image) -> None:
    stub = ntdll.pointer(ntdll.exports["__wine_unix_call_dispatcher"])
    assert ntdll.read(stub, 16) == xp_stub(0x2025, 16)


def test_user_apcs_are_called_as_on_xp(ntdll: Image) -> None:
    dispatcher = ntdll.exports["KiUserApcDispatcher"]
    assert ntdll.read(dispatcher, 10) == bytes.fromhex("8d7c2410 58 ffd0 6a01 57")
    assert ntdll.target(dispatcher + 10, Mnemonic.CALL) == ntdll.exports["NtContinue"]


def test_callbacks_and_exceptions_go_to_wine_s_dispatchers(small: Image) -> None:
    callback = small.exports["KiUserCallbackDispatcher"]
    exception = small.exports["KiUserExceptionDispatcher"]
    assert (callback, exception) == (0x7C92E460, 0x7C92E47C)
    assert small.target(callback, Mnemonic.JMP) == BASE + SHIFT + fake_wine.CALLBACK
    assert small.target(exception, Mnemonic.JMP) == BASE + SHIFT + fake_wine.EXCEPTION


def test_wine_s_own_code_and_data_moved_with_their_addresses(small: Image) -> None:
    close = next(row for row in fake_wine.stub_rows("ntdll") if row[3] == "NtClose")
    slot = BASE + SHIFT + close[1]
    assert small.target(BASE + SHIFT + fake_wine.CALLER, Mnemonic.CALL) == slot
    assert small.pointer(BASE + SHIFT + fake_wine.CLOSE_POINTER) == slot


def test_relocated_addresses_are_in_the_image(ntdll: Image) -> None:
    end = ntdll.base + ntdll.pe.OPTIONAL_HEADER.SizeOfImage
    relocations = ntdll.relocations()
    assert relocations
    assert all(ntdll.base + 0x1000 <= ntdll.pointer(at) < end for at in relocations)
    stubs = {BASE + SHIFT + rva + 6 for _, rva, _, _ in fake_wine.stub_rows("ntdll")}
    assert not stubs & set(relocations)


def test_resources_moved(ntdll: Image) -> None:
    types = ntdll.pe.DIRECTORY_ENTRY_RESOURCE.entries
    leaf = types[0].directory.entries[0].directory.entries[0].data.struct
    content = ntdll.pe.get_data(leaf.OffsetToData, leaf.Size)
    assert content == b"DATA" or "VS_VERSION_INFO".encode("utf-16-le") in content


def test_the_image_is_whole(ntdll: Image) -> None:
    assert ntdll.pe.verify_checksum()
    for section, following in zip(ntdll.pe.sections, ntdll.pe.sections[1:], strict=False):
        size = (section.Misc_VirtualSize + 0xFFF) & -0x1000
        assert section.VirtualAddress + size == following.VirtualAddress


def test_entries_are_addresses_of_exports(small: Image) -> None:
    found = entries(relink_ntdll(Stripped(fake_wine.ntdll(), [])).file.data)
    assert found["LdrInitializeThunk"] == BASE + SHIFT + fake_wine.LDR_INITIALIZE
    assert found["RtlUserThreadStart"] == BASE + SHIFT + fake_wine.USER_THREAD_START
    assert found.items() <= small.exports.items()


def test_symbols_move_and_each_service_has_one() -> None:
    close = next(rva for _, rva, _, name in fake_wine.stub_rows("ntdll") if name == "NtClose")
    symbols = [(fake_wine.CALLER, "caller"), (close, "NtClose")]
    relinked = relink_ntdll(Stripped(fake_wine.ntdll(), symbols)).file.symbols
    assert (fake_wine.CALLER + SHIFT, "caller") in relinked
    assert [rva for rva, name in relinked if name == "NtClose"] == [0xCE40 + 16 * 0x19]
    assert relinked == sorted(relinked)


def test_services_that_no_table_has_are_told() -> None:
    new = (0xEF, 0x2000, 8, "NtOfATimeToCome")
    other = (0xF0, 0x2010, 8, "NtAcceptConnectPort")  # XP's takes 24 bytes
    relinked = relink_ntdll(Stripped(fake_wine.ntdll(new, other), []))
    numbers = {row.name: row.number for row in relinked.services}
    assert (numbers["NtOfATimeToCome"], numbers["NtAcceptConnectPort"]) == (0x2027, 0x2028)
    image = Image(relinked.file.data)
    assert image.exports["NtAcceptConnectPort"] == BASE + SHIFT + 0x2010
    assert image.exports["ZwAcceptConnectPort"] == BASE + SHIFT + 0x2010


@pytest.mark.parametrize("installed", [False, True])
def test_win32u_has_xp_s_numbers(installed: bool, userland: Userland) -> None:
    path = userland.file("win32u.dll")
    assert path is not None
    relinked = relink_win32u(Stripped(fake_wine.win32u(), []))
    image = Image(path.read_bytes() if installed else relinked.file.data)
    numbering = win32k_numbering()
    rows = fake_wine.stub_rows("win32u")
    for _, rva, popped, name in rows:
        number = numbering.row(name, popped).number
        assert image.read(image.base + rva, 16) == xp_stub(number, popped)
    stubs = {image.base + rva + 6 for _, rva, _, _ in rows}
    relocations = image.relocations()
    assert relocations
    assert not stubs & set(relocations)
    assert image.pe.verify_checksum()
    services = tuple(sorted(relinked.services, key=lambda row: row.number))
    assert userland.services(3)[: len(services)] == services


def test_what_win32u_would_ask_the_host_for_are_system_calls(userland: Userland) -> None:
    path = userland.file("win32u.dll")
    assert path is not None
    image = Image(path.read_bytes())
    exports = {symbol.name: symbol.address for symbol in image.pe.DIRECTORY_ENTRY_EXPORT.symbols}
    for name, number, popped in (
        ("NtGdiSelectBrush", 0x1102, 8),
        ("NtGdiStretchDIBitsInternal", 0x1125, 64),
        ("NtUserReleaseDC", 0x3038, 8),
    ):
        at = image.base + exports[name.encode()]
        assert image.read(at, 16) == xp_stub(number, popped)
        assert not set(range(at, at + 16)) & set(image.relocations())


def test_a_dll_of_neither_kind_is_refused() -> None:
    plain = fake_wine.plain_dll("ntdll.dll")
    with pytest.raises(UserlandError, match="neither"):
        is_wine(plain)
    with pytest.raises(UserlandError, match="no KiUserCallbackDispatcher"):
        relink_ntdll(Stripped(plain, []))
    with pytest.raises(UserlandError, match=r"win32u\.dll has no"):
        relink_win32u(Stripped(plain, []))
    with pytest.raises(UserlandError, match="not a PE file"):
        is_wine(b"MZ")


def test_debian_s_userland_is_what_this_layout_stands_for(userland: Userland) -> None:
    hashes = {
        path: hashlib.sha256((userland.place / path).read_bytes()).hexdigest()
        for path in PREPARED[LAYOUT]
    }
    assert hashes == PREPARED[LAYOUT]
