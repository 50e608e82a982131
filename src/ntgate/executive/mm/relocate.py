"""Base relocation of a mapped image by the kernel: for the program and ntdll themselves.

ntdll relocates the DLLs that it loads.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.errors import NtError
from ntgate.executive.mm.fault import private_frame, user_memory
from ntgate.executive.mm.space import ProcessSpace
from ntgate.layout.ntstatus import (
    STATUS_CONFLICTING_ADDRESSES,
    STATUS_INVALID_IMAGE_FORMAT,
    STATUS_NOT_MAPPED_VIEW,
)
from ntgate.layout.pe import IMAGE_REL_BASED_HIGHLOW
from ntgate.memory.user import AccessViolation, UserMemory

_BLOCK_HEADER = 8


def relocate(space: ProcessSpace, base: int) -> None:
    """Add the distance from its preferred base to every fixup of the image at `base`.

    The pages with fixups become private copies and keep their protection.  Raises NtError:
    STATUS_CONFLICTING_ADDRESSES when the image has no relocations, STATUS_INVALID_IMAGE_FORMAT
    when they are wrong or can't be read.
    """
    vad = space.vad_at(base >> 12)
    if vad is None or not vad.is_image or vad.first != base >> 12:
        raise NtError(STATUS_NOT_MAPPED_VIEW)
    image = space.manager.segments[vad.control_area].image
    assert image is not None
    delta = base - image.base
    if not delta:
        return
    if not image.relocations[1]:
        raise NtError(STATUS_CONFLICTING_ADDRESSES)
    for page, fixups in _blocks(user_memory(space), base, image.pages, *image.relocations):
        _relocate_page(space, (base >> 12) + page, fixups, delta)


def _blocks(
    memory: UserMemory, base: int, pages: int, rva: int, size: int
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(page of the image, its fixups: type << 12 | offset)."""
    if rva + size > pages * PAGE_SIZE:
        raise NtError(STATUS_INVALID_IMAGE_FORMAT)
    try:
        table = memory.read(base + rva, size)
    except AccessViolation:
        raise NtError(STATUS_INVALID_IMAGE_FORMAT) from None
    position = 0
    while position + _BLOCK_HEADER <= len(table):
        page, length = struct.unpack_from("<II", table, position)
        if not length:
            return
        end = position + length
        if length < _BLOCK_HEADER or end > len(table) or page % PAGE_SIZE:
            raise NtError(STATUS_INVALID_IMAGE_FORMAT)
        if page >= pages * PAGE_SIZE:
            raise NtError(STATUS_INVALID_IMAGE_FORMAT)
        count = (length - _BLOCK_HEADER) // 2
        yield page // PAGE_SIZE, struct.unpack_from(f"<{count}H", table, position + _BLOCK_HEADER)
        position = end


def _relocate_page(space: ProcessSpace, vpn: int, fixups: tuple[int, ...], delta: int) -> None:
    frame = private_frame(space, vpn)
    page = bytearray(space.tables.ram.bytes[frame * PAGE_SIZE : (frame + 1) * PAGE_SIZE])
    following = 0
    if any(
        fixup >> 12 == IMAGE_REL_BASED_HIGHLOW and fixup & 0xFFF > PAGE_SIZE - 4
        for fixup in fixups
    ):
        following = private_frame(space, vpn + 1)
        page += space.tables.ram.bytes[following * PAGE_SIZE : following * PAGE_SIZE + 4]
    for fixup in fixups:
        offset = fixup & 0xFFF
        match fixup >> 12:
            case 0:  # IMAGE_REL_BASED_ABSOLUTE: padding
                pass
            case 3:  # IMAGE_REL_BASED_HIGHLOW
                (value,) = struct.unpack_from("<I", page, offset)
                struct.pack_into("<I", page, offset, value + delta & 0xFFFFFFFF)
            case _:
                raise NtError(STATUS_INVALID_IMAGE_FORMAT)
    write = space.manager.cpu.write_physical
    write(frame * PAGE_SIZE, bytes(page[:PAGE_SIZE]))
    if following:
        write(following * PAGE_SIZE, bytes(page[PAGE_SIZE:]))
