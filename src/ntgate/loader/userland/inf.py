"""Setup information files: their sections, lines and fields.

From the public documentation of INF files ("General Syntax Rules for INF Files", "INF Strings
Section") and of what setupapi makes of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ntgate.layout.paths import DRIVE, SYSTEM32, WINDOWS

PROFILE = DRIVE + "\\Documents and Settings\\Administrator"
PROGRAMS = DRIVE + "\\Program Files"
INSTALL = ("PreInstall", "DefaultInstall.NT")  # the sections that an installation runs

# What setupapi puts in the place of %number%: DIRID_* of setupapi.h, CSIDL_* + 16384.
DIRECTORIES: Mapping[str, str] = {
    "10": WINDOWS,
    "11": SYSTEM32,
    "12": SYSTEM32 + "\\drivers",
    "17": WINDOWS + "\\inf",
    "18": WINDOWS + "\\Help",
    "20": WINDOWS + "\\Fonts",
    "23": SYSTEM32 + "\\spool\\drivers\\color",
    "24": DRIVE,
    "25": WINDOWS,
    "30": DRIVE,
    "50": WINDOWS + "\\system",
    "51": SYSTEM32 + "\\spool",
    "52": SYSTEM32 + "\\spool\\drivers",
    "55": SYSTEM32 + "\\spool\\prtprocs",
    "16410": PROFILE + "\\Application Data",
    "16412": PROFILE + "\\Local Settings\\Application Data",
    "16422": PROGRAMS,
    "16427": PROGRAMS + "\\Common Files",
    "66000": SYSTEM32 + "\\spool\\drivers\\w32x86",
}

_SECTION = re.compile(r"\[([^\]]*)\]")
_FIELD = re.compile(r'(?:[^,;"]|"(?:[^"]|"")*"?)*')
_QUOTED = re.compile(r'"((?:[^"]|"")*)"?')
_REFERENCE = re.compile("%([^%]*)%")
_KEY = re.compile(r"([^=,\"]+)=(.*)")

Line = list[str]


class Inf:
    """The lines of each section, by its name in capitals.

    A line is its fields; of `name=a,b` the first is the name. Blanks around a field fall away,
    quotes are taken off, %strings% and %directories% put in their place.
    """

    def __init__(self, text: str) -> None:
        self._sections: dict[str, list[str]] = {}
        current: list[str] = []
        for line in _logical_lines(text):
            if section := _SECTION.match(line):
                current = self._sections.setdefault(section[1].strip().upper(), [])
            else:
                current.append(line)
        self._strings = dict(DIRECTORIES)
        for name, value in self.pairs("Strings"):
            self._strings[name.lower()] = value

    def lines(self, section: str) -> list[Line]:
        """The fields of each line; empty for a section that is not there."""
        return [
            [self._plain(field) for field in _split(line)] for line in self._raw(section)
        ]

    def pairs(self, section: str) -> list[tuple[str, str]]:
        """(name, all behind the `=`) of the lines that have one."""
        found = []
        for line in self._raw(section):
            if match := _KEY.match(line):
                value = ",".join(self._plain(field) for field in _split(match[2]))
                found.append((self._plain(match[1]), value))
        return found

    def named(self, section: str, name: str) -> list[Line]:
        """The fields behind the `=` of each line `name=...`, in any letter case."""
        return [
            value.split(",") for key, value in self.pairs(section) if key.lower() == name.lower()
        ]

    def _raw(self, section: str) -> list[str]:
        return self._sections.get(section.upper(), [])

    def _plain(self, field: str) -> str:
        field = _QUOTED.sub(lambda match: match[1].replace('""', '"'), field.strip())
        return _REFERENCE.sub(self._resolve, field)

    def _resolve(self, match: re.Match[str]) -> str:
        if not match[1]:
            return "%"
        return self._strings.get(match[1].lower(), match[0])


def _logical_lines(text: str) -> list[str]:
    """Lines without comments, those that go on behind a backslash joined."""
    lines: list[str] = []
    pending = ""
    for raw in text.splitlines():
        line = _without_comment(raw).strip()
        if line.endswith("\\") and not line.endswith('"\\'):
            pending += line[:-1]
            continue
        line = pending + line
        pending = ""
        if line:
            lines.append(line)
    return lines


def _without_comment(line: str) -> str:
    quoted = False
    for index, letter in enumerate(line):
        if letter == '"':
            quoted = not quoted
        elif letter == ";" and not quoted:
            return line[:index]
    return line


def _split(line: str) -> list[str]:
    """At the commas that stand outside of quotes."""
    fields = []
    at = 0
    while True:
        match = _FIELD.match(line, at)
        assert match is not None
        fields.append(match[0])
        at = match.end() + 1
        if at > len(line):
            return fields
