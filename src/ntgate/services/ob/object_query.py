"""What is known of an object, of its type, and of a handle."""

from __future__ import annotations

import struct
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, ULONG, OutOpt, Scalar, SizedBy
from ntgate.errors import NtError
from ntgate.executive.ob import ObjectType
from ntgate.executive.ob.attributes import (
    OBJ_EXCLUSIVE,
    OBJ_INHERIT,
    OBJ_PERMANENT,
    OBJ_PROTECT_CLOSE,
)
from ntgate.executive.ob.objects import OB_FLAG_EXCLUSIVE_OBJECT, OB_FLAG_PERMANENT_OBJECT
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import READ_CONTROL
from ntgate.layout.ob import CURRENT_PROCESS, CURRENT_THREAD, OBJECT_SYMBOLIC_LINK

# OBJECT_INFORMATION_CLASS.
(
    ObjectBasicInformation, ObjectNameInformation, ObjectTypeInformation,
    ObjectTypesInformation, ObjectHandleFlagInformation,
) = range(5)  # fmt: skip

BASIC = struct.Struct("<9I3IQ")  # OBJECT_BASIC_INFORMATION
TYPE_SIZE = 0x60  # OBJECT_TYPE_INFORMATION
HANDLE_FLAGS = struct.Struct("<2B")  # OBJECT_HANDLE_FLAG_INFORMATION
STRING_SIZE = 8

OBJECT_INFORMATION_CLASS = Annotated[int, Scalar("OBJECT_INFORMATION_CLASS")]
QueryBuffer = Annotated[
    int, Scalar("PVOID", kind="pointer"), SizedBy("ObjectInformationLength", "out")
]
SetBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("ObjectInformationLength")]


def string_at(base: int, text: str) -> bytes:
    """A UNICODE_STRING at `base` with its text and a NUL behind it; empty for no text."""
    if not text:
        return bytes(STRING_SIZE)
    encoded = text.encode("utf-16-le", "surrogatepass")
    head = struct.pack("<HHI", len(encoded), len(encoded) + 2, base + STRING_SIZE)
    return head + encoded + b"\0\0"


def type_information(kind: ObjectType, base: int) -> bytes:
    """OBJECT_TYPE_INFORMATION at `base`, with the name behind it."""
    view, info = kind.view, kind.view.TypeInfo
    mapping = info.GenericMapping
    encoded = kind.name.encode("utf-16-le")
    fixed = struct.pack(
        "<HHI 2I 4I 2I 4I I 4I I BBH 3I", len(encoded), len(encoded) + 2, base + TYPE_SIZE,
        view.TotalNumberOfObjects, view.TotalNumberOfHandles, 0, 0, 0, 0,
        view.HighWaterNumberOfObjects, view.HighWaterNumberOfHandles, 0, 0, 0, 0,
        info.InvalidAttributes, mapping.GenericRead, mapping.GenericWrite,
        mapping.GenericExecute, mapping.GenericAll, info.ValidAccessMask,
        info.SecurityRequired, info.MaintainHandleCount, info.MaintainTypeList,
        info.PoolType, info.DefaultPagedPoolCharge, info.DefaultNonPagedPoolCharge,
    )  # fmt: skip
    return fixed + encoded + b"\0\0"


def _all_types(caller: Thread, base: int) -> bytes:
    """OBJECT_TYPES_INFORMATION: how many, then each type on a multiple of 4."""
    kinds = caller.executive.objects.types.values()
    out = bytearray(struct.pack("<I", len(kinds)))
    for kind in kinds:
        out += type_information(kind, base + len(out))
        out += bytes(-len(out) & 3)
    return bytes(out)


def _basic(caller: Thread, handle: int) -> bytes:
    objects = caller.executive.objects
    found = objects.query_handle(caller.process.handles, handle)
    header, kind = objects.header(found.body), objects.type_of(found.body)
    attributes = found.attributes
    attributes |= OBJ_PERMANENT if header.Flags & OB_FLAG_PERMANENT_OBJECT else 0
    attributes |= OBJ_EXCLUSIVE if header.Flags & OB_FLAG_EXCLUSIVE_OBJECT else 0
    try:
        name = objects.name_of(found.body) if kind.query_name is None else ""
    except NtError:
        name = ""  # a deleted key still has counts
    is_link = kind.name == "SymbolicLink"
    created = OBJECT_SYMBOLIC_LINK(objects.memory, found.body).CreationTime if is_link else 0
    security = 0
    if found.granted_access & READ_CONTROL:
        security = caller.executive.security.descriptors.size(found.body)
    references = header.PointerCount + 1  # with the one that the query itself holds
    return BASIC.pack(
        attributes, found.granted_access, header.HandleCount, references,
        kind.view.TypeInfo.DefaultPagedPoolCharge, kind.view.TypeInfo.DefaultNonPagedPoolCharge,
        0, 0, 0, len(string_at(0, name)) if name else 0, len(type_information(kind, 0)), security,
        created,
    )  # fmt: skip


