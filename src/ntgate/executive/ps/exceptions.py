"""Exceptions on their way to ring 3, and what NtRaiseException and NtContinue do with them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ntgate.entry.context import ALL, SIZE, TrapContext
from ntgate.executive.events import DebugPrint, GuestException
from ntgate.layout import ntstatus
from ntgate.layout.ke import KTRAP_FRAME
from ntgate.layout.ps import EXCEPTION_RECORD
from ntgate.memory.user import AccessViolation

if TYPE_CHECKING:
    from ntgate.executive.ps.thread import Thread

RECORD_SIZE = EXCEPTION_RECORD.SIZE
MAXIMUM_PARAMETERS = 15
BREAKPOINT_PRINT = 1
LONGEST_PRINT = 512


@dataclass(frozen=True)
class ExceptionRecord:
    """An EXCEPTION_RECORD as plain data."""

    code: int
    flags: int
    nested: int
    address: int
    parameters: tuple[int, ...]

    @classmethod
    def unpack(cls, data: bytes) -> ExceptionRecord:
        code, flags, nested, address, count = struct.unpack_from("<5I", data)
        count = min(count, MAXIMUM_PARAMETERS)
        return cls(code, flags, nested, address, struct.unpack_from(f"<{count}I", data, 20))

    def pack(self) -> bytes:
        count = len(self.parameters)
        return struct.pack(
            f"<5I{count}I", self.code, self.flags, self.nested, self.address, count,
            *self.parameters,
        ).ljust(RECORD_SIZE, b"\0")  # fmt: skip


def dispatch_exception(
    thread: Thread, record_at: int, frame: KTRAP_FRAME, *, first_chance: bool
) -> None:
    """KiDispatchException for ring 3; the frame is changed to run the user's dispatcher.

    record_at: the EXCEPTION_RECORD, in system space.
    """
    kernel = thread.executive.kernel
    record = ExceptionRecord.unpack(kernel.read(record_at, RECORD_SIZE))
    if not _debug_service(thread, record, frame):
        context = TrapContext(kernel, thread.ethread.Tcb, frame.address)
        deliver(thread, record, context, first_chance=first_chance)


def _debug_service(thread: Thread, record: ExceptionRecord, frame: KTRAP_FRAME) -> bool:
    """int 2Dh with eax = 1: text of edx bytes at ecx goes to the debugger's output."""
    if record.code != ntstatus.STATUS_BREAKPOINT or record.parameters[:1] != (BREAKPOINT_PRINT,):
        return False
    _service, buffer, length = record.parameters
    try:
        text = thread.memory.read(buffer, min(length, LONGEST_PRINT))
    except AccessViolation:
        return False
    thread.executive.events.emit(
        DebugPrint(thread.pid, thread.tid, text.decode("latin-1"))
    )
    frame.Eip += 1
    frame.Eax = 0
    return True


def deliver(
    thread: Thread, record: ExceptionRecord, context: TrapContext, *, first_chance: bool
) -> None:
    """Put record and context on the user's stack and go to KiUserExceptionDispatcher.

    Where the stack overflows by that, the overflow becomes the exception.  On the second
    chance, or when the stack can't take them, the process ends with the exception's code.
    """
    while first_chance:
        announce(thread, record, first_chance=True)
        try:
            _push(thread, record, context)
            return
        except AccessViolation as fault:
            overflow = ntstatus.STATUS_STACK_OVERFLOW
            first_chance = fault.status == overflow != record.code
            if first_chance:
                record = ExceptionRecord(overflow, 0, 0, record.address, (1, fault.address))
    announce(thread, record, first_chance=False)
    thread.executive.processes.terminate_process(thread.process, record.code)


def announce(thread: Thread, record: ExceptionRecord, *, first_chance: bool) -> None:
    thread.executive.events.emit(
        GuestException(
            thread.pid, thread.tid, record.code, record.address, record.parameters, first_chance
        )
    )


def _push(thread: Thread, record: ExceptionRecord, context: TrapContext) -> None:
    """On the stack from low to high: record *, context *, the record, the context."""
    captured = context.capture(ALL)
    (esp,) = struct.unpack_from("<I", captured, 0xC4)
    context_at = (esp & ~3) - (SIZE + 3 & ~3)
    record_size = 20 + 4 * len(record.parameters)
    record_at = context_at - record_size
    pointers_at = record_at - 8
    if pointers_at < 0:
        raise AccessViolation(0, write=True)
    pointers = struct.pack("<2I", record_at, context_at)
    thread.memory.write(pointers_at, pointers + record.pack()[:record_size] + captured)
    context.redirect(thread.process.exception_entry, pointers_at)


def raise_status(thread: Thread, status: int, frame: int) -> None:
    """Raise a status as an exception at the eip of the frame, from ring 3, at `frame`."""
    context = TrapContext(thread.executive.kernel, thread.ethread.Tcb, frame)
    record = ExceptionRecord(status, 0, 0, context.frame.Eip, ())
    deliver(thread, record, context, first_chance=True)
