"""Gives Wine's ntdll the study's addresses, and its stubs XP's form and numbers.

The stub block stands in the first 64 KB of the image, where XP has it: service N of the 284 at
7c92ce40 + 16*N, KiFastSystemCall at 7c92e4f0. Wine's own sections follow 64 KB higher than they
were, relocated to the new base. Each service of XP has one stub: Wine's old slot, to which the rest
of ntdll branches, jumps to it, so that a breakpoint or a hook there sees ntdll's own calls too.
Services that XP lacks keep their slots and have numbers in table 2.

win32u keeps its place; its stubs have XP's win32k numbers, or numbers in table 3.
"""

from __future__ import annotations

import struct

import pefile

from ntgate.image import pe_writer
from ntgate.image.pe_writer import PeWriter
from ntgate.layout.machine import NTDLL_BASE
from ntgate.layout.pe import (
    IMAGE_DIRECTORY_ENTRY_BASERELOC,
    IMAGE_DIRECTORY_ENTRY_EXPORT,
    IMAGE_DIRECTORY_ENTRY_IMPORT,
    IMAGE_DIRECTORY_ENTRY_RESOURCE,
    IMAGE_REL_BASED_HIGHLOW,
)
from ntgate.loader.userland.errors import UserlandError
from ntgate.loader.userland.gate import UNIX_CALL, UNIX_CALL_STUB, Gate, jump
from ntgate.loader.userland.rename import RENAMED
from ntgate.loader.userland.strip import Stripped, open_pe
from ntgate.loader.userland.stubs import (
    SLOT,
    WINE_ADDRESS_AT,
    WineStub,
    are_wine_8_0,
    find_wine_stubs,
    has_xp_stubs,
    xp_stub,
)
from ntgate.loader.userland.tables import ServiceRow, nt_numbering, win32k_numbering
from ntgate.loader.userland.wrappers import Wrapper, find_wrappers
from ntgate.records import dataclass

SHIFT = 0x10000

ENTRIES = (
    "DbgBreakPoint",
    "DbgUiRemoteBreakin",
    "KiFastSystemCall",
    "KiFastSystemCallRet",
    "KiIntSystemCall",
    "KiRaiseUserExceptionDispatcher",
    "KiUserApcDispatcher",
    "KiUserCallbackDispatcher",
    "KiUserExceptionDispatcher",
    "LdrInitializeThunk",
    "RtlUserThreadStart",
)

# mov ecx,0f0000h; sub edi,ecx; mov esp,edi; xor eax,eax; shr ecx,2; rep stosd
_CLEAR_STACK = bytes.fromhex("b900000f00 29cf 89fc 31c0 c1e902 f3ab")
_TARGETS = ("KiUserCallbackDispatcher", "KiUserExceptionDispatcher")
_REBUILT = {b".edata", b".idata", b".reloc"}  # empty or stale once moved; PeWriter makes its own
_KNOWN_DIRECTORIES = {
    IMAGE_DIRECTORY_ENTRY_EXPORT,
    IMAGE_DIRECTORY_ENTRY_IMPORT,
    IMAGE_DIRECTORY_ENTRY_RESOURCE,
    IMAGE_DIRECTORY_ENTRY_BASERELOC,
}
_SUBDIRECTORY = 0x8000_0000


@dataclass(frozen=True, slots=True)
class Relinked:
    """A re-linked DLL, and the services beyond XP's that its stubs call."""

    file: Stripped
    services: tuple[ServiceRow, ...]


def is_wine(data: bytes) -> bool:
    """Whether an ntdll.dll is Wine's (to be re-linked) and not one with XP's stubs.

    Raises UserlandError for one that is neither.
    """
    pe = _parsed(data, "ntdll.dll")
    if find_wine_stubs(pe):
        return True
    if has_xp_stubs(pe):
        return False
    raise UserlandError("ntdll.dll has neither Wine 8.0's system-call stubs nor Windows XP's")


def has_wine_8_0_stubs(data: bytes) -> bool:
    """Whether an ntdll.dll is of Wine 8.0, whoever built it."""
    return are_wine_8_0(find_wine_stubs(_parsed(data, "ntdll.dll")))


def ntdll_base(data: bytes) -> int:
    """The address that an ntdll.dll is linked for."""
    base: int = open_pe(data, "ntdll.dll").OPTIONAL_HEADER.ImageBase
    return base


def entries(data: bytes) -> dict[str, int]:
    """The addresses of the routines in an ntdll.dll that the kernel starts or returns to."""
    pe = _parsed(data, "ntdll.dll")
    exports = {symbol.name: symbol.address for symbol in pe.DIRECTORY_ENTRY_EXPORT.symbols}
    base = pe.OPTIONAL_HEADER.ImageBase
    return {name: base + exports[name.encode()] for name in ENTRIES if name.encode() in exports}


