"""Files: creating, opening and deleting by name, and attributes by name."""

from __future__ import annotations

from typing import Annotated

from ntgate.dispatch.outcome import Outcome, Wait
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    ACCESS_MASK,
    HANDLE,
    IO_STATUS_BLOCK,
    LARGE_INTEGER,
    OBJECT_ATTRIBUTES,
    ULONG,
    In,
    InOpt,
    Out,
    Scalar,
    SizedBy,
    UserStruct,
)
from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io import disk_information
from ntgate.executive.io.disk_file import DiskFile
from ntgate.executive.io.extended_attributes import EaError, parse_full
from ntgate.executive.io.open_file import Create
from ntgate.executive.io.oplocks import OplockBreak
from ntgate.executive.io.pipe_device import MissingPipe
from ntgate.executive.ke.wait import WAIT_ANY
from ntgate.executive.ob import ObjectAttributes as Attributes
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import DELETE, SYNCHRONIZE
from ntgate.services.capture import object_attributes
from ntgate.services.io.file_request import FILE_OPTIONS, LARGEST_TRANSFER

EaBytes = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("EaLength")]

# What may go with FILE_DIRECTORY_FILE.
WITH_DIRECTORY = (
    c.FILE_DIRECTORY_FILE | c.FILE_SYNCHRONOUS | c.FILE_WRITE_THROUGH
    | c.FILE_OPEN_FOR_BACKUP_INTENT | c.FILE_DELETE_ON_CLOSE | c.FILE_OPEN_BY_FILE_ID
    | c.FILE_COMPLETE_IF_OPLOCKED | c.FILE_OPEN_REPARSE_POINT | c.FILE_NO_EA_KNOWLEDGE
    | c.FILE_SEQUENTIAL_ONLY | c.FILE_RANDOM_ACCESS
)  # fmt: skip
DIRECTORY_DISPOSITIONS = (c.FILE_CREATE, c.FILE_OPEN, c.FILE_OPEN_IF)


class FILE_BASIC_INFORMATION(UserStruct, size=0x28):
    CreationTime: LARGE_INTEGER
    LastAccessTime: LARGE_INTEGER
    LastWriteTime: LARGE_INTEGER
    ChangeTime: LARGE_INTEGER
    FileAttributes: ULONG


class FILE_NETWORK_OPEN_INFORMATION(UserStruct, size=0x38):
    CreationTime: LARGE_INTEGER
    LastAccessTime: LARGE_INTEGER
    LastWriteTime: LARGE_INTEGER
    ChangeTime: LARGE_INTEGER
    AllocationSize: LARGE_INTEGER
    EndOfFile: LARGE_INTEGER
    FileAttributes: ULONG


# CreateFile's flags, which Wine's kernelbase leaves in the attributes; NT refuses them.
WIN32_FILE_FLAGS = 0xFFFF_0000


def check_create(access: int, create: Create) -> None:
    """IoCreateFile's checks of what a program asks; raises STATUS_INVALID_PARAMETER."""
    options = create.options
    synchronous = options & c.FILE_SYNCHRONOUS
    directory = options & c.FILE_DIRECTORY_FILE
    if (
        create.attributes & ~c.FILE_ATTRIBUTE_VALID_FLAGS
        or create.share & ~c.FILE_SHARE_ALL
        or create.disposition > c.FILE_OVERWRITE_IF
        or options & ~c.FILE_VALID_OPTION_FLAGS
        or (synchronous and not access & SYNCHRONIZE)
        or synchronous == c.FILE_SYNCHRONOUS
        or (options & c.FILE_DELETE_ON_CLOSE and not access & DELETE)
        or (directory and options & c.FILE_NON_DIRECTORY_FILE)
        or (directory and options & ~WITH_DIRECTORY)
        or (directory and create.disposition not in DIRECTORY_DISPOSITIONS)
        or (options & c.FILE_NO_INTERMEDIATE_BUFFERING and access & c.FILE_APPEND_DATA
            and not access & c.FILE_WRITE_DATA)
    ):  # fmt: skip
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)


def open_file(
    caller: Thread,
    handle: Out[HANDLE],
    attributes: In[OBJECT_ATTRIBUTES],
    block: Out[IO_STATUS_BLOCK],
    create: Create,
) -> Outcome:
    """Open what OBJECT_ATTRIBUTES name; raises NtError."""
    handle.probe()
    block.probe()
    if not attributes:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    io = caller.executive.io
    check_create(io.file_type.map_generic(create.access), create)
    try:
        # Some of the opens of Wine 8.0's kernelbase leave the quality of service unset.
        named = object_attributes(caller, attributes, stray_quality=caller.process.runs_wine)
        opened = io.open(caller.process.handles, named, create)
    except MissingPipe as error:
        control = caller.executive.service_control
        if not control.summon(caller, error.path):
            raise
        if control.wait(caller) is None:
            return Wait(_open_again, (handle, attributes, block, create))
        return open_file(caller, handle, attributes, block, create)
    except OplockBreak as broken:
        status = caller.executive.waits.begin(caller, [broken.event], WAIT_ANY, None)
        state = (handle, attributes, block, create)
        return Wait(_open_again, state) if status is None else open_file(caller, *state)
    handle.write(opened)
    block.write(IO_STATUS_BLOCK(create.status, create.information))
    return create.status


