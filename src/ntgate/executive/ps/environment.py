"""What ring 3 finds at its start: process parameters, PEB and TEB.

Layouts are XP's; what Wine's DLLs need beyond XP (the second pages, EnvironmentSize) is filled
in too.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

PARAMETERS_SIZE = 0x298  # with EnvironmentSize at 290, which Wine's ntdll reads
PARAMETERS_NORMALIZED = 1
CURRENT_DIRECTORY_ROOM = 0x208
PEB_SIZE, TEB_SIZE = 0x2000, 0x2000
OS_VERSION = (5, 1, 2600, 0x300)  # major, minor, build, CSD version: service pack 3
VER_PLATFORM_WIN32_NT = 2
SUBSYSTEM_CONSOLE = 3


@dataclass
class ProcessParameters:
    """What a new process is told; paths are NT's `C:\\...` forms."""

    image_path: str
    command_line: str
    current_directory: str = "C:\\"
    environment: dict[str, str] = field(default_factory=dict)
    dll_path: str = ""  # empty: where CreateProcess looks for DLLs
    window_title: str = ""
    standard_input: int = 0
    standard_output: int = 0
    standard_error: int = 0

    def environment_block(self) -> bytes:
        """NAME=VALUE strings in UTF-16, sorted as NT sorts them, ended by an empty one."""
        ordered = sorted(self.environment.items(), key=lambda item: item[0].upper())
        text = "".join(f"{name}={value}\0" for name, value in ordered) + "\0"
        return text.encode("utf-16-le", "surrogatepass")

    def search_path(self) -> str:
        """Where DLLs are looked for: DllPath, or what CreateProcess makes it by default.

        The program's folder, the system's folders, the current folder, PATH: XP SP2's order.
        """
        if self.dll_path:
            return self.dll_path
        root = self.environment.get("SystemRoot", "C:\\WINDOWS")
        folders = [
            self.image_path.rpartition("\\")[0] + "\\", f"{root}\\system32", f"{root}\\system",
            root, ".", self.environment.get("PATH", ""),
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
        string(0x70, self.window_title or self.image_path)
        string(0x78, "")
        string(0x80, "")
        struct.pack_into("<I", block, 0x08, PARAMETERS_NORMALIZED)
        struct.pack_into(
            "<3I", block, 0x18, self.standard_input, self.standard_output, self.standard_error
        )
        struct.pack_into("<I", block, 0x48, environment)
        struct.pack_into("<I", block, 0x290, len(self.environment_block()))
        size = PARAMETERS_SIZE + len(tail)
        struct.pack_into("<2I", block, 0, size, size)
        return bytes(block + tail)


def peb(
    image_base: int, parameters: int, *, subsystem: int, debugged: bool, api_set_map: int = 0
) -> bytes:
    """api_set_map: where apisetschema.dll's map is, which ntdlls newer than XP's want."""
    out = bytearray(PEB_SIZE)
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
    struct.pack_into("<I", out, 0xE0C, allocation)  # DeallocationStack
    return bytes(out)


