"""Questions about memory: NtQueryVirtualMemory."""

from __future__ import annotations

from dataclasses import dataclass

from ntgate.errors import NtError
from ntgate.executive.mm import pte
from ntgate.executive.mm.pages import page_code
from ntgate.executive.mm.protection import (
    PAGE_NOACCESS,
    PAGE_OF_CODE,
    PAGE_READONLY,
)
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.mm.vad import Vad
from ntgate.executive.mm.vad_tree import HIGHEST_VPN
from ntgate.layout.machine import MM_HIGHEST_USER_ADDRESS, SHARED_USER_DATA
from ntgate.layout.ntstatus import (
    STATUS_FILE_INVALID,
    STATUS_INVALID_ADDRESS,
    STATUS_INVALID_PARAMETER,
)

MEM_COMMIT, MEM_RESERVE, MEM_FREE = 0x1000, 0x2000, 0x10000
MEM_PRIVATE, MEM_MAPPED, MEM_IMAGE = 0x20000, 0x40000, 0x1000000

# A bit field of MEMORY_WORKING_SET_BLOCK.
_SHARED = 1 << 8
_MOST_SHARES = 7


@dataclass(frozen=True, slots=True)
class MemoryBasicInformation:
    """MEMORY_BASIC_INFORMATION, in the order of its members: 1c bytes of dwords."""

    BaseAddress: int
    AllocationBase: int
    AllocationProtect: int
    RegionSize: int
    State: int
    Protect: int
    Type: int


def query(space: ProcessSpace, address: int) -> MemoryBasicInformation:
    """The pages from `address` up that are alike: one allocation, state and protection."""
    if address > MM_HIGHEST_USER_ADDRESS:
        raise NtError(STATUS_INVALID_PARAMETER)
    vpn = address >> 12
    base = vpn << 12
    if vpn > HIGHEST_VPN:
        return _query_shared_user_data(base)
    vad = space.vad_at(vpn)
    if vad is None:
        above = space.vads.at_or_above(vpn)
        end = space.vads.bounds(above)[0] if above else HIGHEST_VPN + 1
        return MemoryBasicInformation(
            base, 0, 0, min(end, HIGHEST_VPN + 1) - vpn << 12, MEM_FREE, PAGE_NOACCESS, 0
        )
    code, pages = _region(space, vad, vpn)
    kind = MEM_PRIVATE if vad.is_private else MEM_IMAGE if vad.is_image else MEM_MAPPED
    return MemoryBasicInformation(
        base,
        vad.first << 12,
        PAGE_OF_CODE[vad.code],
        pages << 12,
        MEM_RESERVE if code is None else MEM_COMMIT,
        0 if code is None else PAGE_OF_CODE[code],
        kind,
    )


def _query_shared_user_data(base: int) -> MemoryBasicInformation:
    if base == SHARED_USER_DATA:
        size, state, protect = 0x1000, MEM_COMMIT, PAGE_READONLY
    else:
        size, state, protect = MM_HIGHEST_USER_ADDRESS + 1 - base, MEM_RESERVE, PAGE_NOACCESS
    return MemoryBasicInformation(
        base, SHARED_USER_DATA, PAGE_READONLY, size, state, protect, MEM_PRIVATE
    )


def _region(space: ProcessSpace, vad: Vad, vpn: int) -> tuple[int | None, int]:
    """The protection of a page (None: reserved) and how many pages from it on share it."""
    qwords = space.tables.ram.qwords
    wanted = page_code(space, vad, vpn, space.tables.entry(vpn << 12))
    pages = 0
    for first, count, index in space.chunks(vpn, vad.last):
        entries = [0] * count if index is None else qwords[index : index + count].tolist()
        if vad.is_private and not any(entries):
            if (vad.code if vad.is_committed else None) != wanted:
                return wanted, pages
            pages += count
            continue
        for offset, entry in enumerate(entries):
            if page_code(space, vad, first + offset, entry) != wanted:
                return wanted, pages
            pages += 1
    return wanted, pages


def working_set(space: ProcessSpace) -> list[int]:
    """MemoryWorkingSetList: a MEMORY_WORKING_SET_BLOCK for each valid page of a VAD."""
    pfn = space.manager.pfn
    blocks = []
    for node in space.vads:
        vad = space.vad(node)
        for first, count, index in space.chunks(vad.first, vad.last):
            if index is None:
                continue
            entries = space.tables.ram.qwords[index : index + count].tolist()
            for offset, entry in enumerate(entries):
                if not entry & pte.VALID:
                    continue
                vpn = first + offset
                block = vpn << 12 | (page_code(space, vad, vpn, entry) or 0)
                frame = pte.frame_of(entry)
                if pfn.is_prototype(frame):
                    shares = pfn.share_count(frame) - 1  # its prototype PTE is one
                    block |= _SHARED | min(shares, _MOST_SHARES) << 5
                blocks.append(block)
    return blocks


def mapped_file_name(space: ProcessSpace, address: int) -> str:
    """MemoryMappedFilenameInformation: the NT path of the file that a view maps."""
    vad = space.vad_at(address >> 12)
    if vad is None or vad.is_private:
        raise NtError(STATUS_INVALID_ADDRESS)
    file = space.manager.segments[vad.control_area].file
    if file is None:
        raise NtError(STATUS_FILE_INVALID)
    return file.name
