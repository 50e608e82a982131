"""Starting programs: a process of an image section, its PEB, its parameters, its first thread."""

from __future__ import annotations

import struct
from collections.abc import Collection
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.events import ModuleLoad
from ntgate.executive.io import constants as c
from ntgate.executive.io.open_file import Create
from ntgate.executive.mm import allocate as mm
from ntgate.executive.mm.relocate import relocate
from ntgate.executive.mm.section import SECTION_BODY_SIZE, Section, delete_section
from ntgate.executive.mm.view import VIEW_SHARE, map_view
from ntgate.executive.ob import ObjectAttributes
from ntgate.executive.ob.attributes import OBJ_CASE_INSENSITIVE, UNNAMED
from ntgate.executive.ps.environment import PEB_SIZE, ProcessParameters, peb
from ntgate.executive.ps.thread import Process, Thread, UserImages
from ntgate.executive.ps.user_thread import create_user_thread
from ntgate.layout import ntstatus
from ntgate.layout.access import SYNCHRONIZE
from ntgate.layout.mm import MEM_COMMIT, MEM_RESERVE, PAGE_EXECUTE, PAGE_READWRITE, SEC_IMAGE
from ntgate.layout.pe import IMAGE_FILE_DLL
from ntgate.layout.ps import PEB

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive


def open_image(executive: Executive, path: str) -> int:
    """The body of a new image section of the program at an NT path; raises NtError."""
    section = image_section(executive, path)
    try:
        image = section.segment.image
        assert image is not None
        if image.characteristics & IMAGE_FILE_DLL:
            raise NtError(ntstatus.STATUS_INVALID_IMAGE_FORMAT)
    except NtError:
        delete_section(section)
        raise
    return section_object(executive, section)


def image_section(executive: Executive, path: str) -> Section:
    """An image section, which has no object yet, of the file at an NT path; raises NtError."""
    create = Create(
        "", c.FILE_READ_DATA | c.FILE_EXECUTE | SYNCHRONIZE,
        share=c.FILE_SHARE_READ | c.FILE_SHARE_DELETE,
        options=c.FILE_NON_DIRECTORY_FILE | c.FILE_SYNCHRONOUS_IO_NONALERT,
    )  # fmt: skip
    file = executive.io.open_object(ObjectAttributes(path, 0, OBJ_CASE_INSENSITIVE), create)
    try:
        return executive.io.create_section(file, PAGE_EXECUTE, SEC_IMAGE, 0)
    finally:
        executive.io.close_object(file)


def section_object(
    executive: Executive,
    section: Section,
    attributes: ObjectAttributes = UNNAMED,
    *,
    kernel: bool = False,
) -> int:
    """The body of a section's new object, which isn't inserted yet; raises NtError."""
    objects = executive.objects
    try:
        body = objects.create(
            objects.types["Section"], SECTION_BODY_SIZE, attributes, kernel=kernel
        )
    except NtError:
        delete_section(section)
        raise
    section.write_body(body)
    objects.set_companion(body, section)
    return body


def create_image_process(
    executive: Executive,
    parent: Process | None,
    section_body: int,
    images: UserImages,
    *,
    command_line: str = "",
    inherit_handles: bool = False,
    only: Collection[int] | None = None,
) -> Process:
    """A process with its program, ntdll and a PEB, without parameters and without a thread.

    The caller has the one reference on its object.  Raises NtError.
    """
    section = executive.objects.companion(section_body, Section)
    file = section.segment.file
    if section.segment.image is None or file is None:
        raise NtError(ntstatus.STATUS_SECTION_NOT_IMAGE)
    name = file.name.rpartition("\\")[2]
    process = executive.processes.create_process(
        name, parent, inherit_handles=inherit_handles, only=only, command_line=command_line
    )
    try:
        process.image_path = file.name
        process.images = images
        api_sets = images.map(process)
        _map_program(process, section_body, section)
        images.bind(process, file)
        _create_peb(process, api_sets)
    except NtError as error:
        discard(process, error.status)
        raise
    return process


def discard(process: Process, status: int) -> None:
    """Give up a process whose start has failed, with the reference of whoever made it."""
    process.executive.debugging.release(process.eprocess)
    process.executive.processes.terminate_process(process, status)
    process.executive.objects.dereference(process.eprocess.address)


def _map_program(process: Process, section_body: int, section: Section) -> None:
    executive, image, file = process.executive, section.segment.image, section.segment.file
    assert image is not None and file is not None
    view = map_view(process.space, section, PAGE_EXECUTE, inherit=VIEW_SHARE)
    if view.status == ntstatus.STATUS_IMAGE_NOT_AT_BASE:
        relocate(process.space, view.base)
    executive.objects.reference(section_body)
    process.image = image
    process.eprocess.SectionObject = section_body
    process.eprocess.SectionBaseAddress = view.base
    major, minor = image.subsystem_version
    process.eprocess.SubSystemMajorVersion = major & 0xFF
    process.eprocess.SubSystemMinorVersion = minor & 0xFF
    executive.events.emit(
        ModuleLoad(
            process.pid, 0, process.image_name, view.base, view.size,
            process.space.tables.pdpt, file.read(0, file.size),
        )
    )  # fmt: skip


def _create_peb(process: Process, api_sets: int) -> None:
    assert process.image is not None
    address = mm.create_peb_or_teb(process.space, PEB_SIZE)
    block = peb(
        process.eprocess.SectionBaseAddress, 0, subsystem=process.image.subsystem,
        debugged=False, api_set_map=api_sets,
    )  # fmt: skip
    process.memory.write(address, block)
    process.eprocess.Peb = address


def set_parameters(process: Process, parameters: ProcessParameters) -> None:
    """Put the process parameters and the environment into the process; raises NtError."""
    environment = parameters.environment_block()
    environment_at = _allocate(process, len(environment))
    process.memory.write(environment_at, environment)
    at = _allocate(process, len(parameters.pack(0, 0)))
    process.memory.write(at, parameters.pack(at, environment_at))
    process.memory.set_u32(process.eprocess.Peb + PEB.ProcessParameters.offset, at)


def create_first_thread(process: Process, *, suspended: bool = False) -> Thread:
    """The thread that calls the program's entry point; raises NtError."""
    image = process.image
    assert image is not None
    entry = process.eprocess.SectionBaseAddress + image.entry & 0xFFFFFFFF
    return create_user_thread(process, entry, process.eprocess.Peb, suspended=suspended)


def image_information(process: Process) -> bytes:
    """SECTION_IMAGE_INFORMATION of the program as it is mapped; raises NtError."""
    body = process.eprocess.SectionObject
    if process.exited:
        raise NtError(ntstatus.STATUS_PROCESS_IS_TERMINATING)
    if not body or process.image is None:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    section = process.executive.objects.companion(body, Section)
    information = bytearray(section.segment.image_information())
    if process.image.entry:
        entry = process.eprocess.SectionBaseAddress + process.image.entry & 0xFFFFFFFF
        struct.pack_into("<I", information, 0, entry)
    return bytes(information)


def _allocate(process: Process, size: int) -> int:
    """Committed, writable memory anywhere in a process."""
    kind = MEM_COMMIT | MEM_RESERVE
    return mm.allocate(process.space, 0, size, kind, PAGE_READWRITE)[0]
