"""`?`, `??` and `dt`: expressions and the structures of the type table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ntgate.debug import dt
from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.cxx_expressions import UNTYPED
from ntgate.debug.errors import KdError
from ntgate.debug.expressions import CxxValue, describe
from ntgate.debug.session import Session
from ntgate.debug.typed_values import format_value
from ntgate.layout.type_table import Array, Base, Bitfield, Enum, Pointer, Struct

_C_NAMES = {
    "Void": "void",
    "Char": "char",
    "UChar": "unsigned char",
    "Int1B": "char",
    "Uint1B": "unsigned char",
    "Int2B": "short",
    "Uint2B": "unsigned short",
    "Int4B": "long",
    "Uint4B": "unsigned long",
    "Int8B": "int64",
    "Uint8B": "unsigned int64",
    "Float4B": "float",
    "Float8B": "double",
}


@command(
    "?",
    help="Evaluate an expression; alone, list the commands",
    usage="? EXPRESSION\nNumbers are hexadecimal (0n10 decimal, 0t17 octal, 0y101 binary);\n"
    "poi(ADDRESS), @REGISTER, MODULE!SYMBOL, @@c++(EXPRESSION)",
)
def evaluate(session: Session, args: Arguments) -> Iterable[str]:
    if not args:
        yield from session.run(".help")
        return
    yield f"Evaluate expression: {describe(session.evaluator.value(args.take_rest()))}"


@command(
    "??",
    help="Evaluate a C++ expression with its type",
    usage="?? EXPRESSION\n?? ((nt!_KTHREAD*)@$thread)->Teb",
)
def evaluate_cxx(session: Session, args: Arguments) -> Iterable[str]:
    if not args:
        raise args.mistake()
    value = session.evaluator.cxx(args.take_rest())
    yield from _typed(session, value)


def _typed(session: Session, value: CxxValue) -> Iterator[str]:
    of = value.type
    struct = of.target if isinstance(of, Pointer) else of
    if isinstance(struct, Struct):
        address = value.address if isinstance(of, Struct) else value.number() & 0xFFFFFFFF
        pointer = f" * 0x{address or 0:08x}" if isinstance(of, Pointer) else ""
        yield f"struct {struct.name}{pointer}"
        if address:
            yield from _structure(session, struct, address)
        return
    if value.address is not None:
        yield f"{type_name(of)} {format_value(session.target, of, value.address)}"
        return
    number = value.number()
    name = "int" if of == UNTYPED and _is_int(number) else type_name(of)
    yield f"{name} {_number(of, number)}"


def _is_int(number: int) -> bool:
    return number < 1 << 31 or number >= (1 << 64) - (1 << 31)


def _structure(session: Session, struct: Struct, address: int) -> Iterator[str]:
    arguments = dt.DtArguments(name=struct.tag, address=address)
    return _checked(dt.dump(arguments, session.target, session.types)[1:])


def type_name(of: Base | Pointer | Array | Enum | Bitfield | Struct) -> str:
    """As C++ writes it: `unsigned long *`."""
    match of:
        case Base():
            return _C_NAMES[of.name]
        case Pointer():
            return f"{type_name(of.target)} *"
        case Array():
            return f"{type_name(of.element)} [{of.count}]"
        case Bitfield():
            return type_name(of.base)
        case Enum():
            return f"Enum {of.name}".rstrip()
        case Struct():
            return f"struct {of.name}"


def _number(of: Base | Pointer | Array | Enum | Bitfield | Struct, number: int) -> str:
    if isinstance(of, Pointer):
        return f"0x{number & 0xFFFFFFFF:08x}"
    if isinstance(of, Base) and of.signed:
        return f"0n{number - (number >> 63 << 64)}"
    return f"{number:#x}"


@command(
    "dt",
    help="Display a type, with the values at an address",
    usage="dt [-r[N]] [-b] [-a[N]] [-v] [-o] [-i] TYPE [FIELD ...] [ADDRESS]\n"
    "dt TYPE -l LIST_FIELD [FIELD ...] ADDRESS    the elements of a list\n"
    "dt MODULE!PATTERN                            names of types\n"
    "-r: open what is embedded or pointed to; -b: embedded only; -a: write out arrays",
)
def display_type(session: Session, args: Arguments) -> Iterable[str]:
    if not args:
        raise args.mistake()
    arguments = dt.parse(args.take_rest(), session.evaluator, session.types)
    return _checked(dt.dump(arguments, session.target, session.types))


def _checked(lines: list[str]) -> Iterator[str]:
    """The lines of `dt`; raises KdError where the last one tells of a failure."""
    if lines[-1].endswith(" not found.") or lines[-1].startswith("Memory read error"):
        yield from lines[:-1]
        raise KdError(lines[-1])
    yield from lines
