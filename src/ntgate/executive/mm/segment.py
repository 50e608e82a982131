"""What the sections of one file, or one section of the paging file, share: their pages.

In the guest: a CONTROL_AREA with its SUBSECTIONs behind it, a SEGMENT, and the prototype PTEs.
They say which pages there are, where they come from and how many sections and views hold them.
The Segment here is their companion on the host, found by the CONTROL_AREA's address: it has
the file and the list of the views.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.errors import NtError
from ntgate.executive.mm import pte
from ntgate.executive.mm.file_data import flush
from ntgate.executive.mm.files import SectionFile
from ntgate.executive.mm.image import Image, ImagePart
from ntgate.executive.mm.standby import version_of
from ntgate.layout.mm import (
    CONTROL_AREA,
    IMAGE_SECTOR,
    MMVAD,
    SECTION_IMAGE_INFORMATION,
    SEGMENT,
    SUBSECTION,
)
from ntgate.layout.ntstatus import STATUS_SECTION_TOO_BIG

if TYPE_CHECKING:
    from ntgate.executive.mm.manager import MemoryManager
    from ntgate.executive.mm.space import ProcessSpace

LARGEST_SEGMENT = 0x20_0000  # pages: 8 GB, 16 MB of prototype PTEs
TAG_CONTROL_AREA, TAG_SEGMENT, TAG_PROTOTYPES = b"MmCa", b"MmSm", b"MmSt"


class Segment:
    """`size` bytes in `pages` pages.  `code`: the protection of the section that made it."""

    def __init__(
        self,
        manager: MemoryManager,
        size: int,
        parts: tuple[ImagePart, ...],
        *,
        code: int,
        file: SectionFile | None = None,
        file_object: int = 0,
        image: Image | None = None,
        reserve: bool = False,
    ) -> None:
        self.manager = manager
        self.size = size
        self.pages = -(-size // PAGE_SIZE)
        if self.pages > LARGEST_SEGMENT:
            raise NtError(STATUS_SECTION_TOO_BIG)
        self.code = code
        self.file = file
        self.image = image
        self.version = None if file is None else version_of(file)
        self.views: dict[tuple[ProcessSpace, int], None] = {}
        self.deleted: Callable[[], None] | None = None  # tells whoever holds the file
        committed = 0 if file is not None or reserve else self.pages
        manager.charge(committed)
        blocks: list[int] = []
        try:
            for wanted, tag in (
                (CONTROL_AREA.SIZE + len(parts) * SUBSECTION.SIZE, TAG_CONTROL_AREA),
                (SEGMENT.SIZE, TAG_SEGMENT),
                (self.pages * 8, TAG_PROTOTYPES),
                (SECTION_IMAGE_INFORMATION.SIZE if image else 0, TAG_SEGMENT),
            ):
                blocks.append(manager.pool_block(wanted, tag) if wanted else 0)
        except NtError:
            for block in blocks:
                manager.pool.free(block)
            manager.uncharge(committed)
            raise
        self.control_area, self.address, self.prototypes, self._information = blocks
        self._describe(file_object, reserve, committed)
        self._describe_parts(parts, reserve)
        if self.version is not None:
            manager.standby.restore(self)
        manager.segments[self.control_area] = self

    # The guest's structures.

    @property
    def area(self) -> CONTROL_AREA:
        return CONTROL_AREA(self.manager.kernel, self.control_area)

    @property
    def view(self) -> SEGMENT:
        return SEGMENT(self.manager.kernel, self.address)

    def subsection(self, number: int) -> SUBSECTION:
        address = self.control_area + CONTROL_AREA.SIZE + number * SUBSECTION.SIZE
        return SUBSECTION(self.manager.kernel, address)

    def _describe(self, file_object: int, reserve: bool, committed: int) -> None:
        area, view = self.area, self.view
        area.Segment = self.address
        area.FilePointer = file_object
        area.File = self.file is not None
        area.Image = self.image is not None
        area.Reserve, area.Commit = reserve, not reserve
        view.ControlArea = self.control_area
        view.TotalNumberOfPtes = view.NonExtendedPtes = self.pages
        view.SizeOfSegment = self.pages * PAGE_SIZE
        view.SegmentPteTemplate = pte.demand_zero(self.code)
        view.NumberOfCommittedPages = committed
        view.PrototypePte = self.prototypes
        if self.image is not None:
            view.BasedAddress = self.image.base
            view.ImageInformation = self._information
            self._describe_image(self.image)

    def _describe_image(self, image: Image) -> None:
        of = SECTION_IMAGE_INFORMATION(self.manager.kernel, self._information)
        of.TransferAddress = image.base + image.entry if image.entry else 0
        of.MaximumStackSize, of.CommittedStackSize = image.stack_reserve, image.stack_commit
        of.SubSystemType = image.subsystem
        of.SubSystemMajorVersion, of.SubSystemMinorVersion = image.subsystem_version
        of.ImageCharacteristics = image.characteristics
        of.DllCharacteristics = image.dll_characteristics
        of.Machine = image.machine
        of.ImageContainsCode = image.contains_code
        of.LoaderFlags = image.loader_flags
        of.ImageFileSize = image.file_size

    def image_information(self) -> bytes:
        """SECTION_IMAGE_INFORMATION, 30h bytes, as a query of the section answers."""
        return self.manager.kernel.read(self._information, SECTION_IMAGE_INFORMATION.SIZE)

    def _describe_parts(self, parts: tuple[ImagePart, ...], reserve: bool) -> None:
        kernel = self.manager.kernel
        self.area.NumberOfSubsections = len(parts)
        for number, part in enumerate(parts):
            sub = self.subsection(number)
            sub.ControlArea = self.control_area
            sub.Protection = part.code
            sub.SubsectionBase = self.prototypes + part.first_page * 8
            sub.PtesInSubsection = part.pages
            unit = IMAGE_SECTOR if self.image is not None else PAGE_SIZE
            sub.StartingSector = part.file_offset // unit
            sub.NumberOfFullSectors, sub.SectorEndOffset = divmod(part.file_bytes, unit)
            if number + 1 < len(parts):
                sub.NextSubsection = sub.address + SUBSECTION.SIZE
            in_file = min(-(-part.file_bytes // PAGE_SIZE), part.pages)
            zero = 0 if reserve else pte.demand_zero(part.code)
            entries = [pte.subsection_entry(sub.address, part.code)] * in_file
            entries += [zero] * (part.pages - in_file)
            kernel.write(sub.SubsectionBase, array("Q", entries).tobytes())

    def count_committed(self, pages: int) -> None:
        """Pages of a SEC_RESERVE section have been committed and charged."""
        self.view.NumberOfCommittedPages += pages

    def prototype_index(self, page: int) -> int:
        """Where a page's prototype PTE is, as an index into ram.qwords."""
        return self.manager.kernel.physical(self.prototypes + page * 8) >> 3

    def grow(self, size: int) -> None:
        """A data file has become longer: the prototype PTEs move.  Raises NtError."""
        pages = -(-size // PAGE_SIZE)
        if pages > LARGEST_SEGMENT:
            raise NtError(STATUS_SECTION_TOO_BIG)
        if pages > self.pages:
            self._move_prototypes(pages)
        sub = self.subsection(0)
        sub.NumberOfFullSectors, sub.SectorEndOffset = divmod(size, PAGE_SIZE)
        self.size = size

    def _move_prototypes(self, pages: int) -> None:
        manager, sub = self.manager, self.subsection(0)
        qwords = manager.kernel.ram.qwords
        old, first = self.prototypes, self.prototype_index(0)
        block = manager.pool_block(pages * 8, TAG_PROTOTYPES)
        entries = qwords[first : first + self.pages].tolist()
        self.prototypes = block
        for page, entry in enumerate(entries):
            if entry & pte.VALID:
                place = self.prototype_index(page) >> 9
                manager.pfn.move_pte(pte.frame_of(entry), block + page * 8, place)
        entries += [pte.subsection_entry(sub.address, self.code)] * (pages - self.pages)
        manager.kernel.write(block, array("Q", entries).tobytes())
        manager.pool.free(old)
        sub.SubsectionBase, sub.PtesInSubsection = block, pages
        for _space, node in self.views:
            vad = MMVAD(manager.kernel, node)
            vad.FirstPrototypePte += block - old
            vad.LastContiguousPte = block + (pages - 1) * 8
        self.pages = pages
        view = self.view
        view.TotalNumberOfPtes = view.NonExtendedPtes = pages
        view.SizeOfSegment = pages * PAGE_SIZE
        view.PrototypePte = block

    # Who holds it.

    def add_section(self) -> None:
        area = self.area
        area.NumberOfSectionReferences += 1
        area.NumberOfUserReferences += 1

    def remove_section(self) -> None:
        area = self.area
        area.NumberOfSectionReferences -= 1
        area.NumberOfUserReferences -= 1
        self._delete_unused()

    def add_view(self, space: ProcessSpace, node: int) -> None:
        area = self.area
        area.NumberOfMappedViews += 1
        area.NumberOfUserReferences += 1
        self.views[space, node] = None

    def remove_view(self, space: ProcessSpace, node: int) -> None:
        area = self.area
        area.NumberOfMappedViews -= 1
        area.NumberOfUserReferences -= 1
        del self.views[space, node]
        self._delete_unused()

    def _delete_unused(self) -> None:
        if self.area.NumberOfUserReferences:
            return
        manager = self.manager
        if self.image is None and self.file is not None:
            flush(self, 0, self.pages)
        self.area.BeingDeleted = 1
        if self.version is not None:
            manager.standby.keep(self)
        else:
            first = self.prototype_index(0)
            for entry in manager.kernel.ram.qwords[first : first + self.pages].tolist():
                if entry & pte.VALID:
                    manager.pfn.release(pte.frame_of(entry))
        manager.uncharge(self.view.NumberOfCommittedPages)
        del manager.segments[self.control_area]
        if self.file is not None:
            manager.file_segments.pop((self.file.identity, self.image is not None), None)
        for block in (self._information, self.prototypes, self.address, self.control_area):
            if block:
                manager.pool.free(block)
        if self.deleted is not None:
            self.deleted()
