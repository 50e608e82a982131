"""The structures of Windows XP SP3 x86, as its public type tables give them.

The table is a non-PAE kernel's.  `TypeTable(pae=True)`, the default as the reference machine is
PAE, lays these over it: `_MMPTE` and all its forms (`_MMPTE_HARDWARE`, `_MMPTE_PROTOTYPE`,
`_MMPTE_SOFTWARE`, `_MMPTE_TRANSITION`, `_MMPTE_SUBSECTION`, `_MMPTE_LIST`, `_HARDWARE_PTE`: 8
bytes each), `_MMPTE_HIGHLOW`; `_MMPFN` (1c), `_SEGMENT` (48) and `_MMBANKED_SECTION` (28), which
embed a PTE; `_MMWSL` (cfc), which counts page tables.  `_EPROCESS` stays: its PageDirectoryPte
has 8 bytes of room in both.  The sources are in layout/data/ORIGIN.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import translate
from functools import cached_property
from pathlib import Path
from typing import Any

from ntgate.errors import UsageError
from ntgate.records import dataclass

TYPE_DATA = Path(__file__).parent / "data"
MODULES_WITH_TYPES = {
    "nt": "nt",
    "ntoskrnl": "nt",
    "ntkrnlpa": "nt",
    "ntkrnlmp": "nt",
    "ntkrpamp": "nt",
    "ntdll": "ntdll",
}
DEFAULT_MODULE = "ntdll"
POINTER_SIZE = 4


class UnknownType(UsageError, LookupError):
    """No type, or no field, of that name; str() says which."""


@dataclass(frozen=True, slots=True)
class Base:
    """A number, a character or `Void`.  `size` is in bytes, 0 for `Void`."""

    name: str
    size: int
    signed: bool = False
    floating: bool = False
    character: bool = False


@dataclass(frozen=True, slots=True)
class Pointer:
    """A 32-bit address of something."""

    target: Type
    size: int = POINTER_SIZE

    @property
    def name(self) -> str:
        return f"Ptr32 {self.target.name}"


@dataclass(frozen=True, slots=True)
class Array:
    """`count` elements one behind the other."""

    element: Type
    count: int

    @property
    def name(self) -> str:
        return f"[{self.count}] {self.element.name}"

    @property
    def size(self) -> int:
        return self.count * self.element.size


@dataclass(frozen=True)
class Enum:
    """A number with names for its values."""

    name: str
    base: Base
    constants: dict[int, str]

    @property
    def size(self) -> int:
        return self.base.size


@dataclass(frozen=True, slots=True)
class Bitfield:
    """`width` bits of a number, from bit `position` up."""

    base: Base
    position: int
    width: int

    @property
    def name(self) -> str:
        return f"Pos {self.position}, {self.width} Bit{'s' if self.width > 1 else ''}"

    @property
    def size(self) -> int:
        return self.base.size

    def extract(self, number: int) -> int:
        """The field's value in the number that holds it."""
        return number >> self.position & ((1 << self.width) - 1)


@dataclass(frozen=True, slots=True)
class Field:
    """A member of a structure, `offset` bytes from its start."""

    offset: int
    name: str
    type: Type


class Struct:
    """A structure or union, `size` bytes.  Its fields are by offset and are made when asked for.

    A structure that the table only names, behind a pointer, has size 0 and no fields.
    """

    def __init__(self, table: TypeTable, tag: str, size: int, fields: list[list[Any]]) -> None:
        self._table = table
        self._raw_fields = fields
        self.tag = tag
        self.size = size

    def __repr__(self) -> str:
        return f"Struct({self.tag!r}, size={self.size:#x})"

    @property
    def name(self) -> str:
        """The tag, or `__unnamed` without the number that tells it from the others."""
        return "__unnamed" if self.tag.startswith("__unnamed") else self.tag

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        parse = self._table.parse
        return tuple(Field(offset, name, parse(spec)) for offset, name, spec in self._raw_fields)

    @property
    def is_union(self) -> bool:
        """Whether everything in it starts at 0, bit fields of one number aside."""
        return len(self.fields) > 1 and not any(
            field.offset or isinstance(field.type, Bitfield) for field in self.fields
        )

    def field(self, name: str) -> Field:
        """The field of that name, in any case where no exact one is; raises UnknownType."""
        found = self._by_name.get(name) or self._by_name.get(name.casefold())
        if found is None:
            raise UnknownType(f"{self.tag} has no field {name}")
        return found

    @cached_property
    def _by_name(self) -> dict[str, Field]:
        folded = {field.name.casefold(): field for field in reversed(self.fields)}
        return folded | {field.name: field for field in reversed(self.fields)}


Type = Base | Pointer | Array | Enum | Bitfield | Struct

VOID = Base("Void", 0)
BASES = {
    base.name: base
    for base in (
        VOID,
        Base("Char", 1, signed=True, character=True),
        Base("UChar", 1, character=True),
        Base("Int1B", 1, signed=True),
        Base("Uint1B", 1),
        Base("Int2B", 2, signed=True),
        Base("Uint2B", 2),
        Base("Int4B", 4, signed=True),
        Base("Uint4B", 4),
        Base("Int8B", 8, signed=True),
        Base("Uint8B", 8),
        Base("Float4B", 4, floating=True),
        Base("Float8B", 8, floating=True),
    )
}


