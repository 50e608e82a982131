"""Values by name: the flags and enumerations that services take, as plain tables."""

from __future__ import annotations

from collections.abc import Mapping

MEMORY_TYPE = {
    0x00001000: "MEM_COMMIT",
    0x00002000: "MEM_RESERVE",
    0x00004000: "MEM_DECOMMIT",
    0x00008000: "MEM_RELEASE",
    0x00080000: "MEM_RESET",
    0x00100000: "MEM_TOP_DOWN",
    0x00200000: "MEM_WRITE_WATCH",
    0x00400000: "MEM_PHYSICAL",
    0x20000000: "MEM_LARGE_PAGES",
}

PAGE_PROTECTION = {
    0x01: "PAGE_NOACCESS",
    0x02: "PAGE_READONLY",
    0x04: "PAGE_READWRITE",
    0x08: "PAGE_WRITECOPY",
    0x10: "PAGE_EXECUTE",
    0x20: "PAGE_EXECUTE_READ",
    0x40: "PAGE_EXECUTE_READWRITE",
    0x80: "PAGE_EXECUTE_WRITECOPY",
    0x100: "PAGE_GUARD",
    0x200: "PAGE_NOCACHE",
}

STANDARD_ACCESS = {
    0x00010000: "DELETE",
    0x00020000: "READ_CONTROL",
    0x00040000: "WRITE_DAC",
    0x00080000: "WRITE_OWNER",
    0x00100000: "SYNCHRONIZE",
    0x02000000: "MAXIMUM_ALLOWED",
    0x10000000: "GENERIC_ALL",
    0x20000000: "GENERIC_EXECUTE",
    0x40000000: "GENERIC_WRITE",
    0x80000000: "GENERIC_READ",
}

OBJECT_FLAGS = {
    0x002: "OBJ_INHERIT",
    0x010: "OBJ_PERMANENT",
    0x020: "OBJ_EXCLUSIVE",
    0x040: "OBJ_CASE_INSENSITIVE",
    0x080: "OBJ_OPENIF",
    0x100: "OBJ_OPENLINK",
    0x200: "OBJ_KERNEL_HANDLE",
}

FILE_SHARE = {1: "FILE_SHARE_READ", 2: "FILE_SHARE_WRITE", 4: "FILE_SHARE_DELETE"}

FILE_DISPOSITION = {
    0: "FILE_SUPERSEDE",
    1: "FILE_OPEN",
    2: "FILE_CREATE",
    3: "FILE_OPEN_IF",
    4: "FILE_OVERWRITE",
    5: "FILE_OVERWRITE_IF",
}

FILE_OPTIONS = {
    0x00000001: "FILE_DIRECTORY_FILE",
    0x00000002: "FILE_WRITE_THROUGH",
    0x00000004: "FILE_SEQUENTIAL_ONLY",
    0x00000008: "FILE_NO_INTERMEDIATE_BUFFERING",
    0x00000010: "FILE_SYNCHRONOUS_IO_ALERT",
    0x00000020: "FILE_SYNCHRONOUS_IO_NONALERT",
    0x00000040: "FILE_NON_DIRECTORY_FILE",
    0x00000800: "FILE_RANDOM_ACCESS",
    0x00001000: "FILE_DELETE_ON_CLOSE",
    0x00004000: "FILE_OPEN_FOR_BACKUP_INTENT",
}

# By the kind of a Scalar, then by (service or "", parameter): flags of a word, or one of a set.
FLAGS_BY_KIND = {"memory type": MEMORY_TYPE, "page protection": PAGE_PROTECTION}
FLAGS_BY_NAME: dict[tuple[str, str], Mapping[int, str]] = {
    ("", "DesiredAccess"): STANDARD_ACCESS,
    ("", "ShareAccess"): FILE_SHARE,
    ("", "CreateOptions"): FILE_OPTIONS,
    ("", "OpenOptions"): FILE_OPTIONS,
    ("", "Attributes"): OBJECT_FLAGS,
}
ENUMS_BY_NAME: dict[tuple[str, str], Mapping[int, str]] = {
    ("", "CreateDisposition"): FILE_DISPOSITION,
    ("NtCreateEvent", "EventType"): {0: "NotificationEvent", 1: "SynchronizationEvent"},
    ("", "WaitType"): {0: "WaitAll", 1: "WaitAny"},
    ("", "ProcessInformationClass"): {
        0: "ProcessBasicInformation", 4: "ProcessTimes", 7: "ProcessDebugPort",
        12: "ProcessDefaultHardErrorMode", 26: "ProcessWow64Information",
        27: "ProcessImageFileName", 34: "ProcessExecuteFlags", 36: "ProcessCookie",
    },
    ("", "ThreadInformationClass"): {
        0: "ThreadBasicInformation", 1: "ThreadTimes", 2: "ThreadPriority",
        3: "ThreadBasePriority", 5: "ThreadImpersonationToken",
        9: "ThreadQuerySetWin32StartAddress", 12: "ThreadAmILastThread",
        17: "ThreadHideFromDebugger",
    },
    ("", "MemoryInformationClass"): {
        0: "MemoryBasicInformation", 1: "MemoryWorkingSetList", 2: "MemorySectionName",
    },
}  # fmt: skip


def flags(value: int, table: Mapping[int, str]) -> str:
    """`A|B|0x8`; 0 for none."""
    names = []
    for bit, name in table.items():
        if value & bit:
            names.append(name)
            value &= ~bit
    if value or not names:
        names.append(f"{value:#x}" if value else "0")
    return "|".join(names)
