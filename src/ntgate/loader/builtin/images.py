"""The built-in images as PE files, made once for a version of their sources."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from uuid import UUID

from ntgate import image
from ntgate.cache import cached_bytes
from ntgate.dispatch.tables import NT, service_table
from ntgate.image.assembler import assemble
from ntgate.image.pe_writer import CODE, DATA, PeWriter, Rsds
from ntgate.layout import machine as m
from ntgate.layout.machine import BUILD_TIMESTAMP
from ntgate.loader.userland.stubs import xp_stub
from ntgate.records import dataclass

FOLDER = Path(__file__).parent
PROGRAM_BASE = 0x400000
NTDLL_TEXT, NTDLL_TEXT_END = m.NTDLL_BASE + 0x1000, m.NTDLL_BASE + 0x11000


@dataclass(frozen=True)
class BuiltinImage:
    """A PE file and its symbols."""

    name: str
    base: int
    file: bytes
    symbols: dict[str, int]


def program_names() -> list[str]:
    """The built-in programs; on the command line each has an @ in front."""
    return sorted(path.stem for path in (FOLDER / "programs").glob("*.asm"))


def builtin_ntdll() -> BuiltinImage:
    return _cached("ntdll.dll", _build_ntdll)


def builtin_program(name: str) -> BuiltinImage:
    """Raises KeyError for a name that is none of `program_names`."""
    if name not in program_names():
        raise KeyError(name)
    return _cached(f"{name}.exe", lambda: _build_program(name))


def _cached(name: str, build: object) -> BuiltinImage:
    assert callable(build)
    digest = hashlib.sha256(repr(service_table(NT)).encode())
    sources = (*FOLDER.rglob("*.asm"), FOLDER / "programs/macros.inc", Path(__file__))
    for path in (*sorted(sources), *sorted(Path(image.__file__ or "").parent.glob("*.py"))):
        digest.update(path.read_bytes())

    def make() -> bytes:
        built = build()
        return json.dumps([built.base, built.symbols]).encode() + b"\n" + bytes(built.file)

    header, _, file = cached_bytes(name, digest.hexdigest(), make).partition(b"\n")
    base, symbols = json.loads(header)
    return BuiltinImage(name, base, file, symbols)


def _build_ntdll() -> BuiltinImage:
    stubs = {row.name: m.NTDLL_STUBS + 16 * row.number for row in service_table(NT)}
    assembled = assemble({"ntdll.asm": (FOLDER / "ntdll.asm").read_text()}, stubs)
    text = bytearray(b"\xcc" * (NTDLL_TEXT_END - NTDLL_TEXT))
    pieces = dict(assembled.pieces)
    for row in service_table(NT):
        pieces[stubs[row.name]] = xp_stub(row.number, row.argument_bytes)
    for address, code in pieces.items():
        text[address - NTDLL_TEXT : address - NTDLL_TEXT + len(code)] = code
    symbols = stubs | {name.removeprefix("C_"): at for name, at in assembled.symbols.items()}
    writer = PeWriter("ntdll.dll", m.NTDLL_BASE, BUILD_TIMESTAMP, fixed=True)
    writer.add_section(".text", bytes(text), CODE)
    exports = {name: address - m.NTDLL_BASE for name, address in symbols.items()}
    exports |= {f"Zw{n[2:]}": stubs[n] - m.NTDLL_BASE for n in stubs}
    writer.export(exports)
    writer.rsds = Rsds("ntdll.pdb", UUID(hashlib.md5(text).hexdigest()))
    return BuiltinImage("ntdll.dll", m.NTDLL_BASE, writer.build(), symbols)


def _build_program(name: str) -> BuiltinImage:
    known = builtin_ntdll().symbols
    sources = {
        "macros.inc": (FOLDER / "programs/macros.inc").read_text(),
        f"{name}.asm": (FOLDER / f"programs/{name}.asm").read_text(),
    }
    assembled = assemble(sources, known)
    writer = PeWriter(f"{name}.exe", PROGRAM_BASE, BUILD_TIMESTAMP, dll=False, fixed=True)
    for address, section, flags in ((0x401000, ".text", CODE), (0x402000, ".data", DATA)):
        writer.add_section(section, assembled.pieces[address], flags, rva=address - PROGRAM_BASE)
    writer.export({n: a - PROGRAM_BASE for n, a in assembled.symbols.items()})
    writer.entry = assembled.symbols["Start"] - PROGRAM_BASE
    return BuiltinImage(f"{name}.exe", PROGRAM_BASE, writer.build(), assembled.symbols)
