"""An image's pages in a process."""

from __future__ import annotations

from ntgate.executive.mm import allocate as mm
from ntgate.executive.ps.thread import Process
from ntgate.image.pe_view import map_image, preferred_base

MEM_COMMIT, MEM_RESERVE, PAGE_EXECUTE_READWRITE = 0x1000, 0x2000, 0x40


def map_file(process: Process, file: bytes) -> tuple[int, int]:
    """Map a PE file at its preferred base; returns base and size.  Raises NtError."""
    mapped, _code = map_image(file)
    base, size = mm.allocate(
        process.space, preferred_base(file), len(mapped), MEM_COMMIT | MEM_RESERVE,
        PAGE_EXECUTE_READWRITE,
    )  # fmt: skip
    process.memory.write(base, mapped)
    return base, size
