"""Starting a program with nothing but the built-in ntdll: the kernel resolves its imports.

A program that imports more than ntdll's services needs the userland, whose own ntdll loads
its DLLs.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import pefile

from ntgate.entry.context import FLOATING_POINT, FULL, SIZE
from ntgate.errors import UsageError
from ntgate.executive.executive import Executive
from ntgate.executive.io.device import ByteDevice, FileDevice
from ntgate.executive.mm import allocate as mm
from ntgate.executive.mm.protect import protect
from ntgate.executive.ps.environment import (
    PEB_SIZE,
    SUBSYSTEM_CONSOLE,
    TEB_SIZE,
    ProcessParameters,
    peb,
    teb,
)
from ntgate.executive.ps.thread import Process, Thread
from ntgate.layout import machine as m
from ntgate.loader.builtin.images import BuiltinImage, builtin_ntdll
from ntgate.loader.mapping import ImageLoader

MEM_COMMIT, MEM_RESERVE, MEM_TOP_DOWN = 0x1000, 0x2000, 0x100000
PAGE_READWRITE, PAGE_GUARD = 0x04, 0x100
FILE_ALL_ACCESS, FILE_OBJECT_SIZE = 0x001F01FF, 0x70
GRANULARITY = 0x10000


@dataclass
class NativeProgram:
    """A PE file that imports from ntdll.dll alone."""

    name: str
    file: bytes
    symbols: dict[str, int]


def load_native(name: str, file: bytes) -> NativeProgram:
    """Check a PE file; raises UsageError for one that this machine can't start."""
    try:
        image = pefile.PE(data=file, fast_load=True)
    except pefile.PEFormatError as error:
        raise UsageError(f"{name} is not a Windows program: {error}") from None
    if image.FILE_HEADER.Machine != 0x14C:
        raise UsageError(
            f"{name} is not a 32-bit x86 program (machine {image.FILE_HEADER.Machine:x})"
        )
    others = sorted({dll for dll, _functions in _imports(image) if dll.lower() != "ntdll.dll"})
    if others:
        raise UsageError(
            f"{name} needs {', '.join(others)}: the built-in ntdll has no other DLL beside it"
        )
    return NativeProgram(name, file, {})


