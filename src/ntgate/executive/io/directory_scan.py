"""Looking through a directory: patterns, and one after the other what they fit."""

from __future__ import annotations

from collections.abc import Callable

from ntgate.executive.io.tree import Directory, Entry
from ntgate.executive.io.wildcards import Pattern, of_win32


def _matches_short(
    entry: Entry, directory: Directory, matches: Callable[[str], bool]
) -> bool:
    if entry.directory is not directory:
        return False  # . and ..
    short = directory.short_name_of(entry)
    return bool(short) and matches(short)


class DirectoryScan:
    """The entries as they were at its start, in NTFS's order.

    A folder that has one above it begins with `.` and `..`.  An empty pattern is `*`.
    """

    def __init__(self, entry: Entry, pattern: str | None) -> None:
        self._entry = entry
        self.pattern = Pattern(of_win32(pattern or "*"))
        self.asked = False  # there has been an answer
        self._names: list[tuple[str, Entry]] = []
        self._position = 0
        self.restart()

    def restart(self) -> None:
        entry, directory = self._entry, self._entry.node
        assert isinstance(directory, Directory)
        if self.pattern.plain:
            only = directory.find(self.pattern.plain)
            names = [(only.name, only)] if only is not None else []
        else:
            names = [(child.name, child) for child in directory.sorted_entries()]
        if entry.directory is not None:
            names[:0] = [(".", entry), ("..", entry.directory.entries[0])]
        matches = self.pattern.matches
        if not self.pattern.everything:
            names = [
                (name, child)
                for name, child in names
                if matches(name) or _matches_short(child, directory, matches)
            ]
        self._names = names
        self._position = 0

    @property
    def directory(self) -> Directory:
        directory = self._entry.node
        assert isinstance(directory, Directory)
        return directory

    def peek(self) -> tuple[str, Entry] | None:
        """The next name, without passing it; what has been deleted meanwhile is skipped."""
        while self._position < len(self._names):
            name, entry = self._names[self._position]
            if entry.directory is not None or name in (".", ".."):
                return name, entry
            self._position += 1
        return None

    def advance(self) -> None:
        self._position += 1

    @property
    def index(self) -> int:
        """FileIndex; NTFS gives 0."""
        return 0
