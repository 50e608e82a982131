"""The free physical frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ntgate.cpu.ram import PhysicalMemory

MOST_QUARANTINED = 2048


class OutOfFrames(Exception):
    """No free frame is left: STATUS_NO_MEMORY for a service, a bugcheck for the kernel."""


class FrameAllocator:
    """The last of `available` first; a freed frame is reused last in, first out.

    `ran` is the processor's set of frames whose bytes may have been translated.  A frame that
    ran and was freed waits in quarantine until one flush of the translations clears them all:
    when no other is left, or MOST_QUARANTINED of them wait, as each holds on to translations of
    the host's, too.

    `on_standby` frames are given out, but would be freed by calls of `reclaim`: each frees some
    of them (executive/mm/standby.py).
    """

    def __init__(
        self,
        ram: PhysicalMemory,
        available: Sequence[int],
        ran: set[int],
        flush_code: Callable[[], None],
    ) -> None:
        self.ram = ram
        self._fresh = available
        self._fresh_left = len(available)
        self._free: list[int] = []
        self._quarantine: list[int] = []
        self._ran = ran
        self._flush_code = flush_code
        self.on_standby = 0
        self.reclaim: Callable[[], None] = lambda: None

    @property
    def available(self) -> int:
        return self._fresh_left + len(self._free) + len(self._quarantine) + self.on_standby

    def allocate(self) -> int:
        """A zeroed frame number; raises OutOfFrames."""
        if len(self._quarantine) >= MOST_QUARANTINED:
            self._end_quarantine()
        if self._free:
            frame = self._free.pop()
        elif self._fresh_left:
            self._fresh_left -= 1
            frame = self._fresh[self._fresh_left]
        elif self._quarantine:
            self._end_quarantine()
            frame = self._free.pop()
        elif self.on_standby:
            self.reclaim()
            return self.allocate()
        else:
            raise OutOfFrames
        self.ram.zero(frame)
        return frame

    def free(self, frame: int) -> None:
        (self._quarantine if frame in self._ran else self._free).append(frame)

    def _end_quarantine(self) -> None:
        self._ran.difference_update(self._quarantine)
        self._flush_code()
        self._free += self._quarantine
        self._quarantine = []
