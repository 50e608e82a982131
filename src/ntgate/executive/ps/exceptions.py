"""Exceptions on their way to ring 3, and what NtRaiseException and NtContinue do with them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ntgate.entry.context import ALL, SIZE, TrapContext
from ntgate.executive.events import DebugPrint, GuestException
from ntgate.executive.ke.faults import is_refused_string_io
from ntgate.executive.lpc import exception_port
from ntgate.layout import ntstatus
from ntgate.layout.ke import EXECUTE_DISABLE, KTRAP_FRAME
from ntgate.layout.ps import EXCEPTION_RECORD, TEB
from ntgate.memory.user import AccessViolation
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.executive.ps.thread import Thread

RECORD_SIZE = EXCEPTION_RECORD.SIZE
MAXIMUM_PARAMETERS = 15
BREAKPOINT_PRINT, BREAKPOINT_LOAD_SYMBOLS, BREAKPOINT_UNLOAD_SYMBOLS = 1, 3, 4
LONGEST_PRINT = 512
EXECUTE_FAULT = 8  # the first parameter of an access violation
HANDLED = (ntstatus.DBG_CONTINUE, ntstatus.DBG_EXCEPTION_HANDLED)


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


@dataclass(frozen=True)
class Raised:
    """An exception that a debugger has been told of, or the process's exception port.

    frame: the address of the trap frame.  captured: the CONTEXT for the process, if the
    exception is left to it.
    """

    record: ExceptionRecord
    frame: int
    captured: bytes
    first_chance: bool
    by_port: bool = False


def dispatch_exception(
    thread: Thread, record_at: int, frame: KTRAP_FRAME, *, first_chance: bool
) -> None:
    """KiDispatchException for ring 3; the frame is changed to run the user's dispatcher.

    record_at: the EXCEPTION_RECORD, in system space.
    """
    kernel = thread.executive.kernel
    record = ExceptionRecord.unpack(kernel.read(record_at, RECORD_SIZE))
    if record.code == ntstatus.STATUS_ACCESS_VIOLATION:
        record = _as_the_processor_tells(thread, record, frame)
    if not _debug_service(thread, record, frame):
        context = TrapContext(kernel, thread.ethread.Tcb, frame.address)
        deliver(thread, record, context, first_chance=first_chance)


def _as_the_processor_tells(
    thread: Thread, record: ExceptionRecord, frame: KTRAP_FRAME
) -> ExceptionRecord:
    """An access violation as XP reports it.

    The fetch that failed is a read to a process for which all that is readable runs.
    """
    if is_refused_string_io(thread, frame):
        return replace(record, code=ntstatus.STATUS_PRIVILEGED_INSTRUCTION, parameters=())
    if (
        record.parameters[:1] != (EXECUTE_FAULT,)
        or thread.process.eprocess.Pcb.ExecuteOptions & EXECUTE_DISABLE
    ):
        return record
    return replace(record, parameters=(0, *record.parameters[1:]))


def _debug_service(thread: Thread, record: ExceptionRecord, frame: KTRAP_FRAME) -> bool:
    """int 2Dh: whether it was for a kernel debugger, and the program goes on behind it.

    eax = 1: text of edx bytes at ecx; 3 and 4: symbols that nobody has to load.
    """
    if record.code != ntstatus.STATUS_BREAKPOINT or len(record.parameters) != 3:
        return False
    service, buffer, length = record.parameters
    if service == BREAKPOINT_PRINT:
        with suppress(AccessViolation):
            text = thread.memory.read(buffer, min(length, LONGEST_PRINT))
            thread.executive.events.emit(
                DebugPrint(thread.pid, thread.tid, text.decode("latin-1"))
            )
    elif service not in (BREAKPOINT_LOAD_SYMBOLS, BREAKPOINT_UNLOAD_SYMBOLS):
        return False
    frame.Eip += 1
    frame.Eax = 0
    return True


def deliver(
    thread: Thread, record: ExceptionRecord, context: TrapContext, *, first_chance: bool
) -> None:
    """Offer an exception to the debugger, then to the process; without either it ends.

    With a debugger the thread waits now, and thread.raised is set.
    """
    announce(thread, record, first_chance=first_chance)
    captured = context.capture(ALL)
    reports = thread.executive.debugging
    if reports.report_exception(thread, record.pack(), first_chance=first_chance):
        thread.raised = Raised(record, context.frame.address, captured, first_chance)
        if record.code == ntstatus.STATUS_BREAKPOINT:
            context.frame.Eip += 1  # a debugger finds the thread behind the instruction
        return
    _deliver_undebugged(thread, record, context, first_chance=first_chance)


def debugger_replied(thread: Thread) -> None:
    """An answer has come: the thread goes on as a debugger wants, or the process has its turn.

    What the debugger has changed in the registers counts only when it has handled the
    exception, as on NT.
    """
    raised = thread.raised
    assert raised is not None
    thread.raised = None
    if raised.by_port:
        if not exception_port.take_answer(thread):
            thread.executive.processes.terminate_process(thread.process, raised.record.code)
        return
    if thread.debug_reply in HANDLED:
        return
    context = TrapContext(thread.executive.kernel, thread.ethread.Tcb, raised.frame)
    context.apply(raised.captured)
    _deliver_undebugged(thread, raised.record, context, first_chance=raised.first_chance)


def _deliver_undebugged(
    thread: Thread, record: ExceptionRecord, context: TrapContext, *, first_chance: bool
) -> None:
    """Put record and context on the user's stack and go to KiUserExceptionDispatcher.

    Where the stack overflows by that, the overflow becomes the exception.  On the second
    chance, or when the stack can't take them, the process's exception port is asked; without
    one the process ends with the exception's code.
    """
    if not first_chance:
        if exception_port.ask(thread, record.pack()):
            thread.raised = Raised(record, context.frame.address, b"", False, by_port=True)
            return
        thread.executive.processes.terminate_process(thread.process, record.code)
        return
    try:
        _push(thread, record, context)
    except AccessViolation as fault:
        overflow = ntstatus.STATUS_STACK_OVERFLOW
        again = fault.status == overflow != record.code
        if again:
            record = ExceptionRecord(overflow, 0, 0, record.address, (1, fault.address))
        deliver(thread, record, context, first_chance=again)


def announce(thread: Thread, record: ExceptionRecord, *, first_chance: bool) -> None:
    thread.executive.events.emit(
        GuestException(
            thread.pid, thread.tid, record.code, record.address, record.parameters, first_chance
        )
    )
    if record.code == ntstatus.DBG_PRINTEXCEPTION_C and first_chance:
        _announce_text(thread, record.parameters)


def _announce_text(thread: Thread, parameters: Sequence[int]) -> None:
    """OutputDebugString raises an exception with the text's length, its NUL included, and place."""
    if len(parameters) < 2:
        return
    length, address = parameters[:2]
    with suppress(AccessViolation):
        text = thread.memory.read(address, min(length, LONGEST_PRINT)).partition(b"\0")[0]
        thread.executive.events.emit(DebugPrint(thread.pid, thread.tid, text.decode("latin-1")))


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


def raise_user_status(thread: Thread, status: int, frame_address: int) -> bool:
    """KeRaiseUserException: the system call returns through a routine of ntdll that raises.

    The routine returns to where the call would have, with the status.  False for an ntdll that
    has none, and a stack or TEB that can't be written.
    """
    images = thread.process.images
    entry = images.entry("KiRaiseUserExceptionDispatcher") if images is not None else 0
    frame = KTRAP_FRAME(thread.executive.kernel, frame_address)
    if not entry or not frame.SegCs & 1 or frame.HardwareEsp < 4:
        return False
    esp = frame.HardwareEsp - 4
    try:
        thread.memory.set_u32(thread.teb + TEB.ExceptionCode.offset, status)
        thread.memory.set_u32(esp, frame.Eip)
    except AccessViolation:
        return False
    frame.HardwareEsp, frame.Eip, frame.Eax = esp, entry, status
    return True


def raise_status(thread: Thread, status: int, frame: int) -> None:
    """Raise a status as an exception at the eip of the frame, from ring 3, at `frame`."""
    context = TrapContext(thread.executive.kernel, thread.ethread.Tcb, frame)
    record = ExceptionRecord(status, 0, 0, context.frame.Eip, ())
    deliver(thread, record, context, first_chance=True)
