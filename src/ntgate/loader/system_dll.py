"""The ntdll of a machine: the built-in one, or the userland's."""

from __future__ import annotations

from collections.abc import Mapping

from ntgate.errors import NtError, UsageError
from ntgate.executive.mm.files import SectionFile
from ntgate.executive.mm.protect import protect
from ntgate.executive.ps.thread import Process
from ntgate.image.pe_view import exports_of, section_data
from ntgate.layout import machine as m
from ntgate.layout.mm import PAGE_READWRITE
from ntgate.layout.ntstatus import STATUS_DLL_NOT_FOUND
from ntgate.loader.builtin.images import builtin_ntdll
from ntgate.loader.mapping import ImageLoader
from ntgate.loader.programs import Program, load_program
from ntgate.loader.userland import Userland
from ntgate.records import dataclass

PATH = r"\SystemRoot\system32\ntdll.dll"  # the built-in one is no file of the disk
# Where XP maps csrss's shared section, which there is none of here.
API_SETS = 0x7F6F0000


@dataclass(frozen=True)
class SystemDll:
    """ntdll.dll at 7c920000; `entries` are what the kernel calls in it."""

    file: bytes
    entries: Mapping[str, int]
    binds: bool  # the kernel resolves a program's imports: this ntdll has no loader
    api_sets: bytes | None = None  # what PEB.ApiSetMap points to, for an ntdll that wants it

    def prepare(self, process: Process) -> None:
        """Tell a process where its ring-3 routines are."""
        process.user_entry = self.entries["LdrInitializeThunk"]
        process.thread_entry = self.entries["RtlUserThreadStart"]
        process.exception_entry = self.entries["KiUserExceptionDispatcher"]
        process.apc_entry = self.entries["KiUserApcDispatcher"]
        process.callback_entry = self.entries.get("KiUserCallbackDispatcher", 0)
        process.runs_wine = not self.binds

    def resolve(self, program: Program) -> dict[int, int]:
        """The IAT of a program for an ntdll that does not fill it: slots and addresses.

        Raises UsageError for what this ntdll does not have.
        """
        if not self.binds:
            return {}
        exports, found = exports_of(self.file), {}
        for dll, slots in program.imports:
            if dll.lower() != "ntdll.dll":
                raise UsageError(f"{program.name} needs {dll}, which the built-in ntdll can't load")
            for slot, function in slots:
                if function not in exports:
                    raise UsageError(f"the built-in ntdll has no {function} ({dll})")
                found[slot] = m.NTDLL_BASE + exports[function]
        return found


class SystemImages:
    """ntdll.dll, and the map of API sets where there is one, for the processes of one machine."""

    def __init__(self, images: ImageLoader, ntdll: SystemDll) -> None:
        self._images = images
        self._ntdll = ntdll

    def map(self, process: Process) -> int:
        ntdll = self._ntdll
        self._images.map(process, PATH, ntdll.file)
        ntdll.prepare(process)
        if ntdll.api_sets is None:
            return 0
        return self._images.map_data(
            process, "apisetschema.dll", ntdll.api_sets, API_SETS
        )

    def entry(self, name: str) -> int:
        address = exports_of(self._ntdll.file).get(name)
        return m.NTDLL_BASE + address if address is not None else 0

    def bind(self, process: Process, file: SectionFile) -> None:
        if not self._ntdll.binds:
            return
        try:
            slots = self._ntdll.resolve(load_program(file.name, file.read(0, file.size)))
        except UsageError:
            raise NtError(STATUS_DLL_NOT_FOUND) from None
        for slot, address in slots.items():
            _, _, before = protect(process.space, slot, 4, PAGE_READWRITE)
            process.memory.set_u32(slot, address)
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
        api_sets=section_data(api_sets.read_bytes(), ".apiset") if api_sets else None,
    )
