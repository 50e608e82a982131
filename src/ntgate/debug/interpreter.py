"""From a line that the user typed to the text of its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from ntgate.debug import (
    about,
    breakpoint_commands,
    commands,
    control,
    display,
    execution,
    file_commands,
    formats,
    memory_edit,
    module_commands,
    processor_tables,
    registers,
    service_tables,
    stack,
    typed,
    unassemble,
)
from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import Command
from ntgate.debug.session import ExpectedService, Session
from ntgate.debug.target import NoSuchRegister, Target, Unreadable
from ntgate.errors import NtgateError
from ntgate.layout.type_table import TypeTable, UnknownType
from ntgate.records import dataclass

# Importing these registers their commands.
COMMAND_MODULES = (
    about,
    breakpoint_commands,
    control,
    display,
    execution,
    file_commands,
    formats,
    memory_edit,
    module_commands,
    processor_tables,
    registers,
    service_tables,
    stack,
    typed,
    unassemble,
)

_DEEPEST = 20


def _load_rest() -> None:
    """The commands for what an operating system keeps, and those that run others."""
    from ntgate.debug import (  # noqa: F401
        context_commands,
        exception_commands,
        list_commands,
        loops,
        memory_map,
        model_command,
        object_commands,
        process_commands,
        token_commands,
        user_commands,
        watch_trace,
    )


commands.load_later(_load_rest)


@dataclass(frozen=True)
class Answer:
    """What a command line printed, and whether all of it could be done."""

    text: str
    ok: bool


# The guest's names and texts may have what a terminal would obey.
_COMMANDS_OF_TERMINALS = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)], ".")


def on_screen(text: str) -> str:
    """Without control characters but tabs and the ends of lines: a dot stands for each."""
    return text if text.isprintable() else text.translate(_COMMANDS_OF_TERMINALS)


class _Mistake(str):
    """The line that says why a command failed."""


def _ignore(text: str) -> None:
    pass


class Interpreter:
    """Runs kd command lines against a target.

    `write` gets the text as it comes, line by line: what a running machine prints and a long
    listing are seen at once; `write_mistake`, where given, gets the lines that say why a command
    failed.  `expected_services` maps service numbers to what `!ssdt` expects.
    """

    def __init__(
        self,
        target: Target,
        types: TypeTable | None = None,
        *,
        expected_services: Mapping[int, ExpectedService] | None = None,
        write: Callable[[str], object] = _ignore,
        write_mistake: Callable[[str], object] | None = None,
    ) -> None:
        self.session = Session(
            target, types or TypeTable(), expected_services or {}, self._run,
            lambda: self._has_failed,
        )  # fmt: skip
        self.write = write
        self.write_mistake = write_mistake
        self._depth = 0
        self._has_failed = False

    @property
    def is_leaving(self) -> bool:
        """Whether `q` was given."""
        return self.session.is_leaving

    def execute(self, line: str) -> Answer:
        """Run the commands of a line, up to the first that fails."""
        self._has_failed = False
        self._log(f"kd> {line}")
        lines = []
        for text in self._run(line):
            lines.append(text)
            self._log(text)
            write = self.write
            if isinstance(text, _Mistake):
                write = self.write_mistake or write
            write(on_screen(text) + "\n")
        return Answer("".join(text + "\n" for text in lines), not self._has_failed)

    def _log(self, text: str) -> None:
        log = self.session.log
        if log is None:
            return
        try:
            log.write(f"{text}\n")
            log.flush()
        except OSError as error:
            self.session.log = None
            message = f"can't write {log.name}: {error.strerror}; the log is closed"
            (self.write_mistake or self.write)(f"{message}\n")

    def split(self, line: str) -> list[str]:
        """The commands of a line, as `execute` would run them one by one."""
        found = []
        while line := line.lstrip(" \t\r\n;"):
            end = _end_of_command(line)
            found.append(line[:end].strip())
            line = line[end:]
        return found

    def repeatable(self, line: str) -> str:
        """What an empty line runs after `line`: `d` and `u` go on where they were."""
        pieces = self.split(line)
        if len(pieces) != 1:
            return line
        try:
            found, _, _ = commands.find(pieces[0])
        except NtgateError:
            return line
        return found.name if found.continues else line

    def _run(self, line: str) -> Iterator[str]:
        """The text of a line's commands; a mistake ends the line with its message."""
        if self._depth >= _DEEPEST:
            self._has_failed = True
            yield _Mistake("Commands are nested too deep")
            return
        self._depth += 1
        try:
            yield from self._commands(line)
        finally:
            self._depth -= 1

    def _commands(self, line: str) -> Iterator[str]:
        for piece in self.split(line):
            expanded = piece
            if not piece.startswith(("as ", "aS ", "ad ", "al")):
                expanded = control.expand_aliases(self.session.aliases, piece)
            for text in [piece] if expanded == piece else self.split(expanded):
                try:
                    yield from self._dispatch(text)
                except (NtgateError, Unreadable, NoSuchRegister, UnknownType) as mistake:
                    self._has_failed = True
                    yield _Mistake(_message(mistake))
                session = self.session
                if self._has_failed or session.is_leaving or session.wants_resume or session.jump:
                    return

    def _dispatch(self, text: str) -> Iterable[str]:
        found, options, rest = commands.find(text)
        args = Arguments(self.session.evaluator, text, rest, options)
        return found.handler(self.session, args)


def _message(mistake: Exception) -> str:
    if isinstance(mistake, NoSuchRegister):
        return f"^ Bad register error: {mistake}"
    return " ".join(str(mistake).split()) or type(mistake).__name__


def _end_of_command(line: str) -> int:
    """Where the first command of a line ends: at a `;` outside quotes and braces."""
    if _takes_line(line):
        return len(line)
    openers = {"{": 1, "}": -1}
    if line.startswith(".for"):
        openers |= {"(": 1, ")": -1}
    depth = 0
    is_quoted = False
    skip = False
    for position, letter in enumerate(line):
        if skip:
            skip = False
        elif letter == "\\" and is_quoted:
            skip = True
        elif letter == '"':
            is_quoted = not is_quoted
        elif not is_quoted:
            depth += openers.get(letter, 0)
            if letter == ";" and depth <= 0:
                return position
    return len(line)


def _takes_line(line: str) -> bool:
    try:
        found: Command = commands.find(line)[0]
    except NtgateError:
        return False
    return found.whole_line
