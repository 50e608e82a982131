"""What NtQuerySystemInformation and its Ex form tell of the one processor: 73, 107, 175."""

from __future__ import annotations

import struct

from ntgate.errors import NtError
from ntgate.layout import ntstatus

CORE, NUMA_NODE, CACHE, PACKAGE, GROUP, ALL = 0, 1, 2, 3, 4, 0xFFFF
UNIFIED, INSTRUCTION, DATA = 0, 1, 2
ONLY_PROCESSOR = 1  # the affinity mask
# Level, associativity, line in bytes, size in bytes, type: those of cpuid's leaf 2.
CACHES = ((1, 8, 64, 0x8000, DATA), (1, 8, 64, 0x8000, INSTRUCTION), (2, 16, 64, 0x400000, UNIFIED))


def logical_processors() -> bytes:
    """SYSTEM_LOGICAL_PROCESSOR_INFORMATION, 18h bytes each."""
    records = [(CORE, b""), (PACKAGE, b""), (NUMA_NODE, b"")]
    records += [(CACHE, struct.pack("<BBHII", *row)) for row in CACHES]
    return b"".join(
        struct.pack("<II16s", ONLY_PROCESSOR, kind, detail) for kind, detail in records
    )


def logical_processors_ex(relationship: int) -> bytes:
    """SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX of one relationship, or of all.

    Raises STATUS_INVALID_PARAMETER.
    """
    affinity = struct.pack("<IH6x", ONLY_PROCESSOR, 0)  # GROUP_AFFINITY
    rows = [
        (CORE, struct.pack("<BB20xH", 0, 0, 1) + affinity),
        (NUMA_NODE, struct.pack("<I20x", 0) + affinity),
        *((CACHE, struct.pack("<BBHII20x", *row) + affinity) for row in CACHES),
        (PACKAGE, struct.pack("<BB20xH", 0, 0, 1) + affinity),
        (GROUP, struct.pack("<HH20xBB38xI", 1, 1, 1, 1, ONLY_PROCESSOR)),
    ]
    wanted = [row for row in rows if relationship in (row[0], ALL)]
    if not wanted:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    return b"".join(struct.pack("<II", kind, len(body) + 8) + body for kind, body in wanted)


def cpu_sets() -> bytes:
    """SYSTEM_CPU_SET_INFORMATION of the one processor, whose set has id 100h."""
    return struct.pack("<IIIH6BIQ", 32, 0, 0x100, 0, 0, 0, 0, 0, 0, 0, 0, 0)
