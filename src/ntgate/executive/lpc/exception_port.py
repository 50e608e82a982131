"""A process's exception port: asked about an exception that nothing has handled.

The message is a DBGKM_APIMSG; the thread waits for the answer, which is in its ReturnedStatus.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.dbgk.messages import Api, exception
from ntgate.executive.ke.wait import WAIT_ANY
from ntgate.executive.lpc.messages import LPC_EXCEPTION, Message
from ntgate.layout import ntstatus
from ntgate.layout.ke import WR_LPC_REPLY

if TYPE_CHECKING:
    from ntgate.executive.ps.thread import Process, Thread

HEAD = struct.Struct("<2I")  # DBGKM_APIMSG: ApiNumber, ReturnedStatus
MESSAGE_SIZE = 0x60
FAILURE = 0x8000_0000  # of an NTSTATUS: a warning or an error


def assign(process: Process, port: int) -> None:
    """For good; raises STATUS_PORT_ALREADY_SET."""
    if process.eprocess.ExceptionPort:
        raise NtError(ntstatus.STATUS_PORT_ALREADY_SET)
    process.executive.objects.reference(port)
    process.eprocess.ExceptionPort = port


def ask(thread: Thread, record: bytes) -> bool:
    """Whether the thread waits now for what its process's port says to an EXCEPTION_RECORD."""
    port = thread.process.eprocess.ExceptionPort
    if not port:
        return False
    executive = thread.executive
    ports = executive.ports
    try:
        queue, far, context = ports.destination(port)
    except NtError:
        return False
    data = HEAD.pack(Api.EXCEPTION, ntstatus.STATUS_PENDING)
    data = (data + exception(record, first_chance=False)).ljust(MESSAGE_SIZE, b"\0")
    number = ports.next_id()
    message = Message(LPC_EXCEPTION, data, (thread.pid, thread.tid), number)
    ports.enqueue(queue, message, port, context)
    semaphore = ports.expect_reply(thread, far, number)
    if executive.waits.begin(thread, [semaphore], WAIT_ANY, None, reason=WR_LPC_REPLY) is not None:
        ports.take_reply(thread)
        return False
    executive.waits.keep(thread, [port, far])
    return True


def take_answer(thread: Thread) -> bool:
    """Whether the port has handled the exception; a port that has gone has not."""
    message = thread.executive.ports.take_reply(thread)
    thread.executive.waits.release(thread)
    if message is None or len(message.data) < HEAD.size:
        return False
    _api, status = HEAD.unpack_from(message.data)
    return bool(status < FAILURE)
