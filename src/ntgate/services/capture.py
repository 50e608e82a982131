"""User structures that many services take, copied once and checked."""

from __future__ import annotations

from ntgate.dispatch.types import OBJECT_ATTRIBUTES, UNICODE_STRING, In
from ntgate.errors import NtError
from ntgate.executive.ob import UNNAMED, ObjectAttributes
from ntgate.executive.ob.attributes import OBJ_KERNEL_HANDLE, OBJ_VALID_ATTRIBUTES, Quality
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.memory.user import AccessViolation, UserMemory
from ntgate.services.se.security_capture import SECURITY_QUALITY_OF_SERVICE, descriptor

LONGEST_NAME = 0xFFFE  # bytes: no room is left for a NUL


def unicode_string(memory: UserMemory, address: int) -> str:
    """The text of a UNICODE_STRING; raises AccessViolation, and NtError for odd lengths."""
    string = In[UNICODE_STRING](memory, address, UNICODE_STRING).read()
    if string.Length & 1:
        raise NtError(ntstatus.STATUS_OBJECT_NAME_INVALID)
    data = memory.read(string.Buffer, string.Length)
    return data.decode("utf-16-le", "surrogatepass")


def object_name(memory: UserMemory, address: int) -> str:
    """The text of OBJECT_ATTRIBUTES.ObjectName.

    Raises AccessViolation, STATUS_DATATYPE_MISALIGNMENT and STATUS_OBJECT_NAME_INVALID.
    """
    string = In[UNICODE_STRING](memory, address, UNICODE_STRING).read()
    if not string.Length:
        return ""
    if string.Buffer & 1:
        raise NtError(ntstatus.STATUS_DATATYPE_MISALIGNMENT)
    data = memory.read(string.Buffer, string.Length)
    if string.Length & 1 or string.Length == LONGEST_NAME:
        raise NtError(ntstatus.STATUS_OBJECT_NAME_INVALID)
    return data.decode("utf-16-le", "surrogatepass")


def object_attributes(
    caller: Thread,
    pointer: In[OBJECT_ATTRIBUTES],
    *,
    creating: bool = False,
    stray_quality: bool = False,
) -> ObjectAttributes:
    """Name, root, flags and descriptor of OBJECT_ATTRIBUTES; NULL is an object without a name.

    creating: without a name the root isn't looked at.  stray_quality: a quality of service out of
    reach is none.  Raises NtError and AccessViolation.
    """
    if not pointer:
        return UNNAMED
    given = pointer.read()
    if given.Length != OBJECT_ATTRIBUTES.SIZE:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    if given.Attributes & ~OBJ_VALID_ATTRIBUTES:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    name = object_name(caller.memory, given.ObjectName) if given.ObjectName else ""
    if given.RootDirectory and not given.ObjectName:
        raise NtError(ntstatus.STATUS_OBJECT_NAME_INVALID)
    root = 0
    if given.RootDirectory and (name or not creating):
        root = caller.object(given.RootDirectory, None, 0)
    flags = given.Attributes & ~OBJ_KERNEL_HANDLE  # only the kernel makes itself such handles
    security = b""
    if given.SecurityDescriptor:
        security = descriptor(caller.memory, given.SecurityDescriptor).pack()
    quality = None
    if given.SecurityQualityOfService:
        try:
            quality = _quality(caller.memory, given.SecurityQualityOfService)
        except (AccessViolation, NtError):
            if not stray_quality:
                raise
    return ObjectAttributes(name, root, flags, security, quality)


def _quality(memory: UserMemory, address: int) -> Quality:
    asked = In[SECURITY_QUALITY_OF_SERVICE](memory, address, SECURITY_QUALITY_OF_SERVICE).read()
    return Quality(
        asked.ImpersonationLevel, bool(asked.ContextTrackingMode), bool(asked.EffectiveOnly)
    )
