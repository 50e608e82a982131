"""Section objects: NtCreateSection, NtExtendSection, and what NtQuerySection asks."""

from __future__ import annotations

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.errors import NtError
from ntgate.executive.mm.files import SectionFile
from ntgate.executive.mm.image import ImagePart, parse_image
from ntgate.executive.mm.manager import MemoryManager
from ntgate.executive.mm.protection import protection_code
from ntgate.executive.mm.segment import LARGEST_SEGMENT, Segment
from ntgate.layout.mm import (
    MM_EXECUTE_WRITECOPY,
    PAGE_EXECUTE_READWRITE,
    PAGE_GUARD,
    PAGE_NOACCESS,
    PAGE_NOCACHE,
    PAGE_READWRITE,
    SEC_BASED,
    SEC_COMMIT,
    SEC_FILE,
    SEC_IMAGE,
    SEC_NO_CHANGE,
    SEC_NOCACHE,
    SEC_RESERVE,
    SECTION_OBJECT,
)
from ntgate.layout.ntstatus import (
    STATUS_INVALID_FILE_FOR_SECTION,
    STATUS_INVALID_PAGE_PROTECTION,
    STATUS_INVALID_PARAMETER_4,
    STATUS_INVALID_PARAMETER_6,
    STATUS_MAPPED_FILE_SIZE_ZERO,
    STATUS_SECTION_NOT_EXTENDED,
    STATUS_SECTION_TOO_BIG,
)
from ntgate.records import dataclass

_KNOWN = SEC_BASED | SEC_NO_CHANGE | SEC_IMAGE | SEC_RESERVE | SEC_COMMIT | SEC_NOCACHE
_KINDS = SEC_IMAGE | SEC_RESERVE | SEC_COMMIT
_NOT_FOR_IMAGES = SEC_COMMIT | SEC_RESERVE | SEC_NOCACHE | SEC_BASED
_WRITABLE = (PAGE_READWRITE, PAGE_EXECUTE_READWRITE)

# The body of a section object: _SECTION_OBJECT, then what no public table names.
SECTION_BODY_SIZE = 0x28
_SIZE_OF_SECTION, _FLAGS, _INITIAL_PROTECTION = 0x18, 0x20, 0x24


@dataclass(slots=True)
class Section:
    """The host's side of a section object; `size` in bytes, `protect` a PAGE_* value.

    `address` is its body in the guest, once `write_body` has been told.
    """

    segment: Segment
    protect: int
    attributes: int
    size: int
    address: int = 0

    @property
    def is_image(self) -> bool:
        return self.segment.image is not None

    def write_body(self, address: int) -> None:
        """Fill in SECTION_BODY_SIZE zeroed bytes that the object manager has allocated."""
        kernel = self.segment.manager.kernel
        self.address = address
        SECTION_OBJECT(kernel, address).Segment = self.segment.address
        kernel.set_u64(address + _SIZE_OF_SECTION, self.size)
        kernel.set_u32(address + _FLAGS, self.segment.area.LongFlags)
        kernel.set_u32(address + _INITIAL_PROTECTION, self.protect)

    def information(self) -> tuple[int, int, int]:
        """SectionBasicInformation: BaseAddress, AllocationAttributes, MaximumSize."""
        attributes = self.attributes & ~SEC_NOCACHE
        if self.segment.file is not None:
            attributes = attributes & ~(SEC_COMMIT | SEC_RESERVE) | SEC_FILE
        return 0, attributes, self.size


def create_section(
    manager: MemoryManager,
    protect: int,
    attributes: int,
    *,
    size: int = 0,
    file: SectionFile | None = None,
    file_object: int = 0,
) -> Section:
    """NtCreateSection without the object; `file_object` is the address of the FILE_OBJECT.

    `size` 0 takes the file's, or the image's, of which it can't be more.  Sections of one
    file share their pages, and so do its images.  Raises NtError.
    The caller ends it with `delete_section`.
    """
    code = check_kind(protect, attributes)
    if attributes & SEC_IMAGE:
        segment = _image_segment(manager, file, file_object)
        if size > segment.size:
            raise NtError(STATUS_SECTION_TOO_BIG)
        size = size or segment.size
    elif file is not None:
        segment, size = _file_segment(manager, file, file_object, protect, code, size)
    else:
        if size <= 0:
            raise NtError(STATUS_INVALID_PARAMETER_4)
        size = -(-size // PAGE_SIZE) * PAGE_SIZE
        pages = size // PAGE_SIZE
        segment = Segment(
            manager, size, (ImagePart(0, pages, 0, 0, code),), code=code,
            reserve=bool(attributes & SEC_RESERVE),
        )  # fmt: skip
    segment.add_section()
    return Section(segment, protect, attributes, size)


def check_kind(protect: int, attributes: int) -> int:
    """The MM_ code of a section's protection; raises NtError for what no section can be."""
    if (
        attributes & ~_KNOWN
        or (attributes & _KINDS).bit_count() != 1
        or (attributes & SEC_IMAGE and attributes & _NOT_FOR_IMAGES)
    ):
        raise NtError(STATUS_INVALID_PARAMETER_6)
    if protect & (PAGE_NOCACHE | PAGE_GUARD | PAGE_NOACCESS):
        raise NtError(STATUS_INVALID_PAGE_PROTECTION)
    return protection_code(protect)


def delete_section(section: Section) -> None:
    """The object is gone: its pages too, unless a view or another section holds them."""
    section.segment.remove_section()


def _image_segment(
    manager: MemoryManager, file: SectionFile | None, file_object: int
) -> Segment:
    if file is None:
        raise NtError(STATUS_INVALID_FILE_FOR_SECTION)
    known = manager.file_segments.get((file.identity, True))
    if known is not None:
        return known
    image = parse_image(file)
    segment = Segment(
        manager, image.pages * PAGE_SIZE, image.parts, code=MM_EXECUTE_WRITECOPY,
        file=file, file_object=file_object, image=image,
    )  # fmt: skip
    manager.file_segments[file.identity, True] = segment
    return segment


def _file_segment(
    manager: MemoryManager,
    file: SectionFile,
    file_object: int,
    protect: int,
    code: int,
    size: int,
) -> tuple[Segment, int]:
    if not size and not file.size:
        raise NtError(STATUS_MAPPED_FILE_SIZE_ZERO)
    size = size or file.size
    if size > LARGEST_SEGMENT * PAGE_SIZE:
        raise NtError(STATUS_SECTION_TOO_BIG)
    if size > file.size:
        if protect not in _WRITABLE:
            raise NtError(STATUS_SECTION_TOO_BIG)
        file.extend(size)
    segment = manager.file_segments.get((file.identity, False))
    if segment is None:
        pages = -(-file.size // PAGE_SIZE)
        parts = (ImagePart(0, pages, 0, file.size, code),)
        segment = Segment(
            manager, file.size, parts, code=code, file=file, file_object=file_object
        )
        manager.file_segments[file.identity, False] = segment
    elif file.size > segment.size:
        segment.grow(file.size)
    return segment, size


def extend_section(section: Section, size: int) -> int:
    """NtExtendSection: the new size in bytes.  Only data files grow; raises NtError."""
    segment = section.segment
    if segment.file is None or section.is_image:
        raise NtError(STATUS_SECTION_NOT_EXTENDED)
    if size > section.size:
        if size > segment.file.size:
            segment.file.extend(size)
        if size > segment.size:
            segment.grow(size)
        section.size = size
        if section.address:
            kernel = segment.manager.kernel
            kernel.set_u64(section.address + _SIZE_OF_SECTION, size)
    return section.size
