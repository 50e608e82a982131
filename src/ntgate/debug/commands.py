"""The registry of kd commands: their names, help and handlers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ntgate.debug.errors import KdError, SyntaxMistake
from ntgate.debug.register_set import is_register
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.debug.arguments import Arguments
    from ntgate.debug.session import Session

Handler = Callable[["Session", "Arguments"], Iterable[str]]


@dataclass(frozen=True)
class Command:
    """One command.

    `options` are the letters that may follow the name (`kbn`).  `continues`: repeated by an
    empty line, it goes on where it left off.  `whole_line`: `;` does not end it.
    """

    name: str
    handler: Handler
    help: str
    usage: str
    options: str
    continues: bool
    whole_line: bool


_COMMANDS: dict[str, Command] = {}
_NAME = re.compile(r"[.!]?[A-Za-z]+|\?\??|\*|\$\$?>?<|\$\$|[~|]")
_LOADED_SYMBOLS = ("*", "$", "?")  # that the commands begin with which are there at once
_WORD = re.compile(r"[.!]?[A-Za-z_]\w*")
_HEX_ADDRESS = re.compile(r"(0x)?[0-9A-Fa-f]{8}\b")


def command(
    *names: str,
    help: str,
    usage: str,
    options: str = "",
    continues: bool = False,
    whole_line: bool = False,
) -> Callable[[Handler], Handler]:
    """Register a handler under one or more names; a name taken already fails at import.

    `help` is one line.  `usage` has one line for each form.
    """

    def register(handler: Handler) -> Handler:
        for name in names:
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} ({handler.__qualname__}) can't be a command's name")
            if name in _COMMANDS:
                other = _COMMANDS[name].handler.__qualname__
                raise ValueError(
                    f"{name!r} is registered by {other} and {handler.__qualname__}: rename one"
                )
            _COMMANDS[name] = Command(name, handler, help, usage, options, continues, whole_line)
        return handler

    return register


_waiting: list[Callable[[], None]] = []


def load_later(load: Callable[[], None]) -> None:
    """`load` registers more commands; it is called when one is asked for that is not known yet."""
    _waiting.append(load)


def _load() -> None:
    while _waiting:
        _waiting.pop()()


def all_commands() -> dict[str, Command]:
    """Every command by its name."""
    _load()
    return dict(_COMMANDS)


def find(text: str) -> tuple[Command, str, str]:
    """The command that a line begins with, its option letters, and the rest.

    A word is a command, a command and its option letters (`lmvm`), or a command with its first
    argument glued on (`u7c92e4f0`, `reax`, `?1+1`).  Raises SyntaxMistake, KdError for an unknown
    `!` command.
    """
    word = _WORD.match(text)
    if word is None:
        return _find_symbol(text)
    name, rest = word[0], text[word.end() :]
    for candidate in (name, name.lower()):
        if candidate in _COMMANDS:
            return _COMMANDS[candidate], "", rest
    if _waiting:
        _load()
        return find(text)
    for length in range(len(name) - 1, 0, -1):
        found = _COMMANDS.get(name[:length]) or _COMMANDS.get(name[:length].lower())
        if found is None:
            continue
        tail = name[length:]
        argument = tail.lstrip(found.options) if found.options else tail
        if len(argument) < len(tail) and (not argument or argument.isdecimal()):
            return found, tail[: len(tail) - len(argument)], argument + rest
        if _is_argument(found, tail):
            return found, "", tail + rest
    if name.startswith("!"):
        raise KdError(f"No export {name[1:]} found")
    raise SyntaxMistake(text)


def _find_symbol(text: str) -> tuple[Command, str, str]:
    if not text.startswith(_LOADED_SYMBOLS):
        _load()
    for name in (text[:4], text[:3], text[:2], text[:1]):
        if name in _COMMANDS:
            return _COMMANDS[name], "", text[len(name) :]
    raise SyntaxMistake(text)


def _is_argument(found: Command, tail: str) -> bool:
    """Whether `tail` can only be an argument: a number, an address, a register behind `r`."""
    if found.name[0] in ".!":
        return False
    if found.name == "r" and is_register(tail):
        return True
    return tail[0].isdigit() or bool(_HEX_ADDRESS.match(tail))
