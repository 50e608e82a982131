"""The debugger's C++ expressions: `@@(((nt!_KTRAP_FRAME *)0xf7123d64)->Eip)`, `??`.

A subset: casts, `->`, `.`, `[]`, `*`, `&`, arithmetic and comparisons, `sizeof`,
`#FIELD_OFFSET(type, field)`, `#CONTAINING_RECORD(address, type, field)`, registers after `@`
and symbols as addresses.  Numbers are C's: decimal unless `0x` or a leading 0 says otherwise.
"""

from __future__ import annotations

import re

from ntgate.debug.arithmetic import (
    CXX_PRECEDENCE,
    MASK32,
    MASK64,
    apply_binary,
    apply_unary,
    to_int,
)
from ntgate.debug.names import Names
from ntgate.debug.scanner import ExpressionError, Scanner
from ntgate.debug.target import Unreadable
from ntgate.layout.type_table import (
    BASES,
    VOID,
    Array,
    Base,
    Bitfield,
    Enum,
    Pointer,
    Struct,
    Type,
    UnknownType,
)
from ntgate.records import dataclass

_NUMBER = re.compile(r"(0x[0-9a-f]+|0n[0-9]+|[0-9]+)(?:u|l|ul|ll|ull|i64|ui64)?\b", re.I | re.A)
_NAME = re.compile(r"[A-Za-z_]\w*(?:![A-Za-z_$?@][\w$?@]*)?", re.ASCII)
_MEMBER = re.compile(r"(->|\.)\s*([A-Za-z_]\w*)", re.ASCII)
_PATH = re.compile(r"[A-Za-z_][\w.\[\]]*", re.ASCII)
_REGISTER = re.compile(r"@(\$?\w+)", re.ASCII)
_OPERATOR = re.compile(r"<<|>>|<=|>=|==|!=|&&|\|\||[-*/%+<>&^|]")
_FUNCTION = re.compile(r"(#FIELD_OFFSET|#CONTAINING_RECORD|sizeof)\s*\(", re.ASCII)
_TYPE_NAME = re.compile(
    r"(?:(?:struct|union|enum)\s+)?"
    r"((?:unsigned|signed)\s+(?:char|short|int|long|__int64)|[A-Za-z_]\w*(?:!\w+)?)"
    r"\s*((?:\*\s*)*)",
    re.ASCII,
)

_C_NAMES = {
    "void": "Void", "VOID": "Void",
    "char": "Char", "CHAR": "Char", "signed char": "Char",
    "unsigned char": "UChar", "UCHAR": "UChar", "BYTE": "UChar", "BOOLEAN": "UChar",
    "short": "Int2B", "SHORT": "Int2B", "signed short": "Int2B",
    "unsigned short": "Uint2B", "USHORT": "Uint2B", "WORD": "Uint2B", "WCHAR": "Uint2B",
    "int": "Int4B", "long": "Int4B", "LONG": "Int4B", "signed int": "Int4B",
    "signed long": "Int4B", "NTSTATUS": "Int4B",
    "unsigned": "Uint4B", "unsigned int": "Uint4B", "unsigned long": "Uint4B",
    "ULONG": "Uint4B", "DWORD": "Uint4B", "UINT": "Uint4B", "ULONG_PTR": "Uint4B",
    "__int64": "Int8B", "signed __int64": "Int8B", "LONGLONG": "Int8B",
    "unsigned __int64": "Uint8B", "ULONGLONG": "Uint8B", "ULONG64": "Uint8B",
}  # fmt: skip
_POINTER_NAMES = {"PVOID": "Void", "PULONG": "Uint4B", "PUCHAR": "UChar", "PUSHORT": "Uint2B"}


@dataclass(frozen=True, slots=True)
class CxxValue:
    """A number, or something of a type in memory.

    `address` is where it is, or None for a value that has no place; then `raw` holds it.
    """

    names: Names
    type: Type
    raw: int = 0
    address: int | None = None

    def number(self) -> int:
        """As 64 unsigned bits, sign-extended where the type is signed; an array's is its address.

        Raises ExpressionError for a structure, and Unreadable.
        """
        if isinstance(self.type, Struct) or self.type == VOID:
            raise ExpressionError(f"Type conflict error at '{self.type.name}'")
        if self.address is None:
            return self.raw
        if isinstance(self.type, Array):
            return self.address
        number = self.names.number_at(self.address, self.type.size)
        if isinstance(self.type, Bitfield):
            return self.type.extract(number)
        return _extended(number, self.type)


