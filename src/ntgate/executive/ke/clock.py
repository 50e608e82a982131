"""Virtual time.  It passes by clock ticks, so that equal runs see equal times."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from ntgate.layout import machine as m
from ntgate.layout.ke import KUSER_SHARED_DATA
from ntgate.layout.times import MILLISECOND
from ntgate.memory.kernel import KernelMemory

BOOT_SYSTEM_TIME = 0x01CA_1D2B_3C00_0000  # 14 August 2009: any fixed time gives equal runs
FIRST_TICKS = 0x6590  # TickCountLow of the study at the initial break
# Hz.  Wine's RtlQueryPerformanceFrequency, which kernel32's is, never asks: it answers this.
PERFORMANCE_FREQUENCY = 10_000_000
READ_COST = 10  # 100 ns units that one look at the clock takes, so that a waiting loop ends
CPU_MHZ = 2400
FEWEST_SWEPT = 64  # cancelled timers that may stay in the queue of a quiet machine
END_OF_TIME = 1 << 62  # of interrupt time: later, a signed system time could not say it

Expired = Callable[[], None]


class Clock:
    """Interrupt time in 100 ns units since boot, SharedUserData's copies, and the timers."""

    def __init__(self, memory: KernelMemory) -> None:
        self.interrupt_time = 0
        self.boot_time = BOOT_SYSTEM_TIME  # system time at interrupt time 0
        self.ticks = 0
        self.adjustment = m.TICK_100NS  # of the system time at each tick, while it is on
        self.is_adjusted = False
        self._reads = 0
        self._order = count()
        self._timers: list[tuple[int, int, Expired]] = []
        self._cancelled: set[int] = set()
        self._shared = KUSER_SHARED_DATA(memory, m.SHARED_USER_DATA_KERNEL)
        self._shared.SystemTime.set(BOOT_SYSTEM_TIME)

    @property
    def system_time(self) -> int:
        """100 ns units since 1601, as of the last tick."""
        return self.boot_time + self.interrupt_time

    @property
    def tick_count(self) -> int:
        """KeTickCount's low part, as SharedUserData.TickCountLow has it."""
        return FIRST_TICKS + self.ticks

    def precise(self) -> int:
        """Interrupt time that moves on a little with each look, never past the next tick."""
        self._reads = min(self._reads + READ_COST, m.TICK_100NS - 1)
        return self.interrupt_time + self._reads

    def set_system_time(self, value: int) -> None:
        """Timers that are set stay at their interrupt times."""
        self.boot_time = value - self.interrupt_time
        self._shared.SystemTime.set(value)

    def precise_system_time(self) -> int:
        """System time that moves on a little with each look."""
        return self.boot_time + self.precise()

    def performance_counter(self) -> int:
        """At PERFORMANCE_FREQUENCY, in which time itself is counted."""
        return self.precise()

    def timestamp(self) -> int:
        """What rdtsc reads."""
        return self.precise() * CPU_MHZ // 10

    def tick(self, ticks: int = 1) -> None:
        """Let time pass, and expire timers in their order."""
        self.ticks += ticks
        self.interrupt_time += ticks * m.TICK_100NS
        if self.is_adjusted:
            self.boot_time += ticks * (self.adjustment - m.TICK_100NS)
        self._reads = 0
        self._publish()
        while self._timers and self._timers[0][0] <= self.interrupt_time:
            _due, order, expired = heapq.heappop(self._timers)
            if order in self._cancelled:
                self._cancelled.discard(order)
            else:
                expired()

    def until_timer(self) -> int | None:
        """100 ns until the next timer; None when there is none."""
        while self._timers and self._timers[0][1] in self._cancelled:
            self._cancelled.discard(heapq.heappop(self._timers)[1])
        return max(self._timers[0][0] - self.interrupt_time, 0) if self._timers else None

    def skip_to_timer(self) -> bool:
        """With nothing to run: go to the tick of the next timer; False when there is none."""
        ahead = self.until_timer()
        if ahead is None:
            return False
        self.tick(max(1, -(-ahead // m.TICK_100NS)))
        return True

    def set_timer(self, due: int, expired: Expired) -> int:
        """Call `expired` at interrupt time `due`; returns a handle for `cancel`.

        A time beyond END_OF_TIME never comes.
        """
        order = next(self._order)
        if due <= END_OF_TIME:
            heapq.heappush(self._timers, (due, order, expired))
        return order

    def cancel(self, handle: int) -> None:
        """Only for a timer that has not expired."""
        self._cancelled.add(handle)
        if len(self._cancelled) > FEWEST_SWEPT + len(self._timers) // 2:
            self._timers = [timer for timer in self._timers if timer[1] not in self._cancelled]
            heapq.heapify(self._timers)
            self._cancelled.clear()

    def due_time(self, timeout: int) -> int:
        """Interrupt time of an NT timeout: negative is relative, positive is system time."""
        return self.interrupt_time - timeout if timeout < 0 else timeout - self.boot_time

    @property
    def milliseconds(self) -> int:
        """Since the start, 32 bits, as SharedUserData has them for GetTickCount."""
        return self._shared.TickCount.LowPart

    def _publish(self) -> None:
        shared = self._shared
        shared.TickCountLow = self.tick_count
        shared.InterruptTime.set(self.interrupt_time)
        shared.SystemTime.set(self.system_time)
        # In milliseconds, which is what Wine's GetTickCount takes it for.
        shared.TickCount.set((FIRST_TICKS * m.TICK_100NS + self.interrupt_time) // MILLISECOND)
