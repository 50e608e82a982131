"""What may stand at the end of a half-written command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from ntgate.debug import commands
from ntgate.debug.register_set import register_names
from ntgate.debug.session import Session

_WORD = re.compile(r"[\w!.@$?]*$")
_FIRST_WORD = re.compile(r"(?:^|;)\s*([.!]?\w*|\?*)$")
_TYPE_ARGUMENT = re.compile(r"(?:^|;)\s*dt\s+(?:-\w+\s+)*(?:nt!|ntdll!)?(\w*)$")
_MOST = 200
_SHORTEST_BARE_SYMBOL = 2


def candidates(session: Session, line: str) -> tuple[str, list[str]]:
    """The word at the end of `line`, and what could stand in its place."""
    first = _FIRST_WORD.search(line)
    if first:
        word = first[1]
        return word, [name for name in sorted(commands.all_commands()) if name.startswith(word)]
    of_type = _TYPE_ARGUMENT.search(line)
    if of_type:
        word = of_type[1]
        names = (name.rpartition("!")[2] for name in session.types.search(f"{word}*"))
        return word, [*islice(names, _MOST)]
    found = _WORD.search(line)
    word = found[0] if found else ""
    return word, [*islice(_names(session, word), _MOST)]


def _names(session: Session, word: str) -> Iterator[str]:
    if word.startswith("@"):
        wanted = word[1:].lower()
        yield from (f"@{name}" for name in register_names() if name.startswith(wanted))
        return
    if "!" not in word:
        folded = word.lower()
        for module in session.machine.symbols.modules:
            if module.name.lower().startswith(folded):
                yield f"{module.name}!"
        yield from (name for name in register_names() if folded and name.startswith(folded))
    if "!" in word or len(word) >= _SHORTEST_BARE_SYMBOL:
        yield from map(str, session.machine.symbols.match(f"{word}*"))
