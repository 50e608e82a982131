"""Answers in a service's place: `-e inject=NAME:status=...:when=...`, as strace has it."""

from __future__ import annotations

import re

from ntgate.errors import UsageError
from ntgate.layout import ntstatus
from ntgate.records import dataclass
from ntgate.trace.filters import parse_names, split_names

USE = "use NAME,...:status=STATUS_ACCESS_DENIED:when=2, or delay_enter=MICROSECONDS"
_WHEN = re.compile(r"(\d+)(?:\.\.(\d+))?(?:\+(\d+)?)?")
_DELAY = re.compile(r"(\d+)(s|ms|us)?")
UNITS = {"us": 1, "ms": 1000, "s": 1_000_000}
LONGEST_DELAY = 86_400_000_000  # a day
_UNSIGNED = 0xFFFFFFFF


@dataclass
class Injection:
    """The services answer with a status, and do nothing, at their calls first, first + step...

    last: of the calls counted, 0 for no end.  The calls of all of them count together.
    status: None where they only come later.  delay: microseconds of virtual time before.
    """

    names: frozenset[str]
    status: int | None = None
    delay: int = 0
    first: int = 1
    last: int = 0
    step: int = 1
    seen: int = 0

    def applies(self) -> bool:
        """Counts a call; whether it is one to answer."""
        self.seen += 1
        ahead = self.seen - self.first
        return ahead >= 0 and ahead % self.step == 0 and (not self.last or self.seen <= self.last)


def parse_injection(text: str) -> Injection:
    """`NAME,%family:status=STATUS|NUMBER[:delay_enter=TIME][:when=N|N+|N+STEP|N..M|N..M+STEP]`.

    Raises UsageError.  `retval` and `error` are other words for `status`.
    """
    names, words = split_names(text)
    injection = Injection(parse_names(names))
    for word in words:
        key, _, value = word.partition("=")
        try:
            if key in ("status", "retval", "error"):
                injection.status = _status(value)
            elif key == "delay_enter":
                injection.delay = _delay(value)
            elif key == "when":
                _set_when(injection, value)
            else:
                raise ValueError(key)
        except ValueError:
            raise UsageError(f"inject={text}: {word!r} is not understood; {USE}") from None
    if injection.status is None and not injection.delay:
        injection.status = ntstatus.STATUS_UNSUCCESSFUL
    return injection


def _delay(text: str) -> int:
    """Microseconds; with a unit of s, ms or us behind the number."""
    found = _DELAY.fullmatch(text)
    if found is None:
        raise ValueError(text)
    delay = int(found[1]) * UNITS[found[2] or "us"]
    if not 0 < delay <= LONGEST_DELAY:
        raise ValueError(text)
    return delay


def _set_when(injection: Injection, text: str) -> None:
    found = _WHEN.fullmatch(text)
    if found is None:
        raise ValueError(text)
    first, last, step = found.groups()
    injection.first = int(first)
    injection.step = int(step or 1)
    if last:
        injection.last = int(last)
    elif "+" not in text:
        injection.last = injection.first
    if not injection.first or not injection.step or 0 < injection.last < injection.first:
        raise ValueError(text)


def _status(text: str) -> int:
    """A name of ntstatus.py, or a number, negative ones in two's complement."""
    value = getattr(ntstatus, text, None) if text.isidentifier() else int(text, 0)
    if not isinstance(value, int) or not -(1 << 31) <= value <= _UNSIGNED:
        raise ValueError(text)
    return value & _UNSIGNED
