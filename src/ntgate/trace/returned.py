"""What services answer with: an NTSTATUS, or for most of win32k a handle, a BOOL or a count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ntgate.dispatch.named_types import named_types
from ntgate.dispatch.tables import RETURNS_STATUS, WIN32K_BIT, ServiceNumber
from ntgate.layout.ntstatus import is_error
from ntgate.records import dataclass
from ntgate.trace.scalars import hexadecimal, scalar_type, status
from ntgate.trace.values import Word, show


@dataclass(frozen=True)
class Returned:
    """One kind of answer.  failed: whether a value of it tells of a failure."""

    name: str
    value: Callable[[int], Any]
    failed: Callable[[int], bool]

    def text(self, word: int) -> str:
        return show(self.value(word))


def _never(_word: int) -> bool:
    return False


NTSTATUS = Returned("NTSTATUS", status, is_error)


def returned(number: ServiceNumber) -> Returned:
    """By the rows of dispatch/data/win32k.txt; by its table where it has none."""
    name = named_types().returns.get(number.name)
    if name is None:
        if not number.number & WIN32K_BIT or number.name.startswith(RETURNS_STATUS):
            return NTSTATUS
        return Returned("UNKNOWN", hexadecimal, _never)
    return returned_type(name)


def returned_type(name: str) -> Returned:
    """HANDLE?, BOOL, or a type of the data files; with a trailing ? 0 is a failure."""
    fails = name.endswith("?")
    name = name.removesuffix("?")
    if name == "NTSTATUS":
        return NTSTATUS
    failed = _is_zero if fails else _never
    if name == "VOID":
        return Returned(name, _void, _never)
    if name == "HANDLE":
        return Returned(name, _handle, failed)
    scalar = scalar_type(name)
    assert scalar is not None, name
    decode, signed, size = scalar.show, scalar.signed, scalar.size

    def value(word: int) -> Any:
        word &= (1 << 8 * size) - 1
        number = word - (1 << 8 * size) if signed and word >> 8 * size - 1 else word
        return number if decode is None else decode(number)

    return Returned(name, value, failed)


def _is_zero(word: int) -> bool:
    return not word


def _handle(word: int) -> Any:
    return hexadecimal(word) if word else None


def _void(_word: int) -> Word:
    return Word("void")
