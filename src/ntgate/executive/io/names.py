r"""Names of files as NTFS has them: which are valid, how a path splits, 8.3 names.

A path is what an open leaves for the volume: `\folder\file:stream:$DATA`.  Win32's own rules
(`/`, `.`, `..`, NUL and COM1, stripped dots and spaces) are ring 3's and don't reach the kernel.
"""

from __future__ import annotations

from collections.abc import Container

from ntgate.errors import NtError
from ntgate.layout.ntstatus import STATUS_OBJECT_NAME_INVALID
from ntgate.records import dataclass

LONGEST_COMPONENT = 255  # UTF-16 units
INVALID = frozenset('"*/:<>?|\\') | {chr(code) for code in range(32)}
STRIPPED = " ."  # what Win32 takes off at the end of a name
DATA_TYPE = "$DATA"

# In a short name but not among what FAT allows.
NOT_SHORT = frozenset(" .")
LEGAL_SHORT = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'()-@^_`{}~")
SHORT_BASE, SHORT_EXTENSION = 8, 3
MOST_PLAIN_TAILS = 4  # NTFS hashes from the fifth name with one beginning on


@dataclass(frozen=True, slots=True)
class FilePath:
    """`stream` is "" for the file itself; `directory`: the path ends in a backslash."""

    components: tuple[str, ...]
    stream: str = ""
    directory: bool = False


def parse_path(path: str) -> FilePath:
    """Split a path, with or without a leading backslash; raises STATUS_OBJECT_NAME_INVALID."""
    path = path.removeprefix("\\")
    directory = path.endswith("\\")
    path = path[:-1] if directory else path
    if not path:
        if directory:
            raise NtError(STATUS_OBJECT_NAME_INVALID)
        return FilePath(())
    *above, last = path.split("\\")
    last, mark, stream = last.partition(":")
    if mark:
        if directory:
            raise NtError(STATUS_OBJECT_NAME_INVALID)
        stream = _stream_name(stream)
    components = (*above, last) if last or above or not mark else ()
    for component in components:
        if not is_valid(component):
            raise NtError(STATUS_OBJECT_NAME_INVALID)
    return FilePath(components, stream, directory)


def is_valid(component: str) -> bool:
    """Whether a volume looks such a name up at all."""
    return (
        0 < len(component) <= LONGEST_COMPONENT
        and component not in (".", "..")
        and INVALID.isdisjoint(component)
    )


def check_new(component: str) -> None:
    """Whether a file can have the name, at whose end NTFS takes what Win32 strips as well."""
    if not is_valid(component):
        raise NtError(STATUS_OBJECT_NAME_INVALID)


def _stream_name(text: str) -> str:
    """NAME, NAME:$DATA or :$DATA, the file itself."""
    name, mark, kind = text.partition(":")
    if mark and kind.upper() != DATA_TYPE:
        raise NtError(STATUS_OBJECT_NAME_INVALID)
    if not name and not mark:
        raise NtError(STATUS_OBJECT_NAME_INVALID)
    if len(name) > LONGEST_COMPONENT or set(name) & (frozenset("/\\:") | {"\0"}):
        raise NtError(STATUS_OBJECT_NAME_INVALID)
    return name


def is_short(name: str) -> bool:
    """Whether a name, in capitals, is an 8.3 name already."""
    base, mark, extension = name.upper().partition(".")
    if mark and not extension:
        return False
    return (
        0 < len(base) <= SHORT_BASE
        and len(extension) <= SHORT_EXTENSION
        and LEGAL_SHORT.issuperset(base + extension)
    )


def short_name(name: str, taken: Container[str]) -> str:
    """An 8.3 name for a long one, other than those that are taken (in capitals).

    The first four of a kind get NAME~1 to NAME~4; then two letters and a checksum, as NTFS
    does it.  A name that is an 8.3 name is its own.
    """
    if is_short(name):
        return name.upper()
    base, _, extension = name.lstrip(". ").rpartition(".")
    if not base:
        base, extension = extension, ""
    base, extension = _legal(base)[:SHORT_BASE], _legal(extension)[:SHORT_EXTENSION]
    suffix = f".{extension}" if extension else ""
    stem = base[: SHORT_BASE - 2]
    for number in range(1, MOST_PLAIN_TAILS + 1):
        candidate = f"{stem}~{number}{suffix}"
        if candidate not in taken:
            return candidate
    stem = f"{base[:2]}{_checksum(name):04X}"
    number = 1
    while True:
        tail = f"~{number}"
        candidate = f"{stem[: SHORT_BASE - len(tail)]}{tail}{suffix}"
        if candidate not in taken:
            return candidate
        number += 1


def _legal(text: str) -> str:
    kept = (character for character in text.upper() if character not in NOT_SHORT)
    return "".join(
        character if character in LEGAL_SHORT else "_" for character in kept
    )


def _checksum(name: str) -> int:
    """16 bits of a name: equal names get equal 8.3 names."""
    value = 0
    for unit in name.upper().encode("utf-16-le", "surrogatepass"):
        value = (value * 37 + unit) & 0xFFFFFFFF
    return (value * 314159269 >> 8) & 0xFFFF
