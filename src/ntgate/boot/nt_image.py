"""The kernel's two images, built from the assembly of `entry/` and the service tables.

ntoskrnl.exe at 804d8000 has the gate, the traps, the context switch, a stub for each service
(NtXxx: ring-0 entry of the service, called through the SSDT; ZwXxx: a call from ring 0 through
KiSystemService), the SSDT and the kernel's variables.  win32k.sys at bf800000 has a stub for
each of its services and its own table.  Built once for a version of the sources, then cached.
"""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from uuid import UUID

from ntgate import entry
from ntgate.cache import cached_bytes
from ntgate.dispatch.tables import EXTRA, EXTRA_WIN32, NT, WIN32K, ServiceNumber, service_table
from ntgate.entry.routines import FIRST_ROUTINE, ROUTINES
from ntgate.image.assembler import assemble
from ntgate.image.pe_writer import CODE, DATA, PeWriter, Rsds
from ntgate.layout.machine import BUILD_TIMESTAMP, SESSION_SPACE
from ntgate.layout.pe import IMAGE_SCN_MEM_WRITE, IMAGE_SUBSYSTEM_NATIVE
from ntgate.records import dataclass

NT_BASE = 0x804D8000
IMAGE_VERSION = 1  # part of the cache's key: what no source file shows

# Where the parts of nt that no `;@org` places begin.
ZW_STUBS = 0x804D9000
NT_STUBS = 0x804DC000
ROUTINE_STUBS = 0x804E0000
EXTRA_STUBS = 0x804E1000
UNEXPECTED_RANGE = 0x80540000
SERVICE_TABLES = 0x80558000
DATA_START, DATA_END = 0x80553000, 0x80560000
ZW_STUB_SIZE = 0x14
NT_STUB_SIZE = 0x20
FIRST_DEVICE_VECTOR = 0x30
UNEXPECTED_STUB_SIZE = 10

# Services that read or load a CONTEXT, and the routines that look at the FPU.
WITH_CONTEXT = frozenset(
    (
        "NtContinue", "NtRaiseException", "NtGetContextThread", "NtSetContextThread",
        "KiNpxError", "KiXmmError",
    )
)


@dataclass(frozen=True)
class KernelImage:
    """A PE file, its place, and the address of every routine and variable in it."""

    name: str
    module: str
    base: int
    file: bytes
    symbols: dict[str, int]


def build_kernel_images() -> tuple[KernelImage, KernelImage]:
    """(ntoskrnl.exe, win32k.sys)."""
    sources = assembly_sources()
    digest = hashlib.sha256(repr((IMAGE_VERSION, sorted(sources.items()))).encode())
    for table in (NT, WIN32K, EXTRA, EXTRA_WIN32):
        digest.update(repr(service_table(table)).encode())
    digest.update(repr(ROUTINES).encode())
    for module in (Path(__file__), *Path(__file__).parent.parent.glob("image/*.py")):
        digest.update(module.read_bytes())
    packed = cached_bytes("kernel", digest.hexdigest(), lambda: _pack(_build(sources)))
    return _unpack(packed)


def _pack(images: tuple[KernelImage, ...]) -> bytes:
    """A line of JSON, then the files."""
    rows = [(i.name, i.module, i.base, len(i.file), i.symbols) for i in images]
    return json.dumps(rows).encode() + b"\n" + b"".join(image.file for image in images)


def _unpack(packed: bytes) -> tuple[KernelImage, KernelImage]:
    header, _, rest = packed.partition(b"\n")
    images = []
    for name, module, base, size, symbols in json.loads(header):
        images.append(KernelImage(name, module, base, rest[:size], symbols))
        rest = rest[size:]
    nt, win32k = images
    return nt, win32k


def assembly_sources() -> dict[str, str]:
    """The `.asm` files of entry/, by name."""
    assert entry.__file__ is not None
    folder = Path(entry.__file__).parent
    return {path.name: path.read_text() for path in sorted(folder.glob("*.asm"))}


