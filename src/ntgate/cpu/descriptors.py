"""Segment and gate descriptors of the GDT and the IDT (Intel SDM volume 3, 3.4.5 and 6.11)."""

from __future__ import annotations

from ntgate.records import dataclass

TASK_GATE = 0x5
INTERRUPT_GATE_16 = 0x6
TRAP_GATE_16 = 0x7
INTERRUPT_GATE = 0xE
TRAP_GATE = 0xF

# Bits of a descriptor's high dword, which the engine keeps as the flags of a segment cache.
CONFORMING = 1 << 10
CODE = 1 << 11
WRITABLE_DATA = 1 << 9
NOT_SYSTEM = 1 << 12
PRESENT = 1 << 15
BIG = 1 << 22


@dataclass(frozen=True)
class Segment:
    """A descriptor with its two dwords taken apart; `limit` is in bytes."""

    base: int
    limit: int
    flags: int

    @property
    def dpl(self) -> int:
        return self.flags >> 13 & 3

    @property
    def present(self) -> bool:
        return bool(self.flags & PRESENT)


# What sysenter loads, and a boot loader leaves.
FLAT_CODE = Segment(0, 0xFFFFFFFF, 0x00CF_9B00)
FLAT_DATA = Segment(0, 0xFFFFFFFF, 0x00CF_9300)


def parse_segment(low: int, high: int) -> Segment:
    limit = low & 0xFFFF | high & 0x000F0000
    if high & 1 << 23:
        limit = limit << 12 | 0xFFF
    return Segment(low >> 16 | (high & 0xFF) << 16 | high & 0xFF000000, limit, high)


def segment_descriptor(base: int, limit: int, access: int, *, flags: int = 0xC) -> int:
    """A descriptor as a qword: `access` is its sixth byte, `flags` the G, D/B, L, AVL nibble.

    `limit` counts as the descriptor does: 4 KB units when G (flags & 8) is set.
    """
    low = limit & 0xFFFF | (base & 0xFFFF) << 16
    high = base >> 16 & 0xFF | access << 8 | limit & 0xF0000 | flags << 20 | base & 0xFF000000
    return low | high << 32


def gate_descriptor(selector: int, offset: int, kind: int, dpl: int) -> int:
    """A present gate as a qword."""
    low = offset & 0xFFFF | selector << 16
    high = offset & 0xFFFF0000 | PRESENT | dpl << 13 | kind << 8
    return low | high << 32
