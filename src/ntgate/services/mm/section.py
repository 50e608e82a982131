"""Sections: making, opening, mapping, unmapping, querying, extending."""

from __future__ import annotations

import struct
from typing import Annotated

from ntgate.dispatch.outcome import Outcome, Wait
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    ACCESS_MASK,
    HANDLE,
    IO_STATUS_BLOCK,
    LARGE_INTEGER,
    MEMORY_TYPE,
    OBJECT_ATTRIBUTES,
    PAGE_PROTECTION,
    PVOID,
    SIZE_T,
    ULONG,
    In,
    InOpt,
    InOut,
    InOutOpt,
    Out,
    OutOpt,
    Scalar,
    SizedBy,
)
from ntgate.errors import NtError
from ntgate.executive.events import ModuleLoad, ModuleUnload
from ntgate.executive.io import constants as c
from ntgate.executive.mm import view
from ntgate.executive.mm.allocate import ANYWHERE, Wish
from ntgate.executive.mm.residence import flush_view
from ntgate.executive.mm.section import (
    SECTION_BODY_SIZE,
    Section,
    check_kind,
    delete_section,
    extend_section,
)
from ntgate.executive.mm.view import MappedView
from ntgate.executive.ps.thread import Process, Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import (
    PROCESS_VM_OPERATION,
    SECTION_EXTEND_SIZE,
    SECTION_MAP_EXECUTE,
    SECTION_MAP_EXECUTE_EXPLICIT,
    SECTION_MAP_READ,
    SECTION_MAP_WRITE,
    SECTION_QUERY,
)
from ntgate.layout.mm import (
    PAGE_EXECUTE,
    PAGE_EXECUTE_READ,
    PAGE_EXECUTE_READWRITE,
    PAGE_EXECUTE_WRITECOPY,
    PAGE_READWRITE,
    SEC_IMAGE,
)
from ntgate.services.capture import object_attributes
from ntgate.services.io.file_request import answer, either_access, file_of
from ntgate.services.mm.memory_wish import address_wish
from ntgate.services.named import open_object

SectionBasicInformation, SectionImageInformation = 0, 1
INFORMATION_SIZES = (0x10, 0x30)
PAGE_FLAGS = 0xFF  # without PAGE_GUARD and the like

SECTION_INHERIT = Annotated[int, Scalar("SECTION_INHERIT")]
SECTION_INFORMATION_CLASS = Annotated[int, Scalar("SECTION_INFORMATION_CLASS")]
ALLOCATION_ATTRIBUTES = Annotated[int, Scalar("ULONG", kind="hex")]
QueryBuffer = Annotated[
    int, Scalar("PVOID", kind="pointer"), SizedBy("SectionInformationLength", "out")
]

# The right to a file, or to a section, that a protection needs.
_FILE_ACCESS = {
    PAGE_EXECUTE: c.FILE_EXECUTE,
    PAGE_EXECUTE_READ: c.FILE_EXECUTE | c.FILE_READ_DATA,
    PAGE_EXECUTE_WRITECOPY: c.FILE_EXECUTE | c.FILE_READ_DATA,
    PAGE_READWRITE: c.FILE_READ_DATA | c.FILE_WRITE_DATA,
    PAGE_EXECUTE_READWRITE: c.FILE_EXECUTE | c.FILE_READ_DATA | c.FILE_WRITE_DATA,
}
_VIEW_ACCESS = {
    PAGE_EXECUTE: SECTION_MAP_EXECUTE,
    PAGE_EXECUTE_READ: SECTION_MAP_EXECUTE | SECTION_MAP_READ,
    PAGE_EXECUTE_WRITECOPY: SECTION_MAP_EXECUTE | SECTION_MAP_READ,
    PAGE_READWRITE: SECTION_MAP_WRITE,
    PAGE_EXECUTE_READWRITE: SECTION_MAP_EXECUTE | SECTION_MAP_WRITE,
}


