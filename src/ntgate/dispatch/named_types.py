"""The names of values and the members of structures, read from the text files of
data/.

A declaration says that a parameter is a ULONG or a pointer; these tables say which flags, which
enumeration, and what lies behind a pointer for each information class.  They describe, and
decide nothing: what is missing here is shown as a number or as bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from functools import cache
from pathlib import Path

from ntgate.records import dataclass

FILES = ("values.txt", "information.txt", "win32k.txt", "control_codes.txt")
DATA = Path(__file__).parent / "data"
_TYPE = re.compile(r"(\w+)(?::(\d))?(?:\[(\*|\w+)(?:/(\d+))?(?:@(\w+))?\])?")


class DataError(Exception):
    """A line of a data file is not understood."""


@dataclass(frozen=True)
class TypeName:
    """A type as the data files write it: `NAME[:SIZE][\\[COUNT[/ROOM][@OFFSET]\\]]`.

    count: elements, or bytes for TEXT, BYTES and DATA; the name of a member or a parameter that
    holds it, or "*" for all that is left.  room: bytes that the member takes whatever its count.
    offset: the member that says where it begins, from the start of the structure.
    """

    name: str
    size: int = 0
    count: str = ""
    room: int = 0
    offset: str = ""


@dataclass(frozen=True)
class Named:
    """Words of a value: flags combine, an enumeration's value is one of them."""

    name: str
    flags: bool
    rows: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Structure:
    """Members in order, naturally aligned; `_` is one that is not shown."""

    name: str
    members: tuple[tuple[str, TypeName], ...]


@dataclass(frozen=True)
class InformationClass:
    """What one value of an information class means: a name and the contents of its buffer.

    chain: entries that NextEntryOffset links.
    """

    name: str
    content: TypeName | None
    chain: bool


@dataclass(frozen=True)
class Control:
    """What goes in and comes out with one control code; None for nothing that is known."""

    given: TypeName | None
    answered: TypeName | None


@dataclass
class NamedTypes:
    """Everything that the data files declare, by name.

    parameters: what a parameter is, by "Service.Parameter" and by "Parameter".
    returns: what a service of win32k answers with, by its name.  controls: by control code.
    """

    values: dict[str, Named] = field(default_factory=dict)
    structures: dict[str, Structure] = field(default_factory=dict)
    classes: dict[str, dict[int, InformationClass]] = field(default_factory=dict)
    parameters: dict[str, TypeName] = field(default_factory=dict)
    returns: dict[str, str] = field(default_factory=dict)
    controls: dict[int, Control] = field(default_factory=dict)

    def of_parameter(self, service: str, parameter: str) -> TypeName | None:
        """What the tables say of a parameter, beside its declared type."""
        found = self.parameters.get(f"{service}.{parameter}")
        return found or self.parameters.get(parameter)


@cache
def named_types() -> NamedTypes:
    """The tables of the package."""
    types = NamedTypes()
    for name in FILES:
        read((DATA / name).read_text(encoding="ascii"), types)
    return types


def read(text: str, types: NamedTypes) -> None:
    """Add what a data file declares; raises DataError."""
    for heading, rows in _blocks(text):
        kind, name, *rest = heading.split()
        if kind in ("flags", "enum"):
            words = tuple((int(row.split()[0], 0), row.split()[1]) for row in rows)
            if rest:
                words += types.values[rest[1]].rows
            types.values[name] = Named(name, kind == "flags", words)
        elif kind == "struct":
            types.structures[name] = Structure(name, tuple(_members(rows)))
        elif kind == "class":
            types.classes[name] = dict(map(_class_row, rows))
        elif kind == "param":
            types.parameters[name] = type_name(rest[0])
        elif kind == "control":
            codes = {row[1]: row[0] for row in types.values["CONTROL_CODE"].rows}
            told = [type_name(word) if word != "-" else None for word in [*rest, "-"]]
            types.controls[codes[name]] = Control(told[0], told[1])
        elif kind == "returns":
            types.returns.update(dict.fromkeys(" ".join(rows).split(), name))
        else:
            raise DataError(f"{heading!r}: no kind of block")


def type_name(text: str) -> TypeName:
    """Raises DataError."""
    found = _TYPE.fullmatch(text)
    if found is None:
        raise DataError(f"{text!r} is no type")
    name, size, count, room, offset = found.groups()
    return TypeName(name, int(size or 0), count or "", int(room or 0), offset or "")


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each line that begins at the margin, with the indented ones below it."""
    heading = ""
    rows: list[str] = []
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line[0] == " ":
            rows.append(line.strip())
            continue
        if heading:
            yield heading, rows
        heading, rows = line, []
    if heading:
        yield heading, rows


def _members(rows: list[str]) -> Iterator[tuple[str, TypeName]]:
    for row in rows:
        written, _, names = row.partition(" ")
        for name in names.split(","):
            yield name.strip(), type_name(written)


def _class_row(row: str) -> tuple[int, InformationClass]:
    number, name, *content = row.split()
    written = content[0] if content else ""
    chain = written.endswith("+")
    described = type_name(written.removesuffix("+")) if written else None
    return int(number), InformationClass(name, described, chain)
