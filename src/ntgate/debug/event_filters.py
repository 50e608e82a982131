"""What the debugger does about events and exceptions: the state behind `sx`."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from ntgate.debug.guest_events import EXCEPTIONS
from ntgate.debug.target import GuestEvent, Reaction
from ntgate.records import dataclass

EVENTS = {
    "ct": "Create thread",
    "et": "Exit thread",
    "cpr": "Create process",
    "epr": "Exit process",
    "ld": "Load module",
    "ud": "Unload module",
}
_WITH_NAMES = ("cpr", "ld", "ud")
ANY = "*"  # the exceptions that have no filter of their own


@dataclass
class EventFilter:
    """`key` is an event's code, an exception's code as a number, or ANY."""

    key: str | int
    name: str
    reaction: Reaction
    pattern: str = ""
    commands: str = ""

    def takes(self, event: GuestEvent) -> bool:
        if not self.pattern:
            return True
        folded, pattern = event.name.casefold(), self.pattern.casefold()
        return fnmatchcase(folded, pattern) or fnmatchcase(folded.rpartition(".")[0], pattern)


class EventFilters:
    """The filters of a session.  Second chances break, and nothing else, until `sx` says so."""

    def __init__(self) -> None:
        self._by_key: dict[str | int, EventFilter] = {}
        self.reset()

    def reset(self) -> None:
        self._by_key = {
            key: EventFilter(key, name, Reaction.IGNORE) for key, name in EVENTS.items()
        }
        for _short, code, name in EXCEPTIONS:
            self._by_key.setdefault(code, EventFilter(code, name, Reaction.SECOND_CHANCE))
        self._by_key[ANY] = EventFilter(ANY, "Other exception", Reaction.SECOND_CHANCE)

    def __iter__(self) -> Iterator[EventFilter]:
        return iter(self._by_key.values())

    def get(self, key: str | int) -> EventFilter:
        """The filter of a key; an exception without one gets it."""
        if key not in self._by_key:
            self._by_key[key] = EventFilter(key, "Unknown exception", self._by_key[ANY].reaction)
        return self._by_key[key]

    @staticmethod
    def has_name(key: str | int) -> bool:
        """Whether the events of a filter are told apart by a name: `ld:kernel32`."""
        return key in _WITH_NAMES

    def _of(self, event: GuestEvent) -> EventFilter:
        if event.exception is None:
            return self._by_key[event.kind]
        return self._by_key.get(event.exception.code) or self._by_key[ANY]

    def reaction(self, event: GuestEvent) -> Reaction:
        """What to do about an event: BREAK, OUTPUT or IGNORE."""
        found = self._of(event)
        if event.exception is not None and not event.exception.first_chance:
            return Reaction.IGNORE if found.reaction is Reaction.IGNORE else Reaction.BREAK
        if found.reaction is Reaction.SECOND_CHANCE or not found.takes(event):
            return Reaction.IGNORE
        return found.reaction

    def commands_of(self, event: GuestEvent | None) -> str:
        """What to run when the machine has stopped for an event."""
        return self._of(event).commands if event is not None else ""
