"""The `d`, `e`, `f`, `m`, `c` and `s` commands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debug.kd_fakes import answer, kd, machine, mistake

AT = 0x0012FF80


def test_dq_shows_the_studys_idt_entries() -> None:
    first = answer(kd(), "dq 8003f400 + 2e*8").splitlines()[0]
    assert first == "8003f570  8054ee00`00082611 80548e00`0008590c"


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (
            "db 12ff80 L12",
            "0012ff80  41 42 43 44 45 46 47 48-49 4a 4b 4c 4d 4e 4f 50  ABCDEFGHIJKLMNOP\n"
            "0012ff90  51 00                                            Q.\n",
        ),
        ("dw 12ff80 L3", "0012ff80  4241 4443 4645\n"),
        (
            "dW 12ff80 L3",
            "0012ff80  4241 4443 4645                           ABCDEF\n",
        ),
        ("dd 12ff80 L5", "0012ff80  44434241 48474645 4c4b4a49 504f4e4d\n0012ff90  00000051\n"),
        (
            "dc 12ff80 L4",
            "0012ff80  44434241 48474645 4c4b4a49 504f4e4d  ABCDEFGHIJKLMNOP\n",
        ),
        ("dq 12ff80 L1", "0012ff80  48474645`44434241\n"),
        ("da 12ff80", '0012ff80  "ABCDEFGHIJKLMNOPQ"\n'),
        ("da 12ff80 L3", '0012ff80  "ABC"\n'),
        ("dd 12ff80 12ff83", "0012ff80  44434241\n"),
        (
            "dyb 12ff80 L1",
            "          76543210 76543210 76543210 76543210\n"
            "          -------- -------- -------- --------\n"
            "0012ff80  01000001                             41\n",
        ),
        ("dps 7ffe0300 L1", "7ffe0300  7c92e4f0 ntdll!KiFastSystemCall\n"),
        (
            "dqs 7ffe0300 L1",
            "7ffe0300  7c92e4f4`7c92e4f0 ntdll!KiFastSystemCall\n",
        ),
        ("dds 12ff80 L1", "0012ff80  44434241\n"),
        ("!dd 12ff80 L1", "#0012ff80  44434241\n"),
    ],
)
def test_formats(command: str, text: str) -> None:
    fake = machine()
    fake.put(AT, b"ABCDEFGHIJKLMNOPQ\0")
    assert answer(kd(fake), command) == text


@pytest.mark.parametrize(
    ("command", "rows"),
    [("db", 8), ("dw", 8), ("dd", 8), ("dq", 8), ("dc", 8), ("dps", 32), ("dqs", 16)],
)
def test_default_lengths(command: str, rows: int) -> None:
    lines = answer(kd(), f"{command} 804d8000").splitlines()
    assert len(lines) == rows
    assert all(len(line) <= 80 for line in lines)


def test_unreadable_memory_shows_question_marks() -> None:
    fake = machine()
    fake.put(0x20000FF8, b"abcdefgh")
    interpreter = kd(fake)
    assert answer(interpreter, "db 20000ff8 L10") == (
        "20000ff8  61 62 63 64 65 66 67 68-?? ?? ?? ?? ?? ?? ?? ??  abcdefgh????????\n"
    )
    assert answer(interpreter, "dd 20000ffc L2") == "20000ffc  68676665 ????????\n"
    assert answer(interpreter, "dq 20001000 L1") == "20001000  ????????`????????\n"
    assert answer(interpreter, "dps 20001000 L1") == "20001000  ????????\n"
    assert "?" * 32 in interpreter.execute("da 20001000").text
    assert mistake(interpreter, "da 20001000") == "Memory access error at 20001000"


def test_a_display_goes_on_where_the_last_one_ended() -> None:
    interpreter = kd()
    answer(interpreter, "dd 12ff80 L2")
    assert answer(interpreter, "d").startswith("0012ff88  ")
    assert answer(interpreter, "dw").startswith("00130008  ")
    answer(interpreter, "da 401000")
    assert answer(interpreter, "d").startswith("00401003  ")


def test_the_first_display_is_at_eip() -> None:
    assert answer(kd(), "db").startswith("00401000  e8 0b 00 00 00 90 f4 ")


def test_long_strings_take_several_rows() -> None:
    fake = machine()
    fake.put(0x20000000, b"x" * 40 + b"\0")
    fake.put(0x20000100, ("y" * 33).encode("utf-16-le") + b"\0\0")
    interpreter = kd(fake)
    assert answer(interpreter, "da 20000000") == (
        f'20000000  "{"x" * 32}"\n20000020  "{"x" * 8}"\n'
    )
    assert answer(interpreter, "du 20000100") == f'20000100  "{"y" * 32}"\n20000140  "y"\n'


def test_counted_strings() -> None:
    fake = machine()
    fake.put(0x20000000, bytes.fromhex("0400 0600 10000020") + b"\0" * 8 + b"ntdl")
    fake.put(0x20000100, bytes.fromhex("0400 0600 10010020") + b"\0" * 8 + b"n\0t\0")
    interpreter = kd(fake)
    assert answer(interpreter, "ds 20000000") == '20000010  "ntdl"\n'
    assert answer(interpreter, "dS 20000100") == '20000110  "nt"\n'


@pytest.mark.parametrize("command", ["db 0 L1000000", "dd 0 L10000000", "f 0 Lf000000 0"])
def test_too_much_at_once(command: str) -> None:
    assert "error" in mistake(kd(), command).lower()


@pytest.mark.parametrize(
    ("command", "written"),
    [
        ("eb 12ff80 1 2 ff", b"\x01\x02\xff"),
        ('eb 12ff80 1 "ab" 2', b"\x01ab\x02"),
        ("eb 12ff80 (-1)", b"\xff"),
        ("ew 12ff80 1234 5", b"\x34\x12\x05\0"),
        ("ed 12ff80 12345678", b"\x78\x56\x34\x12"),
        ("ed 12ff80 (-2)", b"\xfe\xff\xff\xff"),
        ("eq 12ff80 8054ee00`00082611", bytes.fromhex("11260800 00ee5480")),
        ('ea 12ff80 "a;b"', b"a;b\xcc"),
        ('eza 12ff80 "ab"', b"ab\0\xcc"),
        ('eu 12ff80 "ab"', b"a\0b\0\xcc"),
        ('ezu 12ff80 "ab"', b"a\0b\0\0\0\xcc"),
        ('eza 12ff80 "a\\n\\"b"', b'a\n"b\0'),
        ("f 12ff80 L5 1 2", b"\x01\x02\x01\x02\x01\xcc"),
        ("m 401000 L2 12ff80", b"\xe8\x0b\xcc"),
        ("e 12ff80 7", b"\x07\xcc"),
    ],
)
def test_changing_memory(command: str, written: bytes) -> None:
    fake = machine()
    fake.put(AT, b"\xcc" * 16)
    interpreter = kd(fake)
    answer(interpreter, command)
    assert fake.read(AT, len(written)) == written


def test_a_value_too_large_is_refused_and_nothing_written() -> None:
    fake = machine()
    before = fake.read(AT, 16)
    assert mistake(kd(fake), "eb 12ff80 1 100") == "^ Overflow error in 'eb 12ff80 1 100'"
    assert mistake(kd(fake), "eb 12ff80").startswith("^ Syntax error")
    assert fake.read(AT, 16) == before


def test_changing_what_is_not_there() -> None:
    assert mistake(kd(), "eb 0 1") == "Memory access error at 00000000"


def test_e_repeats_the_last_size() -> None:
    fake = machine()
    interpreter = kd(fake)
    answer(interpreter, "ew 12ff80 1; e 12ff82 1234")
    assert fake.read(AT, 4) == b"\x01\0\x34\x12"


def test_compare_lists_the_bytes_that_differ() -> None:
    fake = machine()
    fake.put(0x20000000, b"abcdXbcd")
    assert answer(kd(fake), "c 20000000 L4 20000004") == "20000000  61 - 20000004 58\n"


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ('s -a 20000000 L100 "need"', ["20000005"]),
        ("s 20000000 L100 6e 65 65 64", ["20000005"]),
        ('s -[1]b 20000000 L100 "need"', ["0x20000005"]),
        ('s -u 20000000 L100 "le"', ["20000020"]),
        ("s -d 20000000 L20 7c92e4f0", ["20000040"]),
        ("s -w 20000000 L40 e4f0 7c92", ["20000040"]),
        ('s -a 20000000 L8 "need"', []),
        ("s -b 20000000 20000008 64", ["20000008"]),
        ('s -a 10000000 L?20000000 "needle"', ["20000005"]),
    ],
)
def test_search(command: str, found: list[str]) -> None:
    fake = machine()
    fake.put(0x20000005, b"needle")
    fake.put(0x20000020, "le".encode("utf-16-le"))
    fake.put_number(0x20000040, 0x7C92E4F0)
    fake.put_number(0x20000045, 0x7C92E4F0)
    interpreter = kd(fake)
    assert [line.split()[0] for line in answer(interpreter, command).splitlines()] == found


@given(st.binary(min_size=1, max_size=64), st.binary(min_size=1, max_size=3))
def test_search_finds_what_find_finds(data: bytes, pattern: bytes) -> None:
    fake = machine()
    fake.put(0x20000FE0, data)
    text = " ".join(f"{byte:02x}" for byte in pattern)
    lines = answer(kd(fake), f"s -[1]b 20000fe0 L{len(data):x} {text}").splitlines()
    expected = [at for at in range(len(data)) if data.startswith(pattern, at)]
    assert [int(line, 16) - 0x20000FE0 for line in lines] == expected
