r"""The text form of registry keys: .reg files, versions 5.00 and 4 ("REGEDIT4").

    Windows Registry Editor Version 5.00

    [HKEY_LOCAL_MACHINE\SOFTWARE\Example]
    @="the default value"
    "Count"=dword:0000002a
    "Path"=hex(2):25,00,54,00,45,00,4d,00,50,00,25,00,00,00
    "Gone"=-

    [-HKEY_LOCAL_MACHINE\SOFTWARE\Old]

Read, not written: str(2):"%TEMP%" for REG_EXPAND_SZ, str(7):"one\0two\0" for REG_MULTI_SZ and
str(6):"\\Registry\\..." for REG_LINK, as in Wine's registry files, so that a file can be read by
people.  A new key whose first value is "SymbolicLinkValue", a REG_LINK, is a link.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import field

from ntgate.errors import UsageError
from ntgate.executive.cm.node import Value, from_utf16, utf16
from ntgate.layout.cm import REG_BINARY, REG_DWORD, REG_EXPAND_SZ, REG_LINK, REG_MULTI_SZ, REG_SZ
from ntgate.records import dataclass

HEADER = "Windows Registry Editor Version 5.00"
HEADER_4 = "REGEDIT4"
ANSI = "cp1252"
WIDTH = 78  # columns of a line of hex digits, before its backslash

_NAME = re.compile(r'\s*(?:@|"((?:[^"\\]|\\.)*)")\s*=\s*', re.DOTALL)
_STRING = re.compile(r'(?:str\((?P<kind>[0-9a-f]{1,8})\):)?"(?P<text>(?:[^"\\]|\\.)*)"\s*(?:;.*)?',
                     re.DOTALL | re.IGNORECASE)
_OPEN_STRING = re.compile(r'(?:str\([0-9a-f]{1,8}\):)?"', re.IGNORECASE)
_DWORD = re.compile(r"dword:\s*([0-9a-f]{1,8})\s*(?:;.*)?", re.IGNORECASE)
_HEX = re.compile(
    r"hex(?:\(([0-9a-f]{1,8})\))?:\s*((?:[0-9a-f]{1,2}(?:\s*,\s*[0-9a-f]{1,2})*)?)\s*,?\s*(?:;.*)?",
    re.IGNORECASE,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "0": "\0"}
_UNSAFE_IN_STRING = re.compile("[\0\r\n\ud800-\udfff]")
_TEXT_TYPES = (REG_SZ, REG_EXPAND_SZ, REG_MULTI_SZ)


@dataclass(slots=True)
class RegKey:
    """One [section]; `values` are in order, with None for one to be deleted."""

    path: str
    line: int
    delete: bool = False
    values: list[tuple[str, Value | None]] = field(default_factory=list)


def decode(data: bytes) -> str:
    """The text of a .reg file: UTF-16 or UTF-8 with a mark, else UTF-8, else Windows-1252."""
    if data.startswith(b"\xff\xfe"):
        return from_utf16(data[2:])
    if data.startswith(b"\xfe\xff"):
        return data[2 : len(data) & ~1].decode("utf-16-be", "surrogatepass")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode(ANSI, "replace")


def encode(text: str) -> bytes:
    """As regedit saves it: UTF-16 with a mark, and carriage returns."""
    return b"\xff\xfe" + utf16(text.replace("\n", "\r\n"))


def parse(text: str) -> list[RegKey]:
    """The sections of a .reg file; raises UsageError that names the line."""
    lines = _Lines(text)
    header = next((line for _number, line in lines), "")
    if header not in (HEADER, HEADER_4):
        raise UsageError(f'a .reg file begins with "{HEADER}"')
    ansi = header == HEADER_4
    keys: list[RegKey] = []
    for number, line in lines:
        if line[0] == "[":
            keys.append(_section(line, number))
            continue
        if not keys or keys[-1].delete:
            raise UsageError(f"line {number}: a value stands outside of a [key]")
        keys[-1].values.append(_value(line, number, lines, ansi=ansi))
    return keys


class _Lines:
    """Number and text of the lines that say something, stripped."""

    def __init__(self, text: str) -> None:
        self._lines = text.removeprefix("\ufeff").split("\n")
        self._next = 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        while self._next < len(self._lines):
            line = self._lines[self._next].strip()
            self._next += 1
            if line and line[0] != ";":
                yield self._next, line

    def continuation(self) -> str | None:
        """The next line as it is; None at the end."""
        if self._next == len(self._lines):
            return None
        self._next += 1
        return self._lines[self._next - 1].removesuffix("\r")


def _section(line: str, number: int) -> RegKey:
    end = line.rfind("]")
    comment = line[end + 1 :].lstrip()
    if end < 0 or (comment and comment[0] != ";"):
        raise UsageError(f"line {number}: a [key] has no closing bracket")
    path = line[1:end]
    delete = path.startswith("-")
    return RegKey(path.removeprefix("-"), number, delete)


def _value(line: str, number: int, lines: _Lines, *, ansi: bool) -> tuple[str, Value | None]:
    name = _NAME.match(line)
    while name is None and line.startswith('"') and (more := lines.continuation()) is not None:
        line += "\n" + more
        name = _NAME.match(line)
    if name is None:
        raise UsageError(f'line {number}: neither a [key] nor a "name"=value')
    called = _unescape(name[1] or "")
    data = line[name.end() :]
    if data == "-":
        return called, None
    if _OPEN_STRING.match(data):
        while (text := _STRING.fullmatch(data)) is None:
            more = lines.continuation()
            if more is None:
                raise UsageError(f"line {number}: a string has no closing quote")
            data += "\n" + more
        kind = int(text["kind"] or "1", 16)
        return called, Value(called, kind, _string_data(kind, _unescape(text["text"])))
    while data.endswith("\\"):
        more = lines.continuation()
        data = data[:-1] + (more or "").strip()
    if dword := _DWORD.fullmatch(data):
        return called, Value(called, REG_DWORD, int(dword[1], 16).to_bytes(4, "little"))
    if digits := _HEX.fullmatch(data):
        kind = int(digits[1], 16) if digits[1] else REG_BINARY
        content = bytes(int(byte, 16) for byte in digits[2].replace(",", " ").split())
        if ansi and kind in _TEXT_TYPES:
            content = utf16(content.decode(ANSI, "replace"))
        return called, Value(called, kind, content)
    raise UsageError(f"line {number}: {data.split(':')[0][:20]!r} is no kind of value")


def _string_data(kind: int, text: str) -> bytes:
    return utf16(text) if kind == REG_LINK else utf16(text + "\0")


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]), text)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


# Writing


def dump(keys: Iterable[tuple[str, list[Value]]]) -> str:
    """A .reg file, version 5.00, of paths and values; raises UsageError for a path that has
    a line break in it, which no .reg file can hold."""
    parts = [HEADER, "\n"]
    for path, values in keys:
        if "\n" in path or "\r" in path:
            raise UsageError(f"a .reg file can't hold the key {path!r}")
        parts.append(f"\n[{path}]\n")
        parts += [_line(value) + "\n" for value in values]
    return "".join(parts)


def _line(value: Value) -> str:
    name = _escape(value.name).replace("\n", "\\n").replace("\r", "\\r").replace("\0", "\\0")
    start = f'"{name}"=' if name else "@="
    if value.type == REG_SZ and (text := _plain_text(value.data)) is not None:
        return f'{start}"{_escape(text)}"'
    if value.type == REG_DWORD and len(value.data) == 4:
        return f"{start}dword:{int.from_bytes(value.data, 'little'):08x}"
    start += "hex:" if value.type == REG_BINARY else f"hex({value.type:x}):"
    return _hex_lines(start, value.data)


def _plain_text(data: bytes) -> str | None:
    """The text of a REG_SZ that a quoted string stands for, byte for byte."""
    if len(data) & 1 or data[-2:] != b"\0\0":
        return None
    text = data[:-2].decode("utf-16-le", "surrogatepass")
    return None if _UNSAFE_IN_STRING.search(text) else text


def _hex_lines(start: str, data: bytes) -> str:
    lines, line = [], start
    last = len(data) - 1
    for index, byte in enumerate(data):
        line += f"{byte:02x}" + ("," if index != last else "")
        if len(line) >= WIDTH - 2 and index != last:
            lines.append(line + "\\")
            line = "  "
    return "\n".join([*lines, line])
