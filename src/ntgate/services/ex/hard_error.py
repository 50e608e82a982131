"""Hard errors: raising them, and the port that is told of them."""

from __future__ import annotations

import struct
from typing import Annotated, Any

from ntgate.dispatch.outcome import Outcome, Wait
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, NTSTATUS, ULONG, Out, Scalar
from ntgate.errors import GuestBugCheck, NtError
from ntgate.executive.cm.node import from_utf16
from ntgate.executive.hard_errors import (
    CANCEL_TRY_CONTINUE,
    CONTINUE,
    MAXIMUM_PARAMETERS,
    RETURN_TO_CALLER,
    SHUTDOWN_SYSTEM,
    Raised,
)
from ntgate.executive.ke.wait import WAIT_ANY
from ntgate.executive.lpc.messages import LPC_ERROR_EVENT, Message
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.privileges import SE_SHUTDOWN, SE_TCB
from ntgate.layout import ntstatus
from ntgate.layout.ke import WR_LPC_REPLY
from ntgate.services.lpc.port import port_of
from ntgate.services.ps.ps_information import demand

FATAL_UNHANDLED_HARD_ERROR = 0x4C
# HARDERROR_MSG behind its PORT_MESSAGE: Status, ErrorTime, ValidResponseOptions, Response,
# NumberOfParameters, UnicodeStringParameterMask, Parameters.
HARDERROR_MSG = struct.Struct(f"<I4xq4I{MAXIMUM_PARAMETERS}I4x")
RESPONSE_OFFSET = 0x14

PULONG_PTR = Annotated[int, Scalar("PULONG_PTR", kind="pointer")]


@service()
def NtSetDefaultHardErrorPort(caller: Thread, PortHandle: HANDLE) -> Outcome:
    """Be told of every process's hard errors; for the first holder of SeTcbPrivilege."""
    demand(caller, SE_TCB)
    caller.executive.hard_errors.set_default_port(caller, port_of(caller, PortHandle))
    return ntstatus.STATUS_SUCCESS


@service()
def NtRaiseHardError(
    caller: Thread,
    ErrorStatus: NTSTATUS,
    NumberOfParameters: ULONG,
    UnicodeStringParameterMask: ULONG,
    Parameters: PULONG_PTR,
    ValidResponseOptions: ULONG,
    Response: Out[ULONG],
) -> Outcome:
    """Ask what is to be done about an error: the hard error port, or the machine's user.

    Option 6, for the holder of SeShutdownPrivilege, is a bugcheck.
    """
    if NumberOfParameters > MAXIMUM_PARAMETERS or (Parameters and not NumberOfParameters):
        return ntstatus.STATUS_INVALID_PARAMETER_2
    if ValidResponseOptions > CANCEL_TRY_CONTINUE:
        return ntstatus.STATUS_INVALID_PARAMETER_4
    Response.probe()
    raw: tuple[int, ...] = ()
    if Parameters:
        data = caller.memory.read(Parameters, 4 * NumberOfParameters)
        raw = struct.unpack(f"<{NumberOfParameters}I", data)
    told = tuple(
        _text(caller, value) if UnicodeStringParameterMask >> number & 1 else value
        for number, value in enumerate(raw)
    )
    error = Raised(ErrorStatus & 0xFFFFFFFF, told, ValidResponseOptions)
    if ValidResponseOptions == SHUTDOWN_SYSTEM:
        demand(caller, SE_SHUTDOWN)
        names = ", ".join(map(str, told))
        raise GuestBugCheck(
            FATAL_UNHANDLED_HARD_ERROR, (error.status, 0, 0, 0),
            f"raised by {caller.process.image_name} (pid {caller.pid}): {names or 'no parameters'}",
        )  # fmt: skip
    errors = caller.executive.hard_errors
    if not errors.is_wanted(caller, error.status):
        Response.write(RETURN_TO_CALLER)
        return ntstatus.STATUS_SUCCESS
    port = errors.port_for(caller)
    if not port:
        Response.write(errors.answer(caller, error))
        return ntstatus.STATUS_SUCCESS
    return _ask(caller, port, error, raw, UnicodeStringParameterMask, Response.address)


def _text(caller: Thread, address: int) -> str:
    """What a UNICODE_STRING says."""
    length, _maximum, buffer = struct.unpack("<2HI", caller.memory.read(address, 8))
    return from_utf16(caller.memory.read(buffer, length & ~1))


def _ask(
    caller: Thread, port: int, error: Raised, raw: tuple[int, ...], mask: int, place: int
) -> Outcome:
    """Send a HARDERROR_MSG; the server reads strings from the client's memory."""
    executive = caller.executive
    ports = executive.ports
    padded = raw + (0,) * (MAXIMUM_PARAMETERS - len(raw))
    data = HARDERROR_MSG.pack(
        error.status, executive.clock.system_time, error.options, RETURN_TO_CALLER, len(raw),
        mask, *padded,
    )  # fmt: skip
    try:
        queue, far, context = ports.destination(port)
    except NtError:
        return _responded(caller, place, None)
    number = ports.next_id()
    ports.enqueue(
        queue, Message(LPC_ERROR_EVENT, data, (caller.pid, caller.tid), number), port, context
    )
    semaphore = ports.expect_reply(caller, far, number)
    status = executive.waits.begin(caller, [semaphore], WAIT_ANY, None, reason=WR_LPC_REPLY)
    if status is not None:
        return _replied(caller, status, place)
    executive.waits.keep(caller, [port, far])
    return Wait(_replied, place)


def _replied(caller: Thread, status: int, place: Any) -> Outcome:
    message = caller.executive.ports.take_reply(caller)
    caller.executive.waits.release(caller)
    return status or _responded(caller, place, message)


def _responded(caller: Thread, place: int, message: Message | None) -> int:
    """A port that has gone, and an answer that is none, leave it to the caller."""
    response = RETURN_TO_CALLER
    if message is not None and len(message.data) >= RESPONSE_OFFSET + 4:
        (response,) = struct.unpack_from("<I", message.data, RESPONSE_OFFSET)
    caller.memory.set_u32(place, response if response <= CONTINUE else RETURN_TO_CALLER)
    return ntstatus.STATUS_SUCCESS
