"""`bp`, `bu`, `ba`, `bl`, `bc`, `bd`, `be`: setting and listing breakpoints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ntgate.debug.arguments import Arguments
from ntgate.debug.breakpoints import Breakpoint
from ntgate.debug.commands import command
from ntgate.debug.errors import KdError
from ntgate.debug.expressions import ExpressionError
from ntgate.debug.session import Session
from ntgate.debug.target import Access

_ALIGNED_SIZES = (1, 2, 4)
_NUMBER_DIGITS = 3
_QUALIFIED_NAME = re.compile(r"(?P<module>[A-Za-z_]\w*)![\w?@$]+(?=\s|$)")


def _take_number(args: Arguments) -> int | None:
    """The number glued to the command's name: `bp3`.  More digits are an address."""
    word = args.rest.split(None, 1)[0] if args.is_glued else ""
    if not word.isdecimal() or len(word) > _NUMBER_DIGITS:
        return None
    return int(args.take_word())


def _set(
    session: Session,
    args: Arguments,
    number: int | None,
    *,
    access: Access = Access.EXECUTE,
    size: int = 1,
    deferred: bool = False,
) -> Iterator[str]:
    """Take the rest of `bp`, `bu` or `ba`, and set it."""
    breakpoints = session.breakpoints
    is_one_shot = args.take_option("/1") is not None
    start = args.rest
    address: int | None = None
    if not deferred and access is Access.EXECUTE and (name := _unloaded_name(session, start)):
        yield f"Bp expression '{name}' could not be resolved, adding deferred bp"
        deferred = True
    if deferred:
        expression = args.take_word()
        try:
            address = session.evaluator.address(expression)
        except ExpressionError:
            if not expression:
                raise args.mistake() from None
    else:
        address = args.take_address() if args else session.target.register("eip")
        expression = start[: len(start) - len(args.rest)].strip()
    passes, commands = 1, ""
    if args and not args.rest.startswith('"'):
        passes = max(args.take_value(), 1)
    if args:
        text = args.take_string()
        if text is None:
            raise args.mistake()
        commands = text
    args.finish()
    if address is not None and address % size:
        raise KdError(f"Data breakpoint must be aligned: {address:08x} is no multiple of {size}")
    if number is None:
        number = breakpoints.number_for(address, access)
    if number in breakpoints:
        yield f"breakpoint {number} redefined"
    breakpoints.add(
        Breakpoint(
            number,
            expression,
            address,
            access,
            size,
            passes=passes,
            commands=commands,
            is_one_shot=is_one_shot,
            is_deferred=deferred,
        )
    )


def _unloaded_name(session: Session, text: str) -> str:
    """The `module!name` that a text begins with, of a module that is not in memory; else ""."""
    found = _QUALIFIED_NAME.match(text)
    if found is None or session.machine.symbols.module(found["module"]) is not None:
        return ""
    return found[0]


_SET_USAGE = """[/1] [ADDRESS] [PASSES] ["COMMANDS"]
/1: deleted when hit; PASSES: stops at the hit of that number; COMMANDS: run when hit"""


@command("bp", help="Set a breakpoint", usage=f"bp {_SET_USAGE}")
def set_breakpoint(session: Session, args: Arguments) -> Iterable[str]:
    return _set(session, args, _take_number(args))


@command("bu", help="Set a breakpoint on a symbol that may come later", usage=f"bu {_SET_USAGE}")
def set_unresolved_breakpoint(session: Session, args: Arguments) -> Iterable[str]:
    return _set(session, args, _take_number(args), deferred=True)


@command(
    "ba",
    help="Break on access to memory",
    usage='ba e1 | w1 | w2 | w4 | r1 | r2 | r4 [/1] ADDRESS [PASSES] ["COMMANDS"]\n'
    "e: run; w: written; r: read or written; the digit is the size",
)
def set_access_breakpoint(session: Session, args: Arguments) -> Iterable[str]:
    number = _take_number(args)
    kind = args.take_option(r"([ewr])\s*([0-9])")
    if kind is None:
        raise args.mistake()
    access, size = Access(kind[1]), int(kind[2])
    if size not in _ALIGNED_SIZES or (access is Access.EXECUTE and size != 1):
        raise KdError(f"^ Invalid breakpoint size in '{args.line}'")
    if not args:
        raise args.mistake()
    return _set(session, args, number, access=access, size=size)


@command("bl", help="List the breakpoints", usage="bl")
def list_breakpoints(session: Session, args: Arguments) -> Iterable[str]:
    args.finish()
    session.breakpoints.resolve()
    for breakpoint in session.breakpoints:
        yield describe(session, breakpoint)


def describe(session: Session, breakpoint: Breakpoint) -> str:
    """The row of `bl`."""
    state = "e" if breakpoint.is_enabled else "d"
    if breakpoint.address is None:
        state += "u"
    address = " " * 8 if breakpoint.address is None else f"{breakpoint.address:08x}"
    access = "   "
    if breakpoint.access is not Access.EXECUTE:
        access = f"{breakpoint.access.value} {breakpoint.size}"
    counts = f"{breakpoint.remaining:04x} ({breakpoint.passes:04x})"
    if breakpoint.address is None:
        name = f"({breakpoint.expression})"
    else:
        name = session.label(breakpoint.address)
    row = f"{breakpoint.number:2} {state:<2}{address} {access} {counts} {name}"
    if breakpoint.commands:
        row += f' "{breakpoint.commands}"'
    return row


def _chosen(session: Session, args: Arguments) -> list[Breakpoint]:
    """The breakpoints of `*`, `0`, `1-3` or `0 2,4`."""
    breakpoints = session.breakpoints
    text = args.take_rest()
    if text == "*":
        return list(breakpoints)
    chosen = []
    for word in text.replace(",", " ").split():
        first, _, last = word.partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            raise KdError(f"^ Syntax error in '{args.line}'")
        start, stop = int(first[:5]), int((last or first)[:5])
        found = [item for item in breakpoints if start <= item.number <= stop]
        if not found:
            raise KdError(f"^ No such breakpoint error in '{args.line}'")
        chosen += found
    if not chosen:
        raise KdError(f"^ Syntax error in '{args.line}': which breakpoints? * is all")
    return list(dict.fromkeys(chosen))


@command("bc", help="Clear (delete) breakpoints", usage="bc * | NUMBER ... | FIRST-LAST")
def clear_breakpoints(session: Session, args: Arguments) -> Iterable[str]:
    for breakpoint in _chosen(session, args):
        session.breakpoints.remove(breakpoint)
    return ()


@command("bd", help="Disable breakpoints", usage="bd * | NUMBER ... | FIRST-LAST")
def disable_breakpoints(session: Session, args: Arguments) -> Iterable[str]:
    for breakpoint in _chosen(session, args):
        session.breakpoints.disable(breakpoint)
    return ()


@command("be", help="Enable breakpoints", usage="be * | NUMBER ... | FIRST-LAST")
def enable_breakpoints(session: Session, args: Arguments) -> Iterable[str]:
    for breakpoint in _chosen(session, args):
        session.breakpoints.enable(breakpoint)
    return ()