@service()
def NtCreateSection(
    caller: Thread,
    SectionHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: InOpt[OBJECT_ATTRIBUTES],
    MaximumSize: InOpt[LARGE_INTEGER],
    SectionPageProtection: PAGE_PROTECTION,
    AllocationAttributes: ALLOCATION_ATTRIBUTES,
    FileHandle: HANDLE,
) -> Outcome:
    """Make a section of a file, of an image, or of the paging file."""
    # Wine 8.0's CreateFileMapping returns what it finds there, also after a failure.
    SectionHandle.write(0)
    size = MaximumSize.read() if MaximumSize else 0
    if size < 0:
        return ntstatus.STATUS_INVALID_PARAMETER_4
    check_kind(SectionPageProtection, AllocationAttributes)
    attributes = object_attributes(caller, ObjectAttributes, creating=True)
    executive = caller.executive
    objects = executive.objects
    file = None
    if FileHandle:
        if AllocationAttributes & SEC_IMAGE:
            # XP's loader opens images to execute them, Wine's to read them.
            file = either_access(caller, FileHandle, c.FILE_EXECUTE, c.FILE_READ_DATA)
        else:
            access = _FILE_ACCESS.get(SectionPageProtection & PAGE_FLAGS, c.FILE_READ_DATA)
            file = file_of(caller, FileHandle, access)
    section = executive.io.create_section(
        file, SectionPageProtection, AllocationAttributes, size
    )
    try:
        body = objects.create(objects.types["Section"], SECTION_BODY_SIZE, attributes)
    except NtError:
        delete_section(section)
        raise
    section.write_body(body)
    objects.set_companion(body, section)
    inserted = objects.insert(caller.process.handles, body, DesiredAccess, attributes)
    SectionHandle.write(inserted.handle)
    return inserted.status


@service()
def NtOpenSection(
    caller: Thread,
    SectionHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
) -> Outcome:
    """Open a section by name."""
    if DesiredAccess & SECTION_MAP_EXECUTE_EXPLICIT:
        DesiredAccess = DesiredAccess & ~SECTION_MAP_EXECUTE_EXPLICIT | SECTION_MAP_EXECUTE
    return open_object(
        caller, "Section", DesiredAccess, ObjectAttributes, SectionHandle, always_written=True
    )


def _section(caller: Thread, handle: int, access: int) -> Section:
    return caller.executive.objects.companion(caller.object(handle, "Section", access), Section)


def _process(caller: Thread, handle: int) -> Process:
    body = caller.object(handle, "Process", PROCESS_VM_OPERATION)
    process = caller.executive.objects.companion(body, Process)
    process.space.require_alive()
    return process


@service()
def NtMapViewOfSection(
    caller: Thread,
    SectionHandle: HANDLE,
    ProcessHandle: HANDLE,
    BaseAddress: InOut[PVOID],
    ZeroBits: ULONG,
    CommitSize: SIZE_T,
    SectionOffset: InOutOpt[LARGE_INTEGER],
    ViewSize: InOut[SIZE_T],
    InheritDisposition: SECTION_INHERIT,
    AllocationType: MEMORY_TYPE,
    Win32Protect: PAGE_PROTECTION,
) -> Outcome:
    """Map a section, or a part of it, into a process."""
    return _map(
        caller, SectionHandle, ProcessHandle, BaseAddress, SectionOffset, ViewSize,
        AllocationType, Win32Protect, zero_bits=ZeroBits, commit=CommitSize,
        inherit=InheritDisposition,
    )  # fmt: skip


@service(partial="no placeholders; of the extended parameters the address requirements only")
def NtMapViewOfSectionEx(
    caller: Thread,
    SectionHandle: HANDLE,
    ProcessHandle: HANDLE,
    BaseAddress: InOut[PVOID],
    SectionOffset: InOutOpt[LARGE_INTEGER],
    ViewSize: InOut[SIZE_T],
    AllocationType: MEMORY_TYPE,
    PageProtection: PAGE_PROTECTION,
    ExtendedParameters: PVOID,
    ExtendedParameterCount: ULONG,
) -> Outcome:
    """Map a section, or a part of it, with wishes for the place; children don't inherit it."""
    wish = address_wish(caller.memory, ExtendedParameters, ExtendedParameterCount)
    if BaseAddress.read() and wish != ANYWHERE:
        return ntstatus.STATUS_INVALID_PARAMETER
    return _map(
        caller, SectionHandle, ProcessHandle, BaseAddress, SectionOffset, ViewSize,
        AllocationType, PageProtection, wish=wish,
    )  # fmt: skip


def _map(
    caller: Thread,
    section_handle: int,
    process_handle: int,
    base_address: InOut[PVOID],
    section_offset: InOutOpt[LARGE_INTEGER],
    view_size: InOut[SIZE_T],
    allocation_type: int,
    protect: int,
    *,
    zero_bits: int = 0,
    commit: int = 0,
    inherit: int = view.VIEW_UNMAP,
    wish: Wish = ANYWHERE,
) -> Outcome:
    base, size = base_address.read(), view_size.read()
    offset = section_offset.read() if section_offset else 0
    for pointer in (base_address, view_size, section_offset):
        pointer.probe()
    access = _VIEW_ACCESS.get(protect & PAGE_FLAGS, SECTION_MAP_READ)
    section = _section(caller, section_handle, access)
    process = _process(caller, process_handle)
    if offset < 0:
        return ntstatus.STATUS_INVALID_VIEW_SIZE
    mapped = view.map_view(
        process.space, section, protect, base=base, zero_bits=zero_bits, offset=offset,
        size=size, commit=commit, inherit=inherit, allocation_type=allocation_type, wish=wish,
    )  # fmt: skip
    base_address.write(mapped.base)
    view_size.write(mapped.size)
    if section_offset:
        section_offset.write(mapped.offset)
    if section.is_image:
        _emit_load(caller, process, section, mapped)
        if caller.executive.debugging.report_load(caller, process, mapped.base):
            return Wait(_debugger_knows, mapped.status)
    return mapped.status