def relink_ntdll(ntdll: Stripped) -> Relinked:
    """Re-link Wine's ntdll.dll.

    Raises UserlandError when the file is not as Wine 8.0's.
    """
    pe = _parsed(ntdll.data, "ntdll.dll")
    _check_ntdll(pe)
    exports = {
        symbol.name.decode(): symbol.address + SHIFT
        for symbol in pe.DIRECTORY_ENTRY_EXPORT.symbols
        if symbol.name is not None and symbol.forwarder is None
    }
    numbering = nt_numbering()
    unix_call = numbering.row(UNIX_CALL, 16)
    targets = {name: NTDLL_BASE + exports[name] for name in _TARGETS}
    private = tuple(
        numbering.row(new, row.popped_bytes)
        for row in numbering.xp
        for old, new in RENAMED.values()
        if row.name == old
    )
    gate = Gate(numbering.xp, unix_call, private, targets)
    stubs = find_wine_stubs(pe)
    rows = {stub: numbering.row(stub.name, stub.popped_bytes) for stub in stubs}
    moved = {stub: gate.addresses[row.name] for stub, row in rows.items() if numbering.is_xp(row)}
    kept = {stub: row for stub, row in rows.items() if stub not in moved}

    image = bytearray(pe.get_memory_mapped_image())
    relocations = _relocations(pe, stubs)
    for rva in relocations:
        (address,) = struct.unpack_from("<I", image, rva)
        moved_to = address - pe.OPTIONAL_HEADER.ImageBase + NTDLL_BASE + SHIFT
        struct.pack_into("<I", image, rva, moved_to)
    for stub, target in moved.items():
        slot = jump(NTDLL_BASE + SHIFT + stub.rva, target).ljust(SLOT, b"\x90")
        image[stub.rva : stub.rva + SLOT] = slot
    for stub, row in kept.items():
        image[stub.rva : stub.rva + SLOT] = xp_stub(row.number, row.popped_bytes)
    struct.pack_into("<I", image, exports[UNIX_CALL] - SHIFT, UNIX_CALL_STUB)
    _keep_stacks_untouched(image)
    _move_resources(pe, image)

    own = {stub.name for stub in kept} | {f"Zw{stub.name[2:]}" for stub in kept}
    exports |= {name: rva for name, rva in gate.exports.items() if name not in own}
    old_slots = {stub.rva for stub in moved}
    symbols = [(rva + SHIFT, name) for rva, name in ntdll.symbols if rva not in old_slots]
    symbols += [(address - NTDLL_BASE, name) for name, address in gate.addresses.items()]
    data = _ntdll_file(pe, image, gate, exports, relocations)
    return Relinked(Stripped(data, sorted(symbols)), (*kept.values(), unix_call, *private))


def _keep_stacks_untouched(image: bytearray) -> None:
    """Have Wine's signal_start_thread clear nothing below the first frame of a thread.

    It wipes 0f0000h bytes, in which Wine's host side has run; here they are pages that nobody has
    touched, and each would have to be brought in.
    """
    start = image.find(_CLEAR_STACK)
    if start >= 0:
        struct.pack_into("<I", image, start + 1, 0)


def _ntdll_file(
    pe: pefile.PE, image: bytearray, gate: Gate, exports: dict[str, int], relocations: set[int]
) -> bytes:
    """The gate's section, then those of `image` at RVAs higher by SHIFT."""
    writer = PeWriter(
        "ntdll.dll",
        NTDLL_BASE,
        pe.FILE_HEADER.TimeDateStamp,
        subsystem=pe.OPTIONAL_HEADER.Subsystem,
        dll_characteristics=pe.OPTIONAL_HEADER.DllCharacteristics,
    )
    writer.add_section(".gate", gate.code, pe_writer.CODE, rva=gate.rva)
    for section in pe.sections:
        name = section.Name.rstrip(b"\0")
        start, size = section.VirtualAddress, section.Misc_VirtualSize
        if name not in _REBUILT:
            body = image[start : start + size] if section.SizeOfRawData else b""
            writer.add_section(
                name.decode(), bytes(body), section.Characteristics, rva=start + SHIFT, size=size
            )
    resources = pe.OPTIONAL_HEADER.DATA_DIRECTORY[IMAGE_DIRECTORY_ENTRY_RESOURCE]
    if resources.Size:
        moved = (resources.VirtualAddress + SHIFT, resources.Size)
        writer.directories[IMAGE_DIRECTORY_ENTRY_RESOURCE] = moved
    if pe.OPTIONAL_HEADER.AddressOfEntryPoint:
        writer.entry = pe.OPTIONAL_HEADER.AddressOfEntryPoint + SHIFT
    writer.relocations = {rva + SHIFT for rva in relocations}
    writer.export(exports)
    return writer.build()


