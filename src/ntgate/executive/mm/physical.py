"""Physical pages that a process has for itself and maps where it likes: AWE.

EPROCESS.AweInfo points at an AWEINFO, whose bitmap has a bit for each frame that the process
owns; it is in no public table of XP's types.  A page can be mapped in a MEM_PHYSICAL allocation,
in one place at a time: the PFN database says where.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ntgate.errors import NtError
from ntgate.executive.mm import pte
from ntgate.executive.mm.execute import make_entry
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.mm.vad import USER_PHYSICAL_PAGES, Vad
from ntgate.layout.mm import MM_READWRITE, PTE_BASE, RTL_BITMAP
from ntgate.layout.ntstatus import (
    STATUS_CONFLICTING_ADDRESSES,
    STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_PARAMETER_1,
    STATUS_INVALID_PARAMETER_3,
)
from ntgate.memory.structs import Struct, u32

TAG = b"MmPh"
OWNED, MAPPED = 1, 2  # holders of a frame


class AWEINFO(Struct, size=0x0C):
    VadPhysicalPagesBitMap = u32(0x00)  # RTL_BITMAP
    VadPhysicalPages       = u32(0x04)  # how many the process owns
    VadPhysicalPagesLimit  = u32(0x08)


def allocate_pages(space: ProcessSpace, count: int) -> list[int]:
    """Up to `count` zeroed frames for the process; raises STATUS_INSUFFICIENT_RESOURCES for none.

    They are charged to the machine's commitment, as memory that can't be paged out.
    """
    space.require_alive()
    manager = space.manager
    possible = min(count, manager.frames.available, manager.commit_limit - manager.committed)
    if possible <= 0:
        raise NtError(STATUS_INSUFFICIENT_RESOURCES)
    owned = _Owned.of(space, make=True)
    assert owned is not None
    manager.charge(possible)
    found = []
    for _number in range(possible):
        frame = manager.frame()
        manager.pfn.describe(frame, 0, 0, pte.demand_zero(MM_READWRITE))
        owned.set(frame, owns=True)
        found.append(frame)
    return found


def free_pages(space: ProcessSpace, frames: Sequence[int]) -> int:
    """Give frames back, mapped or not; how many, up to the first that isn't the process's."""
    owned = _Owned.of(space)
    done = 0
    for frame in frames:
        if owned is None or not owned.has(frame):
            break
        _free(space, owned, frame)
        done += 1
    return done


def map_pages(space: ProcessSpace, address: int, frames: Sequence[int]) -> None:
    """Map a frame at each page from `address` on; 0 there for none.  Raises NtError."""
    first = address >> 12
    vad = _physical_vad(space, first, first + len(frames) - 1)
    _check(space, frames)
    for offset, frame in enumerate(frames):
        _map(space, vad, first + offset, frame)


def map_scattered(space: ProcessSpace, addresses: Sequence[int], frames: Sequence[int]) -> None:
    """The same for pages that lie anywhere.  Raises NtError before anything is mapped."""
    vads = [_physical_vad(space, address >> 12, address >> 12) for address in addresses]
    _check(space, frames)
    for vad, address, frame in zip(vads, addresses, frames, strict=True):
        _map(space, vad, address >> 12, frame)


def release_all(space: ProcessSpace) -> None:
    """The process has ended; its views are gone already."""
    owned = _Owned.of(space)
    if owned is None:
        return
    for frame in list(owned.frames()):
        _free(space, owned, frame)
    space.process.AweInfo = 0
    space.manager.pool.free(owned.info.address)


def _physical_vad(space: ProcessSpace, first: int, last: int) -> Vad:
    vad = space.vad_at(first)
    if vad is None or last > vad.last or not vad.flags & USER_PHYSICAL_PAGES:
        raise NtError(STATUS_INVALID_PARAMETER_1)
    return vad


def _check(space: ProcessSpace, frames: Sequence[int]) -> None:
    """Each is the process's, is named once, and is mapped nowhere; 0 is none."""
    owned = _Owned.of(space)
    wanted = [frame for frame in frames if frame]
    pfn = space.manager.pfn
    for frame in wanted:
        if owned is None or not owned.has(frame):
            raise NtError(STATUS_CONFLICTING_ADDRESSES)
        if pfn.share_count(frame) != OWNED:
            raise NtError(STATUS_INVALID_PARAMETER_3)
    if len(set(wanted)) != len(wanted):
        raise NtError(STATUS_INVALID_PARAMETER_3)


def _map(space: ProcessSpace, vad: Vad, vpn: int, frame: int) -> None:
    space.discard(vpn, vpn)
    if not frame:
        return
    index = space.index(vpn)
    pfn = space.manager.pfn
    pfn.share(frame)
    pfn.move_pte(frame, pte.pte_address(vpn << 12), index >> 9)
    entry = make_entry(space, frame, vad.code, written=True)
    space.tables.ram.qwords[index] = entry
    space.count_private()


def _free(space: ProcessSpace, owned: _Owned, frame: int) -> None:
    pfn = space.manager.pfn
    if pfn.share_count(frame) == MAPPED:
        vpn = (pfn.pte_address(frame) - PTE_BASE) // 8
        space.discard(vpn, vpn)
    owned.set(frame, owns=False)
    pfn.release(frame)
    space.manager.uncharge(1)


class _Owned:
    """The bitmap of one process's frames."""

    def __init__(self, space: ProcessSpace, info: AWEINFO) -> None:
        self.info = info
        self._kernel = space.manager.kernel
        self._bits = RTL_BITMAP(self._kernel, info.VadPhysicalPagesBitMap)

    @classmethod
    def of(cls, space: ProcessSpace, *, make: bool = False) -> _Owned | None:
        """None for a process that has never had any, unless it is to be made; raises NtError."""
        manager = space.manager
        address = space.process.AweInfo
        if not address:
            if not make:
                return None
            address = cls._make(space)
        return cls(space, AWEINFO(manager.kernel, address))

    @staticmethod
    def _make(space: ProcessSpace) -> int:
        manager = space.manager
        pages = manager.kernel.ram.pages
        fixed = AWEINFO.SIZE + RTL_BITMAP.SIZE
        block = manager.pool_block(fixed + (pages + 31) // 32 * 4, TAG)
        info = AWEINFO(manager.kernel, block)
        bits = RTL_BITMAP(manager.kernel, block + AWEINFO.SIZE)
        info.VadPhysicalPagesBitMap = bits.address
        bits.SizeOfBitMap, bits.Buffer = pages, block + fixed
        space.process.AweInfo = block
        return block

    def has(self, frame: int) -> bool:
        if frame >= self._bits.SizeOfBitMap:
            return False
        return bool(self._kernel.u32(self._word(frame)) >> (frame & 31) & 1)

    def set(self, frame: int, *, owns: bool) -> None:
        word, bit = self._word(frame), 1 << (frame & 31)
        value = self._kernel.u32(word)
        self._kernel.set_u32(word, value | bit if owns else value & ~bit)
        self.info.VadPhysicalPages += 1 if owns else -1

    def frames(self) -> Iterator[int]:
        for start in range(0, self._bits.SizeOfBitMap, 32):
            word = self._kernel.u32(self._word(start))
            while word:
                yield start + (word & -word).bit_length() - 1
                word &= word - 1

    def _word(self, frame: int) -> int:
        address: int = self._bits.Buffer + frame // 32 * 4
        return address
