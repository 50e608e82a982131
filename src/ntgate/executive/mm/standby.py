"""The standby list: pages of files' sections that nobody maps any more.

The next who maps the file finds them, and with them what the engine has translated of their
code: a compiler that is started for every source file is read and translated once.  Pages are
found by what their file was when the section was made (SectionFile.version), and kept if it is
that still; as they are only read, no write ever meets one.  They count as available: what
needs a frame and finds no free one takes those that have waited longest.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.mm import pte
from ntgate.executive.mm.files import SectionFile
from ntgate.executive.mm.pfn import PROTOTYPE_PTE, PfnDatabase
from ntgate.memory.frames import FrameAllocator

if TYPE_CHECKING:
    from ntgate.executive.mm.segment import Segment

MOST_PAGES = 0x4000  # 64 MB of the host's memory


class StandbyList:
    def __init__(self, frames: FrameAllocator, pfn: PfnDatabase) -> None:
        self._frames = frames
        self._pfn = pfn
        # Frames by page, by (version, whether an image), in the order in which they were left.
        self._waiting: dict[tuple[Hashable, bool], dict[int, int]] = {}
        frames.reclaim = self._reclaim

    def keep(self, segment: Segment) -> None:
        """Take over the pages of a segment that goes, as far as they are what its file says."""
        pages = {}
        is_same = segment.file is not None and version_of(segment.file) == segment.version
        first = segment.prototype_index(0)
        entries = segment.manager.kernel.ram.qwords[first : first + segment.pages].tolist()
        for page, entry in enumerate(entries):
            if entry & pte.VALID:
                frame = pte.frame_of(entry)
                if is_same and self._pfn.stand_by(frame):
                    pages[page] = frame
                else:
                    self._pfn.release(frame)
        if pages:
            self._waiting[_key(segment)] = pages
            self._frames.on_standby += len(pages)
        while self._frames.on_standby > MOST_PAGES:
            self._reclaim()

    def restore(self, segment: Segment) -> None:
        """Give a file's segment that is made again its pages back."""
        pages = self._waiting.pop(_key(segment), {})
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

    def _reclaim(self) -> None:
        """Free the pages that have waited longest, all that came together."""
        pages = self._waiting.pop(next(iter(self._waiting)))
        self._frames.on_standby -= len(pages)
        for frame in pages.values():
            self._pfn.forget(frame)


def version_of(file: SectionFile) -> Hashable:
    """None as well where the host can't tell."""
    try:
        return file.version
    except NtError:
        return None


def _key(segment: Segment) -> tuple[Hashable, bool]:
    return segment.version, segment.image is not None
