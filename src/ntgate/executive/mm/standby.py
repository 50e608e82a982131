"""The standby list: pages of programs and DLLs that nobody maps any more.

The next who maps the file finds them, and with them what the engine has translated of their
code: a compiler that is started for every source file is read and translated once.  A page is
found by what its file was when the image was made (SectionFile.version) and its number there;
as an image changes under nobody, no write ever meets one.  They count as available: what needs
a frame and finds no free one takes those that have waited longest.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.mm import pte
from ntgate.executive.mm.pfn import PROTOTYPE_PTE, PfnDatabase
from ntgate.executive.mm.protection import WRITABLE_CODES
from ntgate.layout.mm import PTE_PROTOTYPE
from ntgate.memory.frames import FrameAllocator

if TYPE_CHECKING:
    from ntgate.executive.mm.segment import Segment

MOST_PAGES = 0x4000  # 64 MB of the host's memory


class StandbyList:
    def __init__(self, frames: FrameAllocator, pfn: PfnDatabase) -> None:
        self._frames = frames
        self._pfn = pfn
        # Frames by page, by version, in the order in which the images were left.
        self._images: dict[Hashable, dict[int, int]] = {}
        frames.reclaim = self._reclaim

    def keep(self, segment: Segment) -> None:
        """Take over the pages of an image that goes, as far as they are what its file says."""
        pages = {}
        is_same = _has_its_file(segment)
        first = segment.prototype_index(0)
        entries = segment.manager.kernel.ram.qwords[first : first + segment.pages].tolist()
        for page, entry in enumerate(entries):
            if entry & pte.VALID:
                frame = pte.frame_of(entry)
                if is_same and self._is_as_in_file(frame):
                    self._pfn.stand_by(frame)
                    pages[page] = frame
                else:
                    self._pfn.release(frame)
        if pages:
            self._images[segment.version] = pages
            self._frames.on_standby += len(pages)
        while self._frames.on_standby > MOST_PAGES:
            self._reclaim()

    def restore(self, segment: Segment) -> None:
        """Give an image that is made again its pages back."""
        pages = self._images.pop(segment.version, {})
        self._frames.on_standby -= len(pages)
        qwords = segment.manager.kernel.ram.qwords
        for page, frame in pages.items():
            index = segment.prototype_index(page)
            entry = int(qwords[index])
            self._pfn.describe(
                frame, segment.prototypes + page * 8, index >> 9, entry, PROTOTYPE_PTE
            )
            code = pte.protection_of(entry)
            qwords[index] = pte.valid_entry(frame, code, ran=False, written=False)

    def _is_as_in_file(self, frame: int) -> bool:
        """Not a page of zeros, nor one that its views write together; and nobody else's too."""
        original = self._pfn.original(frame)
        is_shared = pte.protection_of(original) & 7 in WRITABLE_CODES
        return bool(original & PTE_PROTOTYPE) and not is_shared and (
            self._pfn.share_count(frame) == 1
        )

    def _reclaim(self) -> None:
        """Free the pages of the image that has waited longest."""
        pages = self._images.pop(next(iter(self._images)))
        self._frames.on_standby -= len(pages)
        for frame in pages.values():
            self._pfn.forget(frame)


def _has_its_file(segment: Segment) -> bool:
    """Whether the file is as it was when the image was made of it."""
    if segment.file is None or segment.version is None:
        return False
    try:
        return segment.file.version == segment.version
    except NtError:
        return False
