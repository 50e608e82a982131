"""What kd tells instead of an answer."""

from __future__ import annotations

from ntgate.errors import UsageError


class KdError(UsageError):
    """A command can't be done.  str() is the one line to print, in WinDbg's words."""


class SyntaxMistake(KdError):
    """What the user wrote is no command, or not its arguments."""

    def __init__(self, text: str) -> None:
        super().__init__(f"^ Syntax error in '{text}'")
