"""`dx`: a typed value with its members, in the form of WinDbg's data model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.dt import DEEPEST, NAME_WIDTH
from ntgate.debug.session import Session
from ntgate.debug.target import Unreadable
from ntgate.debug.typed import type_name
from ntgate.debug.typed_values import UNREADABLE, format_value, hexadecimal
from ntgate.layout.type_table import Base, Enum, Pointer, Struct, Type

_INDENT = "    "


@command(
    "dx",
    help="Display a C++ expression's value and members",
    usage="dx [-rDEPTH] EXPRESSION\ndx ((nt!_EPROCESS*)@$proc)->Pcb\n"
    "-r: how many levels of members to open; 1 without it",
)
def display_expression(session: Session, args: Arguments) -> Iterable[str]:
    depth = 1
    if found := args.take_option("-r([0-9]?)"):
        depth = int(found[1] or DEEPEST)
    if not args:
        raise args.mistake()
    text = args.take_rest()
    value = session.evaluator.cxx(text)
    of: Type = value.type
    address = value.address
    if isinstance(of, Pointer) and isinstance(of.target, Struct):
        pointer = value.number() & 0xFFFFFFFF
        yield f"{text:<{NAME_WIDTH}} : 0x{pointer:x} [Type: {type_name(of)}]"
        if depth and pointer:
            yield from _members(session, of.target, pointer, depth, _INDENT)
        return
    if isinstance(of, Struct) and address is not None:
        yield f"{text:<{NAME_WIDTH}} [Type: {of.name}]"
        if depth:
            yield from _members(session, of, address, depth, _INDENT)
        return
    if address is not None:
        shown = format_value(session.target, of, address)
    else:
        shown = hexadecimal(value.number()) if isinstance(of, Base | Pointer | Enum) else "?"
    yield f"{text:<{NAME_WIDTH}} : {shown} [Type: {type_name(of)}]"


def _members(
    session: Session, struct: Struct, address: int, depth: int, indent: str
) -> Iterator[str]:
    for member in struct.fields:
        at = address + member.offset
        head = f"{indent}[+0x{member.offset:03x}] {member.name:<{NAME_WIDTH}}"
        if isinstance(member.type, Struct):
            yield f"{head} [Type: {member.type.name}]"
            if depth > 1:
                yield from _members(session, member.type, at, depth - 1, indent + _INDENT)
            continue
        try:
            shown = format_value(session.target, member.type, at)
        except Unreadable:
            shown = UNREADABLE
        yield f"{head} : {shown} [Type: {type_name(member.type)}]"
