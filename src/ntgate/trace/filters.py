"""What to show: the words of `-e trace=` and `-e event=`, with strace's habits."""

from __future__ import annotations

import re
from difflib import get_close_matches

from ntgate.dispatch.tables import services_by_name
from ntgate.errors import UsageError
from ntgate.records import dataclass
from ntgate.trace.families import family, family_names
from ntgate.trace.places import Site

EVENTS = (
    "process", "thread", "module", "code", "exception", "debug", "dialog", "hard", "file",
    "fault", "unimplemented",
)  # fmt: skip
STATUSES = ("successful", "failed", "unfinished")
GATES = ("direct", "indirect")


@dataclass(frozen=True)
class Filter:
    """names: the services whose calls are shown, None for all; gates: of GATES, and only those
    that came so, with none in it all.  events: the kinds of events that are shown.  statuses: of
    STATUSES, by which calls are chosen when they have ended.  paths: only calls that name one of
    them, in lower case; with none in it all.
    """

    names: frozenset[str] | None = None
    gates: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset(EVENTS)
    statuses: frozenset[str] = frozenset(STATUSES)
    paths: tuple[str, ...] = ()

    def may_show(self, name: str) -> bool:
        return self.names is None or name in self.names

    def shows(self, name: str, site: Site) -> bool:
        if self.names is not None and name not in self.names:
            return False
        if not self.gates:
            return True
        return (site.direct and "direct" in self.gates) or (
            (site.indirect or site.uncalled) and "indirect" in self.gates
        )

    @property
    def is_by_end(self) -> bool:
        """Whether a call is chosen only when it has ended."""
        return len(self.statuses) < len(STATUSES) or bool(self.paths)

    def shows_end(self, status: int | None, *, failed: bool) -> bool:
        if status is None:
            return "unfinished" in self.statuses
        return ("failed" if failed else "successful") in self.statuses

    def shows_event(self, name: str) -> bool:
        """`name` is a kind, or begins with one and a blank."""
        return name.partition(" ")[0] in self.events


def parse_trace(text: str) -> tuple[frozenset[str] | None, frozenset[str]]:
    """The names and gates of a Filter: `NAME,%family,/regex/,%direct`, the names inverted by a
    leading `!`; `all` and `none`.  Raises UsageError.
    """
    inverted = text.startswith("!")
    words = _split(text.removeprefix("!"))
    gates = frozenset(word[1:] for word in words if word.startswith("%")) & set(GATES)
    if gates and inverted:
        raise UsageError(f"trace={text}: %{min(gates)} can't be inverted")
    words = [word for word in words if word[1:] not in gates]
    if gates and not words:
        return None, gates
    names = _names(words, GATES)
    if inverted:
        names = frozenset(services_by_name()) - names
    return names, gates


def parse_names(text: str) -> frozenset[str]:
    """`NAME,%family,/regex/`, or `all` and `none`.  Raises UsageError."""
    return _names(_split(text))


def split_names(text: str) -> tuple[str, list[str]]:
    """The names before the first colon, but for those within /regex/, and the words behind it."""
    words = text.split(":")
    names = words.pop(0)
    while words and _split(names)[-1].startswith("/") and not _is_closed(_split(names)[-1]):
        names += f":{words.pop(0)}"
    return names, words


def _split(text: str) -> list[str]:
    """At commas, but for those within /regex/."""
    words: list[str] = []
    for part in text.split(","):
        if words and words[-1].startswith("/") and not _is_closed(words[-1]):
            words[-1] += f",{part}"
        else:
            words.append(part)
    return words


def _is_closed(word: str) -> bool:
    return word[1:].endswith("/")


def _names(words: list[str], gates: tuple[str, ...] = ()) -> frozenset[str]:
    """gates: what may be there beside families."""
    names: set[str] = set()
    for word in words:
        if word == "all":
            names |= set(services_by_name())
        elif word.startswith("%"):
            names |= _family(word[1:], gates)
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


def parse_status(text: str) -> frozenset[str]:
    """`WORD,...` of STATUSES, inverted by a leading `!`; `all` and `none`.  Raises UsageError."""
    if text in ("all", "none"):
        return frozenset(STATUSES if text == "all" else ())
    words = text.removeprefix("!").split(",")
    if not set(words) <= set(STATUSES):
        raise UsageError(f"status={text}: one of all, {', '.join(STATUSES)}, none")
    return frozenset(STATUSES).difference(words) if text.startswith("!") else frozenset(words)


def _family(name: str, gates: tuple[str, ...]) -> frozenset[str]:
    try:
        return family(name)
    except KeyError:
        known = ", ".join(f"%{each}" for each in [*family_names(), *gates])
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