def _debugger_knows(_caller: Thread, _status: int, answer: int) -> Outcome:
    return answer


def _emit_load(caller: Thread, process: Process, section: Section, mapped: MappedView) -> None:
    file = section.segment.file
    assert file is not None
    name = file.name.rpartition("\\")[2]
    caller.executive.events.emit(
        ModuleLoad(
            process.pid, caller.tid, name, mapped.base, mapped.size,
            process.space.tables.pdpt, file.read(0, file.size),
        )
    )  # fmt: skip


@service()
def NtUnmapViewOfSection(
    caller: Thread, ProcessHandle: HANDLE, BaseAddress: PVOID
) -> Outcome:
    """Take a view out of a process."""
    process = _process(caller, ProcessHandle)
    gone = view.unmap_view(process.space, BaseAddress)
    if gone.is_image:
        caller.executive.events.emit(
            ModuleUnload(process.pid, caller.tid, gone.first << 12)
        )
        if caller.executive.debugging.report_unload(caller, process, gone.first << 12):
            return Wait(_debugger_knows, ntstatus.STATUS_SUCCESS)
    return ntstatus.STATUS_SUCCESS


@service(partial="Flags are ignored")
def NtUnmapViewOfSectionEx(
    caller: Thread, ProcessHandle: HANDLE, BaseAddress: PVOID, Flags: ULONG
) -> Outcome:
    """Take a view out of a process."""
    return NtUnmapViewOfSection(caller, ProcessHandle, BaseAddress)


@service()
def NtQuerySection(
    caller: Thread,
    SectionHandle: HANDLE,
    SectionInformationClass: SECTION_INFORMATION_CLASS,
    SectionInformation: QueryBuffer,
    SectionInformationLength: ULONG,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """SECTION_BASIC_INFORMATION or SECTION_IMAGE_INFORMATION."""
    if SectionInformationClass not in (SectionBasicInformation, SectionImageInformation):
        return ntstatus.STATUS_INVALID_INFO_CLASS
    section = _section(caller, SectionHandle, SECTION_QUERY)
    if SectionInformationLength < INFORMATION_SIZES[SectionInformationClass]:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    if SectionInformationClass == SectionBasicInformation:
        data = struct.pack("<2IQ", *section.information())
    elif section.is_image:
        data = section.segment.image_information()
    else:
        return ntstatus.STATUS_SECTION_NOT_IMAGE
    ReturnLength.probe()
    caller.memory.write(SectionInformation, data)
    ReturnLength.write(len(data))
    return ntstatus.STATUS_SUCCESS


@service()
def NtExtendSection(
    caller: Thread, SectionHandle: HANDLE, NewSectionSize: InOut[LARGE_INTEGER]
) -> Outcome:
    """Make the section of a data file larger, and the file with it."""
    size = NewSectionSize.read()
    NewSectionSize.probe()
    section = _section(caller, SectionHandle, SECTION_EXTEND_SIZE)
    if size < 0:
        return ntstatus.STATUS_INVALID_PARAMETER
    NewSectionSize.write(extend_section(section, size))
    return ntstatus.STATUS_SUCCESS


@service()
def NtAreMappedFilesTheSame(
    caller: Thread, File1MappedAsAnImage: PVOID, File2MappedAsFile: PVOID
) -> Outcome:
    """Whether two views are of one file that is mapped as an image."""
    return view.are_mapped_files_the_same(
        caller.process.space, File1MappedAsAnImage, File2MappedAsFile
    )


@service()
def NtFlushVirtualMemory(
    caller: Thread,
    ProcessHandle: HANDLE,
    BaseAddress: InOut[PVOID],
    RegionSize: InOut[SIZE_T],
    IoStatusBlock: Out[IO_STATUS_BLOCK],
) -> Outcome:
    """Write the changed pages of a mapped file to the file."""
    base, size = BaseAddress.read(), RegionSize.read()
    BaseAddress.probe()
    RegionSize.probe()
    IoStatusBlock.probe()
    base, size = flush_view(_process(caller, ProcessHandle).space, base, size)
    BaseAddress.write(base)
    RegionSize.write(size)
    return answer(IoStatusBlock, 0)
