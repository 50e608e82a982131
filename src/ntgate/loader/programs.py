"""Programs as files: what kind a PE file is, and what it needs beside it."""

from __future__ import annotations

from dataclasses import dataclass

import pefile

from ntgate.errors import UsageError

IMAGE_FILE_MACHINE_I386 = 0x14C
IMAGE_FILE_DLL = 0x2000
SUBSYSTEMS = {1: "native", 2: "GUI", 3: "console"}


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
    try:
        image = pefile.PE(data=file, fast_load=True)
        image.parse_data_directories(
            directories=[pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_IMPORT"]]
        )
    except pefile.PEFormatError as error:
        raise UsageError(f"{name} is not a Windows program: {error.value.rstrip('.')}") from None
    machine = image.FILE_HEADER.Machine
    if machine != IMAGE_FILE_MACHINE_I386:
        raise UsageError(f"{name} is not a 32-bit x86 program (machine {machine:x})")
    if image.FILE_HEADER.Characteristics & IMAGE_FILE_DLL:
        raise UsageError(f"{name} is a DLL, not a program: rundll32.exe calls a function of one")
    optional = image.OPTIONAL_HEADER
    return Program(
        name,
        file,
        optional.AddressOfEntryPoint,
        optional.Subsystem,
        optional.SizeOfStackReserve,
        optional.SizeOfStackCommit,
        tuple(_imports(image)),
    )


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
