"""Local descriptor tables: a process's own selectors, and its threads' right to I/O instructions.

EPROCESS.LdtInformation points at an LDTINFORMATION, which is in no public table of XP's types,
KPROCESS.LdtDescriptor describes the table to the processor.  A switch to another process loads it
(SwapContext); for the running process that is asked with a flush of all that the processor keeps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.cpu.delivery import RING3
from ntgate.cpu.descriptors import BIG, parse_segment, segment_descriptor
from ntgate.entry.context import EFLAGS_IOPL, TrapContext
from ntgate.errors import NtError
from ntgate.layout import machine as m
from ntgate.layout.ntstatus import STATUS_INVALID_LDT_SIZE, STATUS_NO_LDT
from ntgate.layout.ps import EPROCESS
from ntgate.memory.structs import Struct, u32

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive
    from ntgate.executive.ps.thread import Process, Thread

ENTRY = 8
LARGEST_LDT = 0x10000  # bytes
TAG = b"Ldt "
_PAGE = 0x1000
_LDT = 0x82
_CODE_OR_DATA, _CODE, _CONFORMING, _EXPAND_DOWN = 0x10, 0x08, 0x04, 0x04
_RESERVED = 1 << 21


class LDTINFORMATION(Struct, size=0x0C):
    Size          = u32(0x00)  # bytes in use
    AllocatedSize = u32(0x04)
    Ldt           = u32(0x08)


def is_valid(descriptor: bytes) -> bool:
    """Whether a process may have the descriptor: none, or code or data of ring 3 in user space."""
    low, high = (int.from_bytes(descriptor[at : at + 4], "little") for at in (0, 4))
    segment, kind = parse_segment(low, high), high >> 8 & 0x1F
    if not kind and not segment.dpl:
        return True
    if not kind & _CODE_OR_DATA or segment.dpl != RING3 or high & _RESERVED:
        return False
    if kind & _CODE and kind & _CONFORMING:
        return False
    last = segment.limit
    if not kind & _CODE and kind & _EXPAND_DOWN:
        last = 0xFFFFFFFF if high & BIG else 0xFFFF
    return segment.base + last <= m.MM_HIGHEST_USER_ADDRESS


def size(process: Process) -> int:
    """Bytes of the process's table, 0 without one."""
    information = _information(process.executive, process.eprocess)
    return information.Size if information else 0


def read(process: Process, start: int, length: int) -> bytes:
    """Descriptors from the byte `start` on, up to the table's end; raises STATUS_NO_LDT."""
    information = _information(process.executive, process.eprocess)
    if information is None:
        raise NtError(STATUS_NO_LDT)
    end = min(start + length, information.Size)
    return process.executive.kernel.read(information.Ldt + start, max(end - start, 0))


def write(process: Process, start: int, descriptors: bytes) -> None:
    """Set valid descriptors from the byte `start` on; the table grows.  Raises NtError."""
    executive, end = process.executive, start + len(descriptors)
    if end > LARGEST_LDT:
        raise NtError(STATUS_INVALID_LDT_SIZE)
    if not descriptors:
        return
    information = _information(executive, process.eprocess) or _make(process)
    if end > information.AllocatedSize:
        _move(executive, information, end + _PAGE - 1 & -_PAGE)
    information.Size = max(information.Size, end)
    executive.kernel.write(information.Ldt + start, descriptors)
    _describe(process, information)


def shrink(process: Process, length: int) -> None:
    """Cut the table off; STATUS_NO_LDT, STATUS_INVALID_LDT_SIZE for more than there is."""
    information = _information(process.executive, process.eprocess)
    if information is None:
        raise NtError(STATUS_NO_LDT)
    if length > information.Size:
        raise NtError(STATUS_INVALID_LDT_SIZE)
    process.executive.kernel.write(information.Ldt + length, bytes(information.Size - length))
    information.Size = length
    _describe(process, information)


def copy(process: Process, parent: Process) -> None:
    """A clone has the table of its parent; raises NtError."""
    length = size(parent)
    if length:
        write(process, 0, read(parent, 0, length))


def release(executive: Executive, eprocess: EPROCESS) -> None:
    """The process's object goes."""
    information = _information(executive, eprocess)
    if information is not None:
        eprocess.LdtInformation = 0
        executive.pool.free(information.Ldt)
        executive.pool.free(information.address)


def allow_io(thread: Thread) -> None:
    """Let a thread, and those that its process will make, use ports and IF in ring 3."""
    tcb = thread.ethread.Tcb
    thread.process.eprocess.Pcb.Iopl = tcb.Iopl = 1
    TrapContext.base(thread.executive.kernel, tcb).frame.EFlags |= EFLAGS_IOPL


def _information(executive: Executive, eprocess: EPROCESS) -> LDTINFORMATION | None:
    address = eprocess.LdtInformation
    return LDTINFORMATION(executive.kernel, address) if address else None


def _make(process: Process) -> LDTINFORMATION:
    executive = process.executive
    information = LDTINFORMATION(
        executive.kernel, executive.pool.allocate(LDTINFORMATION.SIZE, TAG)
    )
    try:
        information.Ldt = executive.pool.allocate(_PAGE, TAG)
    except NtError:
        executive.pool.free(information.address)
        raise
    information.AllocatedSize = _PAGE
    process.eprocess.LdtInformation = information.address
    return information


def _move(executive: Executive, information: LDTINFORMATION, room: int) -> None:
    table = executive.pool.allocate(room, TAG)
    executive.kernel.write(table, executive.kernel.read(information.Ldt, information.Size))
    executive.pool.free(information.Ldt)
    information.Ldt, information.AllocatedSize = table, room


def _describe(process: Process, information: LDTINFORMATION) -> None:
    """Tell the processor: now, or when the process runs next."""
    descriptor = 0
    if information.Size:
        descriptor = segment_descriptor(information.Ldt, information.Size - 1, _LDT, flags=0)
    process.eprocess.Pcb.LdtDescriptor = descriptor.to_bytes(ENTRY, "little")
    process.executive.mm.flush_all = True
