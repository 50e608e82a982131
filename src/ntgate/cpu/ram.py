"""Physical memory, shared by the processor and the host."""

from __future__ import annotations

import ctypes as C
import mmap

PAGE_SIZE = 0x1000
ZEROS = bytes(PAGE_SIZE)


class PhysicalMemory:
    """`pages` frames of 4096 bytes from physical address 0, and four views of the same bytes.

    Reading a view is a slice of host memory, 20 times cheaper than a call of the engine.
    The views are for reading and for data; a host write to a frame that may hold code that
    has run goes through `Processor.write_physical`, which drops stale translations.
    """

    def __init__(self, pages: int) -> None:
        self.pages = pages
        self.size = pages * PAGE_SIZE
        self._map = mmap.mmap(-1, self.size)
        self._anchor = C.c_char.from_buffer(self._map)
        self.address = C.addressof(self._anchor)
        self.bytes = memoryview(self._map)
        self.words = self.bytes.cast("H")
        self.dwords = self.bytes.cast("I")
        self.qwords = self.bytes.cast("Q")

    def zero(self, frame: int) -> None:
        start = frame * PAGE_SIZE
        self.bytes[start : start + PAGE_SIZE] = ZEROS