class TypeTable:
    """Finds types by name.  Nothing is read before the first question."""

    def __init__(self, *, pae: bool = True) -> None:
        self.pae = pae
        self._structs: dict[str, Struct] = {}

    @cached_property
    def _more(self) -> dict[str, Any]:
        return _load("xp_sp3_more_types.json")

    @cached_property
    def _raw(self) -> dict[str, Any]:
        raw = _load("xp_sp3_types.json")
        raw.update(self._more["types"])
        if self.pae:
            raw.update(self._more["pae"])
        return raw

    @cached_property
    def _tags(self) -> dict[str, str]:
        return {tag.casefold(): tag for tag in self._raw}

    @cached_property
    def enums(self) -> dict[str, Enum]:
        """The enumerations by name."""
        found: dict[str, Enum] = {}
        for tag in self._raw:
            for field in self._struct(tag).fields:
                for inner in _inside(field.type):
                    if isinstance(inner, Enum):
                        found.setdefault(inner.name, inner)
        return found

    def find(self, name: str) -> Struct | Enum | None:
        """The type of a name such as `_KTRAP_FRAME`, `KTRAP_FRAME` or `nt!_KTRAP_FRAME`, or None.

        Case doesn't matter where there is no exact match.  Only nt and ntdll have types.
        """
        module, mark, bare = name.rpartition("!")
        if mark and module.casefold() not in MODULES_WITH_TYPES:
            return None
        for tag in (bare, f"_{bare}"):
            known = tag if tag in self._raw else self._tags.get(tag.casefold())
            if known:
                return self._struct(known)
        enums = {enum.casefold(): enum for enum in self.enums}
        known = enums.get(bare.casefold()) or enums.get(f"_{bare}".casefold())
        return self.enums[known] if known else None

    def struct(self, name: str) -> Struct:
        """The structure of a name, as `find`; raises UnknownType."""
        found = self.find(name)
        if not isinstance(found, Struct):
            raise UnknownType(f"Symbol {name} not found.")
        return found

    def search(self, pattern: str) -> list[str]:
        """The names that match `nt!_KP*`, qualified with the pattern's module, in order."""
        module, mark, bare = pattern.rpartition("!")
        known_module = MODULES_WITH_TYPES.get(module.casefold()) if mark else DEFAULT_MODULE
        if known_module is None:
            return []
        wanted = re.compile(translate(bare), re.IGNORECASE)
        names = [tag for tag in self._raw if not tag.startswith("__unnamed")]
        return sorted(
            f"{known_module}!{name}" for name in [*names, *self.enums] if wanted.match(name)
        )

    def offset(self, type_name: str, path: str) -> int:
        """The offset in bytes of a field: `offset("_KTHREAD", "ApcState.UserApcPending")`.

        Raises UnknownType.
        """
        return self.resolve(self.struct(type_name), path)[0]

    def resolve(self, struct: Struct, path: str) -> tuple[int, Type]:
        """Offset and type of a field's path; `WaitBlock[1].Thread` takes an array's element.

        Raises UnknownType.
        """
        offset = 0
        found: Type = struct
        for step in path.split("."):
            name, *indexes = re.split(r"\[(\d+)\]", step)
            if not isinstance(found, Struct):
                raise UnknownType(f"{found.name} has no field {name}")
            field = found.field(name)
            offset += field.offset
            found = field.type
            for index in indexes[::2]:
                if not isinstance(found, Array):
                    raise UnknownType(f"{name} is not an array")
                found = found.element
                offset += int(index) * found.size
        return offset, found

    def parse(self, spec: str | dict[str, Any]) -> Type:
        """The type that the table writes as `spec`; ORIGIN.md has the forms."""
        if isinstance(spec, dict):
            return self._parse_compound(spec)
        if spec in BASES:
            return BASES[spec]
        if spec.startswith("Ptr32 "):
            return Pointer(self.parse(spec.removeprefix("Ptr32 ")))
        if spec.startswith("["):
            count, _, element = spec[1:].partition("] ")
            return Array(self.parse(element), int(count))
        return self._struct(spec)

    def _parse_compound(self, spec: dict[str, Any]) -> Type:
        if "ptr" in spec:
            return Pointer(self.parse(spec["ptr"]))
        of = self.parse(spec["of"])
        if "array" in spec:
            return Array(of, -spec["array"] // of.size)
        if not isinstance(of, Base):
            raise TypeError(f"the type table has an enumeration or bit field of {of.name}")
        if "bits" in spec:
            position, width = spec["bits"]
            return Bitfield(of, position, width)
        constants = {int(value): name for value, name in spec["enum"].items()}
        names: dict[str, str] = self._more["enums"]
        tag = next((names[constant] for constant in constants.values() if constant in names), "")
        return Enum(tag, of, constants)

    def _struct(self, tag: str) -> Struct:
        struct = self._structs.get(tag)
        if struct is None:
            raw = self._raw.get(tag, {"size": 0, "fields": []})
            struct = self._structs[tag] = Struct(self, tag, raw["size"], raw["fields"])
        return struct


def _load(file_name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((TYPE_DATA / file_name).read_bytes())
    return loaded


def _inside(of: Type) -> Iterator[Type]:
    """The type itself and what it is an array of or points to."""
    yield of
    if isinstance(of, Array):
        yield from _inside(of.element)
    elif isinstance(of, Pointer):
        yield from _inside(of.target)
