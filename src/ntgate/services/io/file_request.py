"""What the file services share: handles, status blocks, and requests that may have to wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from ntgate.dispatch.outcome import Outcome, Wait
from ntgate.dispatch.types import IO_STATUS_BLOCK, Out, Scalar
from ntgate.errors import NtError
from ntgate.executive.io.counters import OTHER, count_operation
from ntgate.executive.io.open_file import OpenFile
from ntgate.executive.io.request import EVENT, Request
from ntgate.executive.ke.wait import WAIT_ANY
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import EVENT_MODIFY_STATE
from ntgate.layout.io import (
    FO_ALERTABLE_IO,
    FO_NO_INTERMEDIATE_BUFFERING,
    FO_SYNCHRONOUS_IO,
)
from ntgate.layout.ke import DISPATCHER_HEADER
from ntgate.layout.ntstatus import SEVERITY_ERROR

LARGEST_TRANSFER = 0x4000_0000  # bytes: more than the machine has memory for

FILE_INFORMATION_CLASS = Annotated[int, Scalar("FILE_INFORMATION_CLASS")]
FSINFOCLASS = Annotated[int, Scalar("FSINFOCLASS")]
PIO_APC_ROUTINE = Annotated[int, Scalar("PIO_APC_ROUTINE", kind="pointer")]
FILE_OPTIONS = Annotated[int, Scalar("ULONG", kind="hex")]
CONTROL_CODE = Annotated[int, Scalar("ULONG", kind="hex")]

# What carries a request out: the Information, or the data that goes into its buffer; None
# when it waits.
Operation = Callable[[Request], "int | bytes | None"]


def file_of(caller: Thread, handle: int, access: int) -> OpenFile:
    """The open file of a handle; raises NtError."""
    return caller.executive.io.file(caller.object(handle, "File", access))


def either_access(caller: Thread, handle: int, first: int, second: int) -> OpenFile:
    """The open file of a handle with one of two rights."""
    try:
        return file_of(caller, handle, first)
    except NtError as error:
        if error.status != ntstatus.STATUS_ACCESS_DENIED:
            raise
        return file_of(caller, handle, second)


def answer(block: Out[IO_STATUS_BLOCK], information: int, status: int = 0) -> int:
    """Fill in the status block of a service that never waits."""
    block.write(IO_STATUS_BLOCK(status, information))
    return status


def answer_data(
    caller: Thread, block: Out[IO_STATUS_BLOCK], buffer: int, length: int, data: bytes, *,
    is_variable: bool, is_whole: bool = False,
) -> int:  # fmt: skip
    """Fill in buffer and status block of a query.

    is_variable: data that is too long is cut; other data then leaves both alone.  is_whole: what
    can't be there whole is not there at all.
    """
    status = ntstatus.STATUS_SUCCESS
    if len(data) > length:
        if not is_variable:
            return ntstatus.STATUS_INFO_LENGTH_MISMATCH
        status, data = ntstatus.STATUS_BUFFER_OVERFLOW, b"" if is_whole else data[:length]
    caller.memory.write(buffer, data)
    return answer(block, len(data), status)


def start(
    caller: Thread,
    file: OpenFile,
    event: int,
    apc_routine: int,
    apc_context: int,
    iosb: Out[IO_STATUS_BLOCK],
    operation: Operation,
    *,
    buffer: int = 0,
    key: int = 0,
    no_block: bool = False,
    synchronous: bool | None = None,
    counted: int = OTHER,
) -> Outcome:
    """Carry a request out, at once or later, as its file object says.

    A request that waits on a synchronous file object makes the thread wait; on another one the
    service returns STATUS_PENDING, and so it does after an unbuffered transfer.  no_block: a
    null status block is none.  synchronous: whatever the file object is.  counted: as what the
    process counts it.
    """
    io = caller.executive.io
    view = file.object
    body = caller.object(event, "Event", EVENT_MODIFY_STATE) if event else 0
    if iosb.address or not no_block:
        iosb.probe()
    if apc_routine and view.CompletionContext:
        return ntstatus.STATUS_INVALID_PARAMETER
    kernel = caller.executive.kernel
    request = Request(io, caller, file, iosb.address, body, apc_routine, apc_context, buffer)
    request.key, request.counted = key, counted
    count_operation(caller.process, counted)
    flags = view.Flags
    request.synchronous = bool(flags & FO_SYNCHRONOUS_IO) if synchronous is None else synchronous
    if body:
        DISPATCHER_HEADER(kernel, body).SignalState = 0
    file_event = DISPATCHER_HEADER(kernel, view.address + EVENT)
    file_event.SignalState = 0
    result = operation(request)
    if result is None:
        return _wait(caller, request, file_event.address, alertable=bool(flags & FO_ALERTABLE_IO))
    if isinstance(result, bytes):
        if result:
            caller.memory.write(buffer, result)
        result = len(result)
    if request.status >= SEVERITY_ERROR:
        return request.fail()
    if flags & FO_NO_INTERMEDIATE_BUFFERING and not request.synchronous and file.positioned:
        request.finish(result, at_once=False)
        return ntstatus.STATUS_PENDING
    return request.finish(result)


def _wait(caller: Thread, request: Request, event: int, *, alertable: bool) -> Outcome:
    if not request.synchronous:
        return ntstatus.STATUS_PENDING
    state = (request.irp, request.serial, request.file.object.address, event, alertable)
    return _wait_again(caller, state)


def _wait_again(caller: Thread, state: Any) -> Outcome:
    _irp, _serial, _body, event, alertable = state
    status = caller.executive.waits.begin(caller, [event], WAIT_ANY, None, alertable=alertable)
    return Wait(_finished, state) if status is None else _finished(caller, status, state)


def _finished(caller: Thread, wait_status: int, state: Any) -> Outcome:
    """The wait for a synchronous request is over; an APC takes the request back.

    The file object's event may also have been set by another request.
    """
    irp, serial, body, event, _alertable = state
    executive = caller.executive
    request = executive.io.pending.get(irp)
    if request is not None and request.serial == serial:
        if wait_status == ntstatus.STATUS_WAIT_0:
            DISPATCHER_HEADER(executive.kernel, event).SignalState = 0
            return _wait_again(caller, state)
        request.cancel()
    status = executive.io.finished.pop(serial)
    executive.objects.dereference(body)
    return status