def _open_again(
    caller: Thread,
    _status: int,
    state: tuple[Out[HANDLE], In[OBJECT_ATTRIBUTES], Out[IO_STATUS_BLOCK], Create],
) -> Outcome:
    """Whoever makes the pipe is ready, or has ended; the owner of an oplock lets go."""
    return open_file(caller, *state)


@service()
def NtCreateFile(
    caller: Thread,
    FileHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    AllocationSize: InOpt[LARGE_INTEGER],
    FileAttributes: ULONG,
    ShareAccess: ULONG,
    CreateDisposition: ULONG,
    CreateOptions: FILE_OPTIONS,
    EaBuffer: EaBytes,
    EaLength: ULONG,
) -> Outcome:
    """Create or open a file, a directory, a pipe or a device."""
    allocation = AllocationSize.read() if AllocationSize else 0
    if allocation < 0:
        return ntstatus.STATUS_INVALID_PARAMETER
    create = Create(
        "", DesiredAccess, ShareAccess, CreateDisposition, CreateOptions,
        FileAttributes & ~WIN32_FILE_FLAGS, allocation,
    )  # fmt: skip
    if EaBuffer and EaLength:
        if EaLength > LARGEST_TRANSFER:
            return ntstatus.STATUS_INSUFFICIENT_RESOURCES
        data = caller.memory.read(EaBuffer, EaLength)
        FileHandle.probe()
        IoStatusBlock.probe()
        try:
            create.eas = parse_full(data)
        except EaError as error:
            IoStatusBlock.write(IO_STATUS_BLOCK(error.status, error.offset))
            return error.status
    return open_file(caller, FileHandle, ObjectAttributes, IoStatusBlock, create)


@service()
def NtOpenFile(
    caller: Thread,
    FileHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    ShareAccess: ULONG,
    OpenOptions: FILE_OPTIONS,
) -> Outcome:
    """Open what is there already."""
    create = Create("", DesiredAccess, ShareAccess, c.FILE_OPEN, OpenOptions)
    return open_file(caller, FileHandle, ObjectAttributes, IoStatusBlock, create)


@service()
def NtDeleteFile(caller: Thread, ObjectAttributes: In[OBJECT_ATTRIBUTES]) -> Outcome:
    """Open a file for deletion and close it again."""
    create = Create("", DELETE, options=c.FILE_DELETE_ON_CLOSE)
    _with_file(caller, ObjectAttributes, create)
    return ntstatus.STATUS_SUCCESS


def _with_file(
    caller: Thread, pointer: In[OBJECT_ATTRIBUTES], create: Create
) -> tuple[bytes, bytes]:
    """Basic and network open information of a file that is open for this moment only."""
    if not pointer:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    attributes: Attributes = object_attributes(caller, pointer)
    io = caller.executive.io
    file = io.open_object(attributes, create)
    try:
        if not isinstance(file, DiskFile):
            raise NtError(ntstatus.STATUS_INVALID_DEVICE_REQUEST)
        return disk_information.basic(file.node), disk_information.network_open(file.node)
    finally:
        io.close_object(file)


@service()
def NtQueryAttributesFile(
    caller: Thread,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
    FileInformation: Out[FILE_BASIC_INFORMATION],
) -> Outcome:
    """Attributes and times of a file by its name."""
    FileInformation.probe()
    create = Create("", c.FILE_READ_ATTRIBUTES, options=c.FILE_OPEN_REPARSE_POINT)
    basic, _ = _with_file(caller, ObjectAttributes, create)
    caller.memory.write(FileInformation.address, basic)
    return ntstatus.STATUS_SUCCESS


@service()
def NtQueryFullAttributesFile(
    caller: Thread,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
    FileInformation: Out[FILE_NETWORK_OPEN_INFORMATION],
) -> Outcome:
    """Attributes, times and sizes of a file by its name."""
    FileInformation.probe()
    create = Create("", c.FILE_READ_ATTRIBUTES, options=c.FILE_OPEN_REPARSE_POINT)
    _, network_open = _with_file(caller, ObjectAttributes, create)
    caller.memory.write(FileInformation.address, network_open)
    return ntstatus.STATUS_SUCCESS
