"""The page frame database: an _MMPFN for each frame, in an array indexed by frame number.

It says what a valid PTE has no room for: the protection that the page was given (OriginalPte),
whether it is a section's (PrototypePte) and was written (Modified), how many PTEs hold it, and
where the PTE is.  The manager's frames alone are described; page tables and the frames of
system space keep zeros.
"""

from __future__ import annotations

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.errors import GuestBugCheck
from ntgate.executive.mm.protection import WRITABLE_CODES
from ntgate.executive.pool import Pool
from ntgate.layout.mm import MMPFN, PTE_PROTOTYPE
from ntgate.memory.frames import FrameAllocator
from ntgate.memory.kernel import KernelMemory

MODIFIED = 1 << 0
PROTOTYPE_PTE = 1 << 3
STANDBY, ACTIVE_AND_VALID = 2 << 8, 6 << 8  # PageLocation
_REFERENCED = 1 << 16      # ReferenceCount 1
PFN_LIST_CORRUPT, SHARE_COUNT_IS_ZERO = 0x4E, 7
_DWORDS = MMPFN.SIZE // 4
_EMPTY = memoryview(bytes(MMPFN.SIZE)).cast("I")


class PfnDatabase:
    """Counts who holds a frame and gives it back when nobody does."""

    def __init__(self, kernel: KernelMemory, pool: Pool, frames: FrameAllocator) -> None:
        # RAM begins as zeros, and these pages are taken before anything has been freed.
        self.address = pool.take_pages(-(-kernel.ram.pages * MMPFN.SIZE // PAGE_SIZE))
        self._frames = frames
        self._dwords = kernel.ram.dwords
        self._base = kernel.physical(self.address) >> 2

    def describe(
        self, frame: int, pte_address: int, pte_frame: int, original: int, flags: int = 0
    ) -> None:
        """Start a frame's life with one holder; `original` is its OriginalPte."""
        dwords, i = self._dwords, self._base + frame * _DWORDS
        dwords[i + 1] = pte_address
        dwords[i + 2] = 1
        dwords[i + 3] = _REFERENCED | ACTIVE_AND_VALID | flags
        dwords[i + 4] = original & 0xFFFFFFFF
        dwords[i + 5] = original >> 32
        dwords[i + 6] = pte_frame

    def share(self, frame: int) -> None:
        self._dwords[self._base + frame * _DWORDS + 2] += 1

    def release(self, frame: int) -> None:
        """One holder less; the last one's frame is free."""
        i = self._base + frame * _DWORDS
        holders = self._dwords[i + 2] - 1
        if holders > 0:
            self._dwords[i + 2] = holders
        elif not holders:
            self.forget(frame)
        else:
            raise GuestBugCheck(PFN_LIST_CORRUPT, (SHARE_COUNT_IS_ZERO, frame, 0, 0))

    def forget(self, frame: int) -> None:
        """Nobody holds it: the frame is free."""
        i = self._base + frame * _DWORDS
        self._dwords[i : i + _DWORDS] = _EMPTY
        self._frames.free(frame)

    def stand_by(self, frame: int) -> bool:
        """Nobody holds it, but its contents may be wanted again (standby.py).

        False for a page that did not come from a file, that views write together, or that is
        held by somebody else, too.
        """
        dwords, i = self._dwords, self._base + frame * _DWORDS
        original = dwords[i + 4]
        if (
            not original & PTE_PROTOTYPE
            or original >> 5 & 7 in WRITABLE_CODES
            or dwords[i + 2] != 1
        ):
            return False
        dwords[i + 2] = 0
        dwords[i + 3] = STANDBY | PROTOTYPE_PTE
        return True

    def share_count(self, frame: int) -> int:
        return int(self._dwords[self._base + frame * _DWORDS + 2])

    def original(self, frame: int) -> int:
        i = self._base + frame * _DWORDS + 4
        return int(self._dwords[i] | self._dwords[i + 1] << 32)

    def protection(self, frame: int) -> int:
        return int(self._dwords[self._base + frame * _DWORDS + 4] >> 5 & 0x1F)

    def set_protection(self, frame: int, code: int) -> None:
        i = self._base + frame * _DWORDS + 4
        self._dwords[i] = self._dwords[i] & ~(0x1F << 5) | code << 5

    def is_prototype(self, frame: int) -> bool:
        return bool(self._dwords[self._base + frame * _DWORDS + 3] & PROTOTYPE_PTE)

    def is_modified(self, frame: int) -> bool:
        return bool(self._dwords[self._base + frame * _DWORDS + 3] & MODIFIED)

    def set_modified(self, frame: int, modified: bool) -> None:
        i = self._base + frame * _DWORDS + 3
        self._dwords[i] = self._dwords[i] & ~MODIFIED | modified

    def pte_address(self, frame: int) -> int:
        return int(self._dwords[self._base + frame * _DWORDS + 1])

    def move_pte(self, frame: int, pte_address: int, pte_frame: int) -> None:
        """Its PTE is somewhere else now."""
        i = self._base + frame * _DWORDS
        self._dwords[i + 1] = pte_address
        self._dwords[i + 6] = pte_frame
