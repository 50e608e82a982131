"""The `dt` command: structures with their offsets and, at an address, their values.

    dt _KTRAP_FRAME                       offsets and types
    dt _KUSER_SHARED_DATA 0xffdf0000      offsets and values
    dt nt!_EPROCESS @$proc Pcb. Image*    some fields; `Pcb.` opens what it holds
    dt _KTHREAD -y Tr                     the fields that start so
    dt nt!_KP*                            the names of types
    dt _EPROCESS -l ActiveProcessLinks.Flink ImageFileName @$proc     a list's elements

`-r[N]` opens structures and what pointers lead to, N deep; `-b` opens what is embedded, arrays
too; `-a[N]` writes out arrays; `-v` adds sizes; `-o` leaves the offsets out and `-i` the
indentation.  Options join: `-yoi Uni`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from fnmatch import translate

from ntgate.debug.expressions import Evaluator, ExpressionError
from ntgate.debug.target import Unreadable
from ntgate.debug.typed_values import UNREADABLE, Reader, format_value, read_pointer, summary
from ntgate.layout.type_table import (
    DEFAULT_MODULE,
    MODULES_WITH_TYPES,
    Array,
    Enum,
    Field,
    Pointer,
    Struct,
    Type,
    TypeTable,
    UnknownType,
)
from ntgate.records import dataclass

DEEPEST = 9
LONGEST_LIST = 10_000
NAME_WIDTH = 16
_INDENT = 3
_WILD = re.compile(r"[*?]")
_OPTIONS = re.compile(r"(?<!\S)-([A-Za-z]\w*)(?!\S)", re.ASCII)
_OPTION = re.compile(r"r(?P<r>[1-9]?)|a(?P<a>\d{0,4})|[bilovy]", re.ASCII)
_WORD = re.compile(r"\s*(\S+)")
_FIELD_PATTERN = re.compile(r"[A-Za-z_*?][\w*?]*(\.[\w*?]*)*", re.ASCII)


@dataclass(slots=True)
class DtArguments:
    """What a `dt` line asks for.

    `depth` counts the levels to open; `elements` is how many of an array's to write out, or
    None to leave arrays shut.  `patterns` are field paths, split at their dots.
    """

    name: str = ""
    address: int | None = None
    patterns: list[tuple[str, ...]] = field(default_factory=list)
    depth: int = 0
    follow_pointers: bool = False
    elements: int | None = None
    verbose: bool = False
    offsets: bool = True
    indent: bool = True
    list_field: str = ""


def parse(text: str, evaluator: Evaluator, types: TypeTable) -> DtArguments:
    """The arguments of a `dt` line, without the `dt`; raises ExpressionError."""
    arguments = DtArguments()
    rest = _take_options(text, arguments)
    if not rest:
        raise ExpressionError("Type name missing from 'dt'")
    arguments.name, _, rest = rest.partition(" ")
    found = types.find(arguments.name)
    rest = rest.strip() if found else ""
    while rest:
        word, _, behind = rest.partition(" ")
        if _is_field(word, found, evaluator):
            arguments.patterns.append(tuple(word.split(".")))
            rest = behind.strip()
        elif arguments.address is None:
            value, rest = evaluator.parse_prefix(rest)
            arguments.address = value & 0xFFFFFFFF
        else:
            raise ExpressionError(f"Extra character error at '{rest}'")
    return arguments


def dump(arguments: DtArguments, memory: Reader, types: TypeTable) -> list[str]:
    """The lines that `dt` prints; raises ExpressionError for a list that can't be followed."""
    if _WILD.search(arguments.name):
        names = types.search(arguments.name)
        return [f"          {name}" for name in names] or [f"Symbol {arguments.name} not found."]
    found = types.find(arguments.name)
    if found is None:
        return [f"Symbol {arguments.name} not found."]
    qualifier = arguments.name.rpartition("!")[0].casefold()
    header = f"{MODULES_WITH_TYPES.get(qualifier, DEFAULT_MODULE)}!{found.name}"
    if isinstance(found, Enum):
        constants = sorted(found.constants.items())
        return [header, *(f"   {name} = 0n{value}" for value, name in constants)]
    view = _View(arguments, memory)
    if arguments.list_field:
        lines = [*_along_list(found, arguments, view, types)]
    else:
        lines = [header, *view.structure(found, arguments.address)]
    if view.unreadable_at is not None:
        lines.append(f"Memory read error {view.unreadable_at:08x}")
    return lines


