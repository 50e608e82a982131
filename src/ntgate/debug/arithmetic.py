"""The operators of the debugger's expressions, on unsigned 64-bit numbers.

A comparison takes what is the sign extension of 32 bits for those 32 bits: `-1 == ffffffff`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

from ntgate.debug.scanner import ExpressionError

MASK32 = 0xFFFFFFFF
MASK64 = 0xFFFFFFFF_FFFFFFFF
LOWEST_NEGATIVE_32 = 0xFFFFFFFF_80000000


def short(value: int) -> int:
    """The 32 bits that a 64-bit number is the sign extension of, or the number itself."""
    return value & MASK32 if value >= LOWEST_NEGATIVE_32 else value


def to_int(digits: str, base: int) -> int | None:
    """The number that digits write, or None where it has more than 64 bits."""
    significant = digits.lstrip("0") or "0"
    if len(significant) > MASK64.bit_length():
        return None
    number = int(significant, base)
    return number if number <= MASK64 else None


def _compare(relation: Callable[[int, int], bool]) -> Callable[[int, int], int]:
    return lambda left, right: int(relation(short(left), short(right)))


def _divide(left: int, right: int) -> int:
    if not right:
        raise ExpressionError("Divide by zero")
    return left // right


def _remainder(left: int, right: int) -> int:
    if not right:
        raise ExpressionError("Divide by zero")
    return left % right


def _shift_left(left: int, right: int) -> int:
    return left << min(right, 64)


def _shift_right(left: int, right: int) -> int:
    return left >> min(right, 64)


def _shift_right_signed(left: int, right: int) -> int:
    return left - (left >> 63 << 64) >> min(right, 64)


_FUNCTIONS: dict[str, Callable[[int, int], int]] = {
    "*": operator.mul,
    "/": _divide,
    "%": _remainder,
    "+": operator.add,
    "-": operator.sub,
    "<<": _shift_left,
    ">>": _shift_right,
    ">>>": _shift_right_signed,
    "<": _compare(operator.lt),
    "<=": _compare(operator.le),
    ">": _compare(operator.gt),
    ">=": _compare(operator.ge),
    "==": _compare(operator.eq),
    "!=": _compare(operator.ne),
    "&": operator.and_,
    "^": operator.xor,
    "|": operator.or_,
    "&&": lambda left, right: int(bool(left and right)),
    "||": lambda left, right: int(bool(left or right)),
}

_WORDS = {"mod": "%", "and": "&", "xor": "^", "or": "|", "=": "=="}

UNARY: dict[str, Callable[[int], int]] = {
    "+": operator.pos,
    "-": operator.neg,
    "~": operator.invert,
    "!": lambda value: int(not value),
    "not": lambda value: int(not value),
    "low": lambda value: value & 0xFFFF,
    "hi": lambda value: value >> 16 & 0xFFFF,
}

# From the loosest to the tightest.
_MASM_LEVELS = (
    "||", "&&", "| or", "^ xor", "& and", "< <= > >= = == !=", "<< >> >>>", "+ -", "* / % mod",
)  # fmt: skip
_CXX_LEVELS = ("||", "&&", "|", "^", "&", "== !=", "< <= > >=", "<< >>", "+ -", "* / %")


def _precedences(levels: tuple[str, ...]) -> dict[str, int]:
    return {symbol: level for level, symbols in enumerate(levels) for symbol in symbols.split()}


MASM_PRECEDENCE = _precedences(_MASM_LEVELS)
CXX_PRECEDENCE = _precedences(_CXX_LEVELS)


def apply_unary(symbol: str, value: int) -> int:
    return UNARY[symbol](value) & MASK64


def apply_binary(symbol: str, left: int, right: int) -> int:
    """Raises ExpressionError for a division by zero."""
    return _FUNCTIONS[_WORDS.get(symbol, symbol)](left, right) & MASK64
