"""Letter case and hash of names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ntgate.executive.ob.names import bucket_of, split, upcase
from ntgate.layout.ob import NUMBER_HASH_BUCKETS


@given(st.text(st.characters(max_codepoint=0xFFFF), max_size=20))
def test_case_does_not_move_a_name(name: str) -> None:
    assert 0 <= bucket_of(name) < NUMBER_HASH_BUCKETS
    assert bucket_of(name) == bucket_of(upcase(name))
    assert upcase(upcase(name)) == upcase(name)
    assert len(upcase(name)) == len(name)


def test_hash_of_a_name() -> None:
    # 'A': 41h; 'AB': 41h + 82h + 20h + 42h, by hand.
    assert (bucket_of("a"), bucket_of("Ab")) == (0x41 % 37, 0x125 % 37)


def test_upcase_of_letters_beyond_ascii() -> None:
    assert upcase("äöüÿ ж ß µ \u0131") == "ÄÖÜŸ Ж ß µ \u0131"


def test_split() -> None:
    assert split("a\\b\\c") == ("a", "\\b\\c")
    assert split("a\\") == ("a", "\\")
    assert split("a") == ("a", "")
    assert split("") == ("", "")