@service()
def NtQueryObject(
    caller: Thread,
    Handle: HANDLE,
    ObjectInformationClass: OBJECT_INFORMATION_CLASS,
    ObjectInformation: QueryBuffer,
    ObjectInformationLength: ULONG,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """Counts and access, name, type, all types, or the flags of the handle."""
    return _query(
        caller, Handle, ObjectInformationClass, ObjectInformation, ObjectInformationLength,
        ReturnLength, dos_names=False,
    )  # fmt: skip


@service()
def wine_obj_name(
    caller: Thread,
    Handle: HANDLE,
    ObjectInformationClass: OBJECT_INFORMATION_CLASS,
    ObjectInformation: QueryBuffer,
    ObjectInformationLength: ULONG,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    r"""NtQueryObject as Wine's kernelbase expects it: a file's name is \??\C:\... ."""
    return _query(
        caller, Handle, ObjectInformationClass, ObjectInformation, ObjectInformationLength,
        ReturnLength, dos_names=True,
    )  # fmt: skip


def _query(
    caller: Thread,
    handle: int,
    kind: int,
    buffer: int,
    length: int,
    return_length: OutOpt[ULONG],
    *,
    dos_names: bool,
) -> Outcome:
    caller.memory.probe(buffer, length, write=True)
    return_length.probe()
    objects = caller.executive.objects
    if kind == ObjectBasicInformation:
        if length != BASIC.size:
            return ntstatus.STATUS_INFO_LENGTH_MISMATCH
        data = _basic(caller, handle)
    elif kind == ObjectNameInformation:
        name = objects.name_of(caller.object(handle, None, 0))
        dos_name = objects.dos_name(name) if dos_names else ""
        name = rf"\??\{dos_name}" if dos_name else name
        data = string_at(buffer, name)
    elif kind == ObjectTypeInformation:
        object_type = objects.type_of(caller.object(handle, None, 0))
        data = type_information(object_type, buffer)
    elif kind == ObjectTypesInformation:
        data = _all_types(caller, buffer)
    elif kind == ObjectHandleFlagInformation:
        if length < HANDLE_FLAGS.size:
            return ntstatus.STATUS_INFO_LENGTH_MISMATCH
        flags = objects.query_handle(caller.process.handles, handle).attributes
        data = HANDLE_FLAGS.pack(bool(flags & OBJ_INHERIT), bool(flags & OBJ_PROTECT_CLOSE))
    else:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    needed = len(data)
    return_length.write(needed)
    if length < needed:
        return _too_short(caller, handle, kind, length)
    caller.memory.write(buffer, data)
    return ntstatus.STATUS_SUCCESS


def _too_short(caller: Thread, handle: int, information_class: int, length: int) -> int:
    """The name of a file fails as the file system's own query, once the string has room."""
    if information_class == ObjectNameInformation and length >= STRING_SIZE:
        body = caller.object(handle, None, 0)
        if caller.executive.objects.type_of(body).name == "File":
            return ntstatus.STATUS_BUFFER_OVERFLOW
    return ntstatus.STATUS_INFO_LENGTH_MISMATCH


@service()
def NtSetInformationObject(
    caller: Thread,
    Handle: HANDLE,
    ObjectInformationClass: OBJECT_INFORMATION_CLASS,
    ObjectInformation: SetBuffer,
    ObjectInformationLength: ULONG,
) -> Outcome:
    """Whether a handle is inherited, and whether it can be closed."""
    if ObjectInformationClass != ObjectHandleFlagInformation:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    if ObjectInformationLength != HANDLE_FLAGS.size:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    inherit, protect = HANDLE_FLAGS.unpack(
        caller.memory.read(ObjectInformation, HANDLE_FLAGS.size)
    )
    if Handle in (CURRENT_PROCESS, CURRENT_THREAD):
        raise NtError(ntstatus.STATUS_INVALID_HANDLE)
    caller.executive.objects.set_handle_attributes(
        caller.process.handles, Handle, inherit=bool(inherit), protect=bool(protect)
    )
    return ntstatus.STATUS_SUCCESS
