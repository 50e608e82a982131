"""The two forms of a system-call stub."""

import fake_wine
import pefile
from hypothesis import given
from hypothesis import strategies as st
from iced_x86 import Decoder, Mnemonic

from ntgate.loader.userland import stubs


def parsed(data: bytes) -> pefile.PE:
    return pefile.PE(data=data)


def test_the_study_s_stub() -> None:
    expected = "b812010000 ba0003fe7f ff12 c22400 90"
    assert stubs.xp_stub(0x112, 0x24) == bytes.fromhex(expected)


@given(st.integers(0, 0x3FFF), st.integers(0, 0xFF).map(lambda words: 4 * words))
def test_a_stub_decodes_to_what_it_says(number: int, popped: int) -> None:
    code = stubs.xp_stub(number, popped)
    load, pointer, call, leave = list(Decoder(32, code))[:4]
    assert len(code) == stubs.SLOT
    assert (load.mnemonic, load.immediate(1)) == (Mnemonic.MOV, number)
    assert (pointer.mnemonic, pointer.immediate(1)) == (Mnemonic.MOV, 0x7FFE0300)
    assert call.mnemonic == Mnemonic.CALL
    assert leave.mnemonic == Mnemonic.RET
    assert (leave.immediate(0) if popped else leave.op_count) == popped


def test_wine_s_stubs_are_found_by_their_nt_names() -> None:
    found = stubs.find_wine_stubs(parsed(fake_wine.ntdll()))
    rows = [(stub.wine_number, stub.rva, stub.popped_bytes, stub.name) for stub in found]
    assert rows == fake_wine.stub_rows("ntdll")
    assert stubs.are_wine_8_0(found)
    assert not stubs.are_wine_8_0(found[1:])


def test_xp_s_form_is_known() -> None:
    wine = fake_wine.ntdll()
    assert not stubs.has_xp_stubs(parsed(wine))
    close = next(row for row in fake_wine.stub_rows("ntdll") if row[3] == "NtClose")
    xp = bytearray(wine)
    at = parsed(wine).get_offset_from_rva(close[1])
    xp[at : at + 16] = stubs.xp_stub(0x19, 4)
    assert stubs.has_xp_stubs(parsed(bytes(xp)))