def relink_win32u(win32u: Stripped) -> Relinked:
    """Give the stubs of Wine's win32u.dll XP's form and numbers, in their places.

    Its functions that would go to the host's side by pointers become stubs, too.

    Raises UserlandError when it has none of Wine 8.0's form.
    """
    pe = _parsed(win32u.data, "win32u.dll")
    numbering = win32k_numbering()
    stubs = find_wine_stubs(pe)
    if not stubs:
        raise UserlandError("win32u.dll has no system-call stubs of Wine 8.0's form")
    wrappers = find_wrappers(pe, frozenset(stub.rva for stub in stubs))
    out = bytearray(win32u.data)
    rows = []
    places: list[WineStub | Wrapper] = [*stubs, *wrappers]
    for stub in places:
        row = numbering.row(stub.name, stub.popped_bytes)
        at = pe.get_offset_from_rva(stub.rva)
        out[at : at + SLOT] = xp_stub(row.number, row.popped_bytes)
        if not numbering.is_xp(row):
            rows.append(row)
    gone = {wrapper.rva + at for wrapper in wrappers for at in range(SLOT)}
    table = pe_writer.relocation_table(_relocations(pe, stubs) - gone)
    directory = pe.OPTIONAL_HEADER.DATA_DIRECTORY[IMAGE_DIRECTORY_ENTRY_BASERELOC]
    at = pe.get_offset_from_rva(directory.VirtualAddress)
    out[at : at + directory.Size] = table.ljust(directory.Size, b"\0")
    struct.pack_into("<I", out, directory.get_file_offset() + 4, len(table))
    checksum = pe.OPTIONAL_HEADER.get_field_absolute_offset("CheckSum")
    struct.pack_into("<I", out, checksum, pe_writer.image_checksum(out, checksum))
    return Relinked(Stripped(bytes(out), win32u.symbols), tuple(rows))


def _parsed(data: bytes, name: str) -> pefile.PE:
    pe = open_pe(data, name)
    pe.parse_data_directories([IMAGE_DIRECTORY_ENTRY_EXPORT, IMAGE_DIRECTORY_ENTRY_BASERELOC])
    if not hasattr(pe, "DIRECTORY_ENTRY_EXPORT"):
        raise UserlandError(f"{name} exports nothing")
    return pe


def _check_ntdll(pe: pefile.PE) -> None:
    names = {symbol.name for symbol in pe.DIRECTORY_ENTRY_EXPORT.symbols}
    wanted = {UNIX_CALL, *_TARGETS}
    missing = sorted(name for name in wanted if name.encode() not in names)
    strange = [
        index
        for index, directory in enumerate(pe.OPTIONAL_HEADER.DATA_DIRECTORY)
        if directory.Size and index not in _KNOWN_DIRECTORIES
    ]
    if missing or strange:
        what = f"no {missing[0]}" if missing else f"data directories {strange}"
        raise UserlandError(f"this Wine's ntdll.dll has {what}: only Wine 8.0's can be re-linked")


def _relocations(pe: pefile.PE, stubs: list[WineStub]) -> set[int]:
    """The RVAs of absolute addresses, but for those in the stubs, which are replaced."""
    replaced = {stub.rva + WINE_ADDRESS_AT for stub in stubs}
    return {
        entry.rva
        for block in getattr(pe, "DIRECTORY_ENTRY_BASERELOC", [])
        for entry in block.entries
        if entry.type == IMAGE_REL_BASED_HIGHLOW and entry.rva not in replaced
    }


def _move_resources(pe: pefile.PE, image: bytearray) -> None:
    """Add SHIFT to the RVA in each resource data entry; the tree's own links are relative."""
    root = pe.OPTIONAL_HEADER.DATA_DIRECTORY[IMAGE_DIRECTORY_ENTRY_RESOURCE]
    pending = [0] if root.Size else []
    while pending:
        at = root.VirtualAddress + pending.pop()
        named, numbered = struct.unpack_from("<HH", image, at + 12)
        for index in range(named + numbered):
            (offset,) = struct.unpack_from("<I", image, at + 16 + 8 * index + 4)
            if offset & _SUBDIRECTORY:
                pending.append(offset & ~_SUBDIRECTORY)
            else:
                entry = root.VirtualAddress + offset
                (rva,) = struct.unpack_from("<I", image, entry)
                struct.pack_into("<I", image, entry, rva + SHIFT)
