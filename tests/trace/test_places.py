"""Addresses by module, offset and export."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntgate.loader.builtin.images import builtin_ntdll
from ntgate.trace.modules import Module
from ntgate.trace.peek import Peek, Unreadable
from ntgate.trace.places import Places, ProcessPlaces, Site, follows_call

BASE = 0x7C920000
NTDLL = builtin_ntdll().file


def ntdll() -> ProcessPlaces:
    places = Places().process(4)
    places.load(BASE, 0x17000, "ntdll.dll", NTDLL)
    return places


def test_the_study_s_stubs() -> None:
    places = ntdll()
    assert places.stub_gates == (BASE + 0xE4F2, BASE + 0xE504)
    assert places.place(BASE + 0xE4F2) == "ntdll+0xe4f2"
    assert places.symbol(BASE + 0xE4F0) == "ntdll!KiFastSystemCall"
    assert places.symbol(BASE + 0xE4F2) == "ntdll!KiFastSystemCall+0x2"
    assert places.symbol(0x1234) == "0x1234"


def test_a_return_address_is_named_by_its_call() -> None:
    """A call at the end of a function returns to where the next one begins."""
    assert ntdll().symbol(BASE + 0xE4F4) == "ntdll!KiFastSystemCallRet"
    assert ntdll().returns_to(BASE + 0xE4F4) == "ntdll!KiFastSystemCall+0x4"


class NoMemory(Peek):
    def __init__(self) -> None:
        pass

    def read(self, address: int, size: int) -> bytes:
        raise Unreadable


def site(places: ProcessPlaces, at: int, returns_to: int, number: int, gate: str = "sysenter"
         ) -> Site:  # fmt: skip
    return places.find_site(gate, at, returns_to, 0x401000, number, NoMemory())


STUB_RETURN = 0xDF6C  # where the call in NtWriteFile's stub returns to


def test_a_stub_of_ntdll_is_the_usual_way() -> None:
    found = site(ntdll(), BASE + 0xE4F2, BASE + STUB_RETURN, 0x112)
    assert (found.direct, found.indirect, found.place) == (False, False, "0x401000")
    assert found.usual


def test_a_second_ntdll_has_no_stubs() -> None:
    places = ntdll()
    places.load(0x10000000, 0x17000, "ntdll.dll", NTDLL)
    own = site(places, 0x10000000 + 0xE4F2, 0x401000, 0x112)
    assert (own.gate_at, own.direct, own.place) == ("ntdll@10000000+0xe4f2", True, "0x401000")
    through = site(places, BASE + 0xE4F2, 0x10000000 + STUB_RETURN, 0x112)
    assert (through.direct, through.place) == (False, "0x401000")
    assert through.through == "ntdll@10000000!NtWriteFile+0xc"


def test_a_stub_with_another_number_is_only_a_way_through() -> None:
    found = site(ntdll(), BASE + 0xE4F2, BASE + STUB_RETURN, 0x25)
    assert (found.place, found.through) == ("0x401000", "ntdll!NtWriteFile+0xc")


def test_the_gate_called_from_elsewhere() -> None:
    found = site(ntdll(), BASE + 0xE4F2, 0x402000, 0x112)
    assert (found.place, found.through) == ("0x402000", "ntdll!KiFastSystemCall+0x2")


def test_places_follow_loads_and_unloads() -> None:
    places = ntdll()
    assert places.place(0x400123) == "0x400123"
    places.load(0x400000, 0x1000, "prog.exe", b"")
    assert places.place(0x400123) == "prog+0x123"
    assert places.symbol(0x400123) == "prog+0x123"
    places.unload(0x400000)
    assert places.place(0x400123) == "0x400123"


def test_names_of_files_are_on_one_line() -> None:
    places = ntdll()
    places.load(0x400000, 0x1000, "a\u2028\udc00.dll", b"")
    assert places.place(0x400123) == "a<U+2028><U+DC00>+0x123"


def test_a_function_without_a_name_takes_none() -> None:
    def module(code: bytes) -> Module:
        made = Module(0, 0x2000, "m", code)
        made.exports = [(0x1000, "First")]
        made.sections = [(0x1000, len(code), 0)]
        return made

    padded = b"\xc3".ljust(16, b"\x90") + b"\x55\x89\xe5\xc3"
    assert module(padded).symbol(0x1012) == "m+0x1012"
    realigned = b"\x8b\xff\x55\x8b\xec\x5d\x8d\x4c\x24\x04\x83\xe4\xf0\xff\x71\xfc\x55\x89\xe5\xc3"
    assert module(realigned).symbol(0x1012) == "m!First+0x12"
    assert module(bytes(0x4000)).symbol(0x3001) == "m+0x3001"


@given(st.data())
def test_a_file_that_lies_about_itself_has_no_names(data: st.DataObject) -> None:
    file = bytearray(NTDLL[:0x400] + NTDLL[0x400:])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 0x300))
        file[at : at + 4] = struct.pack("<I", data.draw(st.integers(0, 0xFFFFFFFF)))
    places = Places().process(4)
    places.load(BASE, 0x17000, "ntdll.dll", bytes(file))
    assert places.symbol(BASE + 0xE4F2).startswith("ntdll")


@pytest.mark.parametrize(
    ("code", "is_call"),
    [
        ("90 90 e8 01 02 03 04", True),  # call rel32
        ("90 90 90 90 90 ff d0", True),  # call eax
        ("90 90 90 90 ff 55 08", True),  # call [ebp+8]
        ("90 ff 15 00 10 40 00", True),  # call [401000h]
        ("ff 94 81 00 10 00 00", True),  # call [ecx+eax*4+1000h]
        ("90 90 90 ff 54 24 04", True),  # call [esp+4]
        ("90 90 90 90 90 ff e0", False),  # jmp eax
        ("90 90 90 90 90 90 90", False),
    ],
)
def test_what_stands_before_a_return_address(code: str, is_call: bool) -> None:
    assert follows_call(bytes.fromhex(code)) == is_call
