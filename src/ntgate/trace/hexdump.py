"""The bytes of a buffer, as strace writes them below a call."""

from __future__ import annotations

from collections.abc import Iterator

ROW, HALF = 16, 8


def hexdump(name: str, data: bytes) -> Iterator[str]:
    """` * 5 bytes of Buffer` and a line for each 16 of them, with their text."""
    yield f" * {len(data)} bytes of {name}"
    for at in range(0, len(data), ROW):
        row = data[at : at + ROW]
        halves = (row[:HALF].hex(" "), row[HALF:].hex(" "))
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f" | {at:05x}  {halves[0]:23}  {halves[1]:23}  {text:16} |"
