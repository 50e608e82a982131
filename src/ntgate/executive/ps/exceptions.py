"""Exceptions on their way to ring 3, and what NtRaiseException and NtContinue do with them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ntgate.entry.context import ALL, SIZE, TrapContext
from ntgate.executive.events import DebugPrint, GuestException
from ntgate.layout import machine as m
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
TF = 1 << 8


@dataclass(frozen=True)
class ExceptionRecord:
    """An EXCEPTION_RECORD as plain data."""

    code: int
    flags: int
    nested: int
    address: int
    parameters: tuple[int, ...]

    @classmethod
    def of(cls, view: EXCEPTION_RECORD) -> ExceptionRecord:
        count = min(view.NumberParameters, MAXIMUM_PARAMETERS)
        parameters = struct.unpack_from(f"<{count}I", view.ExceptionInformation)
        return cls(view.ExceptionCode, view.ExceptionFlags, view.ExceptionRecord,
                   view.ExceptionAddress, parameters)  # fmt: skip

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
    thread: Thread, view: EXCEPTION_RECORD, frame: KTRAP_FRAME, *, first_chance: bool
) -> int:
    """KiDispatchException for ring 3; the frame is changed to run the user's dispatcher."""
    record = ExceptionRecord.of(view)
    if _debug_service(thread, record, frame):
        return 0
    context = TrapContext(thread.executive.kernel, thread.ethread.Tcb, frame.address)
    deliver(thread, record, context.capture(ALL), frame, first_chance=first_chance)
    return 0


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
    thread: Thread,
    record: ExceptionRecord,
    context: bytes,
    frame: KTRAP_FRAME,
    *,
    first_chance: bool,
) -> None:
    """Put record and context on the user's stack and go to KiUserExceptionDispatcher.

    On the second chance, or when the stack can't take them, the process ends with the
    exception's code.
    """
    announce(thread, record, first_chance=first_chance)
    if first_chance:
        try:
            _push(thread, record, context, frame)
            return
        except AccessViolation:
            announce(thread, record, first_chance=False)
    thread.executive.processes.terminate_process(thread.process, record.code)


def announce(thread: Thread, record: ExceptionRecord, *, first_chance: bool) -> None:
    thread.executive.events.emit(
        GuestException(
            thread.pid, thread.tid, record.code, record.address, record.parameters, first_chance
        )
    )


def _push(thread: Thread, record: ExceptionRecord, context: bytes, frame: KTRAP_FRAME) -> None:
    """On the stack from low to high: record *, context *, the record, the context."""
    (esp,) = struct.unpack_from("<I", context, 0xC4)
    context_at = (esp & ~3) - (SIZE + 3 & ~3)
    record_size = 20 + 4 * len(record.parameters)
    record_at = context_at - record_size
    pointers_at = record_at - 8
    if pointers_at < 0:
        raise AccessViolation(0, write=True)
    data = struct.pack("<2I", record_at, context_at) + record.pack()[:record_size] + context
    thread.memory.write(pointers_at, data)
    frame.HardwareEsp = pointers_at
    frame.HardwareSegSs = m.KGDT_R3_DATA
    frame.SegCs = m.KGDT_R3_CODE
    frame.SegDs = frame.SegEs = m.KGDT_R3_DATA
    frame.SegFs = m.KGDT_R3_TEB
    frame.SegGs = 0
    frame.EFlags &= ~TF
    frame.Eip = thread.process.exception_entry


def raise_status(thread: Thread, status: int) -> None:
    """Raise a status in a thread as an exception at its current user eip."""
    frame = KTRAP_FRAME(thread.executive.kernel, thread.frame)
    record = ExceptionRecord(status, 0, 0, frame.Eip, ())
    context = TrapContext(thread.executive.kernel, thread.ethread.Tcb, frame.address)
    deliver(thread, record, context.capture(ALL), frame, first_chance=True)

