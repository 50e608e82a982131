"""Waiting for dispatcher objects, with XP's wait blocks in guest memory.

A thread that waits has a KWAIT_BLOCK in the WaitListHead of each object; KTHREAD has room for
three of its own, more come from pool.  Signalling an object walks its list in the order in
which the threads came.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ntgate.layout import lists, ntstatus
from ntgate.layout.ke import (
    DISPATCHER_HEADER,
    KMUTANT,
    KTHREAD,
    KWAIT_BLOCK,
    MUTANT_OBJECT,
    SEMAPHORE_OBJECT,
    SYNCHRONIZATION_EVENT,
    SYNCHRONIZATION_TIMER,
    USER_REQUEST,
    WAITING,
)

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive
    from ntgate.executive.ps.thread import Thread

WAIT_ALL, WAIT_ANY = 0, 1
OWN_BLOCKS = 3  # of KTHREAD.WaitBlock; the fourth is the timer's on XP
TAG = b"Wait"


class Waits:
    """The dispatcher of one machine.  Objects are addresses of DISPATCHER_HEADERs."""

    def __init__(self, executive: Executive) -> None:
        self.executive = executive
        self.kernel = executive.kernel
        executive.objects.types["Mutant"].delete = self.delete_mutant

    # What an object's state means.

    def is_signaled(self, header: int, thread: Thread) -> bool:
        view = DISPATCHER_HEADER(self.kernel, header)
        if view.Type == MUTANT_OBJECT:
            mutant = KMUTANT(self.kernel, header)
            return _signed(view.SignalState) > 0 or mutant.OwnerThread == thread.ethread.address
        return _signed(view.SignalState) > 0

    def acquire(self, header: int, thread: Thread) -> int:
        """What a satisfied wait does to the object; STATUS_ABANDONED for an orphaned mutant."""
        view = DISPATCHER_HEADER(self.kernel, header)
        kind = view.Type
        if kind in (SYNCHRONIZATION_EVENT, SYNCHRONIZATION_TIMER):
            view.SignalState = 0
        elif kind == SEMAPHORE_OBJECT:
            view.SignalState -= 1
        elif kind == MUTANT_OBJECT:
            return self._acquire_mutant(KMUTANT(self.kernel, header), thread)
        return ntstatus.STATUS_SUCCESS

    def _acquire_mutant(self, mutant: KMUTANT, thread: Thread) -> int:
        mutant.Header.SignalState -= 1
        if mutant.Header.SignalState:
            return ntstatus.STATUS_SUCCESS  # owned already, once more
        mutant.OwnerThread = thread.ethread.address
        lists.insert_tail(
            self.kernel,
            thread.ethread.address + KTHREAD.MutantListHead.offset,
            mutant.address + KMUTANT.MutantListEntry.offset,
        )
        if mutant.Abandoned:
            mutant.Abandoned = 0
            return ntstatus.STATUS_ABANDONED_WAIT_0
        return ntstatus.STATUS_SUCCESS

    # Waiting.

    def begin(
        self,
        thread: Thread,
        headers: Sequence[int],
        wait_type: int,
        timeout: int | None,
        *,
        alertable: bool = False,
        reason: int = USER_REQUEST,
    ) -> int | None:
        """Satisfy a wait at once and return its status, or make the thread wait: None.

        timeout: NT's form, 0 polls, None waits for ever.  reason: KTHREAD.WaitReason meanwhile.
        """
        status = self._try(thread, headers, wait_type)
        if status is not None:
            return status
        if timeout == 0:
            alerted = alertable and self.executive.processes.test_alert(thread)
            return thread.wait_status if alerted else ntstatus.STATUS_TIMEOUT
        wait = self.executive.processes.wait
        if not wait(thread, timeout, alertable=alertable, reason=reason):
            return thread.wait_status
        self._link(thread, headers, wait_type)
        return None

    def _try(self, thread: Thread, headers: Sequence[int], wait_type: int) -> int | None:
        if wait_type == WAIT_ANY:
            for index, header in enumerate(headers):
                if self.is_signaled(header, thread):
                    return index + self.acquire(header, thread)
            return None
        if not all(self.is_signaled(header, thread) for header in headers):
            return None
        return self._acquire_all(thread, headers)

    def _acquire_all(self, thread: Thread, headers: Sequence[int]) -> int:
        status = ntstatus.STATUS_SUCCESS
        for header in headers:
            status = self.acquire(header, thread) or status
        return status

    def _link(self, thread: Thread, headers: Sequence[int], wait_type: int) -> None:
        tcb: KTHREAD = thread.ethread.Tcb
        if len(headers) <= OWN_BLOCKS:
            first = tcb.address + KTHREAD.WaitBlock.offset
        else:
            first = self.executive.pool.allocate(KWAIT_BLOCK.SIZE * len(headers), TAG)
        tcb.WaitBlockList = first
        for index, header in enumerate(headers):
            block = KWAIT_BLOCK(self.kernel, first + index * KWAIT_BLOCK.SIZE)
            following = index + 1 if index + 1 < len(headers) else 0
            block.Thread, block.Object = tcb.address, header
            block.NextWaitBlock = first + following * KWAIT_BLOCK.SIZE
            block.WaitKey, block.WaitType = index, wait_type
            lists.insert_tail(
                self.kernel, header + DISPATCHER_HEADER.WaitListHead.offset, block.address
            )

    def keep(self, thread: Thread, bodies: Sequence[int]) -> None:
        """What the thread waits for stays until `release`, though every handle be closed."""
        thread.waited = tuple(bodies)
        for body in bodies:
            self.executive.objects.reference(body)

    def release(self, thread: Thread) -> None:
        bodies, thread.waited = thread.waited, ()
        for body in bodies:
            self.executive.objects.dereference(body)

    def unlink(self, thread: Thread) -> None:
        """The wait is over, for whatever reason: take its blocks out of the objects."""
        tcb: KTHREAD = thread.ethread.Tcb
        first = tcb.WaitBlockList
        if not first:
            return
        tcb.WaitBlockList = 0
        block = KWAIT_BLOCK(self.kernel, first)
        while True:
            following = block.NextWaitBlock
            lists.remove(self.kernel, block.address)
            if following == first:
                break
            block = KWAIT_BLOCK(self.kernel, following)
        if first != tcb.address + KTHREAD.WaitBlock.offset:
            self.executive.pool.free(first)

    def _objects_of(self, thread: Thread) -> list[int]:
        first = thread.ethread.Tcb.WaitBlockList
        found = []
        address = first
        while True:
            block = KWAIT_BLOCK(self.kernel, address)
            found.append(block.Object)
            address = block.NextWaitBlock
            if address == first:
                return found

    # Signalling.

    def signaled(self, header: int) -> None:
        """The object's state has risen: let those go that it satisfies."""
        view = DISPATCHER_HEADER(self.kernel, header)
        head = header + DISPATCHER_HEADER.WaitListHead.offset
        entry = self.kernel.u32(head)
        while entry != head and _signed(view.SignalState) > 0:
            block = KWAIT_BLOCK(self.kernel, entry)
            entry = self.kernel.u32(entry)
            thread = self.executive.processes.threads.get(block.Thread)
            if thread is None or thread.ethread.Tcb.State != WAITING:
                continue
            if block.WaitType == WAIT_ANY:
                status = block.WaitKey + self.acquire(header, thread)
            else:
                headers = self._objects_of(thread)
                if not all(self.is_signaled(other, thread) for other in headers):
                    continue
                status = self._acquire_all(thread, headers)
            self.executive.processes.unwait(thread, status)
            entry = self.kernel.u32(head)

    def set_event(self, header: int) -> int:
        """KeSetEvent: the state before."""
        view = DISPATCHER_HEADER(self.kernel, header)
        before = view.SignalState
        view.SignalState = 1
        if not before:
            self.signaled(header)
        return before

    def release_mutant(self, mutant: KMUTANT, thread: Thread) -> int | None:
        """The count before the release; None for a thread that does not own it."""
        if mutant.OwnerThread != thread.ethread.address:
            return None
        before = _signed(mutant.Header.SignalState)
        mutant.Header.SignalState = before + 1
        if before + 1 == 1:
            self._disown(mutant)
            self.signaled(mutant.address)
        return before

    def _disown(self, mutant: KMUTANT) -> None:
        lists.remove(self.kernel, mutant.address + KMUTANT.MutantListEntry.offset)
        mutant.OwnerThread = 0

    def delete_mutant(self, body: int) -> None:
        """The last reference is gone, perhaps before the owner has released it."""
        mutant = KMUTANT(self.kernel, body)
        if mutant.OwnerThread:
            self._disown(mutant)

    def abandon_mutants(self, thread: Thread) -> None:
        """The thread ends: its mutants go to who waits, marked as abandoned."""
        head = thread.ethread.address + KTHREAD.MutantListHead.offset
        for entry in list(lists.entries(self.kernel, head)):
            mutant = KMUTANT(self.kernel, entry - KMUTANT.MutantListEntry.offset)
            self._disown(mutant)
            mutant.Header.SignalState = 1
            mutant.Abandoned = 1
            self.signaled(mutant.address)


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value
