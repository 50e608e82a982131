"""Keyed events: two threads of a process meet at a key, one that waits and one that releases.

The object has a lock and the list of those who wait, by ETHREAD.KeyedWaitChain; a thread waits
on its own KeyedWaitSemaphore.  Bit 0 of KeyedWaitValue tells a releaser.  That is XP's form, as
public write-ups of it tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.executive.ke.wait import WAIT_ANY
from ntgate.executive.ob import ObjectAttributes
from ntgate.executive.ob import attributes as a
from ntgate.layout import lists, ntstatus
from ntgate.layout.ke import DISPATCHER_HEADER, KSEMAPHORE, SEMAPHORE_OBJECT
from ntgate.layout.ps import ETHREAD

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive
    from ntgate.executive.ps.thread import Thread

SIZE = 0x0C  # KEYED_EVENT_OBJECT: a push lock and a LIST_ENTRY
WAIT_QUEUE = 0x04
RELEASES = 1
OUT_OF_MEMORY_EVENT = r"\KernelObjects\CritSecOutOfMemoryEvent"


class KeyedEvents:
    """Those of one machine.  `out_of_memory` is the event that a handle of 0 stands for."""

    def __init__(self, executive: Executive) -> None:
        self.executive = executive
        self.kernel = executive.kernel
        objects = executive.objects
        attributes = ObjectAttributes(OUT_OF_MEMORY_EVENT, 0, a.OBJ_PERMANENT)
        self.out_of_memory = self.create(attributes, kernel=True)
        objects.insert(0, self.out_of_memory, 0, attributes)

    def create(self, attributes: ObjectAttributes, *, kernel: bool = False) -> int:
        """A keyed event that isn't inserted yet."""
        objects = self.executive.objects
        body = objects.create(objects.types["KeyedEvent"], SIZE, attributes, kernel=kernel)
        lists.initialize(self.kernel, body + WAIT_QUEUE)
        return body

    def meet(
        self, thread: Thread, body: int, key: int, timeout: int | None, *,
        releases: bool, alertable: bool,
    ) -> int | None:  # fmt: skip
        """Let the other side go and answer STATUS_SUCCESS, or wait for it: None.

        Also answers at once for a timeout of 0 and where an alertable wait need not begin.
        """
        ethread = thread.ethread
        wanted = key | (0 if releases else RELEASES)
        head = body + WAIT_QUEUE
        for entry in lists.entries(self.kernel, head):
            other = ETHREAD(self.kernel, entry - ETHREAD.KeyedWaitChain.offset)
            same_process = other.ThreadsProcess == ethread.ThreadsProcess
            if other.KeyedWaitValue == wanted and same_process:
                self._take_out(other)
                semaphore = other.KeyedWaitSemaphore
                semaphore.Header.SignalState = 1
                self.executive.waits.signaled(semaphore.address)
                return ntstatus.STATUS_SUCCESS
        self._prepare(ethread.KeyedWaitSemaphore)
        status = self.executive.waits.begin(
            thread, [ethread.KeyedWaitSemaphore.address], WAIT_ANY, timeout, alertable=alertable
        )
        if status is None:
            thread.keyed_wait = body
            thread.saved_port = ethread.KeyedWaitValue  # XP keeps the termination ports there
            ethread.KeyedWaitValue = key | (RELEASES if releases else 0)
            lists.insert_tail(self.kernel, head, ethread.KeyedWaitChain.address)
        return status

    def leave(self, thread: Thread) -> None:
        """The wait is over: out of the queue, if it is still there."""
        if thread.keyed_wait:
            self._take_out(thread.ethread)

    def _take_out(self, ethread: ETHREAD) -> None:
        thread = self.executive.processes.threads[ethread.address]
        lists.remove(self.kernel, ethread.KeyedWaitChain.address)
        ethread.KeyedWaitValue = thread.saved_port
        thread.keyed_wait = 0

    def _prepare(self, semaphore: KSEMAPHORE) -> None:
        header: DISPATCHER_HEADER = semaphore.Header
        header.Type, header.Size, header.SignalState = SEMAPHORE_OBJECT, KSEMAPHORE.SIZE // 4, 0
        lists.initialize(self.kernel, header.WaitListHead.address)
        semaphore.Limit = 1
