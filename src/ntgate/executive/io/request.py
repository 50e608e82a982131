"""One I/O request, and its completion: status block, event, APC, port.

Most requests end in the service that made them.  One that has to wait gets an IRP in the
guest's pool, linked to its thread, and is completed by whoever has what it waits for.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from ntgate.executive.io.counters import OTHER, count_bytes
from ntgate.executive.ps import apc
from ntgate.layout.io import (
    FILE_OBJECT,
    FO_CACHE_SUPPORTED,
    FO_SKIP_COMPLETION_PORT,
    FO_SKIP_SET_EVENT,
    IO_TYPE_IRP,
    IRP,
)
from ntgate.layout.ntstatus import SEVERITY_ERROR, STATUS_CANCELLED, STATUS_PENDING
from ntgate.memory.user import AccessViolation

if TYPE_CHECKING:
    from ntgate.executive.io.manager import IoManager
    from ntgate.executive.io.open_file import OpenFile
    from ntgate.executive.ps.thread import Thread

TAG = b"Irp "
STACK_LOCATION_SIZE = 0x24
EVENT = FILE_OBJECT.Event.offset


class Request:
    """`event` is the body of an event that the requester named, 0 for none.

    `buffer` is where the data of a read goes in the requester's memory.
    """

    __slots__ = (
        "apc_context", "apc_routine", "buffer", "cancel_routine", "counted", "event", "file",
        "io", "iosb", "irp", "key", "serial", "status", "synchronous", "thread",
    )  # fmt: skip

    def __init__(
        self,
        io: IoManager,
        thread: Thread,
        file: OpenFile,
        iosb: int,
        event: int = 0,
        apc_routine: int = 0,
        apc_context: int = 0,
        buffer: int = 0,
    ) -> None:
        self.io = io
        self.thread = thread
        self.file = file
        self.iosb = iosb
        self.event = event
        self.apc_routine = apc_routine
        self.apc_context = apc_context
        self.buffer = buffer
        self.key = 0  # of byte-range locks
        self.counted = OTHER  # as which kind of operation
        self.status = 0
        self.irp = 0
        self.serial = 0  # of requests that wait: an IRP's address comes again
        self.synchronous = False
        self.cancel_routine: Callable[[], None] | None = None

    @property
    def process(self) -> int:
        return self.thread.process.eprocess.address

    # Waiting.

    def pend(self, cancel: Callable[[], None]) -> None:
        """Make the request one that waits; `cancel` takes it out of where it waits."""
        io, objects = self.io, self.io.objects
        self.cancel_routine = cancel
        self.status = STATUS_PENDING
        irp = IRP(io.kernel, io.pool.allocate(IRP.SIZE + STACK_LOCATION_SIZE, TAG))
        irp.Type, irp.Size = IO_TYPE_IRP, IRP.SIZE + STACK_LOCATION_SIZE
        irp.UserIosb, irp.UserEvent, irp.UserBuffer = self.iosb, self.event, self.buffer
        irp.RequestorMode = irp.StackCount = irp.CurrentLocation = 1
        irp.PendingReturned = 1
        self.irp = irp.address
        io.last_serial = self.serial = io.last_serial + 1
        io.pending[self.irp] = self
        objects.reference(self.file.object.address)
        if self.event:
            objects.reference(self.event)

    def complete(self, status: int, information: int = 0, data: bytes = b"") -> None:
        """End a request that waits.

        The thread that waits for a synchronous one takes the status from `finished`, and drops the
        request's reference on the file object; of an error it learns no other way.
        """
        io, objects = self.io, self.io.objects
        del io.pending[self.irp]
        io.pool.free(self.irp)
        self.irp = 0
        self.cancel_routine = None
        if data:
            try:
                self.thread.process.memory.write(self.buffer, data)
            except AccessViolation as violation:
                status, information = violation.status, 0
        self.status = self.file.object.FinalStatus = status
        if information and status < SEVERITY_ERROR:
            count_bytes(self.thread.process, self.counted, information)
        ended = bool(self.thread.ethread.Terminated)
        if self.synchronous and not ended:
            io.finished[self.serial] = status
        if self.synchronous and status >= SEVERITY_ERROR:
            io.executive.waits.set_event(self.file.object.address + EVENT)
        else:
            if ended:
                self.apc_routine = 0  # there is nobody left to run it
            self._answer(information)
        if self.event:
            objects.dereference(self.event)
        if ended or not self.synchronous:
            objects.dereference(self.file.object.address)

    def cancel(self) -> None:
        """Take the request back: STATUS_CANCELLED.

        Of several that are taken back one may have let another end, as a write lets a flush.
        """
        if self.cancel_routine is not None:
            self.cancel_routine()
            self.complete(STATUS_CANCELLED)

    # The end, at once or later.

    def finish(self, information: int, *, at_once: bool = True) -> int:
        """End a request that its service has carried out; returns the status.

        at_once: the service will return that status, so a port need not hear of it.
        """
        if information:
            count_bytes(self.thread.process, self.counted, information)
        if self.iosb:
            self.thread.memory.write(self.iosb, struct.pack("<2I", self.status, information))
        skipped = at_once and self.file.object.Flags & FO_SKIP_COMPLETION_PORT
        self._notify(information, port=not skipped)
        return self.status

    def fail(self) -> int:
        """End a request with an error that its service returns.

        Only who asked synchronously finds it in the status block as well, as after fast I/O,
        which a disk's file has once it is in the cache.
        """
        cached = self.file.object.Flags & FO_CACHE_SUPPORTED
        if self.synchronous and (cached or not self.file.positioned):
            self.apc_routine = 0
            self.finish(0)
        return self.status

    def _answer(self, information: int) -> None:
        if not self.iosb:
            return self._notify(information)
        with suppress(AccessViolation):  # a status block that is gone is nobody's
            self.thread.process.memory.write(
                self.iosb, struct.pack("<2I", self.status, information)
            )
        return self._notify(information)

    def _notify(self, information: int, *, port: bool = True) -> None:
        waits, file = self.io.executive.waits, self.file.object
        if self.event:
            waits.set_event(self.event)
            if self.synchronous:
                waits.set_event(file.address + EVENT)
        elif not file.Flags & FO_SKIP_SET_EVENT:
            waits.set_event(file.address + EVENT)
        if self.apc_routine:
            apc.queue(self.thread, self.apc_routine, self.apc_context, self.iosb, 0)
        elif port:
            self._post(information)

    def _post(self, information: int) -> None:
        context = self.file.object.CompletionContext
        if context and self.apc_context:
            self.io.ports.post_file(context, self.apc_context, self.status, information)
