"""What ring 3 finds at its start: process parameters, PEB and TEB.

Layouts are XP's; what Wine's DLLs need beyond XP (the second pages, EnvironmentSize) is filled
in too.
"""

from __future__ import annotations

import struct
from dataclasses import field

from ntgate.errors import NtError
from ntgate.layout.machine import NTDLL_BASE
from ntgate.layout.ntstatus import STATUS_INVALID_PARAMETER
from ntgate.layout.paths import DRIVE, WINDOWS
from ntgate.memory.user import UserMemory
from ntgate.records import dataclass

PARAMETERS_SIZE = 0x298  # with EnvironmentSize at 290, which Wine's ntdll reads
XP_PARAMETERS_SIZE = 0x290
PARAMETERS_NORMALIZED = 1
EMPTY_ENVIRONMENT = bytes(4)
LARGEST_ENVIRONMENT = 0x100000
CURRENT_DIRECTORY_ROOM = 0x208
PEB_SIZE, TEB_SIZE = 0x2000, 0x2000
LOADER_BASE = 0x460  # in the PEB: of Wine's loader; its dbghelp takes 0 for a process not alive
OS_VERSION = (5, 1, 2600, 0x300)  # major, minor, build, CSD version: service pack 3
VER_PLATFORM_WIN32_NT = 2
SYSTEM_VARIABLES = {"SystemDrive": DRIVE, "SystemRoot": WINDOWS}  # those that no hive has


def expand(text: str) -> str:
    """A text of the registry with the SYSTEM_VARIABLES put in for %NAME%."""
    for name, meant in SYSTEM_VARIABLES.items():
        text = text.replace(f"%{name}%", meant)
    return text


@dataclass
class ProcessParameters:
    """What a new process is told; paths are NT's `C:\\...` forms.

    environment: names and values, or the block of another process.  window: StartingX to
    ShowWindowFlags, the nine numbers of a STARTUPINFO.
    """

    image_path: str
    command_line: str
    current_directory: str = "C:\\"
    environment: dict[str, str] | bytes = field(default_factory=dict)
    dll_path: str = ""  # empty: where CreateProcess looks for DLLs
    window_title: str | None = None  # the image's path when None
    desktop: str = ""
    shell: str = ""
    runtime_data: bytes = b""
    debug_flags: int = 0
    console_handle: int = 0
    console_flags: int = 0
    standard_input: int = 0
    standard_output: int = 0
    standard_error: int = 0
    window: tuple[int, ...] = (0,) * 9

    @classmethod
    def read(cls, memory: UserMemory, address: int) -> ProcessParameters:
        """The RTL_USER_PROCESS_PARAMETERS that a program has filled in.

        Raises AccessViolation, and NtError for strings of odd length.
        """
        block = memory.read(address, XP_PARAMETERS_SIZE)
        size, _length, flags = struct.unpack_from("<3I", block)
        relative = 0 if flags & PARAMETERS_NORMALIZED else address

        def data(offset: int) -> bytes:
            length, _room, buffer = struct.unpack_from("<HHI", block, offset)
            return memory.read(buffer + relative, length) if buffer else b""

        def text(offset: int) -> str:
            found = data(offset)
            if len(found) % 2:
                raise NtError(STATUS_INVALID_PARAMETER)
            return found.decode("utf-16-le", "surrogatepass")

        debug_flags, console, console_flags = struct.unpack_from("<3I", block, 0x0C)
        standard_input, standard_output, standard_error = struct.unpack_from("<3I", block, 0x18)
        (environment,) = struct.unpack_from("<I", block, 0x48)
        known = memory.u32(address + 0x290) if size >= PARAMETERS_SIZE - 4 else 0
        return cls(
            image_path=text(0x38),
            command_line=text(0x40),
            current_directory=text(0x24),
            environment=_environment(memory, environment, known),
            dll_path=text(0x30),
            window_title=text(0x70),
            desktop=text(0x78),
            shell=text(0x80),
            runtime_data=data(0x88),
            debug_flags=debug_flags,
            console_handle=console,
            console_flags=console_flags,
            standard_input=standard_input,
            standard_output=standard_output,
            standard_error=standard_error,
            window=struct.unpack_from("<9I", block, 0x4C),
        )

    def environment_block(self) -> bytes:
        """NAME=VALUE strings in UTF-16, sorted as NT sorts them, ended by an empty one."""
        if isinstance(self.environment, bytes):
            return self.environment
        ordered = sorted(self.environment.items(), key=lambda item: item[0].upper())
        text = "".join(f"{name}={value}\0" for name, value in ordered) + "\0"
        return text.encode("utf-16-le", "surrogatepass")

    def search_path(self) -> str:
        """Where DLLs are looked for: DllPath, or what CreateProcess makes it by default.

        The program's folder, the system's folders, the current folder, PATH: XP SP2's order.
        """
        if self.dll_path:
            return self.dll_path
        variables = self.environment if isinstance(self.environment, dict) else {}
        root = variables.get("SystemRoot", "C:\\WINDOWS")
        folders = [
            self.image_path.rpartition("\\")[0] + "\\", f"{root}\\system32", f"{root}\\system",
            root, ".", variables.get("Path", ""),
        ]  # fmt: skip
        return ";".join(filter(None, folders))

    def pack(self, address: int, environment: int) -> bytes:
        """RTL_USER_PROCESS_PARAMETERS for `address`, with the strings behind it."""
        block = bytearray(PARAMETERS_SIZE)
        tail = bytearray()

        def string(offset: int, text: str, room: int = 0) -> None:
            data = text.encode("utf-16-le", "surrogatepass")
            room = max(room, len(data) + 2)
            place = address + PARAMETERS_SIZE + len(tail)
            struct.pack_into("<HHI", block, offset, len(data), room, place)
            tail.extend(data.ljust(room + 3 & ~3, b"\0"))

        directory = self.current_directory
        string(0x24, directory if directory.endswith("\\") else directory + "\\",
               CURRENT_DIRECTORY_ROOM)  # fmt: skip
        string(0x30, self.search_path())
        string(0x38, self.image_path)
        string(0x40, self.command_line)
        string(0x70, self.image_path if self.window_title is None else self.window_title)
        string(0x78, self.desktop)
        string(0x80, self.shell)
        if self.runtime_data:
            place = address + PARAMETERS_SIZE + len(tail)
            length = len(self.runtime_data)
            struct.pack_into("<HHI", block, 0x88, length, length, place)
            tail.extend(self.runtime_data.ljust(length + 3 & ~3, b"\0"))
        struct.pack_into(
            "<7I", block, 0x08, PARAMETERS_NORMALIZED, self.debug_flags, self.console_handle,
            self.console_flags, self.standard_input, self.standard_output, self.standard_error,
        )  # fmt: skip
        struct.pack_into("<10I", block, 0x48, environment, *self.window)
        struct.pack_into("<I", block, 0x290, len(self.environment_block()))
        size = PARAMETERS_SIZE + len(tail)
        struct.pack_into("<2I", block, 0, size, size)
        return bytes(block + tail)