def _build(sources: dict[str, str]) -> tuple[KernelImage, KernelImage]:
    nt, extra = service_table(NT), service_table(EXTRA)
    known = {row.name: NT_STUBS + i * NT_STUB_SIZE for i, row in enumerate(nt)}
    known |= {row.name: EXTRA_STUBS + i * NT_STUB_SIZE for i, row in enumerate(extra)}
    known |= {name: ROUTINE_STUBS + i * NT_STUB_SIZE for i, name in enumerate(ROUTINES)}
    win32k_symbols = _win32k_symbols()
    tables = _service_tables_text(nt, extra, win32k_symbols)
    assembled = assemble(sources | {"service tables": tables}, known | win32k_symbols)
    symbols = {**known, **assembled.symbols}
    symbols["KiStartUnexpectedRange"] = UNEXPECTED_RANGE
    symbols |= {f"Zw{row.name[2:]}": ZW_STUBS + i * ZW_STUB_SIZE for i, row in enumerate(nt)}

    pieces = dict(assembled.pieces)
    pieces[UNEXPECTED_RANGE] = _unexpected_range(symbols["KiUnexpectedInterruptTail"])
    pieces[ZW_STUBS] = b"".join(
        _zw_stub(row, ZW_STUBS + i * ZW_STUB_SIZE, symbols) for i, row in enumerate(nt)
    )
    for start, rows in ((NT_STUBS, nt), (EXTRA_STUBS, extra)):
        pieces[start] = _host_stubs(
            start,
            [(row.number, row.argument_bytes, row.name in WITH_CONTEXT) for row in rows],
            symbols,
        )
    numbered = enumerate(ROUTINES.items(), FIRST_ROUTINE)
    routines = [(i, size, name in WITH_CONTEXT) for i, (name, size) in numbered]
    pieces[ROUTINE_STUBS] = _host_stubs(ROUTINE_STUBS, routines, symbols)

    writer = PeWriter(
        "ntoskrnl.exe", NT_BASE, BUILD_TIMESTAMP, dll=False, subsystem=IMAGE_SUBSYSTEM_NATIVE,
        fixed=True,
    )  # fmt: skip
    code = {a: b for a, b in pieces.items() if a < DATA_START}
    data = {a: b for a, b in pieces.items() if a >= DATA_START}
    code_end = max(a + len(b) for a, b in code.items())
    # Large pages make nt's code writable on a machine of 256 MB and more.
    _add(writer, ".text", ZW_STUBS, code_end, code, b"\xcc", CODE | IMAGE_SCN_MEM_WRITE)
    _add(writer, ".data", DATA_START, DATA_END, data, b"\0", DATA)
    exported = [n for n in symbols if not n.startswith("__") and n not in win32k_symbols]
    writer.export({name: symbols[name] - NT_BASE for name in sorted(exported)})
    writer.rsds = Rsds("ntoskrnl.pdb", UUID(hashlib.md5(repr(sources).encode()).hexdigest()))
    image = KernelImage("ntoskrnl.exe", "nt", NT_BASE, writer.build(), symbols)
    return image, _build_win32k(symbols, win32k_symbols)


def _add(
    writer: PeWriter,
    name: str,
    start: int,
    end: int,
    pieces: dict[int, bytes],
    fill: bytes,
    flags: int,
) -> None:
    data = bytearray(fill * (end - start))
    for address, piece in pieces.items():
        data[address - start : address - start + len(piece)] = piece
    writer.add_section(name, bytes(data), flags, rva=start - writer.base)


def _host_stubs(
    start: int, rows: list[tuple[int, int, bool]], symbols: dict[str, int]
) -> bytes:
    """mov edi,edi / push ebp / mov ebp,esp / mov eax,ID / call KiCallHost / pop ebp / ret n

    rows: ID, argument bytes, and whether the FPU state is saved first.
    """
    out = bytearray()
    for number, argument_bytes, with_npx in rows:
        target = symbols["KiCallHostWithNpx" if with_npx else "KiCallHost"]
        call_end = start + len(out) + 15
        stub = b"\x8b\xff\x55\x8b\xec\xb8" + struct.pack("<I", number)
        stub += b"\xe8" + struct.pack("<I", target - call_end & 0xFFFFFFFF)
        out += (stub + b"\x5d" + _ret(argument_bytes)).ljust(NT_STUB_SIZE, b"\xcc")
    return bytes(out)


def _zw_stub(row: ServiceNumber, address: int, symbols: dict[str, int]) -> bytes:
    """mov eax,N / lea edx,[esp+4] / pushfd / push 8 / call KiSystemService / ret n"""
    stub = b"\xb8" + struct.pack("<I", row.number) + b"\x8d\x54\x24\x04\x9c\x6a\x08"
    target = symbols["KiSystemService"] - (address + 17) & 0xFFFFFFFF
    return (stub + b"\xe8" + struct.pack("<I", target) + _ret(row.argument_bytes)).ljust(
        ZW_STUB_SIZE, b"\xcc"
    )


def _unexpected_range(tail: int) -> bytes:
    """For each vector from 30h: push VECTOR / jmp KiUnexpectedInterruptTail, 10 bytes."""
    out = bytearray()
    for vector in range(FIRST_DEVICE_VECTOR, 0x100):
        jump_end = UNEXPECTED_RANGE + len(out) + UNEXPECTED_STUB_SIZE
        out += b"\x68" + struct.pack("<I", vector)
        out += b"\xe9" + struct.pack("<I", tail - jump_end & 0xFFFFFFFF)
    return bytes(out)


