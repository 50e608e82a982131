"""IO_COUNTERS: an EPROCESS counts its operations, and the bytes that they have moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ntgate.executive.ps.thread import Process

READ, WRITE, OTHER = range(3)
OPERATIONS, TRANSFERRED = 0x1B8, 3  # the offset in an EPROCESS; counters further on


def count_operation(process: Process, kind: int) -> None:
    """A request begins."""
    process.space.tables.ram.qwords[process.io_counters + kind] += 1


def count_bytes(process: Process, kind: int, size: int) -> None:
    """A request has moved so many bytes."""
    process.space.tables.ram.qwords[process.io_counters + TRANSFERRED + kind] += size


def count_request(process: Process, kind: int, size: int) -> None:
    """A request is carried out at once."""
    qwords, at = process.space.tables.ram.qwords, process.io_counters + kind
    qwords[at] += 1
    qwords[at + TRANSFERRED] += size
