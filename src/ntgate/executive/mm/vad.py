"""One VAD as it is read for a request: a snapshot of the guest's node, and its creation."""

from __future__ import annotations

from typing import NamedTuple

from ntgate.layout.mm import MMVAD, MMVAD_LONG, MMVAD_SHORT

PHYSICAL_MAPPING    = 1 << 19
IMAGE_MAP           = 1 << 20
USER_PHYSICAL_PAGES = 1 << 21
NO_CHANGE           = 1 << 22
WRITE_WATCH         = 1 << 23
MEM_COMMIT_FLAG     = 1 << 30
PRIVATE_MEMORY      = 1 << 31

COMMIT_CHARGE_MASK = 0x7FFFF
PROTECTION_SHIFT = 24

TAG_SHORT, TAG_MAPPED, TAG_LONG, TAG_SPLIT = b"VadS", b"Vad ", b"Vadl", b"VadF"
SIZES = {
    TAG_SHORT: MMVAD_SHORT.SIZE,
    TAG_MAPPED: MMVAD.SIZE,
    TAG_LONG: MMVAD_LONG.SIZE,
    TAG_SPLIT: MMVAD_SHORT.SIZE,
}


class Vad(NamedTuple):
    """What a node said when it was read.  `first` and `last` are page numbers."""

    node: int
    first: int
    last: int
    flags: int
    control_area: int = 0
    first_prototype: int = 0
    last_prototype: int = 0

    @property
    def pages(self) -> int:
        return self.last - self.first + 1

    @property
    def code(self) -> int:
        """Protection, as an MM_ code."""
        return self.flags >> PROTECTION_SHIFT & 0x1F

    @property
    def is_private(self) -> bool:
        return bool(self.flags & PRIVATE_MEMORY)

    @property
    def is_committed(self) -> bool:
        """Whether a page with PTE 0 is committed (MemCommit; private memory only)."""
        return bool(self.flags & MEM_COMMIT_FLAG)

    @property
    def is_image(self) -> bool:
        return bool(self.flags & IMAGE_MAP)

    @property
    def is_watched(self) -> bool:
        return bool(self.flags & WRITE_WATCH)

    def prototype(self, vpn: int) -> int:
        """The address of a page's prototype PTE; 0 beyond the section's end."""
        address = self.first_prototype + (vpn - self.first) * 8
        return address if address <= self.last_prototype else 0
