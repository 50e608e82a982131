"""What to show: the words of `-e trace=` and `-e event=`, with strace's habits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from ntgate.dispatch.tables import services_by_name
from ntgate.errors import UsageError
from ntgate.layout.ntstatus import is_error
from ntgate.trace.families import family, family_names

EVENTS = ("process", "thread", "module", "exception", "debug", "file", "fault", "unimplemented")


STATUSES = ("all", "successful", "failed", "unfinished")


@dataclass(frozen=True)
class Filter:
    """names: the services whose calls are shown, None for all; direct: and only those made
    outside of ntdll's stubs.  events: the kinds of events that are shown.  status: one of
    STATUSES, by which calls are chosen when they have ended.
    """

    names: frozenset[str] | None = None
    direct: bool = False
    events: frozenset[str] = frozenset(EVENTS)
    status: str = "all"

    def may_show(self, name: str) -> bool:
        return self.names is None or name in self.names

    def shows(self, name: str, *, direct: bool) -> bool:
        return self.may_show(name) and (direct or not self.direct)

    def shows_status(self, status: int | None) -> bool:
        if self.status == "all":
            return True
        if status is None:
            return self.status == "unfinished"
        return self.status == ("failed" if is_error(status) else "successful")

    def shows_event(self, name: str) -> bool:
        """`name` is a kind, or begins with one and a blank."""
        return name.partition(" ")[0] in self.events


def parse_trace(text: str) -> tuple[frozenset[str] | None, bool]:
    """The names and `direct` of a Filter: `NAME,%family,/regex/,%direct`, all inverted by a
    leading `!`; `all` and `none`.  Raises UsageError.
    """
    inverted = text.startswith("!")
    words = text.removeprefix("!").split(",")
    direct = "%direct" in words
    if direct and inverted:
        raise UsageError(f"trace={text}: %direct can't be inverted")
    words = [word for word in words if word != "%direct"]
    if direct and not words:
        return None, True
    names = parse_names(",".join(words))
    if inverted:
        names = frozenset(services_by_name()) - names
    return names, direct


def parse_names(text: str) -> frozenset[str]:
    """`NAME,%family,/regex/`, or `all` and `none`.  Raises UsageError."""
    names: set[str] = set()
    for word in text.split(","):
        if word == "all":
            names |= set(services_by_name())
        elif word.startswith("%"):
            names |= _family(word[1:])
        elif word.startswith("/"):
            names |= _matching(word.strip("/"))
        elif word != "none":
            names.add(_service(word))
    return frozenset(names)


def parse_events(text: str) -> frozenset[str]:
    """`KIND,...`, inverted by a leading `!`; `all` and `none`.  Raises UsageError."""
    if text in ("all", "none"):
        return frozenset(EVENTS if text == "all" else ())
    kinds = text.removeprefix("!").split(",")
    for kind in kinds:
        if kind not in EVENTS:
            raise UsageError(f"event={text}: no kind of event is {kind!r}; {', '.join(EVENTS)} are")
    return frozenset(EVENTS).difference(kinds) if text.startswith("!") else frozenset(kinds)


def parse_status(text: str) -> str:
    """Raises UsageError."""
    if text not in STATUSES:
        raise UsageError(f"status={text}: one of {', '.join(STATUSES)}")
    return text


def _family(name: str) -> frozenset[str]:
    try:
        return family(name)
    except KeyError:
        known = ", ".join(f"%{each}" for each in [*family_names(), "direct"])
        raise UsageError(f"no service family is %{name}; there are {known}") from None


def _matching(pattern: str) -> set[str]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"/{pattern}/: {error}") from None
    found = {name for name in services_by_name() if expression.search(name)}
    if not found:
        raise UsageError(f"no service is named like /{pattern}/")
    return found


def _service(word: str) -> str:
    """By its own name, Zw's, or in any case."""
    names = {name.lower(): name for name in services_by_name()}
    lower = word.lower()
    found = names.get(lower) or names.get("nt" + lower.removeprefix("zw"))
    if found is None:
        close = get_close_matches(lower, names, 1) or get_close_matches("nt" + lower, names, 1)
        hint = f"did you mean {names[close[0]]}?" if close else "NtWriteFile is one, %file a family"
        raise UsageError(f"no service is named {word!r}; {hint}")
    return found
