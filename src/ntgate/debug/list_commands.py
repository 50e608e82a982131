"""`dl` and `!list`: linked lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice

from ntgate.debug import peek
from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.dt import link_offset
from ntgate.debug.errors import KdError
from ntgate.debug.session import Session
from ntgate.debug.target import Unreadable
from ntgate.layout.type_table import Pointer, Struct, Type

_DEFAULT_COUNT, _DEFAULT_SIZE = 0x20, 4
_MOST_WORDS = 0x40
_MOST_ELEMENTS = 0x10000
_OPTION = re.compile(r"-([teaxm])(?:\s+|(?=\"))")


@command(
    "dl",
    help="Display a linked list",
    usage="dl[b] ADDRESS [COUNT [SIZE]]\nb: by the second pointers; SIZE: pointers to show of each",
    options="b",
)
def display_list(session: Session, args: Arguments) -> Iterable[str]:
    head = args.take_address()
    count = args.take_value() if args else _DEFAULT_COUNT
    size = min(max(args.take_value() if args else _DEFAULT_SIZE, 1), _MOST_WORDS)
    args.finish()
    link = 4 if "b" in args.options else 0
    address = head
    for number in range(min(count, _MOST_ELEMENTS)):
        raw = peek.with_holes(session.target, address, 4 * size)
        yield f"{address:08x}  {' '.join(_words(raw))}"
        try:
            address = peek.number(session.target, address + link)
        except Unreadable as hole:
            raise KdError(f"Can't read the link at {hole.address:08x}") from None
        if address in (head, 0) and number + 1 < count:
            return


def _words(raw: list[int | None]) -> Iterator[str]:
    for start in range(0, len(raw), 4):
        known = [byte for byte in raw[start : start + 4] if byte is not None]
        yield f"{int.from_bytes(known, 'little'):08x}" if len(known) == 4 else "????????"


@command(
    "!list",
    help="Run commands for each element of a linked list",
    usage='!list -t TYPE.FIELD [-e] [-m COUNT] -x "COMMANDS" [-a "ARGUMENTS"] ADDRESS\n'
    "The commands find the element in @$extret, and ARGUMENTS behind them; without -x: dp.\n"
    "The first element is at ADDRESS; -e shows each command.  All of it may be in quotes.",
)
def run_for_list(session: Session, args: Arguments) -> Iterable[str]:
    if args.rest.startswith('"') and args.rest.endswith('"'):
        args.rest = args.rest[1:-1].replace('\\"', '"').strip()
    options: dict[str, str] = {}
    while found := _OPTION.match(args.rest):
        args.rest = args.rest[found.end() :]
        if found[1] == "e":
            options["e"] = "yes"
            continue
        quoted = args.take_string()
        options[found[1]] = args.take_word() if quoted is None else quoted
    start = args.take_address()
    args.finish()
    offset, link = _link(session, options.get("t", ""))
    most = session.evaluator.value(options["m"]) if "m" in options else _MOST_ELEMENTS
    commands = f"{options.get('x', 'dd @$extret L4')} {options.get('a', '')}".strip()
    for element in islice(_elements(session, start, offset, link), most):
        session.evaluator.pseudo_registers["$extret"] = partial(int, element)
        if "e" in options:
            yield commands.replace("@$extret", f"{element:08x}")
        yield from session.run(commands)
        yield ""
        if session.has_failed() or session.wants_resume:
            return


def _link(session: Session, path: str) -> tuple[int, int]:
    """Where an element has its link, and how far into the next one that points."""
    if not path:
        return 0, 0
    name, _, member = path.partition(".")
    struct = session.types.struct(name)
    of: Type
    offset, of = session.types.resolve(struct, member) if member else (0, struct)
    if isinstance(of, Struct):  # a LIST_ENTRY, by its Flink
        first = of.fields[0]
        of, member = first.type, f"{member}.{first.name}"
    if not isinstance(of, Pointer):
        raise KdError(f"Type conflict error at '{path}': it is no pointer")
    return offset, link_offset(struct, of, member, session.types)


def _elements(session: Session, start: int, offset: int, link: int) -> Iterator[int]:
    element = start
    seen: set[int] = set()
    while element not in seen and len(seen) < _MOST_ELEMENTS:
        seen.add(element)
        yield element
        try:
            following = peek.number(session.target, element + offset)
        except Unreadable as hole:
            raise KdError(f"Can't read the link at {hole.address:08x}") from None
        if not following:
            return
        element = following - link & 0xFFFFFFFF
