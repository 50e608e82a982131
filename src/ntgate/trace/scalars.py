"""Numbers as their types write them: by name, as a time, in hexadecimal where it is no count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from ntgate.dispatch.named_types import Named, named_types
from ntgate.layout.ntstatus import SEVERITY_ERROR
from ntgate.layout.status_names import name_of
from ntgate.layout.times import MILLISECOND, SECOND
from ntgate.records import dataclass
from ntgate.trace.values import MOST_KEPT, Word

Show = Callable[[int], Any]

PSEUDO_HANDLES = {
    0xFFFFFFFF: "NtCurrentProcess",
    0xFFFFFFFE: "NtCurrentThread",
    0xFFFFFFFC: "NtCurrentProcessToken",
    0xFFFFFFFB: "NtCurrentThreadToken",
    0xFFFFFFFA: "NtCurrentThreadEffectiveToken",
}
INFINITE = -(1 << 63)
FIRST_YEAR = datetime(1601, 1, 1)


@dataclass(frozen=True)
class ScalarType:
    """Bytes, sign, and how a value is shown; None for a decimal number."""

    size: int
    signed: bool
    show: Show | None


class _Flags(dict[int, Word]):
    """The text of each value that has come up."""

    def __init__(self, rows: Sequence[tuple[int, str]]) -> None:
        super().__init__()
        self._rows = rows

    def __missing__(self, value: int) -> Word:
        left, names = value, []
        for bits, name in self._rows:
            if value & bits == bits and left & bits:
                names.append(name)
                left &= ~bits
        if left or not names:
            names.append(f"{left:#x}" if left else "0")
        text = self[value] = Word("|".join(names))
        return text


class _Enumeration(dict[int, Word]):
    def __init__(self, rows: Sequence[tuple[int, str]]) -> None:
        super().__init__((value, Word(name)) for value, name in rows)

    def __missing__(self, value: int) -> Word:
        return Word(f"{value:#x}")


def flags(value: int, name: str) -> Word:
    """`A|B|0x8` by the table of that name; 0 for none."""
    return _named(name)(value)  # type: ignore[no-any-return]


class _Hexadecimal(dict[int, Word]):
    """The text of the numbers that came up last."""

    def __missing__(self, value: int) -> Word:
        if len(self) > MOST_KEPT:
            self.clear()
        text = self[value] = Word(f"{value:#x}")
        return text


class _Handles(_Hexadecimal):
    def __missing__(self, value: int) -> Word:
        name = PSEUDO_HANDLES.get(value)
        return super().__missing__(value) if name is None else Word(name)


hexadecimal: Callable[[int], Word] = _Hexadecimal().__getitem__
handle: Callable[[int], Word] = _Handles().__getitem__


def boolean(value: int) -> bool:
    return value & 0xFF != 0


def long_boolean(value: int) -> Any:
    return value if value > 1 else value == 1


@cache
def status(value: int) -> Word:
    """By name, in hexadecimal where there is none."""
    name = name_of(value & 0xFFFFFFFF)
    return Word(name if name[0].isalpha() and not _is_hex(name) else f"{value & 0xFFFFFFFF:#x}")


def exit_status(value: int) -> Any:
    """What a process or a thread ends with: an exit code, or an NTSTATUS that is no success."""
    return status(value) if value & SEVERITY_ERROR else value


def _is_hex(text: str) -> bool:
    return len(text) == 8 and all(char in "0123456789abcdef" for char in text)


def time(value: int) -> Any:
    """Of 100 ns units since 1601, in UTC; as a number where it is none."""
    if value <= 0:
        return value
    seconds, ticks = divmod(value, SECOND)
    try:
        moment = FIRST_YEAR + timedelta(seconds=seconds)
    except OverflowError:
        return hexadecimal(value)
    return Word(f"{moment.isoformat()}.{ticks:07}Z")


def interval(value: int) -> Any:
    """A timeout: negative is relative."""
    if value == INFINITE:
        return Word("infinite")
    if value >= 0:
        return time(value)
    milliseconds, ticks = divmod(-value, MILLISECOND)
    fraction = f".{ticks:04}".rstrip("0") if ticks else ""
    return Word(f"-{milliseconds}{fraction}ms")


def control_code(value: int) -> Word:
    """By name, else by its parts."""
    name = _named("CONTROL_CODE")(value)
    if not name.startswith("0x"):
        return name  # type: ignore[no-any-return]
    method = _named("IO_METHOD")(value & 3)
    device, function, access = value >> 16, value >> 2 & 0xFFF, value >> 14 & 3
    return Word(f"CTL_CODE({device:#x}, {function:#x}, {method}, {access})")


_BASE = {
    "UCHAR": ScalarType(1, False, None),
    "USHORT": ScalarType(2, False, None),
    "ULONG": ScalarType(4, False, None),
    "LONG": ScalarType(4, True, None),
    "ULONGLONG": ScalarType(8, False, None),
    "LONGLONG": ScalarType(8, True, None),
    "HEX": ScalarType(4, False, hexadecimal),
    "HEX64": ScalarType(8, False, hexadecimal),
    "BOOLEAN": ScalarType(1, False, boolean),
    "HANDLE": ScalarType(4, False, handle),
    "NTSTATUS": ScalarType(4, False, status),
    "EXIT_STATUS": ScalarType(4, False, exit_status),
    "TIME": ScalarType(8, True, time),
    "INTERVAL": ScalarType(8, True, interval),
    "CONTROL_CODE": ScalarType(4, False, control_code),
    # As prototypes spell them.
    "ULONG_PTR": ScalarType(4, False, hexadecimal),
    "SIZE_T": ScalarType(4, False, hexadecimal),
    "PVOID": ScalarType(4, False, hexadecimal),
    "ACCESS_MASK": ScalarType(4, False, lambda value: flags(value, "STANDARD_ACCESS")),
    "LARGE_INTEGER": ScalarType(8, True, None),
    "ULARGE_INTEGER": ScalarType(8, False, None),
    "LCID": ScalarType(4, False, hexadecimal),
    "LANGID": ScalarType(2, False, hexadecimal),
    "LUID": ScalarType(8, False, hexadecimal),
    # Of win32k.
    "BOOL": ScalarType(4, False, long_boolean),
    "GUI_HANDLE": ScalarType(4, False, hexadecimal),
    "COLORREF": ScalarType(4, False, hexadecimal),
    "ATOM": ScalarType(2, False, hexadecimal),
    "LRESULT": ScalarType(4, False, hexadecimal),
    "ADDRESS": ScalarType(4, False, hexadecimal),
    "SHORT": ScalarType(2, True, None),
}


@cache
def scalar_type(name: str, size: int = 0) -> ScalarType | None:
    """A base type, flags, an enumeration or an information class; None for anything else.

    size: bytes where they are not the type's own.
    """
    found = _BASE.get(name)
    if found is not None:
        return found if size in (0, found.size) else ScalarType(size, found.signed, found.show)
    types = named_types()
    if name in types.values or name in types.classes:
        return ScalarType(size or 4, False, _named(name))
    return None


@cache
def _named(name: str) -> Show:
    types = named_types()
    if name in types.classes:
        rows = [(value, row.name) for value, row in types.classes[name].items()]
        return _Enumeration(rows).__getitem__
    table: Named = types.values[name]
    if table.flags:
        return _Flags(table.rows).__getitem__
    return _Enumeration(table.rows).__getitem__
