"""Page table entries of user space and prototype PTEs, as PAE XP writes them.

A valid entry is the processor's, with two software bits: COPY_ON_WRITE, and WRITE for a page
that may be written although the processor's bit may still be clear (its first write is to be
noticed).  An entry that isn't valid is one of:

    0                         what the VAD says
    demand zero               Protection; no page yet.  MM_DECOMMIT: not committed
    transition                Protection and the page: a guard or no-access page with contents
    PROTOTYPE, all ones high  Protection; the page is the prototype PTE's that the VAD names

and a prototype PTE is 0 (not committed), demand zero, valid, or

    PROTOTYPE, Subsection     Protection; the page is still in the subsection's file

The places of the fields are those of _MMPTE_SOFTWARE, _MMPTE_TRANSITION and _MMPTE_SUBSECTION.
"""

from __future__ import annotations

from array import array
from functools import cache

from ntgate.cpu import mmu
from ntgate.cpu.mmu import DIRTY, NO_EXECUTE, WRITABLE
from ntgate.executive.mm.protection import COPY_CODES, WRITABLE_CODES
from ntgate.layout.mm import (
    MM_GUARD_PAGE,
    MM_NOACCESS,
    MM_NOCACHE,
    PTE_BASE,
    PTE_PROTOTYPE,
    PTE_TRANSITION,
)

VALID = mmu.PRESENT
COPY_ON_WRITE = 1 << 9
WRITE = 1 << 11  # in a valid entry; in others the bit is PTE_TRANSITION
PROTECTION_SHIFT = 5
PROTECTION_MASK = 0x1F << PROTECTION_SHIFT
LOOKUP = 0xFFFFFFFF << 32 | PTE_PROTOTYPE
FRAME_SHIFT = 12
TABLE_INDEX = 0x1FF  # of an entry in its page
FRAME_NUMBER = 0xFFFFFF
TABLE_FRAME = 0xFFFFFFF000  # of a PDE: where the page table is


def _rights(code: int) -> int:
    entry = VALID | mmu.USER | mmu.ACCESSED
    if code & 7 in WRITABLE_CODES:
        entry |= WRITE
    elif code & 7 in COPY_CODES:
        entry |= COPY_ON_WRITE
    if code & MM_NOACCESS == MM_NOCACHE:
        entry |= mmu.CACHE_DISABLE
    return entry


_BY_CODE = tuple(_rights(code) for code in range(32))


def accessible(code: int) -> bool:
    """Whether a page of this protection may be mapped at all: no guard, some access."""
    return bool(code & 7) and not code & MM_GUARD_PAGE


def valid_entry(frame: int, code: int, *, ran: bool, written: bool) -> int:
    """A valid user entry.  `written`: let the processor write a writable page unnoticed."""
    entry = _BY_CODE[code] | frame << FRAME_SHIFT
    if written and entry & WRITE:
        entry |= WRITABLE | DIRTY
    return entry if ran else entry | NO_EXECUTE


def demand_zero(code: int) -> int:
    return code << PROTECTION_SHIFT


def transition_entry(frame: int, code: int) -> int:
    return frame << FRAME_SHIFT | PTE_TRANSITION | code << PROTECTION_SHIFT


def lookup_entry(code: int) -> int:
    return LOOKUP | code << PROTECTION_SHIFT


def with_protection(entry: int, code: int) -> int:
    """An entry that is not valid, with another Protection."""
    return entry & ~PROTECTION_MASK | code << PROTECTION_SHIFT


def subsection_entry(subsection: int, code: int) -> int:
    return subsection << 32 | PTE_PROTOTYPE | code << PROTECTION_SHIFT


def protection_of(entry: int) -> int:
    """The Protection of an entry that isn't valid."""
    return entry >> PROTECTION_SHIFT & 0x1F


def frame_of(entry: int) -> int:
    return entry >> FRAME_SHIFT & FRAME_NUMBER


@cache
def repeated(entry: int) -> memoryview:
    """A page table's worth of one entry that isn't valid, to copy from."""
    return memoryview(array("Q", [entry] * 512))


def pte_address(linear: int) -> int:
    """Where the PTE of `linear` appears in the process's own address space."""
    return PTE_BASE + (linear >> 12) * 8

