"""Views of sections: NtMapViewOfSection, NtUnmapViewOfSection, NtAreMappedFilesTheSame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.mm.allocate import (
    ANYWHERE,
    HIGHEST_ADDRESS,
    MOST_ZERO_BITS,
    Wish,
    commit_view,
    find_free,
)
from ntgate.executive.mm.free import delete_private
from ntgate.executive.mm.physical import release_all
from ntgate.executive.mm.protection import (
    COPY_CODES,
    is_compatible,
    protection_code,
)
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.mm.vad import (
    COMMIT_CHARGE_MASK,
    IMAGE_MAP,
    NO_CHANGE,
    PROTECTION_SHIFT,
    TAG_MAPPED,
    Vad,
)
from ntgate.executive.mm.vad_tree import HIGHEST_VPN, LOWEST_VPN
from ntgate.layout.mm import MEM_RESERVE, MEM_TOP_DOWN, MM_EXECUTE_WRITECOPY, MMVAD, SEC_NO_CHANGE
from ntgate.layout.ntstatus import (
    STATUS_CONFLICTING_ADDRESSES,
    STATUS_IMAGE_NOT_AT_BASE,
    STATUS_INVALID_ADDRESS,
    STATUS_INVALID_PARAMETER_3,
    STATUS_INVALID_PARAMETER_4,
    STATUS_INVALID_PARAMETER_5,
    STATUS_INVALID_PARAMETER_8,
    STATUS_INVALID_PARAMETER_9,
    STATUS_INVALID_VIEW_SIZE,
    STATUS_MAPPED_ALIGNMENT,
    STATUS_NOT_MAPPED_VIEW,
    STATUS_NOT_SAME_DEVICE,
    STATUS_SECTION_PROTECTION,
    STATUS_SUCCESS,
)
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.executive.mm.section import Section

VIEW_SHARE, VIEW_UNMAP = 1, 2
VIEW_NO_CHANGE = SEC_NO_CHANGE  # as an AllocationType
AT_ROUND_TO_PAGE = 0x4000_0000  # a base on 4 KB, rounded down

_KNOWN_TYPES = MEM_TOP_DOWN | MEM_RESERVE | VIEW_NO_CHANGE | AT_ROUND_TO_PAGE
_64K = 0x10000


@dataclass(frozen=True, slots=True)
class MappedView:
    """What NtMapViewOfSection returns; an image that was moved has its own status."""

    status: int
    base: int
    offset: int
    size: int


def map_view(
    space: ProcessSpace,
    section: Section,
    protect: int,
    *,
    base: int = 0,
    zero_bits: int = 0,
    offset: int = 0,
    size: int = 0,
    commit: int = 0,
    inherit: int = VIEW_UNMAP,
    allocation_type: int = 0,
    wish: Wish = ANYWHERE,
) -> MappedView:
    """NtMapViewOfSection.  `size` 0: to the end of the section.  Raises NtError.

    `commit`: so many bytes from the view's start are committed, where the section is reserved.

    An image comes with the protections of its sections, whatever `protect` says, at its own
    base when that is free: else, or at another `base`, STATUS_IMAGE_NOT_AT_BASE.
    """
    if zero_bits > MOST_ZERO_BITS:
        raise NtError(STATUS_INVALID_PARAMETER_4)
    if inherit not in (VIEW_SHARE, VIEW_UNMAP):
        raise NtError(STATUS_INVALID_PARAMETER_8)
    if allocation_type & ~_KNOWN_TYPES:
        raise NtError(STATUS_INVALID_PARAMETER_9)
    code = protection_code(protect)
    if base > HIGHEST_ADDRESS or size > HIGHEST_ADDRESS + 1 - base:
        raise NtError(STATUS_INVALID_PARAMETER_3)
    if allocation_type & AT_ROUND_TO_PAGE:
        base &= -0x1000
    elif base >> 32 - zero_bits:
        raise NtError(STATUS_INVALID_PARAMETER_4)
    elif base % _64K:
        raise NtError(STATUS_MAPPED_ALIGNMENT)
    if offset % _64K:
        raise NtError(STATUS_MAPPED_ALIGNMENT)
    if not section.is_image and not is_compatible(section.protect, protect):
        raise NtError(STATUS_SECTION_PROTECTION)
    length = section.segment.size if section.is_image else section.size
    if offset >= length or size > length - offset:
        raise NtError(STATUS_INVALID_VIEW_SIZE)
    pages = ((size or length - offset) + 0xFFF) >> 12
    top_down = bool(allocation_type & MEM_TOP_DOWN)
    if commit > pages << 12:
        raise NtError(STATUS_INVALID_PARAMETER_5)
    first = _choose(space, section, base, offset, pages, zero_bits, wish, top_down=top_down)
    flags = NO_CHANGE if allocation_type & VIEW_NO_CHANGE else 0
    if section.is_image:
        flags |= IMAGE_MAP
        code = MM_EXECUTE_WRITECOPY
    _add_view(space, section, first, pages, offset, flags | code << PROTECTION_SHIFT, inherit)
    if commit and section.segment.area.Reserve:
        try:
            commit_view(space, first, first + (commit + 0xFFF >> 12) - 1)
        except NtError:
            unmap_view(space, first << 12)
            raise
    status = STATUS_SUCCESS
    image = section.segment.image
    if image is not None and first << 12 != image.base + offset:
        status = STATUS_IMAGE_NOT_AT_BASE
    return MappedView(status, first << 12, offset, pages << 12)


def _choose(
    space: ProcessSpace,
    section: Section,
    base: int,
    offset: int,
    pages: int,
    zero_bits: int,
    wish: Wish,
    *,
    top_down: bool,
) -> int:
    if base:
        first = base >> 12
        if first + pages - 1 > HIGHEST_VPN:
            raise NtError(STATUS_INVALID_PARAMETER_3)
        if space.vads.overlaps(first, first + pages - 1):
            raise NtError(STATUS_CONFLICTING_ADDRESSES)
        return first
    image = section.segment.image
    if image is not None:
        first = (image.base + offset) >> 12
        last = first + pages - 1
        if first >= LOWEST_VPN and last <= HIGHEST_VPN and not space.vads.overlaps(first, last):
            return first
    return find_free(space, pages, zero_bits=zero_bits, top_down=top_down, wish=wish)[0]


def _add_view(
    space: ProcessSpace,
    section: Section,
    first: int,
    pages: int,
    offset: int,
    flags: int,
    inherit: int,
) -> None:
    segment = section.segment
    node = space.add_vad(TAG_MAPPED, first, first + pages - 1, flags)
    view = MMVAD(space.manager.kernel, node)
    view.ControlArea = segment.control_area
    view.FirstPrototypePte = segment.prototypes + (offset >> 12) * 8
    view.LastContiguousPte = segment.prototypes + (segment.pages - 1) * 8
    view.FileOffset = offset >> 16
    view.Inherit = inherit == VIEW_SHARE
    view.CopyOnWrite = view.Protection & 7 in COPY_CODES and not view.ImageMap
    segment.add_view(space, node)


def unmap_view(space: ProcessSpace, address: int) -> Vad:
    """NtUnmapViewOfSection of the view with that address in it; raises NtError.

    Returns what it was.
    """
    vad = space.vad_at(address >> 12)
    if vad is None or vad.is_private:
        raise NtError(STATUS_NOT_MAPPED_VIEW)
    _delete_view(space, vad)
    return vad


def _delete_view(space: ProcessSpace, vad: Vad) -> None:
    space.discard(vad.first, vad.last)
    space.manager.uncharge(vad.flags & COMMIT_CHARGE_MASK, space)  # private copies
    segment = space.manager.segments[vad.control_area]
    segment.remove_view(space, vad.node)
    space.remove_vad(vad)


def delete_all(space: ProcessSpace) -> None:
    """Everything that the process has allocated or mapped."""
    for node in space.vads:
        vad = space.vad(node)
        (delete_private if vad.is_private else _delete_view)(space, vad)
    release_all(space)


def are_mapped_files_the_same(space: ProcessSpace, one: int, other: int) -> int:
    """NtAreMappedFilesTheSame: STATUS_SUCCESS for two views of an image.

    The second may be a view of the file as data too, the first not.
    """
    segments = []
    for address in (one, other):
        vad = space.vad_at(address >> 12)
        if vad is None:
            return STATUS_INVALID_ADDRESS
        if vad.is_private:
            return STATUS_CONFLICTING_ADDRESSES
        segments.append(space.manager.segments[vad.control_area])
    first, second = segments
    if first is second and first.image is not None:
        return STATUS_SUCCESS
    same = (
        first.file is not None
        and second.file is not None
        and first.file.identity == second.file.identity
        and first.image is not None
    )
    return STATUS_SUCCESS if same else STATUS_NOT_SAME_DEVICE
