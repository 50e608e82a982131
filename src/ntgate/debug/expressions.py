"""The expressions that the debugger's commands take, in WinDbg's MASM syntax.

Numbers are hexadecimal unless they say otherwise (`0n10`, `0t17`, `0y101`), a name is a register
or a symbol, `poi(x)` reads memory.  Arithmetic is unsigned, on 64 bits.  Unlike WinDbg's, a
32-bit number stays one: `ffdf0000` is not sign-extended (arithmetic says what that means for
comparisons).  `@@c++(...)`, or `@@(...)`, holds an expression of the other syntax
(cxx_expressions).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TypeVar

from ntgate.debug.arithmetic import (
    MASK32,
    MASK64,
    MASM_PRECEDENCE,
    UNARY,
    apply_binary,
    apply_unary,
    short,
    to_int,
)
from ntgate.debug.cxx_expressions import CxxValue, evaluate_cxx
from ntgate.debug.names import SEGMENT_REGISTERS, Names
from ntgate.debug.scanner import ExpressionError, Scanner, one_line
from ntgate.debug.target import Target, Unreadable
from ntgate.layout.type_table import TypeTable
from ntgate.memory.user import ADDRESS_SPACE
from ntgate.records import dataclass

__all__ = ["AddressRange", "CxxValue", "Evaluator", "ExpressionError", "describe"]

_T = TypeVar("_T")

_LARGEST_RANGE = 0x10000000  # bytes; `L?` lifts it

_WORD = re.compile(r"[\w`][\w`$@]*", re.ASCII)
_QUALIFIED_NAME = re.compile(r"![A-Za-z_$?@][\w$?@]*(?:::~?\w+)*", re.ASCII)
_REGISTER = re.compile(r"@?(\$?\w+)", re.ASCII)
_SEGMENT = re.compile(r"([a-z]s):", re.ASCII | re.IGNORECASE)
_EMBEDDED = re.compile(r"@@(c\+\+|masm)?\s*\(", re.ASCII | re.IGNORECASE)
_OPERATOR = re.compile(
    r">>>|<<|>>|<=|>=|==|!=|&&|\|\||[-*/%+<>=&^|]|(?:mod|and|xor|or)\b", re.ASCII | re.IGNORECASE
)
_LENGTH = re.compile(r"l(\?)?\s*(-)?", re.IGNORECASE)

_NUMBERS = (
    (re.compile(r"0x([0-9a-f]+)", re.IGNORECASE), 16),
    (re.compile(r"0n([0-9]+)", re.IGNORECASE), 10),
    (re.compile(r"0t([0-7]+)", re.IGNORECASE), 8),
    (re.compile(r"0y([01]+)", re.IGNORECASE), 2),
    (re.compile(r"([0-9][0-9a-f]*)h", re.IGNORECASE), 16),
)
_DEFAULT_NUMBERS = {
    16: re.compile(r"([0-9a-f]+)", re.IGNORECASE),
    10: re.compile(r"([0-9]+)"),
    8: re.compile(r"([0-7]+)"),
}
_STRING = re.compile(r'"([^"]*)"')
# `$scmp` is negative, 0 or positive, as strcmp; `$spat` whether a pattern takes the text.
_STRING_FUNCTIONS: dict[str, Callable[[str, str], int]] = {
    "$scmp": lambda left, right: _order(left, right) & MASK64,
    "$sicmp": lambda left, right: _order(left.casefold(), right.casefold()) & MASK64,
    "$spat": lambda text, pattern: int(fnmatchcase(text.casefold(), pattern.casefold())),
}
_MEMORY_SIZES = {"by": 1, "wo": 2, "dwo": 4, "poi": 4, "qwo": 8}


@dataclass(frozen=True, slots=True)
class AddressRange:
    """`count` elements of `element_size` bytes at a 32-bit address; `rest` is the text behind."""

    address: int
    count: int
    element_size: int
    rest: str

    @property
    def size(self) -> int:
        """In bytes."""
        return self.count * self.element_size


def _order(left: str, right: str) -> int:
    return (left > right) - (left < right)


class Evaluator:
    """Evaluates expressions against a target.  Every method may raise ExpressionError.

    `radix` (16, 10 or 8) is that of a number which names none.  `pseudo_registers` takes more
    names, such as `$bp0`, with the function that gives the value.
    """

    def __init__(self, target: Target, types: TypeTable) -> None:
        self.names = Names(target, types)
        self.radix = 16

    @property
    def pseudo_registers(self) -> dict[str, Callable[[], int]]:
        return self.names.extra

    def value(self, text: str) -> int:
        """The 64-bit unsigned value of all of `text`."""
        return _Parser(text, self).whole()

    def address(self, text: str) -> int:
        """The low 32 bits of `value`."""
        return self.value(text) & MASK32

    def parse_prefix(self, text: str) -> tuple[int, str]:
        """The value of the expression that `text` starts with, and the text behind it, stripped.

        A space ends an expression unless an operator follows: `8003f400 + 2e*8` is one.
        """
        parser = _Parser(text, self)
        value = parser.expression()
        return value, text[parser.position :].strip()

    def range(self, text: str, element_size: int, default_count: int) -> AddressRange:
        """An address with `L` and a count, an address and a last byte, or an address alone.

        `L-10` is the elements before the address.  More than 256 MB wants `L?`.
        """
        start, rest = self.parse_prefix(text)
        address = start & MASK32
        if not rest:
            return AddressRange(address, default_count, element_size, "")
        length = _LENGTH.match(rest)
        if length:
            count, after = self.parse_prefix(rest[length.end() :])
            if count * element_size > (ADDRESS_SPACE if length[1] else _LARGEST_RANGE):
                raise ExpressionError(f"Range error at '{one_line(rest)}'")
            if length[2]:
                address = address - count * element_size & MASK32
            return AddressRange(address, count, element_size, after)
        end, after = self.parse_prefix(rest)
        size = (end & MASK32) + 1 - address
        if not 0 < size <= _LARGEST_RANGE:
            raise ExpressionError(f"Range error at '{one_line(rest)}'")
        return AddressRange(address, -(-size // element_size), element_size, after)

    def set_pseudo(self, name: str, value: int) -> None:
        """Set one of `$t0` to `$t19`."""
        self.names.set_pseudo_register(name, value)

    def cxx(self, text: str) -> CxxValue:
        """The typed value of a C++ expression, as `??` takes it."""
        return evaluate_cxx(text, self.names)


def describe(value: int) -> str:
    """`12144640 = 00b95000`: signed decimal and hex, 32 bits where they suffice, as for `?`."""
    value = short(value)
    if value <= MASK32:
        return f"{value - (value >> 31 << 32)} = {value:08x}"
    return f"{value - (value >> 63 << 64)} = {value >> 32:08x}`{value & MASK32:08x}"


class _Parser(Scanner):
    """One pass over one text; `position` ends behind the expression."""

    def __init__(self, text: str, evaluator: Evaluator, depth: int = 0) -> None:
        super().__init__(text, depth)
        self._evaluator = evaluator
        self._names = evaluator.names

    def whole(self) -> int:
        value = self.expression()
        self.skip_space()
        if not self.at_end:
            raise self.error("Extra character error")
        return value

    def expression(self, lowest: int = 0) -> int:
        left = self._operand()
        while True:
            found = self.peek(_OPERATOR)
            if found is None:
                return left
            symbol = found[0].lower()
            if MASM_PRECEDENCE[symbol] < lowest:
                return left
            self.position = found.end()
            left = apply_binary(symbol, left, self.expression(MASM_PRECEDENCE[symbol] + 1))

    def _operand(self) -> int:
        self.enter()
        self.skip_space()
        symbol = self.character
        if not symbol:
            raise self.error("Numeric expression missing from")
        if symbol in UNARY:
            self.position += 1
            value = apply_unary(symbol, self._operand())
        elif symbol == "(":
            self.position += 1
            value = self._closed(")")
        elif symbol == "@":
            value = self._after_at()
        elif symbol == "$":
            value = self._dollar()
        elif symbol == ".":
            self.position += 1
            value = self._names.instruction_pointer
        else:
            value = self._word()
        self.leave()
        return value

    def _closed(self, bracket: str) -> int:
        value = self.expression()
        self.expect(bracket)
        return value

    def _after_at(self) -> int:
        start = self.position
        embedded = self.take(_EMBEDDED)
        if embedded:
            inner = self._balanced()
            if (embedded[1] or "c++").lower() == "masm":
                return _Parser(inner, self._evaluator, self.depth).whole()
            value = evaluate_cxx(inner, self._names, self.depth)
            return self._read(value.number)
        name = self.take(_REGISTER)
        if name is None:
            raise self.error("Syntax error")
        return self._known(self._read(lambda: self._names.register(name[1])), start)

    def _dollar(self) -> int:
        start = self.position
        name = self.take(_REGISTER)
        if name is None:
            raise self.error("Syntax error")
        if name[1].lower() == "$iment":
            base = self._operand()
            return self._read(lambda: self._names.image_entry(base))
        compare = _STRING_FUNCTIONS.get(name[1].lower())
        if compare is not None:
            self.expect("(")
            first = self._string()
            self.expect(",")
            second = self._string()
            self.expect(")")
            return compare(first, second)
        if name[1].lower() == "$vvalid":
            return self._is_readable()
        return self._known(self._read(lambda: self._names.pseudo_register(name[1])), start)

    def _string(self) -> str:
        self.skip_space()
        found = self.take(_STRING)
        if found is None:
            raise self.error("Syntax error")
        return found[1]

    def _is_readable(self) -> int:
        """`$vvalid(ADDRESS, BYTES)`."""
        self.expect("(")
        address = self.expression() & MASK32
        self.expect(",")
        size = self._closed(")")
        try:
            self._names.target.read(address, min(size, _LARGEST_RANGE))
        except Unreadable:
            return 0
        return 1

    def _word(self) -> int:
        start = self.position
        segment = self.peek(_SEGMENT)
        if segment and segment[1].lower() in SEGMENT_REGISTERS:
            self.position = segment.end()
            return self._in_segment(segment[1].lower())
        word = self.take(_WORD)
        if word is None:
            raise self.error("Syntax error")
        qualified = _QUALIFIED_NAME.match(self.text, self.position)
        if qualified:
            self.position = qualified.end()
            return self._symbol(word[0] + qualified[0], start)
        name = word[0].lower()
        if name in UNARY:
            return apply_unary(name, self._operand())
        if name in _MEMORY_SIZES:
            address = self._operand()
            return self._read(lambda: self._names.number_at(address, _MEMORY_SIZES[name]))
        number = self._number(word[0], start)
        if number is not None:
            return number
        register = self._names.bare_register(name)
        return register if register is not None else self._symbol(word[0], start)

    def _in_segment(self, register: str) -> int:
        base = self._read(lambda: self._names.segment_base(register))
        self.skip_space()
        if self.character == "[":
            self.position += 1
            return base + self._closed("]") & MASK32
        return base + self._operand() & MASK32

    def _number(self, word: str, start: int) -> int | None:
        digits = word.replace("`", "")
        radix = self._evaluator.radix
        for pattern, base in ((_DEFAULT_NUMBERS[radix], radix), *_NUMBERS):
            found = pattern.fullmatch(digits)
            if found:
                number = to_int(found[1], base)
                if number is None:
                    raise self.error("Overflow error", start)
                return number
        return None

    def _symbol(self, name: str, start: int) -> int:
        address = self._names.symbols.lookup(name)
        if address is None:
            raise self.error("Couldn't resolve error", start)
        return address

    def _known(self, value: int | None, start: int) -> int:
        if value is None:
            raise self.error("Bad register error", start)
        return value

    def _read(self, read: Callable[[], _T]) -> _T:
        try:
            return read()
        except Unreadable:
            raise self.memory_error() from None

    def _balanced(self) -> str:
        """The text up to the bracket that closes; leaves the position behind that."""
        start = self.position
        depth = 1
        for index in range(start, len(self.text)):
            depth += {"(": 1, ")": -1}.get(self.text[index], 0)
            if not depth:
                self.position = index + 1
                return self.text[start:index]
        self.position = len(self.text)
        raise self.error("Syntax error")
