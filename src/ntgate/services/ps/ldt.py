"""NtSetLdtEntries, and the classes of a process's information that are about its LDT."""

from __future__ import annotations

import struct
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import ULONG, OutOpt, Scalar
from ntgate.errors import NtError
from ntgate.executive.ps import ldt
from ntgate.executive.ps.thread import Process, Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import (
    PROCESS_QUERY_INFORMATION,
    PROCESS_SET_INFORMATION,
    PROCESS_VM_READ,
    PROCESS_VM_WRITE,
)
from ntgate.services.ps.ps_information import given_u32
from ntgate.services.ps.thread_create import process_of

ProcessLdtInformation, ProcessLdtSize = 10, 11
HEADER = 8  # of PROCESS_LDT_INFORMATION: Start and Length, in bytes; then LDT_ENTRYs
SMALLEST = HEADER + ldt.ENTRY
TABLE_OFFSET = 0xFFF8  # of a selector
Word = Annotated[int, Scalar("ULONG", kind="hex")]


@service()
def NtSetLdtEntries(
    caller: Thread,
    Selector0: Word,
    Entry0Low: Word,
    Entry0Hi: Word,
    Selector1: Word,
    Entry1Low: Word,
    Entry1Hi: Word,
) -> Outcome:
    """Set one or two descriptors of the process's LDT; selector 0 names none."""
    entries = []
    for selector, low, high in (
        (Selector0, Entry0Low, Entry0Hi), (Selector1, Entry1Low, Entry1Hi),
    ):  # fmt: skip
        if selector >> 16:
            return ntstatus.STATUS_INVALID_LDT_DESCRIPTOR
        if selector & TABLE_OFFSET:
            entries.append((selector & TABLE_OFFSET, struct.pack("<2I", low, high)))
    if not all(ldt.is_valid(descriptor) for _at, descriptor in entries):
        return ntstatus.STATUS_INVALID_LDT_DESCRIPTOR
    for at, descriptor in entries:
        ldt.write(caller.process, at, descriptor)
    return ntstatus.STATUS_SUCCESS


def set_information(caller: Thread, handle: int, address: int, length: int) -> int:
    """ProcessLdtInformation: descriptors for a part of the table, which grows."""
    start, count = _part(caller, address, length)
    process = process_of(caller, handle, PROCESS_SET_INFORMATION | PROCESS_VM_WRITE)
    if start + count > ldt.LARGEST_LDT:
        return ntstatus.STATUS_INVALID_LDT_SIZE
    descriptors = caller.memory.read(address + HEADER, count)
    for at in range(0, count, ldt.ENTRY):
        if not ldt.is_valid(descriptors[at : at + ldt.ENTRY]):
            return ntstatus.STATUS_INVALID_LDT_DESCRIPTOR
    _require_alive(process)
    ldt.write(process, start, descriptors)
    return ntstatus.STATUS_SUCCESS


def set_size(caller: Thread, handle: int, address: int, length: int) -> int:
    """ProcessLdtSize: a table can be cut off, and never grows so."""
    wanted = given_u32(caller, address, length)
    process = process_of(caller, handle, PROCESS_SET_INFORMATION | PROCESS_VM_WRITE)
    if wanted % ldt.ENTRY:
        return ntstatus.STATUS_INVALID_LDT_SIZE
    ldt.shrink(process, wanted)
    return ntstatus.STATUS_SUCCESS


def query_information(
    caller: Thread, handle: int, address: int, length: int, returned: OutOpt[ULONG]
) -> int:
    """ProcessLdtInformation: Length becomes the size of the table, which its part follows."""
    start, count = _part(caller, address, length)
    process = process_of(caller, handle, PROCESS_QUERY_INFORMATION | PROCESS_VM_READ)
    caller.memory.probe_for_write(address, length)
    whole = ldt.size(process)
    part = ldt.read(process, start, count) if whole else b""
    caller.memory.write(address + 4, struct.pack("<I", whole) + part)
    returned.write(HEADER + len(part))
    return ntstatus.STATUS_SUCCESS


def _part(caller: Thread, address: int, length: int) -> tuple[int, int]:
    """Start and Length of a PROCESS_LDT_INFORMATION; raises NtError."""
    if length < SMALLEST:
        raise NtError(ntstatus.STATUS_INFO_LENGTH_MISMATCH)
    start, count = struct.unpack("<2I", caller.memory.read(address, HEADER))
    if start % ldt.ENTRY:
        raise NtError(ntstatus.STATUS_INVALID_LDT_OFFSET)
    if count % ldt.ENTRY:
        raise NtError(ntstatus.STATUS_INVALID_LDT_SIZE)
    if length - HEADER < count:
        raise NtError(ntstatus.STATUS_INFO_LENGTH_MISMATCH)
    return start, count


def _require_alive(process: Process) -> None:
    if process.exited:
        raise NtError(ntstatus.STATUS_PROCESS_IS_TERMINATING)
