"""Which thread runs next: priority round robin over the ready lists in guest memory.

KiDispatcherReadyListHead has a list for each priority, KiReadySummary a bit for each list that
is not empty, as on XP.  Threads hang in by KTHREAD.WaitListEntry.
"""

from __future__ import annotations

from collections.abc import Callable

from ntgate.executive.ke.clock import Clock
from ntgate.layout import lists
from ntgate.layout import machine as m
from ntgate.layout.ke import KPCR, KPRCB, KTHREAD, READY, RUNNING, SUSPENDED, WAITING
from ntgate.memory.kernel import KernelMemory

PRIORITIES = 32
QUANTUM_TICKS = 2  # the length of a client's quantum on XP


class Scheduler:
    def __init__(self, memory: KernelMemory, symbols: dict[str, int], clock: Clock) -> None:
        self.memory = memory
        self.clock = clock
        self.heads = symbols["KiDispatcherReadyListHead"]
        self.summary = symbols["KiReadySummary"]
        self.prcb = KPRCB(memory, m.KPCR_ADDRESS + KPCR.PrcbData.offset)
        self.idle: Callable[[], None] = lambda: None  # nothing will ever run again
        # Nothing can run: wait for the host, for so many 100 ns or for ever; whether it has sent
        # anything.  And at each tick, without waiting.
        self.wait_outside: Callable[[int | None], bool] = lambda _limit: False
        self.look_outside: Callable[[], None] = lambda: None
        for priority in range(PRIORITIES):
            lists.initialize(memory, self.heads + 8 * priority)

    @property
    def current(self) -> KTHREAD:
        return KTHREAD(self.memory, self.prcb.CurrentThread)

    def ready(self, thread: KTHREAD, *, front: bool = False) -> None:
        """Put a thread that can run into its list; a suspended or frozen one stands still."""
        if thread.SuspendCount or thread.FreezeCount:
            thread.State, thread.WaitReason = WAITING, SUSPENDED
            return
        thread.State = READY
        priority = thread.Priority
        head = self.heads + 8 * priority
        insert = lists.insert_head if front else lists.insert_tail
        insert(self.memory, head, thread.address + KTHREAD.WaitListEntry.offset)
        summary = self.memory.u32(self.summary)
        self.memory.set_u32(self.summary, summary | 1 << priority)

    def unready(self, thread: KTHREAD) -> None:
        """Take a ready thread out of its list."""
        lists.remove(self.memory, thread.address + KTHREAD.WaitListEntry.offset)
        priority = thread.Priority
        if lists.is_empty(self.memory, self.heads + 8 * priority):
            summary = self.memory.u32(self.summary)
            self.memory.set_u32(self.summary, summary & ~(1 << priority))

    def set_priority(self, thread: KTHREAD, priority: int) -> None:
        was_ready = thread.State == READY
        if was_ready:
            self.unready(thread)
        thread.Priority = priority
        if was_ready:
            self.ready(thread)

    def highest_ready(self) -> int:
        """The highest priority with a ready thread, -1 for none."""
        return self.memory.u32(self.summary).bit_length() - 1

    def yield_current(self) -> bool:
        """Put the running thread behind its equals; False when nobody else is ready."""
        current = self.current
        if self.highest_ready() < current.Priority:
            return False
        self.ready(current)
        return True

    def select_next(self) -> None:
        """KiSelectNextThread: fill KPRCB.NextThread, letting time pass when all wait."""
        prcb = self.prcb
        current = self.current
        if current.State == RUNNING and current.address != prcb.IdleThread:
            self.ready(current)
        while (priority := self.highest_ready()) < 0:
            if self.wait_outside(self.clock.until_timer()):
                continue
            if not self.clock.skip_to_timer():
                self.idle()
                prcb.NextThread = prcb.IdleThread
                return
        head = self.heads + 8 * priority
        entry = next(lists.entries(self.memory, head))
        thread = KTHREAD(self.memory, entry - KTHREAD.WaitListEntry.offset)
        self.unready(thread)
        thread.State = RUNNING
        thread.Quantum = QUANTUM_TICKS
        prcb.NextThread = thread.address

    def clock_tick(self, *, user: bool) -> bool:
        """One tick of the running thread; True when another one should run now.

        user: the tick found it in ring 3.
        """
        self.clock.tick()
        self.look_outside()
        current = self.current
        if user:
            current.UserTime += 1
        else:
            current.KernelTime += 1
        if current.address == self.prcb.IdleThread:
            return self.highest_ready() >= 0
        highest = self.highest_ready()
        if highest > current.Priority:
            return True
        quantum = current.Quantum
        if quantum > 1:
            current.Quantum = quantum - 1
            return False
        current.Quantum = QUANTUM_TICKS
        return highest == current.Priority
