"""Directories of the object namespace, and symbolic links in them."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    ACCESS_MASK,
    BOOLEAN,
    HANDLE,
    OBJECT_ATTRIBUTES,
    ULONG,
    UNICODE_STRING,
    In,
    InOut,
    Out,
    OutOpt,
    Scalar,
    SizedBy,
)
from ntgate.errors import NtError
from ntgate.executive.ob import ObjectAttributes as Attributes
from ntgate.executive.ob import ObjectManager
from ntgate.executive.ob.attributes import OBJ_PERMANENT
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import DIRECTORY_QUERY, SYMBOLIC_LINK_QUERY
from ntgate.services.capture import object_attributes
from ntgate.services.named import open_object

ENTRY_SIZE = 16  # OBJECT_DIRECTORY_INFORMATION: the strings of name and type

DirectoryBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("Length", "out")]


@service()
def NtCreateDirectoryObject(
    caller: Thread,
    DirectoryHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
) -> Outcome:
    """Make or open a directory of objects."""
    DirectoryHandle.probe()
    attributes = object_attributes(caller, ObjectAttributes, creating=True)
    objects = caller.executive.objects
    body = objects.create_directory(attributes)
    inserted = objects.insert(caller.process.handles, body, DesiredAccess, attributes)
    DirectoryHandle.write(inserted.handle)
    return inserted.status


@service()
def NtOpenDirectoryObject(
    caller: Thread,
    DirectoryHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
) -> Outcome:
    """Open a directory by name."""
    return open_object(
        caller, "Directory", DesiredAccess, ObjectAttributes, DirectoryHandle, always_written=True
    )


def _listing(base: int, names: list[tuple[str, str]]) -> bytes:
    """Strings of names and types, an empty entry, and the texts that they point at."""
    text = base + ENTRY_SIZE * (len(names) + 1)
    entries, tail = bytearray(), bytearray()
    for pair in names:
        for part in pair:
            encoded = part.encode("utf-16-le", "surrogatepass")
            at = text + len(tail)
            entries += struct.pack("<HHI", len(encoded), len(encoded) + 2, at)
            tail += encoded + b"\0\0"
    return bytes(entries + bytes(ENTRY_SIZE) + tail)


def _needs(pair: tuple[str, str]) -> int:
    return ENTRY_SIZE + sum(2 * len(part) + 2 for part in pair)


@service()
def NtQueryDirectoryObject(
    caller: Thread,
    DirectoryHandle: HANDLE,
    Buffer: DirectoryBuffer,
    Length: ULONG,
    ReturnSingleEntry: BOOLEAN,
    RestartScan: BOOLEAN,
    Context: InOut[ULONG],
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """The names and types of what is in a directory, from the Context-th on."""
    memory, objects = caller.memory, caller.executive.objects
    memory.probe(Buffer, Length, write=True)
    Context.probe()
    ReturnLength.probe()
    first = 0 if RestartScan else Context.read()
    directory = caller.object(DirectoryHandle, "Directory", DIRECTORY_QUERY)
    there = [(name, objects.type_of(body).name) for name, body in objects.entries(directory)]
    rest = there[first:]
    if not rest:
        ReturnLength.write(ENTRY_SIZE)
        if Length >= ENTRY_SIZE:
            memory.write(Buffer, bytes(ENTRY_SIZE))
        return ntstatus.STATUS_NO_MORE_ENTRIES
    if ReturnSingleEntry:
        rest = rest[:1]
    taken: list[tuple[str, str]] = []
    size = ENTRY_SIZE
    for pair in rest:
        if size + _needs(pair) > Length:
            break
        size += _needs(pair)
        taken.append(pair)
    if ReturnSingleEntry and not taken:
        ReturnLength.write(ENTRY_SIZE + _needs(rest[0]))
        return ntstatus.STATUS_BUFFER_TOO_SMALL
    data = _listing(Buffer, taken)
    if Length >= len(data):
        memory.write(Buffer, data)
    Context.write(first + len(taken))
    ReturnLength.write(len(data))
    return ntstatus.STATUS_MORE_ENTRIES if len(taken) < len(rest) else ntstatus.STATUS_SUCCESS


# Symbolic links


def _is_dos_device(objects: ObjectManager, attributes: Attributes) -> bool:
    r"""Whether a full path is that of a DOS device: `\??\NAME`, `\DosDevices\NAME`."""
    above = attributes.name.rpartition("\\")[0]
    if attributes.root or not above:
        return False
    try:
        return objects.lookup(above, attributes.attributes)[0] == objects.dos_devices
    except NtError:
        return False


@service()
def NtCreateSymbolicLinkObject(
    caller: Thread,
    LinkHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
    LinkTarget: In[UNICODE_STRING],
) -> Outcome:
    """Make a link to a path, which need not lead anywhere."""
    LinkHandle.probe()
    given = LinkTarget.read()
    if given.MaximumLength < 2 or not given.Length or given.Length > given.MaximumLength:
        return ntstatus.STATUS_INVALID_PARAMETER
    if given.Length & 1:
        return ntstatus.STATUS_INVALID_PARAMETER
    attributes = object_attributes(caller, ObjectAttributes, creating=True)
    target = caller.memory.read(given.Buffer, given.Length).decode("utf-16-le", "surrogatepass")
    objects = caller.executive.objects
    # XP's DefineDosDevice has csrss make the permanent link; Wine 8.0's makes it itself, without
    # csrss's privilege.
    device = attributes.attributes & OBJ_PERMANENT and _is_dos_device(objects, attributes)
    if device:
        attributes = replace(attributes, attributes=attributes.attributes & ~OBJ_PERMANENT)
    body = objects.create_symbolic_link(target, attributes)
    inserted = objects.insert(caller.process.handles, body, DesiredAccess, attributes)
    if device and inserted.body == body:
        objects.make_permanent(body)
    LinkHandle.write(inserted.handle)
    return inserted.status


@service()
def NtOpenSymbolicLinkObject(
    caller: Thread,
    LinkHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
) -> Outcome:
    """Open a link itself by name."""
    # Wine 8.0's DefineDosDevice asks for no right, which NT refuses.
    if not DesiredAccess and ObjectAttributes:
        attributes = object_attributes(caller, ObjectAttributes)
        if _is_dos_device(caller.executive.objects, attributes):
            DesiredAccess = SYMBOLIC_LINK_QUERY
    return open_object(
        caller, "SymbolicLink", DesiredAccess, ObjectAttributes, LinkHandle, always_written=True
    )


@service()
def NtQuerySymbolicLinkObject(
    caller: Thread,
    LinkHandle: HANDLE,
    LinkTarget: InOut[UNICODE_STRING],
    ReturnedLength: OutOpt[ULONG],
) -> Outcome:
    """Where a link leads; with ReturnedLength, which counts it, a NUL is stored too."""
    LinkTarget.probe()
    ReturnedLength.probe()
    place = LinkTarget.read()
    caller.memory.probe_for_write(place.Buffer, place.MaximumLength)
    body = caller.object(LinkHandle, "SymbolicLink", SYMBOLIC_LINK_QUERY)
    text = caller.executive.objects.link_target(body).encode("utf-16-le", "surrogatepass")
    whole = text + b"\0\0"
    ReturnedLength.write(len(whole))
    stored = whole if ReturnedLength else text
    if len(stored) > place.MaximumLength:
        return ntstatus.STATUS_BUFFER_TOO_SMALL
    caller.memory.write(place.Buffer, stored)
    place.Length = len(text)
    LinkTarget.write(place)
    return ntstatus.STATUS_SUCCESS
