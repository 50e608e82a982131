"""The page walk of a PAE processor, as the host repeats it (Intel SDM volume 3, 4.4).

The engine walks the same tables in C for the guest's own accesses.  This walk serves what the
processor does outside instructions that the engine knows (reading an IDT gate, pushing an
interrupt frame) and what the kernel's host side reads and writes.
"""

from __future__ import annotations

from ntgate.records import dataclass

PRESENT = 1 << 0
WRITABLE = 1 << 1
USER = 1 << 2
WRITE_THROUGH = 1 << 3
CACHE_DISABLE = 1 << 4
ACCESSED = 1 << 5
DIRTY = 1 << 6
LARGE = 1 << 7
GLOBAL = 1 << 8
NO_EXECUTE = 1 << 63

FRAME_MASK = 0x000F_FFFF_FFFF_F000
LARGE_FRAME_MASK = 0x000F_FFFF_FFE0_0000

# Page-fault error code bits.
FAULT_PROTECTION = 1 << 0
FAULT_WRITE = 1 << 1
FAULT_USER = 1 << 2
FAULT_RESERVED = 1 << 3
FAULT_FETCH = 1 << 4


class PageFault(Exception):
    """The access is not allowed: `address` is what CR2 would hold, `error` the error code."""

    def __init__(self, address: int, error: int) -> None:
        super().__init__(f"page fault at {address:08x}, error code {error:x}")
        self.address = address
        self.error = error


@dataclass(frozen=True)
class Mapping:
    """Where a page is: `entry` is the PTE (or the PDE of a 2 MB page) at `entry_physical`."""

    physical: int
    entry: int
    entry_physical: int
    large: bool
    rights: int  # WRITABLE and USER as all levels allow


def walk(qwords: memoryview, cr3: int, linear: int) -> Mapping | None:
    """The mapping of `linear`, or None where a level is absent or points beyond RAM."""
    try:
        pdpte = qwords[((cr3 & 0xFFFFFFE0) >> 3) + (linear >> 30)]
        if not pdpte & PRESENT:
            return None
        index = ((pdpte & FRAME_MASK) >> 3) + (linear >> 21 & 0x1FF)
        pde = qwords[index]
        if not pde & PRESENT:
            return None
        rights = pde & (WRITABLE | USER)
        if pde & LARGE:
            physical = pde & LARGE_FRAME_MASK | linear & 0x1FFFFF
            return Mapping(physical, pde, index << 3, True, rights)
        index = ((pde & FRAME_MASK) >> 3) + (linear >> 12 & 0x1FF)
        pte = qwords[index]
    except IndexError:
        return None
    if not pte & PRESENT:
        return None
    return Mapping(pte & FRAME_MASK | linear & 0xFFF, pte, index << 3, False, rights & pte)


def entries(qwords: memoryview, cr3: int, linear: int) -> tuple[int, int] | None:
    """Where in RAM, in qwords, the PDE and the PTE of a 4 KB page are; None without such a page."""
    mapping = walk(qwords, cr3, linear)
    if mapping is None or mapping.large:
        return None
    pdpte = qwords[((cr3 & 0xFFFFFFE0) >> 3) + (linear >> 30)]
    return ((pdpte & FRAME_MASK) >> 3) + (linear >> 21 & 0x1FF), mapping.entry_physical >> 3


def translate(qwords: memoryview, cr3: int, linear: int, access: int = 0) -> int:
    """Physical address for one access, on the processor's terms.

    `access` is FAULT_WRITE and FAULT_USER as they would stand in the error code.  A
    supervisor write obeys the page's write bit (CR0.WP is set on NT).  Raises PageFault.
    """
    try:
        entry = qwords[((cr3 & 0xFFFFFFE0) >> 3) + (linear >> 30)]
        if entry & 1:
            entry = qwords[((entry & FRAME_MASK) >> 3) + (linear >> 21 & 0x1FF)]
            if entry & 0x81 == 1:
                pte = qwords[((entry & FRAME_MASK) >> 3) + (linear >> 12 & 0x1FF)]
                if pte & 1:
                    # Error bits W and U stand where the entry has its write and user bits.
                    if access & ~(entry & pte) & 6:
                        raise PageFault(linear, access | FAULT_PROTECTION)
                    return int(pte & FRAME_MASK | linear & 0xFFF)
            elif entry & 1:
                if access & ~entry & 6:
                    raise PageFault(linear, access | FAULT_PROTECTION)
                return int(entry & LARGE_FRAME_MASK | linear & 0x1FFFFF)
    except IndexError:
        pass
    raise PageFault(linear, access)
