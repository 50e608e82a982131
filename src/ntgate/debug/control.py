"""Commands of the debugger itself: conditions, output, aliases, help."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ntgate.debug import commands
from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.errors import KdError, SyntaxMistake
from ntgate.debug.printf import expand
from ntgate.debug.session import Session

_RADIXES = (8, 10, 16)
_CONDITION = re.compile(r"\.(elsif|else)\b")
_NAME = re.compile(r"[^\s;\"{}]+")


@command("*", help="Comment: the rest of the line is not read", usage="* TEXT", whole_line=True)
def comment_line(session: Session, args: Arguments) -> Iterable[str]:
    return ()


@command("$$", help="Comment up to the next semicolon", usage="$$ TEXT")
def comment(session: Session, args: Arguments) -> Iterable[str]:
    return ()


@command(".echo", help="Print text", usage=".echo TEXT")
def echo(session: Session, args: Arguments) -> Iterable[str]:
    text = args.take_string() if args.rest.startswith('"') else None
    yield args.take_rest() if text is None else text


@command(
    ".printf",
    help="Print values in a format",
    usage='.printf "FORMAT" [, VALUE ...]\n'
    "%d %u %x %X %o %c with width and 0; %I64x 64 bits; %p pointer; %y symbol;\n"
    "%ma %mu zero-terminated strings, %msa %msu counted ones, at an address",
)
def print_formatted(session: Session, args: Arguments) -> Iterable[str]:
    text = args.take_string()
    if text is None:
        raise args.mistake()
    values = []
    while args.rest.startswith(","):
        args.rest = args.rest[1:].lstrip()
        values.append(args.take_value())
    args.finish()
    return expand(session, text, values).removesuffix("\n").split("\n")


@command(
    ".if",
    help="Run commands if a condition holds",
    usage=".if (CONDITION) { COMMANDS } .elsif (CONDITION) { COMMANDS } .else { COMMANDS }",
)
def condition(session: Session, args: Arguments) -> Iterable[str]:
    chosen: str | None = None
    holds = bool(args.take_value())
    while True:
        body = take_block(args)
        if holds and chosen is None:
            chosen = body
        following = _CONDITION.match(args.rest)
        if not following:
            break
        args.rest = args.rest[following.end() :].lstrip()
        holds = following[1] == "else" or (chosen is None and bool(args.take_value()))
        if following[1] == "elsif" and chosen is not None:
            args.rest = args.rest[max(args.rest.find("{"), 0) :]
    args.finish()
    yield from session.run(chosen or "")


def take_block(args: Arguments, opener: str = "{", closer: str = "}") -> str:
    """The commands in the braces, or what stands in the brackets, that come next."""
    depth = 0
    for position, letter in enumerate(args.rest):
        depth += {opener: 1, closer: -1}.get(letter, 0)
        if depth <= 0:
            if letter != closer:
                break
            body, args.rest = args.rest[1:position], args.rest[position + 1 :].lstrip()
            return body
    raise args.mistake()


@command(
    "j",
    help="Run one of two commands, by a condition",
    usage="j CONDITION ['COMMANDS'] ; ['COMMANDS']",
    whole_line=True,
)
def conditional_jump(session: Session, args: Arguments) -> Iterable[str]:
    holds = bool(args.take_value())
    branches = re.fullmatch(r"('[^']*'|[^;]*?)\s*(?:;\s*('[^']*'|.*))?", args.take_rest(), re.S)
    if branches is None:
        raise SyntaxMistake(args.line)
    yield from session.run((branches[1 if holds else 2] or "").strip("'"))


@command("as", "aS", help="Set an alias", usage="as NAME TEXT", whole_line=True)
def set_alias(session: Session, args: Arguments) -> Iterable[str]:
    name = args.take_word()
    if not args or not _NAME.fullmatch(name):
        raise SyntaxMistake(args.line)
    session.aliases[name] = args.take_rest()
    return ()


@command("ad", help="Delete an alias", usage="ad NAME | *")
def delete_alias(session: Session, args: Arguments) -> Iterable[str]:
    name = args.take_rest()
    if name == "*":
        session.aliases.clear()
    elif session.aliases.pop(name, None) is None:
        raise KdError(f"Alias '{name}' isn't set")
    return ()


@command("al", help="List the aliases", usage="al")
def list_aliases(session: Session, args: Arguments) -> Iterable[str]:
    args.finish()
    if not session.aliases:
        yield "No aliases"
        return
    yield "  Alias            Value"
    yield " -------          -------"
    for name, text in sorted(session.aliases.items()):
        yield f" {name:<16} {text}"


@command("n", help="Show or set the radix of numbers", usage="n [8 | 10 | 16]")
def number_base(session: Session, args: Arguments) -> Iterable[str]:
    if args:
        wanted = args.take_word()
        args.finish()
        if wanted not in map(str, _RADIXES):
            raise KdError(f"^ Syntax error in '{args.line}': the radix is 8, 10 or 16")
        session.evaluator.radix = int(wanted)
    yield f"base is {session.evaluator.radix}"


@command(".help", help="List the commands, or explain one", usage=".help [COMMAND]")
def show_help(session: Session, args: Arguments) -> Iterable[str]:
    wanted = args.take_rest()
    table = commands.all_commands()
    if not wanted:
        return _overview(table)
    found = table.get(wanted) or table.get(wanted.lower())
    if found is None:
        raise KdError(f"There is no command '{wanted}'; .help lists them")
    return _explanation(table, found)


def _overview(table: dict[str, commands.Command]) -> Iterator[str]:
    for name in sorted(table, key=lambda name: (name.lstrip(".!").lower(), name)):
        yield f"{name:<9} {table[name].help}"


def _explanation(table: dict[str, commands.Command], found: commands.Command) -> Iterator[str]:
    yield found.help
    yield from (f"    {line}" for line in found.usage.splitlines())
    others = [name for name, other in table.items() if other.handler is found.handler]
    if len(others) > 1:
        yield f"    names: {' '.join(others)}"


def expand_aliases(aliases: dict[str, str], text: str) -> str:
    """`text` with every alias that stands alone, or as `${NAME}`, replaced once."""
    if not aliases:
        return text

    def replace(match: re.Match[str]) -> str:
        return aliases.get(match[match.lastindex or 0], match[0])

    words = re.sub(r"(?<![^\s;])[^\s;]+(?![^\s;])", replace, text)
    return re.sub(r"\$\{([^}\s]+)\}", replace, words)
