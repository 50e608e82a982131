"""Assembly text to bytes at fixed addresses.

The dialect is MASM's as far as it matters: `;` comments, 0FFh numbers, one chunk of code for
each `;@org ADDRESS`, and structure members as displacements (`[esi+KTHREAD.TrapFrame]`,
`[ebp+KTRAP_FRAME.EFlags+1]`, `EXCEPTION_RECORD.size`), which come from the XP type table.
`@macro NAME PARAMETERS` ... `@end` defines a macro, `@NAME arguments` is one use of it.

Names that start with a capital letter are public symbols, known in every chunk and to the
debugger; those that start with an underscore are known in every chunk only; the others are
local to their chunk.  Keystone does the encoding.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import field

from ntgate.layout.offsets import offset_of, size_of
from ntgate.layout.type_table import UnknownType
from ntgate.records import dataclass

_CODE = re.compile(r'(?:"[^"]*"|[^;"])*')  # what stands before a comment
_NUMBER = re.compile(r"(?<![\w.])([0-9][0-9A-Fa-f]*)[hH]\b")
_MEMBER = re.compile(r"\b([A-Z][A-Z0-9_]*)\.([A-Za-z][\w.]*)")
_LABEL = re.compile(r"^([A-Za-z_]\w*):", re.MULTILINE)
_ORG = re.compile(r"^;@org\s+([0-9A-Fa-f]+)h\s*$")
_PUSHED_SYMBOL = re.compile(r"push (?!e?[abcd]x$|e?[sd]i$|e?[sb]p$|[c-gs]s$|dword ptr )[A-Za-z_]")
_WORD = re.compile(r"\b[A-Za-z_]\w*\b")

# Where Keystone's encoding is not the one wanted.  First those that the study fixes.
_EXACT = {
    "mov ebp, esp": ".byte 0x8b, 0xec",
    "mov edx, esp": ".byte 0x8b, 0xd4",
    "mov esp, ebp": ".byte 0x8b, 0xe5",
    "mov edi, edi": ".byte 0x8b, 0xff",
    "int3": ".byte 0xcc",
    # Keystone gives these an operand-size prefix, and so 16 bits of stack.
    "push ds": ".byte 0x1e",
    "push es": ".byte 0x06",
    "pop ds": ".byte 0x1f",
    "pop es": ".byte 0x07",
}


class AssemblyError(Exception):
    """Text that can't be assembled: a bug in one of our own files."""


Macros = dict[str, tuple[list[str], list[str]]]  # name: parameters, body


@dataclass
class Chunk:
    """`places` says for each line where it stands, as FILE:NUMBER."""

    address: int
    lines: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)

    def labels(self) -> list[str]:
        return _LABEL.findall("\n".join(self.lines))


@dataclass(frozen=True)
class Assembled:
    """Bytes by address, and the address of every public symbol."""

    pieces: dict[int, bytes]
    symbols: dict[str, int]


def assemble(sources: Mapping[str, str], known: Mapping[str, int]) -> Assembled:
    """Assemble files (name to text); `known` are symbols that exist outside of them.

    Raises AssemblyError with the file and the line.
    """
    import keystone

    chunks = _parse(sources)
    engine = keystone.Ks(keystone.KS_ARCH_X86, keystone.KS_MODE_32)
    symbols = dict(known)
    shared = Counter(label for chunk in chunks for label in chunk.labels() if _is_shared(label))
    for label, times in shared.items():
        if times > 1:
            raise AssemblyError(f"{label} is defined twice")
        symbols.setdefault(label, 0)
    # A jump's length depends on the distance, so addresses settle after a few rounds.
    for _round in range(8):
        pieces: dict[int, bytes] = {}
        settled = True
        for chunk in chunks:
            code, found = _encode(engine, chunk, symbols)
            if chunk.address in pieces:
                raise AssemblyError(f"two chunks begin at {chunk.address:08x}")
            pieces[chunk.address] = code
            settled = settled and all(symbols.get(n) == a for n, a in found.items())
            symbols.update(found)
        if settled:
            _check_overlap(pieces)
            public = {n: a for n, a in symbols.items() if n not in known and n[0] != "_"}
            return Assembled(pieces, public)
    raise AssemblyError("the addresses of the symbols do not settle")


def _is_shared(label: str) -> bool:
    return label[0].isupper() or label[0] == "_"


def _check_overlap(pieces: Mapping[int, bytes]) -> None:
    end = 0
    for address in sorted(pieces):
        if address < end:
            raise AssemblyError(f"the chunk at {address:08x} begins below {end:08x}")
        end = address + len(pieces[address])


