"""MEM_EXTENDED_PARAMETER arrays: where new memory is wanted, as VirtualAlloc2 passes it."""

from __future__ import annotations

import struct

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.errors import NtError
from ntgate.executive.mm.allocate import ANYWHERE, Wish
from ntgate.layout import machine as m
from ntgate.layout import ntstatus
from ntgate.layout.mm import ALLOCATION_GRANULARITY
from ntgate.memory.user import UserMemory

MemExtendedParameterAddressRequirements = 1
PARAMETER_SIZE, REQUIREMENTS_SIZE = 16, 12
MOST_PARAMETERS = 8


def address_wish(memory: UserMemory, address: int, count: int) -> Wish:
    """Raises NtError STATUS_INVALID_PARAMETER for one that is not understood; AccessViolation."""
    if not count:
        return ANYWHERE
    if count > MOST_PARAMETERS or not address:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    wish: Wish | None = None
    for kind, pointer in struct.iter_unpack("<QQ", memory.read(address, PARAMETER_SIZE * count)):
        if kind & 0xFF != MemExtendedParameterAddressRequirements or wish is not None:
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
        wish = _requirements(memory, pointer & 0xFFFFFFFF)
    return wish or ANYWHERE


def _requirements(memory: UserMemory, address: int) -> Wish:
    """MEM_ADDRESS_REQUIREMENTS; zeros leave a limit open."""
    lowest, highest, alignment = struct.unpack("<3I", memory.read(address, REQUIREMENTS_SIZE))
    if (
        lowest % ALLOCATION_GRANULARITY
        or (highest + 1) % PAGE_SIZE * bool(highest)
        or highest > m.MM_HIGHEST_USER_ADDRESS
        or (highest and lowest > highest)
        or (alignment and (alignment < ALLOCATION_GRANULARITY or alignment & alignment - 1))
    ):
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    return Wish(
        lowest >> 12,
        highest >> 12 if highest else ANYWHERE.highest,
        alignment >> 12 if alignment else ANYWHERE.alignment,
    )
