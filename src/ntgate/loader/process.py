"""Starting a program: a process with its images, parameters, PEB and first thread."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ntgate.entry.context import FLOATING_POINT, FULL, SIZE
from ntgate.executive.executive import Executive
from ntgate.executive.io.constants import FILE_ALL_ACCESS
from ntgate.executive.io.device import ByteDevice, open_stream
from ntgate.executive.mm import allocate as mm
from ntgate.executive.ps.environment import (
    PEB_SIZE,
    SUBSYSTEM_CONSOLE,
    TEB_SIZE,
    ProcessParameters,
    peb,
    teb,
)
from ntgate.executive.ps.thread import Process, Thread
from ntgate.image.pe_view import section_rva
from ntgate.layout import machine as m
from ntgate.loader.mapping import ImageLoader
from ntgate.loader.programs import Program
from ntgate.loader.system_dll import SystemDll

MEM_COMMIT, MEM_RESERVE = 0x1000, 0x2000
PAGE_READWRITE, PAGE_GUARD = 0x04, 0x100
GRANULARITY = 0x10000


class ProgramLoader:
    """Makes processes of programs."""

    def __init__(self, executive: Executive) -> None:
        self.executive = executive
        self.images = ImageLoader(executive)

    def start(
        self,
        program: Program,
        ntdll: SystemDll,
        parameters: ProcessParameters,
        devices: Sequence[ByteDevice],
    ) -> Thread:
        """A process whose first thread is ready to run.

        devices: what its standard input, output and error are.
        """
        process = self.executive.processes.create_process(program.name, None)
        self.images.map(process, "ntdll.dll", ntdll.file)
        base = self.images.map(process, program.name, program.file)
        process.eprocess.SectionObject = self.images.section(program.name, program.file)
        process.eprocess.SectionBaseAddress = base
        ntdll.prepare(process)
        ntdll.bind(process, program)
        process.image_path = "\\Device\\HarddiskVolume1" + parameters.image_path[2:]
        process.command_line = parameters.command_line
        (
            parameters.standard_input, parameters.standard_output, parameters.standard_error,
        ) = (self._open(process, device) for device in devices)  # fmt: skip
        parameters_at = self._parameters(process, parameters)
        peb_at = mm.create_peb_or_teb(process.space, PEB_SIZE)
        block = peb(
            base,
            parameters_at,
            subsystem=program.subsystem or SUBSYSTEM_CONSOLE,
            debugged=False,
            api_set_map=self._map_api_sets(process, ntdll),
        )
        process.memory.write(peb_at, block)
        process.eprocess.Peb = peb_at
        return create_user_thread(
            process, ntdll.entries["RtlUserThreadStart"], base + program.entry, peb_at,
            max(program.stack_reserve, GRANULARITY), program.stack_commit,
        )  # fmt: skip

    def _map_api_sets(self, process: Process, ntdll: SystemDll) -> int:
        if ntdll.api_sets is None:
            return 0
        base = self.images.map(process, "apisetschema.dll", ntdll.api_sets)
        return base + section_rva(ntdll.api_sets, ".apiset")

    def _open(self, process: Process, device: ByteDevice) -> int:
        """A handle of the process to a file object on the device."""
        objects = self.executive.objects
        body = open_stream(self.executive.io, device)
        handle = objects.create_handle(process.handles, body, FILE_ALL_ACCESS)
        objects.dereference(body)
        return handle

    def _parameters(self, process: Process, parameters: ProcessParameters) -> int:
        environment = parameters.environment_block()
        environment_at = allocate(process, 0, len(environment))
        process.memory.write(environment_at, environment)
        size = len(parameters.pack(0, 0))
        at = allocate(process, 0, size)
        process.memory.write(at, parameters.pack(at, environment_at))
        return at


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
    commit = max(commit, process.least_stack, 0x2000) + 0xFFF & ~0xFFF
    reserve = max(reserve, commit + 0x3000) + GRANULARITY - 1 & -GRANULARITY
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