def _ret(argument_bytes: int) -> bytes:
    return b"\xc2" + struct.pack("<H", argument_bytes) if argument_bytes else b"\xc3"


def _service_tables_text(
    nt: tuple[ServiceNumber, ...],
    extra: tuple[ServiceNumber, ...],
    win32k_symbols: dict[str, int],
) -> str:
    extra_win32 = service_table(EXTRA_WIN32)
    lines = [f";@org {SERVICE_TABLES:08x}h"]

    def table(label: str, rows: tuple[ServiceNumber, ...]) -> None:
        lines.append(f"{label}:")
        lines.extend(f"        .long {row.name}" for row in rows)

    def sizes(label: str, rows: tuple[ServiceNumber, ...]) -> None:
        lines.append(f"{label}:")
        lines.extend(f"        .byte {row.argument_bytes}" for row in rows)
        lines.append("        .balign 4, 0")

    def descriptor(base: str, limit: int, number: str) -> None:
        lines.append(f"        .long {base}, 0, {limit}, {number}")

    table("KiServiceTable", nt)
    lines += ["KiServiceLimit:", f"        .long {len(nt)}"]
    sizes("KiArgumentTable", nt)
    table("KiExtraServiceTable", extra)
    sizes("KiExtraArgumentTable", extra)
    lines.append("        .balign 32, 0")
    for label in ("KeServiceDescriptorTableShadow", "KeServiceDescriptorTable"):
        lines.append(f"{label}:")
        descriptor("KiServiceTable", len(nt), "KiArgumentTable")
        if label.endswith("Shadow"):
            limit = len(service_table(WIN32K))
            descriptor("W32pServiceTable", limit, "W32pArgumentTable")
        else:
            descriptor("0", 0, "0")
        descriptor("KiExtraServiceTable", len(extra), "KiExtraArgumentTable")
        if label.endswith("Shadow"):
            descriptor("W32pExtraServiceTable", len(extra_win32), "W32pExtraArgumentTable")
        else:
            descriptor("0", 0, "0")
    return "\n".join(lines)


# win32k.sys: the tables first, then the stubs.

W32P_TABLE = SESSION_SPACE + 0x1000
W32_STUBS = SESSION_SPACE + 0x3000


def _win32k_symbols() -> dict[str, int]:
    rows, extra = service_table(WIN32K), service_table(EXTRA_WIN32)
    address = W32P_TABLE
    symbols = {}
    for label, size in (
        ("W32pServiceTable", 4 * len(rows)),
        ("W32pArgumentTable", len(rows)),
        ("W32pExtraServiceTable", 4 * len(extra)),
        ("W32pExtraArgumentTable", len(extra)),
    ):
        symbols[label] = address
        address = address + size + 3 & ~3
    assert address <= W32_STUBS
    return symbols


def _build_win32k(nt: dict[str, int], tables: dict[str, int]) -> KernelImage:
    rows, extra = service_table(WIN32K), service_table(EXTRA_WIN32)
    symbols = dict(tables)
    places: list[int] = []
    for i, row in enumerate((*rows, *extra)):
        places.append(W32_STUBS + i * NT_STUB_SIZE)
        # A service whose arguments changed since XP is in both tables.
        name = f"{row.name}Extra" if row.name in symbols else row.name
        symbols[name] = places[-1]
    numbered = [(row.number, row.argument_bytes, False) for row in (*rows, *extra)]
    stubs = _host_stubs(W32_STUBS, numbered, nt)
    data = {
        tables["W32pServiceTable"]: struct.pack(f"<{len(rows)}I", *places[: len(rows)]),
        tables["W32pArgumentTable"]: bytes(row.argument_bytes for row in rows),
        tables["W32pExtraServiceTable"]: struct.pack(f"<{len(extra)}I", *places[len(rows) :]),
        tables["W32pExtraArgumentTable"]: bytes(row.argument_bytes for row in extra),
    }
    writer = PeWriter(
        "win32k.sys", SESSION_SPACE, BUILD_TIMESTAMP, subsystem=IMAGE_SUBSYSTEM_NATIVE, fixed=True
    )
    _add(writer, ".data", W32P_TABLE, W32_STUBS, data, b"\0", DATA)
    _add(writer, ".text", W32_STUBS, W32_STUBS + len(stubs), {W32_STUBS: stubs}, b"\xcc", CODE)
    writer.rsds = Rsds("win32k.pdb", UUID(hashlib.md5(stubs).hexdigest()))
    return KernelImage("win32k.sys", "win32k", SESSION_SPACE, writer.build(), symbols)
