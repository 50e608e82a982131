"""`r`, `rdmsr`, `wrmsr`: the processor's registers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ntgate.debug import register_set
from ntgate.debug.annotate import annotated
from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.disasm import unreadable_line
from ntgate.debug.errors import KdError
from ntgate.debug.session import Session
from ntgate.debug.target import NoSuchRegister, Unreadable
from ntgate.debug.unassemble import line_at

_NAME = re.compile(r"@?(\$?[A-Za-z]\w*)\s*")
_PSEUDO = re.compile(r"\$t1?[0-9]$")


def state(session: Session) -> Iterator[str]:
    """The register block, the label and the next instruction: what `r` and every stop show."""
    yield from register_set.block(session.target)
    yield from next_instruction(session)


def next_instruction(session: Session) -> Iterator[str]:
    eip = session.target.register("eip")
    name = session.name(eip)
    if name:
        yield f"{name}:"
    try:
        yield annotated(line_at(session, eip), session.target)
    except Unreadable:
        yield unreadable_line(eip)


@command(
    "r",
    help="Show or change registers",
    usage="r                  all, and the next instruction\n"
    "r NAME[,NAME...]   some: eax, ax, al, zf, efl, cr3, idtr, gdtl, dr7, $t0\n"
    "r NAME=VALUE       change one",
)
def registers(session: Session, args: Arguments) -> Iterable[str]:
    if not args:
        yield from state(session)
        return
    shown: list[str] = []
    while args:
        found = _NAME.match(args.rest)
        if not found:
            raise args.mistake()
        name, args.rest = found[1].lower(), args.rest[found.end() :]
        if args.rest.startswith("=") and not args.rest.startswith("=="):
            args.rest = args.rest[1:].lstrip()
            _assign(session, name, args.take_value())
        else:
            shown.append(_render(session, name))
        args.rest = args.rest.removeprefix(",").lstrip()
    if shown:
        yield " ".join(shown)


def _assign(session: Session, name: str, value: int) -> None:
    if _PSEUDO.match(name):
        session.evaluator.set_pseudo(name, value)
        return
    try:
        register_set.write(session.target, name, value)
    except NoSuchRegister:
        raise _bad_register(name) from None


def _render(session: Session, name: str) -> str:
    if name.startswith("$"):
        return f"{name}={session.evaluator.value('@' + name):08x}"
    try:
        return register_set.render(session.target, name)
    except NoSuchRegister:
        raise _bad_register(name) from None


def _bad_register(name: str) -> KdError:
    return KdError(f"^ Bad register error in 'r {name}'")


def _msr_index(args: Arguments) -> int:
    return args.take_value() & 0xFFFFFFFF


@command("rdmsr", help="Read a model-specific register", usage="rdmsr NUMBER")
def read_msr(session: Session, args: Arguments) -> Iterable[str]:
    index = _msr_index(args)
    args.finish()
    try:
        value = session.target.read_msr(index)
    except NoSuchRegister:
        raise KdError(f"no such msr: {index:x}") from None
    yield f"msr[{index:x}] = {quad(value)}"


@command("wrmsr", help="Write a model-specific register", usage="wrmsr NUMBER VALUE")
def write_msr(session: Session, args: Arguments) -> Iterable[str]:
    index = _msr_index(args)
    value = args.take_value()
    args.finish()
    try:
        session.target.write_msr(index, value)
    except NoSuchRegister:
        raise KdError(f"no such msr: {index:x}") from None
    return ()


def quad(value: int) -> str:
    """`00000000`805426e0`."""
    return f"{value >> 32 & 0xFFFFFFFF:08x}`{value & 0xFFFFFFFF:08x}"