def _imports(image: pefile.PE) -> list[tuple[str, list[tuple[int, str]]]]:
    """(dll, [(address of the IAT slot, function)])."""
    image.parse_data_directories(
        directories=[pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_IMPORT"]]
    )
    found = []
    for entry in getattr(image, "DIRECTORY_ENTRY_IMPORT", []):
        slots = [
            (row.address, row.name.decode("latin-1") if row.name else f"#{row.ordinal}")
            for row in entry.imports
        ]
        found.append((entry.dll.decode("latin-1"), slots))
    return found


class NativeLoader:
    """Makes a process of a program, with the built-in ntdll."""

    def __init__(self, executive: Executive) -> None:
        self.executive = executive
        self.images = ImageLoader(executive)

    def start(
        self,
        program: NativeProgram,
        parameters: ProcessParameters,
        devices: Sequence[ByteDevice],
    ) -> Thread:
        """A process whose first thread is ready to run.

        devices: what its standard input, output and error are.
        """
        executive = self.executive
        ntdll = builtin_ntdll()
        process = executive.processes.create_process(program.name, None)
        self.images.map(process, ntdll.name, ntdll.file)
        base = self.images.map(process, program.name, program.file)
        process.eprocess.SectionObject = self.images.section(program.name, program.file)
        process.user_entry = ntdll.symbols["LdrInitializeThunk"]
        process.exception_entry = ntdll.symbols["KiUserExceptionDispatcher"]
        process.apc_entry = ntdll.symbols["KiUserApcDispatcher"]
        image = pefile.PE(data=program.file, fast_load=True)
        self._bind(process, image, ntdll)
        optional = image.OPTIONAL_HEADER
        process.eprocess.SectionBaseAddress = base
        process.image_path = "\\Device\\HarddiskVolume1" + parameters.image_path[2:]
        process.command_line = parameters.command_line

        objects = executive.objects
        handles = []
        for device in devices:
            body = objects.create(objects.types["File"], FILE_OBJECT_SIZE)
            objects.set_companion(body, FileDevice(device))
            handles.append(objects.create_handle(process.handles, body, FILE_ALL_ACCESS))
            objects.dereference(body)
        (
            parameters.standard_input, parameters.standard_output, parameters.standard_error,
        ) = handles  # fmt: skip
        parameters_at = self._parameters(process, parameters)
        peb_at = mm.create_peb_or_teb(process.space, PEB_SIZE)
        block = peb(base, parameters_at, subsystem=optional.Subsystem or SUBSYSTEM_CONSOLE,
                    debugged=False)  # fmt: skip
        process.memory.write(peb_at, block)
        process.eprocess.Peb = peb_at
        entry = base + optional.AddressOfEntryPoint
        return create_user_thread(
            process, ntdll.symbols["RtlUserThreadStart"], entry, peb_at,
            max(optional.SizeOfStackReserve, 0x10000), optional.SizeOfStackCommit,
        )  # fmt: skip

    def _parameters(self, process: Process, parameters: ProcessParameters) -> int:
        environment = parameters.environment_block()
        environment_at = allocate(process, 0, len(environment))
        process.memory.write(environment_at, environment)
        size = len(parameters.pack(0, 0))
        at = allocate(process, 0, size)
        process.memory.write(at, parameters.pack(at, environment_at))
        return at

    def _bind(self, process: Process, image: pefile.PE, ntdll: BuiltinImage) -> None:
        exports = pefile.PE(data=ntdll.file)
        addresses = {
            row.name.decode(): ntdll.base + row.address
            for row in exports.DIRECTORY_ENTRY_EXPORT.symbols
            if row.name
        }
        for dll, slots in _imports(image):
            for slot, function in slots:
                if function not in addresses:
                    raise UsageError(f"the built-in ntdll has no {function} ({dll})")
                _, _, before = protect(process.space, slot, 4, PAGE_READWRITE)
                process.memory.write(slot, struct.pack("<I", addresses[function]))
                protect(process.space, slot, 4, before)


def allocate(process: Process, address: int, size: int) -> int:
    """Committed, writable memory of a process; 0: anywhere."""
    return mm.allocate(process.space, address, size, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE)[0]


def create_user_thread(
    process: Process,
    start_routine: int,
    entry: int,
    argument: int,
    reserve: int,
    commit: int,
    *,
    suspended: bool = False,
) -> Thread:
    """A thread with a stack, a guard page and a TEB of its own."""
    space = process.space
    reserve = max(reserve, commit + 0x3000) + GRANULARITY - 1 & -GRANULARITY
    commit = max(commit, 0x2000) + 0xFFF & ~0xFFF
    stack, _ = mm.allocate(space, 0, reserve, MEM_RESERVE, PAGE_READWRITE)
    top = stack + reserve
    mm.allocate(space, top - commit, commit, MEM_COMMIT, PAGE_READWRITE)
    mm.allocate(
        space, top - commit - 0x1000, 0x1000, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD
    )
    teb_at = mm.create_peb_or_teb(space, TEB_SIZE)
    context = bytearray(SIZE)
    struct.pack_into("<I", context, 0, FULL | FLOATING_POINT)
    struct.pack_into("<7I", context, 0x1C, 0xFFFF027F, 0xFFFF0000, 0xFFFFFFFF, 0, 0, 0, 0xFFFF0000)
    for offset, value in (
        (0x8C, 0), (0x90, m.KGDT_R3_TEB), (0x94, m.KGDT_R3_DATA), (0x98, m.KGDT_R3_DATA),
        (0xA4, argument), (0xB0, entry), (0xB8, start_routine), (0xBC, m.KGDT_R3_CODE),
        (0xC0, 0x202), (0xC4, top - 16), (0xC8, m.KGDT_R3_DATA),
    ):  # fmt: skip
        struct.pack_into("<I", context, offset, value)
    # The TEB tells the thread's id, which the thread gets with its object.
    thread = process.executive.processes.create_thread(
        process, bytes(context), teb_at, suspended=suspended
    )
    block = teb(teb_at, process.eprocess.Peb, top, top - commit, stack, thread.pid, thread.tid)
    process.memory.write(teb_at, block)
    return thread