def _environment(memory: UserMemory, address: int, known: int) -> bytes:
    """The block at `address`: `known` bytes of it, or up to the empty string that ends it."""
    if not address:
        return EMPTY_ENVIRONMENT
    if known:
        return memory.read(address, known & ~1)
    block = bytearray()
    while len(block) < LARGEST_ENVIRONMENT:
        block += memory.read(address + len(block), 0x1000 - (address + len(block)) % 0x1000)
        position = block.find(b"\0\0\0\0")
        while position % 2 and position >= 0:
            position = block.find(b"\0\0\0\0", position + 1)
        if position >= 0:
            return bytes(block[: position + 4])
    raise NtError(STATUS_INVALID_PARAMETER)


def peb(
    image_base: int, parameters: int, *, subsystem: int, debugged: bool, api_set_map: int = 0
) -> bytes:
    """api_set_map: where apisetschema.dll's map is, which ntdlls newer than XP's want."""
    out = bytearray(PEB_SIZE)
    struct.pack_into("<I", out, LOADER_BASE, NTDLL_BASE)
    struct.pack_into("<I", out, 0x38, api_set_map)
    out[0x02] = int(debugged)
    struct.pack_into("<I", out, 0x08, image_base)
    struct.pack_into("<I", out, 0x10, parameters)
    struct.pack_into("<I", out, 0x64, 1)  # NumberOfProcessors
    struct.pack_into("<q", out, 0x70, -25920000000000)  # CriticalSectionTimeout: 30 days
    struct.pack_into("<4I", out, 0x78, 0x100000, 0x2000, 0x10000, 0x1000)  # heap defaults
    major, minor, build, csd = OS_VERSION
    struct.pack_into("<2I2HI", out, 0xA4, major, minor, build, csd, VER_PLATFORM_WIN32_NT)
    struct.pack_into("<3I", out, 0xB4, subsystem, 4, 0)
    return bytes(out)


def teb(
    address: int, peb_address: int, stack_base: int, stack_limit: int, allocation: int,
    pid: int, tid: int,
) -> bytes:  # fmt: skip
    out = bytearray(TEB_SIZE)
    struct.pack_into("<3I", out, 0x00, 0xFFFFFFFF, stack_base, stack_limit)
    struct.pack_into("<I", out, 0x18, address)
    struct.pack_into("<2I", out, 0x20, pid, tid)
    struct.pack_into("<I", out, 0x30, peb_address)
    struct.pack_into("<I", out, 0x1A8, address + 0x184)  # the activation context stack
    struct.pack_into("<2I", out, 0x18C, address + 0x18C, address + 0x18C)
    struct.pack_into("<HHI", out, 0xBF8, 0, 522, address + 0xC00)  # StaticUnicodeString
    struct.pack_into("<2I", out, 0x6B4, pid, tid)  # RealClientId
    struct.pack_into("<I", out, 0xE0C, allocation)  # DeallocationStack
    return bytes(out)


