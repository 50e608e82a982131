r"""NT's patterns: `*` and `?`, and DOS's `<`, `>` and `"`, as FsRtlIsNameInExpression.

    *   any characters              ?   one character
    <   any characters but the name's last dot
    >   one character; nothing in front of a dot and at the end
    "   a dot; nothing at the end
"""

from __future__ import annotations

from ntgate.executive.ob.names import upcase

DOS_STAR, DOS_QM, DOS_DOT = '<>"'
WILD = frozenset('*?<>"')


def of_win32(text: str) -> str:
    """A pattern of FindFirstFile's as NT has it; one that is NT's already stays what it is.

    XP's kernel32 does this in ring 3.  Wine 8.0's kernelbase leaves it to the kernel.
    """
    if text == "*.*":
        return "*"
    units = list(text)
    for position, unit in enumerate(text):
        before = text[position - 1] if position else ""
        if unit == "." and before == "*":
            units[position - 1] = DOS_STAR
        elif unit in ("?", "*"):
            if unit == "?":
                units[position] = DOS_QM
            if before == ".":
                units[position - 1] = DOS_DOT
    if text.endswith(".") and units[-2:-1] == [DOS_STAR]:
        units.pop()
    return "".join(units)


class Pattern:
    """Compared in any letter case."""

    def __init__(self, text: str) -> None:
        self._text = upcase(text)
        self.everything = self._text == "*"
        self.plain = self._text if WILD.isdisjoint(self._text) else ""  # the one name that fits

    def matches(self, name: str) -> bool:
        if self.everything:
            return True
        name = upcase(name)
        return name == self._text if self.plain else _match(self._text, name)


def _match(pattern: str, name: str) -> bool:
    """A set of positions in the pattern goes through the name, unit by unit."""
    last_dot = name.rfind(".")
    states = {0}
    for position, unit in enumerate(name):
        passed = ("*", DOS_STAR, DOS_QM) if unit == "." else ("*", DOS_STAR)
        following = set()
        for state in _closure(pattern, states, passed):
            wanted = pattern[state : state + 1]
            if wanted == "*" or (wanted == DOS_STAR and position != last_dot):
                following.add(state)
            elif (
                wanted in ("?", unit)
                or (wanted == DOS_QM and unit != ".")
                or (wanted == DOS_DOT and unit == ".")
            ):
                following.add(state + 1)
        if not following:
            return False
        states = following
    return len(pattern) in _closure(pattern, states, ("*", DOS_STAR, DOS_QM, DOS_DOT))


def _closure(pattern: str, states: set[int], passed: tuple[str, ...]) -> set[int]:
    """With the positions behind what takes nothing of the name."""
    found = set(states)
    waiting = list(states)
    while waiting:
        following = waiting.pop() + 1
        if following not in found and pattern[following - 1 : following] in passed:
            found.add(following)
            waiting.append(following)
    return found
