"""Which programs with windows have come to wait for messages, and who waits for that."""

from __future__ import annotations

from ntgate.executive.ke.wait import Waits
from ntgate.executive.pool import Pool
from ntgate.executive.ps.thread import Process
from ntgate.layout import lists
from ntgate.layout.ke import DISPATCHER_HEADER
from ntgate.memory.kernel import KernelMemory

TAG = b"Usid"


class InputIdle:
    """A process is idle from the first time on that it finds no message."""

    def __init__(self, kernel: KernelMemory, pool: Pool, waits: Waits) -> None:
        self._kernel, self._pool, self._waits = kernel, pool, waits
        self._idle: set[Process] = set()
        self._events: dict[Process, int] = {}

    def begin(self, process: Process) -> None:
        """One of its threads finds no message."""
        if process not in self._idle:
            self._idle.add(process)
            if process in self._events:
                self._waits.set_event(self._events[process])

    def event(self, process: Process) -> int:
        """The DISPATCHER_HEADER that is signaled when it is idle; raises NtError."""
        address = self._events.get(process)
        if address is None:
            address = self._pool.allocate(DISPATCHER_HEADER.SIZE, TAG)
            header = DISPATCHER_HEADER(self._kernel, address)
            header.Type, header.Size = 0, DISPATCHER_HEADER.SIZE // 4
            header.SignalState = int(process in self._idle)
            lists.initialize(self._kernel, header.WaitListHead.address)
            self._events[process] = address
        return address

    def process_ended(self, process: Process) -> None:
        """Who waits goes on."""
        self._idle.discard(process)
        address = self._events.pop(process, None)
        if address is not None:
            self._waits.set_event(address)
            self._pool.free(address)
