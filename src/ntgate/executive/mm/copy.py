"""Copies between processes: NtReadVirtualMemory and NtWriteVirtualMemory."""

from __future__ import annotations

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.errors import NtError
from ntgate.executive.mm.fault import user_memory
from ntgate.executive.mm.protect import protect
from ntgate.executive.mm.space import ProcessSpace
from ntgate.layout.mm import PAGE_EXECUTE, PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE
from ntgate.layout.ntstatus import STATUS_PARTIAL_COPY, STATUS_SUCCESS
from ntgate.memory.user import AccessViolation


def copy_virtual(
    source: ProcessSpace,
    source_address: int,
    target: ProcessSpace,
    address: int,
    size: int,
    *,
    code_too: bool = False,
) -> tuple[int, int]:
    """(status, bytes copied): STATUS_PARTIAL_COPY when a page on either side stops it.

    Both ranges are user addresses, and each side's protection holds; but with `code_too` those
    pages of the target can be written that may run.
    """
    reader, writer = user_memory(source), user_memory(target)
    done = 0
    while done < size:
        at, to = source_address + done, address + done
        part = min(size - done, PAGE_SIZE - at % PAGE_SIZE, PAGE_SIZE - to % PAGE_SIZE)
        try:
            data = reader.read(at, part)
        except AccessViolation:
            return STATUS_PARTIAL_COPY, done
        try:
            writer.write(to, data)
        except AccessViolation:
            if not (code_too and _write_code(target, to, data)):
                return STATUS_PARTIAL_COPY, done
        done += part
    return STATUS_SUCCESS, done


def _write_code(space: ProcessSpace, address: int, data: bytes) -> bool:
    """What XP's WriteProcessMemory does to a page of code: make it writable for the moment."""
    try:
        _base, _size, before = protect(space, address, len(data), PAGE_EXECUTE_READWRITE)
    except NtError:
        return False
    writable = before in (PAGE_EXECUTE, PAGE_EXECUTE_READ)
    if writable:
        user_memory(space).write(address, data)
    protect(space, address, len(data), before)
    return writable
