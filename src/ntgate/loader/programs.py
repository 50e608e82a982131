"""Programs as files: what kind a PE file is, and what it needs beside it."""

from __future__ import annotations

import struct

import pefile

from ntgate.errors import UsageError
from ntgate.layout.pe import E_LFANEW, IMAGE_FILE_DLL, IMAGE_FILE_MACHINE_I386
from ntgate.records import dataclass

MACHINES = {0x8664: "64-bit (x86-64)", 0xAA64: "64-bit (ARM64)", 0x200: "64-bit (Itanium)"}
KERNEL_MODULES = frozenset(("ntoskrnl.exe", "hal.dll", "win32k.sys", "ndis.sys"))
COM_DESCRIPTOR = "IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR"


@dataclass(frozen=True)
class Program:
    """A checked PE file.  `imports` gives, for each DLL, the IAT slots' addresses and names."""

    name: str
    file: bytes
    entry: int  # RVA
    subsystem: int
    stack_reserve: int
    stack_commit: int
    imports: tuple[tuple[str, tuple[tuple[int, str], ...]], ...]

    @property
    def dlls(self) -> list[str]:
        return sorted({dll.lower() for dll, _slots in self.imports})


def load_program(name: str, file: bytes) -> Program:
    """Check a PE file; raises UsageError for one that this machine can't start."""
    other = _other_format(name, file)
    if other:
        raise UsageError(f"{name} is {other}")
    try:
        image = pefile.PE(data=file, fast_load=True)
        image.parse_data_directories(
            directories=[pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_IMPORT"]]
        )
    except pefile.PEFormatError as error:
        raise UsageError(f"{name} is not a Windows program: {error.value.rstrip('.')}") from None
    machine = image.FILE_HEADER.Machine
    if machine != IMAGE_FILE_MACHINE_I386:
        kind = MACHINES.get(machine, f"for machine {machine:x}")
        raise UsageError(f"{name} is not a 32-bit x86 program: it is {kind}")
    if image.FILE_HEADER.Characteristics & IMAGE_FILE_DLL:
        raise UsageError(f"{name} is a DLL, not a program: rundll32.exe calls a function of one")
    optional = image.OPTIONAL_HEADER
    if any(
        entry.name == COM_DESCRIPTOR and entry.VirtualAddress for entry in optional.DATA_DIRECTORY
    ):
        raise UsageError(f"{name} is a .NET program: the machine has no .NET runtime")
    program = Program(
        name,
        file,
        optional.AddressOfEntryPoint,
        optional.Subsystem,
        optional.SizeOfStackReserve,
        optional.SizeOfStackCommit,
        tuple(_imports(image)),
    )
    if not KERNEL_MODULES.isdisjoint(program.dlls):
        raise UsageError(f"{name} is a driver, not a program: drivers are not loaded")
    return program


def _other_format(name: str, file: bytes) -> str:
    """What a file is that is no PE file, "" where that can't be said."""
    if file[:2] != b"MZ":
        if name.lower().endswith((".bat", ".cmd")):
            return f"a batch file: `cmd.exe /c {name}` runs it"
        if name.lower().endswith(".com"):
            return "a DOS program: 32-bit Windows programs are run"
        return ""
    signature = b""
    if len(file) >= E_LFANEW + 4:
        (position,) = struct.unpack_from("<I", file, E_LFANEW)
        signature = file[position : position + 4]
    if signature[:2] == b"NE":
        return "a 16-bit Windows program: 32-bit ones are run"
    if signature[:2] in (b"LE", b"LX"):
        return "an OS/2 program or a VxD: 32-bit Windows programs are run"
    return "" if signature == b"PE\0\0" else "a DOS program: 32-bit Windows programs are run"


def _imports(image: pefile.PE) -> list[tuple[str, tuple[tuple[int, str], ...]]]:
    return [
        (
            entry.dll.decode("latin-1"),
            tuple(
                (row.address, row.name.decode("latin-1") if row.name else f"#{row.ordinal}")
                for row in entry.imports
            ),
        )
        for entry in getattr(image, "DIRECTORY_ENTRY_IMPORT", [])
    ]