def _parse(sources: Mapping[str, str]) -> list[Chunk]:
    macros: Macros = {}
    for name, text in sources.items():
        _collect_macros(name, text, macros)
    chunks: list[Chunk] = []
    for name, text in sources.items():
        in_macro = False
        chunk: Chunk | None = None
        for number, line in enumerate(text.splitlines(), 1):
            if line.startswith("@macro"):
                in_macro = True
            elif line.startswith("@end"):
                in_macro = False
            elif (found := _ORG.match(line)) is not None:
                chunk = Chunk(int(found[1], 16))
                chunks.append(chunk)
            elif not in_macro:
                place = f"{name}:{number}"
                expanded = (_translate(piece, place) for piece in _expand(line, macros, place))
                lines = [piece for piece in expanded if piece]
                if lines and chunk is None:
                    raise AssemblyError(f"{place}: code before the first ;@org")
                if chunk is not None:
                    chunk.lines += lines
                    chunk.places += [place] * len(lines)
    return chunks


def _collect_macros(name: str, text: str, macros: Macros) -> None:
    current: list[str] | None = None
    for line in text.splitlines():
        if line.startswith("@macro"):
            _, macro, *parameters = line.split()
            current = []
            macros[macro] = (parameters, current)
        elif line.startswith("@end"):
            current = None
        elif current is not None:
            current.append(line)
    if current is not None:
        raise AssemblyError(f"{name}: a macro has no @end")


def _expand(line: str, macros: Macros, place: str) -> list[str]:
    stripped = line.split(";", 1)[0].strip()
    if not stripped.startswith("@"):
        return [line]
    macro, *arguments = stripped[1:].split()
    if macro not in macros:
        raise AssemblyError(f"{place}: no macro is named {macro}")
    parameters, body = macros[macro]
    if len(arguments) != len(parameters):
        takes = f"takes {len(parameters)} arguments, here are {len(arguments)}"
        raise AssemblyError(f"{place}: {macro} {takes}")
    expanded = []
    for inner in body:
        text = inner
        for parameter, argument in zip(parameters, arguments, strict=True):
            text = re.sub(rf"\b{parameter}\b", argument, text)
        expanded.extend(_expand(text, macros, place))
    return expanded


def _translate(line: str, place: str) -> str:
    found = _CODE.match(line)
    assert found is not None
    if line[found.end() :].startswith('"'):
        raise AssemblyError(f"{place}: a string has no end")  # Keystone would look for it forever
    code = found[0].strip()
    if code.startswith(".ascii"):
        return code
    text = " ".join(code.split())
    text = _EXACT.get(text, text)
    if _PUSHED_SYMBOL.match(text):
        raise AssemblyError(
            f"{place}: {text!r}: Keystone would push 16 bits; load a register first"
        )
    try:
        text = _MEMBER.sub(lambda found: str(_member(found[1], found[2])), text)
    except UnknownType as error:
        raise AssemblyError(f"{place}: {error}") from None
    return _NUMBER.sub(lambda found: hex(int(found[1], 16)), text)


def _member(struct_name: str, path: str) -> int:
    if path == "size":
        return size_of(f"_{struct_name}")
    return offset_of(f"_{struct_name}", path)


def _encode(
    engine: object, chunk: Chunk, symbols: Mapping[str, int]
) -> tuple[bytes, dict[str, int]]:
    """The chunk's bytes and its public labels, which a table behind the code reports."""
    text = "\n".join(chunk.lines)
    own = chunk.labels()
    used = {word for word in _WORD.findall(text) if word in symbols and word not in own}
    equates = "".join(f"{name} = {symbols[name]:#x}\n" for name in sorted(used))
    public = [name for name in own if _is_shared(name)]
    table = "\n".join(f".long {name}" for name in public)
    code = _keystone(engine, f"{equates}{text}\n{table}", chunk)
    size = len(code) - 4 * len(public)
    addresses = struct.unpack(f"<{len(public)}I", code[size:])
    return code[:size], dict(zip(public, addresses, strict=True))


def _keystone(engine: object, text: str, chunk: Chunk) -> bytes:
    import keystone

    assert isinstance(engine, keystone.Ks)
    try:
        code, _count = engine.asm(text, chunk.address, as_bytes=True)
    except keystone.KsError as error:
        raise AssemblyError(f"{_bad_line(engine, text, chunk)}: {error}") from None
    return bytes(code or b"")


def _bad_line(engine: object, text: str, chunk: Chunk) -> str:
    """The first line that can't be assembled alone."""
    import keystone

    assert isinstance(engine, keystone.Ks)
    labels = "".join(f"{label} = {chunk.address:#x}\n" for label in chunk.labels())
    equates = "\n".join(line for line in text.splitlines() if " = 0x" in line)
    for line, place in zip(chunk.lines, chunk.places, strict=True):
        if not line.endswith(":"):
            try:
                engine.asm(f"{equates}\n{labels}\n{line}", chunk.address)
            except keystone.KsError:
                return f"{place}: {line!r}"
    return f"{chunk.places[0] if chunk.places else ''}: the chunk as a whole"
