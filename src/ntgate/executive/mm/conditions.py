r"""\KernelObjects\LowMemoryCondition and HighMemoryCondition: events that tell of free memory.

Microsoft documents the levels: low is 32 MB in 4 GB, 64 MB at most, and high three times that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.executive.ob import ObjectAttributes
from ntgate.executive.ob import attributes as a
from ntgate.layout import lists
from ntgate.layout import machine as m
from ntgate.layout.ke import DISPATCHER_HEADER, KUSER_SHARED_DATA, NOTIFICATION_EVENT

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive

LOW_SHARE, LOW_AT_MOST, HIGH_TIMES = 128, 0x4000, 3  # of all pages; pages


class MemoryConditions:
    """The two events; `update` sets and clears them."""

    def __init__(self, executive: Executive) -> None:
        self.executive = executive
        self._frames = executive.mm.frames
        shared = KUSER_SHARED_DATA(executive.kernel, m.SHARED_USER_DATA_KERNEL)
        self.low = min(shared.NumberOfPhysicalPages // LOW_SHARE, LOW_AT_MOST)
        self.high = HIGH_TIMES * self.low
        self._state = (False, False)
        self._events = tuple(
            self._event(rf"\KernelObjects\{name}MemoryCondition") for name in ("Low", "High")
        )
        self.update()

    def update(self) -> None:
        """At each tick of the clock."""
        available = self._frames.available
        state = (available < self.low, available > self.high)
        if state == self._state:
            return
        self._state = state
        for event, signaled in zip(self._events, state, strict=True):
            if signaled:
                self.executive.waits.set_event(event)
            else:
                DISPATCHER_HEADER(self.executive.kernel, event).SignalState = 0

    def _event(self, path: str) -> int:
        objects, kernel = self.executive.objects, self.executive.kernel
        attributes = ObjectAttributes(path, 0, a.OBJ_PERMANENT)
        kind = objects.types["Event"]
        body = objects.create(kind, DISPATCHER_HEADER.SIZE, attributes, kernel=True)
        header = DISPATCHER_HEADER(kernel, body)
        header.Type, header.Size = NOTIFICATION_EVENT, DISPATCHER_HEADER.SIZE // 4
        lists.initialize(kernel, header.WaitListHead.address)
        objects.insert(0, body, 0, attributes)
        return body
