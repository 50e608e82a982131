"""Image sections of programs and DLLs, and their views."""

from __future__ import annotations

from ntgate.errors import NtError
from ntgate.executive.events import ModuleLoad
from ntgate.executive.executive import Executive
from ntgate.executive.mm.files import BytesFile
from ntgate.executive.mm.section import (
    SECTION_BODY_SIZE,
    Section,
    create_section,
    delete_section,
)
from ntgate.executive.mm.view import VIEW_SHARE, map_view
from ntgate.executive.ps.start import image_section, section_object
from ntgate.executive.ps.thread import Process
from ntgate.layout import ntstatus
from ntgate.layout.mm import PAGE_EXECUTE, PAGE_READONLY, SEC_COMMIT, SEC_IMAGE


class ImageLoader:
    """Keeps one section for each image, so that processes share its pages."""

    def __init__(self, executive: Executive) -> None:
        self.executive = executive
        self._sections: dict[bytes, int] = {}  # the file to its section object

    def section(self, name: str, file: bytes) -> int:
        """The section object of a PE file.  Raises NtError for what is no image."""
        return self._section(name, file, PAGE_EXECUTE, SEC_IMAGE)

    def file_section(self, path: str, file: bytes) -> int:
        """The same of the file at an NT path, as long as the disk has those bytes there."""
        if file not in self._sections:
            section = self._of_disk(path, file)
            if section is None:
                return self.section(path.rpartition("\\")[2], file)
            self._sections[file] = section_object(self.executive, section, kernel=True)
        return self._sections[file]

    def _of_disk(self, path: str, file: bytes) -> Section | None:
        try:
            section = image_section(self.executive, path)
        except NtError:
            return None
        held = section.segment.file
        assert held is not None
        if held.size == len(file) and held.read(0, len(file)) == file:
            return section
        delete_section(section)
        return None

    def _section(self, name: str, file: bytes, protect: int, attributes: int) -> int:
        if file not in self._sections:
            executive = self.executive
            section = create_section(
                executive.mm, protect, attributes, file=BytesFile(file, name)
            )
            objects = executive.objects
            body = objects.create(objects.types["Section"], SECTION_BODY_SIZE)
            section.write_body(body)
            objects.set_companion(body, section)
            self._sections[file] = body
        return self._sections[file]

    def map_data(self, process: Process, name: str, data: bytes, base: int) -> int:
        """Map bytes read-only, shared by all processes; returns the address.

        Raises NtError.
        """
        body = self._section(name, data, PAGE_READONLY, SEC_COMMIT)
        section = self.executive.objects.companion(body, Section)
        view = map_view(process.space, section, PAGE_READONLY, base=base, inherit=VIEW_SHARE)
        return view.base

    def map(self, process: Process, path: str, file: bytes) -> int:
        """Map the image of an NT path at its own base; returns the base.  Raises NtError."""
        name = path.rpartition("\\")[2]
        body = self.file_section(path, file)
        section = self.executive.objects.companion(body, Section)
        view = map_view(process.space, section, PAGE_EXECUTE, inherit=VIEW_SHARE)
        if view.status != ntstatus.STATUS_SUCCESS:
            raise NtError(view.status)
        self.executive.events.emit(
            ModuleLoad(
                process.pid, 0, name, view.base, view.size, process.space.tables.pdpt, file
            )
        )
        return view.base