class _View:
    """Writes structures as one `dt` line asks for; remembers where memory was missing."""

    def __init__(self, arguments: DtArguments, memory: Reader) -> None:
        self.unreadable_at: int | None = None
        self._arguments = arguments
        self._memory = memory
        self._opened: set[tuple[str, int | None]] = set()

    def structure(self, struct: Struct, address: int | None) -> list[str]:
        """A whole structure, as the command names it."""
        lines = []
        if self._arguments.verbose:
            lines.append(_size_line(struct))
        self._opened.add((struct.tag, address))
        if address is not None and not self._arguments.patterns:
            lines += self._summary(struct, address)
        fields = [*self._fields(struct, address, self._arguments.patterns, 1)]
        return lines + (fields or ["Cannot find specified field members."])

    def pointer(self, address: int) -> int | None:
        """The pointer at an address; None for a null one or where memory is missing."""
        try:
            return read_pointer(self._memory, address) or None
        except Unreadable as error:
            self._note(error)
            return None

    def _summary(self, struct: Struct, address: int) -> list[str]:
        try:
            shown = summary(self._memory, struct, address)
        except Unreadable:
            return []
        return [f" {shown}"] if shown else []

    def _fields(
        self,
        struct: Struct,
        address: int | None,
        patterns: list[tuple[str, ...]],
        level: int,
    ) -> Iterator[str]:
        for member in struct.fields:
            below = [pattern[1:] for pattern in patterns if _matches(pattern[0], member.name)]
            if patterns and not below:
                continue
            place = None if address is None else address + member.offset & 0xFFFFFFFF
            paths = [path for path in below if path]
            if paths:
                wanted = [] if ("",) in paths else paths
                yield from self._opened_field(member, place, wanted, level)
                continue
            shown = self._shown(struct, member, place)
            yield self._line(member, shown, level, 0 if patterns else NAME_WIDTH)
            yield from self._inside(member.type, place, level)

    def _opened_field(
        self,
        member: Field,
        place: int | None,
        patterns: list[tuple[str, ...]],
        level: int,
    ) -> Iterator[str]:
        """A field that a path goes on from: `Pcb.`, `ObjectTable.TableCode`."""
        target, inner = self._target(member.type, place)
        shown = ""
        if isinstance(member.type, Pointer) and place is not None:
            shown = "(null)" if inner is None else f"0x{inner:08x}"
        yield self._line(member, shown, level, 0)
        if target and (place is None) == (inner is None):
            yield from self._fields(target, inner, patterns, level + 1)

    def _inside(self, of: Type, place: int | None, level: int) -> Iterator[str]:
        """What `-r`, `-b` and `-a` show below a field."""
        elements = self._arguments.elements
        if isinstance(of, Array) and elements is not None and place is not None:
            yield from self._array(of, place, min(elements, of.count), level)
            return
        if level > self._arguments.depth:
            return
        if isinstance(of, Pointer) and not self._arguments.follow_pointers:
            return
        target, inner = self._target(of, place)
        if target is None or (place is not None and inner is None):
            return
        if isinstance(of, Pointer):
            if (target.tag, inner) in self._opened:
                return
            self._opened.add((target.tag, inner))
        yield from self._fields(target, inner, [], level + 1)

    def _array(self, of: Array, place: int, count: int, level: int) -> Iterator[str]:
        digits = len(f"{of.count - 1}")
        for index in range(count):
            at = place + index * of.element.size
            number = f"{index:0{max(digits, 2)}d}"
            yield f"{' ' * (_INDENT * level + 1)}[{number}] {self._value(of.element, at)}"
            if not isinstance(of.element, Array):
                yield from self._inside(of.element, at, level + 1)

    def _target(self, of: Type, place: int | None) -> tuple[Struct | None, int | None]:
        """The structure in a field, or behind its pointer, and where that is."""
        if isinstance(of, Array):
            return self._target(of.element, place)
        if isinstance(of, Struct):
            return (of if of.fields else None), place
        if not isinstance(of, Pointer) or not isinstance(of.target, Struct):
            return None, None
        inner = None if place is None else self.pointer(place)
        return (of.target if of.target.fields else None), inner

    def _shown(self, struct: Struct, member: Field, place: int | None) -> str:
        of = member.type
        if self._arguments.verbose and isinstance(of, Struct):
            return _size_line(of)
        if place is None:
            return of.name
        is_text = struct.tag in ("_UNICODE_STRING", "_STRING") and member.name == "Buffer"
        if is_text:
            return self._text_buffer(struct, place - member.offset, place)
        if isinstance(of, Array) and self._arguments.elements is not None:
            return ""
        return self._value(of, place)

    def _text_buffer(self, struct: Struct, string: int, place: int) -> str:
        """The text that a counted string's pointer leads to."""
        try:
            buffer = read_pointer(self._memory, place)
            text = summary(self._memory, struct, string)
            return f"0x{buffer:08x}  {text}" if buffer else "(null)"
        except Unreadable as error:
            return self._note(error)

    def _value(self, of: Type, place: int) -> str:
        try:
            return format_value(self._memory, of, place)
        except Unreadable as error:
            return self._note(error)

    def _note(self, error: Unreadable) -> str:
        if self.unreadable_at is None:
            self.unreadable_at = error.address
        return UNREADABLE

    def _line(self, member: Field, shown: str, level: int, width: int) -> str:
        indent = " " * (_INDENT * level) if self._arguments.indent else ""
        label = f"+0x{member.offset:03x} " if self._arguments.offsets else ""
        return f"{indent}{label}{member.name:{width}} : {shown}".rstrip()


