"""What follows a command's name, taken apart from left to right."""

from __future__ import annotations

import re

from ntgate.debug.errors import KdError, SyntaxMistake
from ntgate.debug.expressions import AddressRange, Evaluator

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", '"': '"', "\\": "\\"}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)


def unescape(text: str) -> str:
    """The characters that `\\n`, `\\t`, `\\"` and `\\\\` stand for."""
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[0]), text)


class Arguments:
    """The arguments of one command.  `rest` is what has not been taken yet.

    `line` is the whole command, for messages; `options` the letters behind its name.  `is_glued`:
    no blank came before the first argument.
    """

    def __init__(self, evaluator: Evaluator, line: str, text: str, options: str = "") -> None:
        self._evaluator = evaluator
        self.line = line
        self.rest = text.strip()
        self.is_glued = bool(self.rest) and not text[0].isspace()
        self.options = options

    def __bool__(self) -> bool:
        return bool(self.rest)

    def mistake(self) -> SyntaxMistake:
        """The error for what can't be understood; raise it."""
        return SyntaxMistake(self.rest or self.line)

    def take_value(self) -> int:
        """The next expression, a 64-bit number."""
        if not self.rest:
            raise self.mistake()
        value, self.rest = self._evaluator.parse_prefix(self.rest)
        return value

    def take_address(self) -> int:
        """The next expression, a 32-bit one."""
        return self.take_value() & 0xFFFFFFFF

    def take_values(self) -> list[int]:
        """All that is left, as expressions."""
        values = []
        while self.rest:
            values.append(self.take_value())
        return values

    def take_range(self, element_size: int, default_count: int) -> AddressRange:
        """`address`, `address Ln` or `start end`."""
        if not self.rest:
            raise self.mistake()
        found = self._evaluator.range(self.rest, element_size, default_count)
        self.rest = found.rest
        return found

    def take_word(self) -> str:
        """The next word, up to a blank; empty at the end."""
        word, self.rest = (*self.rest.split(None, 1), "", "")[:2]
        return word

    def take_option(self, pattern: str) -> re.Match[str] | None:
        """What matches `pattern` here, if it is followed by a blank or by nothing."""
        found = re.match(rf"(?:{pattern})(?=\s|$)", self.rest)
        if found:
            self.rest = self.rest[found.end() :].lstrip()
        return found

    def take_string(self) -> str | None:
        """The text of a string in double quotes; None where there is none."""
        found = _QUOTED.match(self.rest)
        if not found:
            return None
        self.rest = self.rest[found.end() :].lstrip()
        return unescape(found[1])

    def take_rest(self) -> str:
        text, self.rest = self.rest, ""
        return text

    def finish(self) -> None:
        """Raises where something is left over."""
        if self.rest:
            raise KdError(f"^ Extra character error in '{self.rest}'")
