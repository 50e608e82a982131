"""How values are written: quoting, escapes, flags, times."""

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from ntgate.dispatch.named_types import named_types
from ntgate.trace.scalars import (
    control_code,
    exit_status,
    flags,
    interval,
    scalar_type,
    status,
    time,
)
from ntgate.trace.values import Bytes, Clipped, Word, escape, is_wide, quote, show, to_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.text().map(Word)
    | st.text().map(Clipped) | st.builds(Bytes, st.binary(), more=st.booleans()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip


@given(st.binary())
def test_escaped_bytes_are_printable_ascii_and_can_be_read_back(data: bytes) -> None:
    text = escape(data)
    assert text.isascii() and text.isprintable()
    letters = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}

    def byte(found: re.Match[str]) -> str:
        word = found[1]
        return chr(int(word[1:], 16)) if len(word) == 3 else letters.get(word, word)

    assert re.sub(r"\\(x..|.)", byte, text).encode("latin-1") == data


@given(st.text(st.characters()))
def test_quoted_text_is_one_printable_line(text: str) -> None:
    quoted = quote(text)
    assert quoted.isprintable()
    if text.isprintable():
        assert quoted == f'"{text}"'


def test_a_path_is_quoted_as_it_is() -> None:
    assert quote("\\??\\C:\\new\u2028\n") == '"\\??\\C:\\new<U+2028><LF>"'


@given(values)
def test_every_value_is_one_line_of_text_and_of_json(value: object) -> None:
    assert isinstance(show(value), str)
    line = to_json(value)
    assert "\n" not in line and line.isascii()
    json.loads(line)


def test_text_in_a_buffer_is_told_from_bytes() -> None:
    assert Bytes(b"a\0b\0", more=False).text() == 'L"ab"'
    assert Bytes(b"a\0b\0\0\0", more=True).text() == 'L"ab\\0"...'
    assert Bytes(b"a\0", more=False).text() == '"a\\0"'
    assert Bytes(b"a\0\x01\0", more=False).text() == '"a\\0\\x01\\0"'
    assert Bytes(b'"\xff\n', more=True).text() == '"\\"\\xff\\n"...'
    assert not is_wide(b"") and not is_wide(b"\0\0\0\0")


def test_a_long_list_is_cut_but_for_its_whole_form() -> None:
    numbers = list(range(6))
    assert show(numbers, whole=False) == "[0, 1, 2, 3, ... 2 more]"
    assert show(numbers) == "[0, 1, 2, 3, 4, 5]"
    assert show([{"Name": "a", "Size": 0, "Text": ""}], whole=False) == '[{Name="a"}]'


def test_flags_by_name() -> None:
    assert flags(0, "FILE_SHARE") == "0"
    assert flags(5, "FILE_SHARE") == "FILE_SHARE_READ|FILE_SHARE_DELETE"
    assert flags(0x12, "FILE_SHARE") == "FILE_SHARE_WRITE|0x10"
    assert flags(0x12019F, "FILE_ACCESS") == "FILE_GENERIC_READ|FILE_GENERIC_WRITE"
    assert flags(0xF003F, "KEY_ACCESS") == "KEY_ALL_ACCESS"
    assert flags(0x80100080, "FILE_ACCESS") == "FILE_READ_ATTRIBUTES|GENERIC_READ|SYNCHRONIZE"


# Control codes are told by their parts, and all rights have one name before and since Vista.
FLAG_NAMES = sorted(named_types().values.keys() - {
    "CONTROL_CODE", "JOB_ACCESS", "PROCESS_ACCESS", "THREAD_ACCESS"
})  # fmt: skip


@given(st.integers(0, 0xFFFFFFFF), st.sampled_from(FLAG_NAMES))
def test_no_bit_of_a_flag_word_is_lost(value: int, name: str) -> None:
    table = named_types().values[name]
    scalar = scalar_type(name)
    assert scalar is not None and scalar.show is not None
    text = scalar.show(value)
    numbers = {row_name: number for number, row_name in reversed(table.rows)}
    parts = [numbers[word] if word in numbers else int(word, 16) for word in text.split("|")]
    joined = 0
    for part in parts:
        joined |= part
    assert joined == value


def test_times_and_intervals() -> None:
    assert time(116444736001693900) == "1970-01-01T00:00:00.1693900Z"
    assert (time(0), time(-1)) == (0, -1)
    assert time((1 << 63) - 1) == "0x7fffffffffffffff"
    assert interval(-300000) == "-30ms"
    assert interval(-12345) == "-1.2345ms"
    assert interval(-(1 << 63)) == "infinite"
    assert interval(116444736000000000) == "1970-01-01T00:00:00.0000000Z"


def test_statuses_and_control_codes() -> None:
    assert status(0xC0000034) == "STATUS_OBJECT_NAME_NOT_FOUND"
    assert status(7) == "0x7"
    assert (exit_status(2), exit_status(0xC0000005)) == (2, "STATUS_ACCESS_VIOLATION")
    assert control_code(0x11400C) == "FSCTL_PIPE_PEEK"
    assert control_code(0x80002003) == "CTL_CODE(0x8000, 0x800, METHOD_NEITHER, 0)"
