"""The ntdll of a machine: the built-in one, or the userland's."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from ntgate.errors import UsageError
from ntgate.executive.mm.protect import protect
from ntgate.executive.ps.thread import Process
from ntgate.image.pe_view import exports_of
from ntgate.layout import machine as m
from ntgate.loader.builtin.images import builtin_ntdll
from ntgate.loader.programs import Program
from ntgate.loader.userland import Userland

PAGE_READWRITE = 0x04
# Wine's signal_start_thread zeroes 0f0000h bytes below a page of its own.
WINE_STACK = 0xF2000


@dataclass(frozen=True)
class SystemDll:
    """ntdll.dll at 7c920000; `entries` are what the kernel calls in it."""

    file: bytes
    entries: Mapping[str, int]
    binds: bool  # the kernel resolves a program's imports: this ntdll has no loader
    api_sets: bytes | None = None  # apisetschema.dll, for an ntdll that looks names up in it
    least_stack: int = 0  # bytes of a stack that a new thread uses before its first call

    def prepare(self, process: Process) -> None:
        """Tell a process where its ring-3 routines are."""
        process.user_entry = self.entries["LdrInitializeThunk"]
        process.exception_entry = self.entries["KiUserExceptionDispatcher"]
        process.apc_entry = self.entries["KiUserApcDispatcher"]
        process.least_stack = self.least_stack

    def bind(self, process: Process, program: Program) -> None:
        """Fill the IAT of a program that imports ntdll alone."""
        if not self.binds:
            return
        exports = exports_of(self.file)
        for dll, slots in program.imports:
            for slot, function in slots:
                if function not in exports:
                    raise UsageError(f"the built-in ntdll has no {function} ({dll})")
                address = struct.pack("<I", m.NTDLL_BASE + exports[function])
                _, _, before = protect(process.space, slot, 4, PAGE_READWRITE)
                process.memory.write(slot, address)
                protect(process.space, slot, 4, before)


def builtin_dll() -> SystemDll:
    image = builtin_ntdll()
    return SystemDll(image.file, image.symbols, binds=True)


def userland_dll(userland: Userland) -> SystemDll:
    path = userland.file("ntdll.dll")
    if path is None:
        raise UsageError("the userland has no ntdll.dll: run `ntgate userland install` again")
    api_sets = userland.file("apisetschema.dll")
    return SystemDll(
        path.read_bytes(),
        userland.entries,
        binds=False,
        least_stack=WINE_STACK,
        api_sets=api_sets.read_bytes() if api_sets is not None else None,
    )