def _along_list(
    struct: Struct, arguments: DtArguments, view: _View, types: TypeTable
) -> Iterator[str]:
    """The elements of a list, by the pointer to the next one in `-l`'s field."""
    if arguments.address is None:
        raise ExpressionError("Numeric expression missing from '<EOL>'")
    try:
        offset, of = types.resolve(struct, arguments.list_field)
        link = link_offset(struct, of, arguments.list_field, types)
    except UnknownType:
        raise ExpressionError("Cannot find specified field members.") from None
    address: int | None = arguments.address
    seen: set[int] = set()
    while address is not None and address not in seen and len(seen) < LONGEST_LIST:
        seen.add(address)
        yield f"{arguments.list_field} at 0x{address:x}"
        yield "-" * 45
        yield from view.structure(struct, address)
        yield ""
        following = view.pointer(address + offset)
        address = following - link & 0xFFFFFFFF if following else None


def link_offset(struct: Struct, of: Type, path: str, types: TypeTable) -> int:
    """How far into an element the pointers to the next one point.

    Those of a LIST_ENTRY point to the entry inside the element, others to the element.
    """
    outer, dot, _ = path.rpartition(".")
    if not isinstance(of, Pointer):
        raise ExpressionError(f"Type conflict error at '{path}'")
    if not dot:
        return 0
    offset, holder = types.resolve(struct, outer)
    return offset if holder is of.target else 0


def _size_line(struct: Struct) -> str:
    kind = "union" if struct.is_union else "struct"
    return f"{kind} {struct.name}, {len(struct.fields)} elements, {struct.size:#x} bytes"


def _take_options(text: str, arguments: DtArguments) -> str:
    """Sets what the options ask for; the text without them, each space single."""
    while found := _OPTIONS.search(text):
        behind = found.end()
        position = found.start(1)
        while position < found.end():
            option = _OPTION.match(text, position, found.end())
            if option is None:
                raise ExpressionError(f"Unknown option '{found[0]}'")
            position = option.end()
            word = _WORD.match(text, behind) if option[0] in ("y", "l") else None
            behind = word.end() if word else behind
            _set_option(arguments, option, word[1] if word else "")
        text = f"{text[: found.start()]} {text[behind:]}"
    return " ".join(text.split())


def _set_option(arguments: DtArguments, option: re.Match[str], word: str) -> None:
    match option[0][0]:
        case "r":
            arguments.depth = int(option["r"] or DEEPEST)
            arguments.follow_pointers = True
        case "b":
            arguments.depth = DEEPEST
            arguments.elements = LONGEST_LIST
        case "a":
            arguments.elements = int(option["a"] or LONGEST_LIST)
        case "v":
            arguments.verbose = True
        case "o":
            arguments.offsets = False
        case "i":
            arguments.indent = False
        case "l":
            arguments.list_field = word
        case "y":
            *outer, last = word.split(".")
            arguments.patterns.append((*outer, f"{last}*"))


def _is_field(word: str, of: Struct | Enum | None, evaluator: Evaluator) -> bool:
    """Whether a word is a field's pattern, and not an address.

    A field of that name wins; then a number, a register or a symbol; what is none of these is
    taken for the field that isn't there.
    """
    if not isinstance(of, Struct) or not _FIELD_PATTERN.fullmatch(word):
        return False
    first = word.partition(".")[0]
    if _WILD.search(word) or any(_matches(first, member.name) for member in of.fields):
        return True
    try:
        evaluator.value(word)
    except ExpressionError:
        return True
    return False


def _matches(pattern: str, name: str) -> bool:
    return re.match(translate(pattern), name, re.IGNORECASE) is not None
