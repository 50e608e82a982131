"""A fact has one home: no constant is defined in two modules of src/ntgate."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

HOUSE = Path(__file__).parent.parent / "src" / "ntgate"

# Names that mean another thing in each of their modules, and only happen to have one value.
COINCIDENCES = {
    "INDENT": "the indent of a listing is its writer's own",
    "LONGEST_STRING": "a limit of kd's .printf, and one of the tracer",
    "LONGEST_TEXT": "a limit of DbgPrint, and one of a window's text",
    "WRITE": "a kind of watchpoint, and a kind of request that is counted",
}

Value = int | str | bytes | tuple["Value", ...]

OPERATORS = {ast.BitOr: int.__or__, ast.Add: int.__add__, ast.Sub: int.__sub__,
             ast.Mult: int.__mul__, ast.LShift: int.__lshift__}  # fmt: skip


def value_of(node: ast.expr, known: dict[str, Value]) -> Value | None:
    """What a constant expression comes to; None for any other."""
    match node:
        case ast.Constant(value=int() | str() | bytes() as constant):
            return constant
        case ast.Name(id=name):
            return known.get(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = value_of(operand, known)
            return -value if isinstance(value, int) else None
        case ast.BinOp(left=left, op=op, right=right):
            first, second = value_of(left, known), value_of(right, known)
            operator = OPERATORS.get(type(op))
            if operator and isinstance(first, int) and isinstance(second, int):
                return operator(first, second)
        case ast.Tuple(elts=elements):
            values = tuple(value_of(element, known) for element in elements)
            return None if None in values else values  # type: ignore[return-value]
        case ast.Call(func=ast.Name(id="range"), args=args):
            limits = [value_of(arg, known) for arg in args]
            if all(isinstance(limit, int) for limit in limits):
                return tuple(range(*limits))  # type: ignore[arg-type]
    return None


def constants(source: str) -> Iterator[tuple[str, Value]]:
    """The upper-case names that a module gives a constant value to, without leading underscores."""
    known: dict[str, Value] = {}
    for node in ast.parse(source).body:
        match node:
            case ast.Assign(targets=targets, value=value):
                pass
            case ast.AnnAssign(target=only, value=ast.expr() as value):
                targets = [only]
            case _:
                continue
        found = value_of(value, known)
        for target in targets:
            pairs: list[tuple[ast.expr, Value | None]] = [(target, found)]
            if isinstance(target, ast.Tuple):
                each: list[Value | None]
                if isinstance(value, ast.Tuple):
                    each = [value_of(element, known) for element in value.elts]
                else:
                    each = list(found) if isinstance(found, tuple) else []
                pairs = list(zip(target.elts, each, strict=False))
            for name, one in pairs:
                if isinstance(name, ast.Name) and one is not None:
                    known[name.id] = one
                    if name.id.isupper():
                        yield name.id.lstrip("_"), one


def test_no_constant_is_defined_twice() -> None:
    homes: dict[tuple[str, Value], list[str]] = defaultdict(list)
    for path in sorted(HOUSE.rglob("*.py")):
        for name, value in constants(path.read_text()):
            homes[name, value].append(str(path.relative_to(HOUSE)))
    twice = {key: modules for key, modules in homes.items() if len(modules) > 1}
    assert [(key, at) for key, at in twice.items() if key[0] not in COINCIDENCES] == []
    assert COINCIDENCES.keys() <= {name for name, _ in twice}


def test_constants_are_seen_in_every_form() -> None:
    source = "A, _B = 1, 1 << 4\nC = D = 0x10\nE, F = range(2)\nG: int = A | 2\nh = 3\nI = -1\n"
    assert list(constants(source)) == [
        ("A", 1), ("B", 16), ("C", 16), ("D", 16), ("E", 0), ("F", 1), ("G", 3), ("I", -1),
    ]  # fmt: skip
