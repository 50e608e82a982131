"""Dropping debug sections, and keeping the functions' names."""

import fake_wine
import pefile
from hypothesis import given
from hypothesis import strategies as st

from ntgate.loader.userland.strip import decode_symbols, encode_symbols, strip

PLAIN = fake_wine.plain_dll("plain.dll")
SYMBOLS = {"_main": 0x1000, "_a_long_function_name@12": 0x1010, "@fast@8": 0x1004}
WITH_DEBUG = fake_wine.with_debug_sections(PLAIN, SYMBOLS)


def test_debug_sections_go_and_the_image_shrinks_to_what_it_was() -> None:
    stripped = pefile.PE(data=strip(WITH_DEBUG, "x.dll").data)
    plain = pefile.PE(data=PLAIN)
    assert [s.Name for s in stripped.sections] == [s.Name for s in plain.sections]
    assert stripped.OPTIONAL_HEADER.SizeOfImage == plain.OPTIONAL_HEADER.SizeOfImage
    assert stripped.FILE_HEADER.PointerToSymbolTable == 0
    assert stripped.FILE_HEADER.NumberOfSymbols == 0
    assert stripped.get_memory_mapped_image()[0x1000:] == plain.get_memory_mapped_image()[0x1000:]
    assert stripped.verify_checksum()
    assert len(stripped.__data__) == len(PLAIN)


def test_functions_are_kept_undecorated_by_address() -> None:
    assert strip(WITH_DEBUG, "x.dll").symbols == [
        (0x1000, "main"),
        (0x1004, "fast"),
        (0x1010, "a_long_function_name"),
    ]


def test_what_has_no_debug_sections_stays_as_it_is() -> None:
    assert strip(PLAIN, "x.dll").data == PLAIN
    assert strip(b"MSFT", "x.tlb").data == b"MSFT"
    assert strip(b"", "empty.dll").data == b""


@given(st.binary(min_size=1, max_size=8), st.integers(0, 0x400))
def test_a_damaged_file_breaks_nothing(patch: bytes, at: int) -> None:
    damaged = WITH_DEBUG[:at] + patch + WITH_DEBUG[at + len(patch) :]
    assert strip(damaged, "x.dll").data[:2] == damaged[:2]


@given(st.integers(0, len(WITH_DEBUG)))
def test_a_short_file_breaks_nothing(size: int) -> None:
    strip(WITH_DEBUG[:size], "x.dll")


NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


@given(st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), NAMES)))
def test_symbols_round_trip(symbols: list[tuple[int, str]]) -> None:
    assert decode_symbols(encode_symbols(symbols)) == symbols
