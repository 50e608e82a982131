"""`.foreach`, `.for`, `.while`, `.break`, `.continue`, `.block`: commands that run others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.control import take_block
from ntgate.debug.errors import KdError
from ntgate.debug.session import Session

_NAME = re.compile(r"\s*([^\s{}\"]+)\s*")
_SKIPS = re.compile(r"/(pS|ps)\s+(\S+)\s*")


@command(".block", help="Run commands: aliases in them are looked at anew",
         usage=".block { COMMANDS }")  # fmt: skip
def block(session: Session, args: Arguments) -> Iterable[str]:
    body = take_block(args)
    args.finish()
    yield from session.run(body)


@command(
    ".while",
    help="Run commands as long as a condition holds",
    usage=".while (CONDITION) { COMMANDS }",
)
def while_loop(session: Session, args: Arguments) -> Iterable[str]:
    condition = _parenthesis(args)
    body = take_block(args)
    args.finish()
    yield from _loop(session, condition, body, "")


@command(
    ".for",
    help="Run commands in a loop with a start, a condition and a step",
    usage=".for (COMMANDS ; CONDITION ; COMMANDS) { COMMANDS }",
)
def for_loop(session: Session, args: Arguments) -> Iterable[str]:
    parts = _parenthesis(args).split(";")
    if len(parts) != 3:
        raise KdError(f"^ Syntax error in '{args.line}': write (START ; CONDITION ; STEP)")
    body = take_block(args)
    args.finish()
    yield from session.run(parts[0])
    yield from _loop(session, parts[1], body, parts[2])


def _parenthesis(args: Arguments) -> str:
    return take_block(args, "(", ")")


def _loop(session: Session, condition: str, body: str, step: str) -> Iterator[str]:
    session.loops += 1
    try:
        while not condition.strip() or session.evaluator.value(condition):
            yield from session.run(body)
            if _ends(session):
                return
            yield from session.run(step)
            if session.has_failed():
                return
    finally:
        session.loops -= 1


def _ends(session: Session) -> bool:
    """Whether a loop is over; takes back the jump that was for it."""
    jump, session.jump = session.jump, ""
    return jump == "break" or session.has_failed() or session.is_leaving or session.wants_resume


def _jump(session: Session, args: Arguments, to: str) -> Iterable[str]:
    args.finish()
    if not session.loops:
        raise KdError(f"^ Syntax error in '{args.line}': there is no loop around it")
    session.jump = to
    return ()


@command(".break", help="Leave the loop around", usage=".break")
def leave_loop(session: Session, args: Arguments) -> Iterable[str]:
    return _jump(session, args, "break")


@command(".continue", help="Go on with the next turn of the loop", usage=".continue")
def next_turn(session: Session, args: Arguments) -> Iterable[str]:
    return _jump(session, args, "continue")


@command(
    ".foreach",
    help="Run commands for each word of a text, a file or another command's answer",
    usage=".foreach [/pS N] [/ps N] (NAME { COMMANDS }) { COMMANDS }\n"
    '.foreach /s (NAME "TEXT") { COMMANDS }\n'
    '.foreach /f (NAME "FILE") { COMMANDS }\n'
    "NAME or ${NAME} in the last COMMANDS is the word; /pS: words to skip, /ps: after each",
)
def for_each(session: Session, args: Arguments) -> Iterable[str]:
    kind = ""
    first, between = 0, 0
    while args.rest.startswith("/"):
        if found := _SKIPS.match(args.rest):
            args.rest = args.rest[found.end() :]
            count = session.evaluator.value(found[2])
            first, between = (count, between) if found[1] == "pS" else (first, count)
        elif found := args.take_option("/([sf])"):
            kind = found[1]
        else:
            raise args.mistake()
    inner = Arguments(session.evaluator, args.line, _parenthesis(args))
    named = _NAME.match(inner.rest)
    if named is None:
        raise args.mistake()
    inner.rest = inner.rest[named.end() :]
    words = _words(session, inner, kind)
    body = take_block(args)
    args.finish()
    yield from _for_words(session, named[1], words[first :: between + 1], body)


def _words(session: Session, inner: Arguments, kind: str) -> list[str]:
    if not kind:
        text = "\n".join(session.run(take_block(inner)))
    else:
        quoted = inner.take_string()
        text = inner.take_rest() if quoted is None else quoted
        if kind == "f":
            try:
                text = Path(text.strip()).read_text(encoding="utf-8", errors="replace")
            except OSError as error:
                raise KdError(f"can't read {text}: {error.strerror}") from None
    inner.finish()
    return text.split()


def _for_words(session: Session, name: str, words: list[str], body: str) -> Iterator[str]:
    before = session.aliases.get(name)
    session.loops += 1
    try:
        for word in words:
            session.aliases[name] = word
            yield from session.run(body)
            if _ends(session):
                return
    finally:
        session.loops -= 1
        if before is None:
            session.aliases.pop(name, None)
        else:
            session.aliases[name] = before
