"""Decoded values, and how they are written.

A value is an int, a bool, None (a NULL pointer), a str (text of the guest), a Word (a name or a
hexadecimal number), Bytes, a list or a dict of values.
"""

from __future__ import annotations

from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MOST_KEPT = 10_000  # entries of one of the tracer's caches
MOST_SHOWN = 4  # elements of a list in the short text form

_ESCAPES = {0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x22: '\\"', 0x5C: "\\\\", 0: "\\0"}
_BYTES = [
    _ESCAPES.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}")
    for byte in range(256)
]
_CONTROLS = {"\r": "<CR>", "\n": "<LF>", "\t": "<TAB>", "\0": "<NUL>"}
_TEXT_BYTES = frozenset(range(0x20, 0x7F)) | {0x09, 0x0A, 0x0D}


class Word(str):
    """A name or a hexadecimal number: shown bare, where text of the guest stands in quotes."""

    __slots__ = ()


class Clipped(str):
    """The beginning of a text of the guest."""

    __slots__ = ()


class Fixed(dict[str, Any]):
    """A structure of numbers: those of equal bytes are one object, which nobody changes."""

    __slots__ = ("json",)

    def __init__(self, members: dict[str, Any]) -> None:
        super().__init__(members)
        self.json = _members_to_json(members)


class Bytes:
    """The beginning of a buffer; more: the buffer is longer."""

    __slots__ = ("data", "more")

    def __init__(self, data: bytes, *, more: bool) -> None:
        self.data = data
        self.more = more

    def text(self) -> str:
        """As strace writes it: "ab\\n"... ; L"ab" for what is plainly UTF-16."""
        dots = "..." if self.more else ""
        if is_wide(self.data):
            return f'L"{escape(self.data[::2])}"{dots}'
        return f'"{escape(self.data)}"{dots}'


def escape(data: bytes) -> str:
    """Bytes as they would stand in a C string, on one line and in ASCII."""
    if data.isascii():
        text = data.decode("ascii")
        if text.isprintable() and '"' not in text and "\\" not in text:
            return text
    return "".join(map(_BYTES.__getitem__, data))


def is_wide(data: bytes) -> bool:
    """Two characters or more of UTF-16 text, all of them ASCII; a NUL may end it."""
    low, high = data[::2], data[1::2]
    if len(low) < 2 or len(data) & 1 or any(high):
        return False
    return _TEXT_BYTES.issuperset(low.removesuffix(b"\0"))


def printable(text: str) -> str:
    """Text on one line: what can't be printed is <CR>, <LF>, <TAB>, <NUL> or <U+....>."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else _CONTROLS.get(char) or f"<U+{ord(char):04X}>"
        for char in text
    )


def quote(text: str) -> str:
    """Printable text in quotes.  A backslash is itself, as in paths."""
    return f'"{printable(text)}"'


def show(value: Any, *, whole: bool = True) -> str:
    """The text form; without `whole`, of a longer list only the beginning."""
    kind = type(value)
    if kind is Word:
        return str(value)
    if kind is int:
        return str(value)
    if kind is Bytes:
        return str(value.text())
    if value is None:
        return "NULL"
    if kind is bool:
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return quote(value) + ("..." if kind is Clipped else "")
    if isinstance(value, dict):
        inner = [f"{name}={show(member, whole=whole)}" for name, member in value.items()]
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, list):
        shown = value if whole else value[:MOST_SHOWN]
        parts = [show(member if whole else _brief(member), whole=whole) for member in shown]
        if len(shown) < len(value):
            parts.append(f"... {len(value) - len(shown)} more")
        return "[" + ", ".join(parts) + "]"
    return str(value)


def _brief(value: Any) -> Any:
    """An element of a list without the members that say nothing."""
    if not isinstance(value, dict):
        return value
    return {name: member for name, member in value.items() if member not in (0, "")}


def to_json(value: Any) -> str:
    """One line of JSON, in ASCII: a lone surrogate in a file's name is no UTF-8.

    As json.dumps writes it, in a third of the time for the short values of a trace.
    """
    kind = type(value)
    if kind is Fixed:
        return str(value.json)
    if kind is Bytes:
        text = value.data.decode("latin-1")
        return encode_basestring_ascii(text + "..." if value.more else text)
    if kind is int:
        return str(value)
    if isinstance(value, str):
        return encode_basestring_ascii(value + "..." if kind is Clipped else value)
    if kind is dict:
        return _members_to_json(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(to_json, value)) + "]"
    if isinstance(value, int):
        return str(int(value))
    raise TypeError(f"{value!r} has no JSON form")


def _members_to_json(members: dict[str, Any]) -> str:
    inner = [
        f"{encode_basestring_ascii(name)}: {member if type(member) is int else to_json(member)}"
        for name, member in members.items()
    ]
    return "{" + ", ".join(inner) + "}"


class Memo(dict[K, V], Generic[K, V]):
    """What is made of the keys that came up last, each once."""

    def __init__(self, make: Callable[[K], V]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: K) -> V:
        if len(self) > MOST_KEPT:
            self.clear()
        made = self[key] = self._make(key)
        return made
