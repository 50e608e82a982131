"""Copies between processes: NtReadVirtualMemory and NtWriteVirtualMemory."""

from __future__ import annotations

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.executive.mm.fault import user_memory
from ntgate.executive.mm.space import ProcessSpace
from ntgate.layout.ntstatus import STATUS_PARTIAL_COPY, STATUS_SUCCESS
from ntgate.memory.user import AccessViolation


def copy_virtual(
    source: ProcessSpace, source_address: int, target: ProcessSpace, address: int, size: int
) -> tuple[int, int]:
    """(status, bytes copied): STATUS_PARTIAL_COPY when a page on either side stops it.

    Both ranges are user addresses, and each side's protection holds.
    """
    reader, writer = user_memory(source), user_memory(target)
    done = 0
    while done < size:
        at, to = source_address + done, address + done
        part = min(size - done, PAGE_SIZE - at % PAGE_SIZE, PAGE_SIZE - to % PAGE_SIZE)
        try:
            writer.write(to, reader.read(at, part))
        except AccessViolation:
            return STATUS_PARTIAL_COPY, done
        done += part
    return STATUS_SUCCESS, done
