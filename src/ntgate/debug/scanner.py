"""What the two expression parsers share: a place in a text, and the mistakes found there."""

from __future__ import annotations

import re

from ntgate.errors import UsageError

_SPACE = re.compile(r"\s*")
_DEEPEST = 40
_LONGEST_QUOTE = 80


class ExpressionError(UsageError):
    """A mistake in an expression; str() is the one line to print."""


class Scanner:
    """A text and the position that a parser has come to.

    `depth` counts the operands that the parser is inside of, to refuse a text that nests deeper
    than Python's stack goes.
    """

    def __init__(self, text: str, depth: int = 0) -> None:
        self.text = text
        self.position = 0
        self.depth = depth

    @property
    def at_end(self) -> bool:
        return self.position == len(self.text)

    @property
    def character(self) -> str:
        """The next character, or an empty string at the end."""
        return self.text[self.position : self.position + 1]

    def skip_space(self) -> None:
        space = _SPACE.match(self.text, self.position)
        if space:
            self.position = space.end()

    def peek(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """A match behind any space; the position stays."""
        space = _SPACE.match(self.text, self.position)
        return pattern.match(self.text, space.end() if space else self.position)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """A match behind any space, with the position moved behind it."""
        found = self.peek(pattern)
        if found:
            self.position = found.end()
        return found

    def expect(self, wanted: str) -> None:
        """Move behind `wanted`; raises ExpressionError where something else is."""
        self.skip_space()
        if not self.text.startswith(wanted, self.position):
            raise self.error("Syntax error")
        self.position += len(wanted)

    def enter(self) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.error("Syntax error")

    def leave(self) -> None:
        self.depth -= 1

    def error(self, mistake: str, start: int | None = None) -> ExpressionError:
        """`Syntax error at '...'` with the text from `start`, or from the position."""
        shown = one_line(self.text[self.position if start is None else start :]) or "<EOL>"
        link = "" if mistake.endswith(" from") else " at"
        return ExpressionError(f"{mistake}{link} '{shown}'")

    def memory_error(self) -> ExpressionError:
        """For memory that an operand in front of the position points to.

        WinDbg reads before it takes the bracket that closes the operand, so its text starts
        with that.
        """
        closing = self.position - (self.text[: self.position].endswith(")"))
        return self.error("Memory access error", closing)


def one_line(text: str) -> str:
    """The text with every run of white space as one space, cut where it is long."""
    joined = " ".join(text.split())
    return joined if len(joined) <= _LONGEST_QUOTE else f"{joined[: _LONGEST_QUOTE - 3]}..."