UNTYPED = BASES["Int8B"]  # a literal or a result


def evaluate_cxx(text: str, names: Names, depth: int = 0) -> CxxValue:
    """The value of all of `text`; raises ExpressionError."""
    parser = _Parser(text, names, depth)
    value = parser.expression()
    parser.skip_space()
    if not parser.at_end:
        raise parser.error("Extra character error")
    return value


class _Parser(Scanner):
    def __init__(self, text: str, names: Names, depth: int) -> None:
        super().__init__(text, depth)
        self._names = names
        self._types = names.types

    def expression(self, lowest: int = 0) -> CxxValue:
        left = self._unary()
        while True:
            found = self.peek(_OPERATOR)
            if found is None or CXX_PRECEDENCE[found[0]] < lowest:
                return left
            self.position = found.end()
            right = self.expression(CXX_PRECEDENCE[found[0]] + 1)
            left = self._binary(found[0], left, right)

    def _unary(self) -> CxxValue:
        self.enter()
        self.skip_space()
        value = self._prefixed() or self._postfix(self._primary())
        self.leave()
        return value

    def _prefixed(self) -> CxxValue | None:
        start = self.position
        symbol = self.character
        if symbol == "(":
            self.position += 1
            target = self._type()
            if target and self.character == ")":
                self.position += 1
                return self._cast(self._unary(), target)
            self.position = start
            return None
        if not symbol or symbol not in "*&+-!~":
            return None
        self.position += 1
        operand = self._unary()
        if symbol == "*":
            return self._dereference(operand)
        if symbol == "&":
            if operand.address is None:
                raise self.error("Type conflict error", start)
            return self._value(operand.address, Pointer(operand.type))
        return self._value(apply_unary(symbol, self._number(operand)))

    def _primary(self) -> CxxValue:
        start = self.position
        if self.at_end:
            raise self.error("Numeric expression missing from")
        if self.character == "(":
            self.position += 1
            value = self.expression()
            self.expect(")")
            return value
        function = self.take(_FUNCTION)
        if function:
            return self._function(function[1])
        number = self.take(_NUMBER)
        if number:
            return self._value(self._literal(number[1].lower(), start))
        register = self.take(_REGISTER)
        if register:
            return self._value(self._register(register[1], start))
        name = self.take(_NAME)
        if name is None:
            raise self.error("Syntax error")
        address = self._names.symbols.lookup(name[0])
        if address is None:
            raise self.error("Couldn't resolve error", start)
        return self._value(address)

    def _postfix(self, value: CxxValue) -> CxxValue:
        while True:
            member = self.take(_MEMBER)
            if member:
                value = self._dereference(value) if member[1] == "->" else value
                value = self._field(value, member[2], member.start(2))
                continue
            self.skip_space()
            if self.character != "[":
                return value
            self.position += 1
            index = self.expression()
            self.expect("]")
            value = self._dereference(self._binary("+", value, index))

    def _function(self, name: str) -> CxxValue:
        if name == "sizeof":
            start = self.position
            of = self._type()
            self.skip_space()
            if of is None or self.character != ")":
                self.position = start
                of = self.expression().type
            self.expect(")")
            return self._value(of.size)
        address = 0
        if name == "#CONTAINING_RECORD":
            address = self._number(self.expression())
            self.expect(",")
        struct, offset = self._struct_and_offset()
        if name == "#FIELD_OFFSET":
            return self._value(offset)
        return self._value(address - offset & MASK32, Pointer(struct))

    def _struct_and_offset(self) -> tuple[Struct, int]:
        self.skip_space()
        start = self.position
        struct = self._type()
        if not isinstance(struct, Struct):
            raise self.error("Couldn't resolve error", start)
        self.expect(",")
        path = self.take(_PATH)
        if path is None:
            raise self.error("Syntax error")
        try:
            offset, _ = self._types.resolve(struct, path[0])
        except UnknownType:
            raise self.error("Type does not have given member error", path.start()) from None
        self.expect(")")
        return struct, offset

    def _type(self) -> Type | None:
        """The type that is named here, with its `*`; None, and no move, where none is."""
        start = self.position
        name = self.take(_TYPE_NAME)
        if name is None:
            return None
        plain = " ".join(name[1].split())
        found: Type | None = None
        if plain in _C_NAMES:
            found = BASES[_C_NAMES[plain]]
        elif plain in _POINTER_NAMES:
            found = Pointer(BASES[_POINTER_NAMES[plain]])
        else:
            found = self._types.find(plain)
        if found is None:
            self.position = start
            return None
        for _ in range(name[2].count("*")):
            found = Pointer(found)
        return found

    def _literal(self, digits: str, start: int) -> int:
        number: int | None
        if digits.startswith("0x"):
            number = to_int(digits[2:], 16)
        elif digits.startswith("0n"):
            number = to_int(digits[2:], 10)
        elif digits.startswith("0") and digits.strip("01234567"):
            raise self.error("Syntax error", start)
        else:
            number = to_int(digits, 8 if digits.startswith("0") else 10)
        if number is None:
            raise self.error("Overflow error", start)
        return number

    def _register(self, name: str, start: int) -> int:
        try:
            value = self._names.register(name)
        except Unreadable:
            raise self.memory_error() from None
        if value is None:
            raise self.error("Bad register error", start)
        return value

    def _binary(self, symbol: str, left: CxxValue, right: CxxValue) -> CxxValue:
        left_step, right_step = _step(left.type), _step(right.type)
        first, second = self._number(left), self._number(right)
        if symbol in ("+", "-") and left_step and not right_step:
            number = apply_binary(symbol, first, second * left_step)
            return self._value(number & MASK32, _decayed(left.type))
        if symbol == "+" and right_step and not left_step:
            number = apply_binary(symbol, first * right_step, second)
            return self._value(number & MASK32, _decayed(right.type))
        if symbol == "-" and left_step:
            return self._value((first - second) // left_step)
        return self._value(apply_binary(symbol, first, second))

    def _cast(self, value: CxxValue, target: Type) -> CxxValue:
        if isinstance(target, Struct) or target == VOID:
            raise self.error("Type conflict error")
        number = self._number(value) & ((1 << target.size * 8) - 1)
        return self._value(_extended(number, target), target)

    def _dereference(self, value: CxxValue) -> CxxValue:
        target = value.type
        if isinstance(target, Array):
            return CxxValue(self._names, target.element, address=self._number(value))
        if not isinstance(target, Pointer) or target.target == VOID:
            raise self.error("Type conflict error")
        return CxxValue(self._names, target.target, address=self._number(value))

    def _field(self, value: CxxValue, name: str, start: int) -> CxxValue:
        if not isinstance(value.type, Struct) or value.address is None:
            raise self.error("Type does not have given member error", start)
        try:
            field = value.type.field(name)
        except UnknownType:
            raise self.error("Type does not have given member error", start) from None
        return CxxValue(self._names, field.type, address=value.address + field.offset & MASK32)

    def _number(self, value: CxxValue) -> int:
        try:
            return value.number()
        except Unreadable:
            raise self.memory_error() from None

    def _value(self, number: int, of: Type = UNTYPED) -> CxxValue:
        return CxxValue(self._names, of, number & MASK64)


def _step(of: Type) -> int:
    """The bytes from one element to the next that `of` points to, or 0 for a number."""
    if isinstance(of, Pointer):
        return of.target.size or 1
    return of.element.size if isinstance(of, Array) else 0


def _decayed(of: Type) -> Type:
    """An array as the pointer to its first element."""
    return Pointer(of.element) if isinstance(of, Array) else of


def _extended(number: int, of: Type) -> int:
    signed = isinstance(of, Base | Enum) and (of.base if isinstance(of, Enum) else of).signed
    if signed and number >> (of.size * 8 - 1):
        number -= 1 << of.size * 8
    return number & MASK64
