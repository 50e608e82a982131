"""What to show and what to change: the words of `-e`, with strace's habits."""

from __future__ import annotations

from dataclasses import dataclass

from ntgate.dispatch.service import SERVICES
from ntgate.dispatch.tables import services_by_name
from ntgate.errors import UsageError
from ntgate.layout import ntstatus


@dataclass(frozen=True)
class Filter:
    """The services that a trace shows; with `inverted`, all but those."""

    names: frozenset[str]
    inverted: bool = False

    def shows(self, name: str) -> bool:
        return (name in self.names) != self.inverted


@dataclass
class Injection:
    """Answer the `when`-th call (and with `repeat` each later one) with a status."""

    name: str
    status: int
    when: int = 1
    repeat: bool = True
    seen: int = 0

    def applies(self) -> bool:
        """Counts a call; whether it is one to answer."""
        self.seen += 1
        return self.seen == self.when or (self.repeat and self.seen > self.when)


def parse_trace(text: str) -> Filter:
    """`NAME,%family,...`, all inverted by a leading `!`.  Raises UsageError."""
    inverted = text.startswith("!")
    names: set[str] = set()
    for word in text.removeprefix("!").split(","):
        if word.startswith("%"):
            names |= _family(word[1:])
        else:
            names.add(_service(word))
    return Filter(frozenset(names), inverted)


def _family(family: str) -> set[str]:
    found = {name for name, service in SERVICES.items() if service.family.startswith(family)}
    if not found or not family:
        families = sorted({service.family for service in SERVICES.values()})
        raise UsageError(f"no service family is %{family}; there are %{', %'.join(families)}")
    return found


def _service(name: str) -> str:
    if name not in services_by_name():
        raise UsageError(f"no service is named {name!r}; NtWriteFile is one, %file a family")
    return name


def parse_injection(text: str) -> Injection:
    """`NAME:status=0xc0000022[:when=N[+]]`.  Raises UsageError."""
    name, *words = text.split(":")
    injection = Injection(_service(name), ntstatus.STATUS_UNSUCCESSFUL)
    for word in words:
        key, _, value = word.partition("=")
        try:
            if key == "status":
                injection.status = _status(value)
            elif key == "when":
                injection.when = int(value.removesuffix("+"))
                injection.repeat = value.endswith("+")
            else:
                raise ValueError
        except ValueError:
            raise UsageError(
                f"inject={text}: {word!r} is not understood; use NAME:status=0xc0000022:when=2"
            ) from None
    return injection


def _status(text: str) -> int:
    value = getattr(ntstatus, text, None)
    return value if isinstance(value, int) else int(text, 0)
