"""The free physical frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ntgate.cpu.ram import PhysicalMemory


class OutOfFrames(Exception):
    """No free frame is left: STATUS_NO_MEMORY for a service, a bugcheck for the kernel."""


class FrameAllocator:
    """Frames from the top of a range downwards; a freed frame is reused last in, first out.

    `ran` is the processor's set of frames whose bytes may have been translated.  A frame that
    ran and was freed waits in quarantine until one flush of the translations clears them all.
    """

    def __init__(
        self,
        ram: PhysicalMemory,
        available: Iterable[int],
        ran: set[int],
        flush_code: Callable[[], None],
    ) -> None:
        self.ram = ram
        self._free = list(available)
        self._quarantine: list[int] = []
        self._ran = ran
        self._flush_code = flush_code

    @property
    def available(self) -> int:
        return len(self._free) + len(self._quarantine)

    def allocate(self) -> int:
        """A zeroed frame number; raises OutOfFrames."""
        if not self._free:
            if not self._quarantine:
                raise OutOfFrames
            self._ran.difference_update(self._quarantine)
            self._flush_code()
            self._free, self._quarantine = self._quarantine, []
        frame = self._free.pop()
        self.ram.zero(frame)
        return frame

    def free(self, frame: int) -> None:
        (self._quarantine if frame in self._ran else self._free).append(frame)
