"""Timer objects: ETIMERs in guest memory, due times in the clock's queue.

The KAPC of a timer with a routine is part of the ETIMER, so that at most one call of it waits
for its thread at a time, as on NT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.executive.ps import apc
from ntgate.layout import lists
from ntgate.layout.ke import ETIMER, KAPC, NOTIFICATION_TIMER, SYNCHRONIZATION_TIMER
from ntgate.layout.ps import ETHREAD
from ntgate.layout.times import MILLISECOND

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive
    from ntgate.executive.ps.thread import Thread

KTIMER_DWORDS = 10  # DISPATCHER_HEADER.Size of a KTIMER


class Timers:
    """The timer objects of one machine."""

    def __init__(self, executive: Executive) -> None:
        self.executive = executive
        self.kernel = executive.kernel
        self.apcs: set[int] = set()  # KAPCs that are part of timers
        self._running: dict[int, int] = {}  # handles of the clock, by the address of the ETIMER
        executive.objects.types["Timer"].delete = self.cancel

    def initialize(self, body: int, *, synchronization: bool) -> None:
        """Make a zeroed body a timer that isn't set."""
        timer = ETIMER(self.kernel, body)
        header = timer.KeTimer.Header
        header.Type = SYNCHRONIZATION_TIMER if synchronization else NOTIFICATION_TIMER
        header.Size = KTIMER_DWORDS
        lists.initialize(self.kernel, header.WaitListHead.address)

    def set(
        self,
        body: int,
        due: int,
        period: int,
        thread: Thread | None = None,
        routine: int = 0,
        context: int = 0,
    ) -> None:
        """Start it anew, not signalled.

        due: NT's form, relative when negative; period: milliseconds, 0 for once.  With a
        thread, its `routine` is called with the context and the due time in system time.
        """
        self.cancel(body)
        timer = ETIMER(self.kernel, body)
        timer.KeTimer.Header.SignalState = 0
        timer.KeTimer.Header.Absolute = int(due >= 0)
        timer.Period = timer.KeTimer.Period = period
        if thread is not None:
            self._associate(timer, thread, routine, context)
        self._start(timer, self.executive.clock.due_time(due))

    def cancel(self, body: int) -> None:
        """Stop it; a call of its routine that hasn't begun is taken back."""
        timer = ETIMER(self.kernel, body)
        handle = self._running.pop(body, None)
        if handle is not None:
            self.executive.clock.cancel(handle)
        timer.KeTimer.Header.Inserted = 0
        if timer.ApcAssociated:
            timer.ApcAssociated = 0
            lists.remove(self.kernel, timer.ActiveTimerListEntry.address)
            apc.withdraw(self.executive, timer.TimerApc)
            self.apcs.discard(timer.TimerApc.address)

    def remaining(self, body: int) -> int:
        """100 ns until it is due; negative when that is past."""
        due: int = ETIMER(self.kernel, body).KeTimer.DueTime
        return due - self.executive.clock.interrupt_time

    def thread_ended(self, thread: Thread) -> None:
        """Timers that call a thread stop when it ends."""
        head = thread.ethread.address + ETHREAD.ActiveTimerListHead.offset
        if not self.kernel.u32(head):
            return
        for entry in list(lists.entries(self.kernel, head)):
            self.cancel(entry - ETIMER.ActiveTimerListEntry.offset)

    def _associate(self, timer: ETIMER, thread: Thread, routine: int, context: int) -> None:
        kapc: KAPC = timer.TimerApc
        apc.fill(kapc, thread, routine, context)
        self.apcs.add(kapc.address)
        head = thread.ethread.address + ETHREAD.ActiveTimerListHead.offset
        if not self.kernel.u32(head):
            lists.initialize(self.kernel, head)
        lists.insert_tail(self.kernel, head, timer.ActiveTimerListEntry.address)
        timer.ApcAssociated = 1

    def _start(self, timer: ETIMER, due: int) -> None:
        timer.KeTimer.DueTime = due & 0xFFFF_FFFF_FFFF_FFFF
        if due <= self.executive.clock.interrupt_time:
            self._expired(timer)
            return
        timer.KeTimer.Header.Inserted = 1
        body = timer.address
        self._running[body] = self.executive.clock.set_timer(
            due, lambda: self._expired(ETIMER(self.kernel, body))
        )

    def _expired(self, timer: ETIMER) -> None:
        self._running.pop(timer.address, None)
        timer.KeTimer.Header.Inserted = 0
        clock = self.executive.clock
        if timer.Period:
            behind = max(clock.interrupt_time, timer.KeTimer.DueTime)
            self._start(timer, behind + timer.Period * MILLISECOND)
        timer.KeTimer.Header.SignalState = 1
        self.executive.waits.signaled(timer.address)
        if timer.ApcAssociated:
            now = clock.system_time
            kapc: KAPC = timer.TimerApc
            kapc.SystemArgument1, kapc.SystemArgument2 = now & 0xFFFFFFFF, now >> 32
            apc.insert(self.executive, kapc)
