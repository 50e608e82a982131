"""Questions about memory: NtQueryVirtualMemory."""

from __future__ import annotations

from typing import NamedTuple

from ntgate.errors import NtError
from ntgate.executive.mm import pte
from ntgate.executive.mm.pages import page_code
from ntgate.executive.mm.protection import PAGE_OF_CODE
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.mm.vad import Vad
from ntgate.executive.mm.vad_tree import HIGHEST_VPN
from ntgate.layout.machine import MM_HIGHEST_USER_ADDRESS, SHARED_USER_DATA
from ntgate.layout.mm import (
    MEM_COMMIT,
    MEM_FREE,
    MEM_IMAGE,
    MEM_MAPPED,
    MEM_PRIVATE,
    MEM_RESERVE,
    PAGE_NOACCESS,
    PAGE_READONLY,
)
from ntgate.layout.ntstatus import (
    STATUS_FILE_INVALID,
    STATUS_INVALID_ADDRESS,
    STATUS_INVALID_PARAMETER,
)

# A bit field of MEMORY_WORKING_SET_BLOCK.
_SHARED = 1 << 8
_MOST_SHARES = 7

# Bit fields of MEMORY_WORKING_SET_EX_BLOCK.
_EX_VALID, _EX_SHARED, _EX_LOCKED = 1 << 0, 1 << 15, 1 << 22
_EX_SHARE_COUNT, _EX_PROTECTION = 1, 4

# Bits of MEMORY_REGION_INFORMATION.RegionType.
_REGION_PRIVATE, _REGION_DATA_FILE, _REGION_IMAGE, _REGION_PAGE_FILE = 1, 2, 4, 8


class MemoryBasicInformation(NamedTuple):
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


class MemoryRegionInformation(NamedTuple):
    """The first members of MEMORY_REGION_INFORMATION: a whole allocation, in bytes."""

    AllocationBase: int
    AllocationProtect: int
    RegionType: int
    RegionSize: int
    CommitSize: int


def query_region(space: ProcessSpace, address: int) -> MemoryRegionInformation:
    """MemoryRegionInformation; raises NtError STATUS_INVALID_PARAMETER where nothing is."""
    vad = space.vad_at(address >> 12)
    if vad is None:
        raise NtError(STATUS_INVALID_PARAMETER)
    if vad.is_private:
        kind, committed = _REGION_PRIVATE, space.count_committed(vad, vad.first, vad.last)
    else:
        file = space.manager.segments[vad.control_area].file
        kind = (
            _REGION_IMAGE if vad.is_image
            else _REGION_DATA_FILE if file is not None
            else _REGION_PAGE_FILE
        )  # fmt: skip
        committed = sum(
            page_code(space, vad, vpn, space.tables.entry(vpn << 12)) is not None
            for vpn in range(vad.first, vad.last + 1)
        )
    return MemoryRegionInformation(
        vad.first << 12, PAGE_OF_CODE[vad.code], kind, vad.pages << 12, committed << 12
    )


def working_set_attributes(space: ProcessSpace, address: int) -> int:
    """MEMORY_WORKING_SET_EX_BLOCK of one page; 0 where it is not in the working set."""
    if address > MM_HIGHEST_USER_ADDRESS:
        return 0
    vpn = address >> 12
    vad = space.vad_at(vpn)
    entry = space.tables.entry(vpn << 12)
    code = None if vad is None else page_code(space, vad, vpn, entry)
    if code is None or not entry & pte.VALID:
        return 0
    block = _EX_VALID | PAGE_OF_CODE[code] << _EX_PROTECTION
    frame = pte.frame_of(entry)
    if space.manager.pfn.is_prototype(frame):
        shares = space.manager.pfn.share_count(frame) - 1  # its prototype PTE is one
        block |= _EX_SHARED | min(shares, _MOST_SHARES) << _EX_SHARE_COUNT
    return block | _EX_LOCKED if vpn in space.locked else block


def mapped_file_name(space: ProcessSpace, address: int) -> str:
    """MemoryMappedFilenameInformation: the NT path of the file that a view maps."""
    vad = space.vad_at(address >> 12)
    if vad is None or vad.is_private:
        raise NtError(STATUS_INVALID_ADDRESS)
    file = space.manager.segments[vad.control_area].file
    if file is None:
        raise NtError(STATUS_FILE_INVALID)
    return file.name
