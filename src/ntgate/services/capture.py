"""User structures that many services take, copied once and checked."""

from __future__ import annotations

from ntgate.dispatch.types import OBJECT_ATTRIBUTES, UNICODE_STRING, In
from ntgate.errors import NtError
from ntgate.executive.ob import UNNAMED, ObjectAttributes
from ntgate.executive.ob.attributes import OBJ_KERNEL_HANDLE, OBJ_VALID_ATTRIBUTES
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.memory.user import UserMemory
from ntgate.services.security_capture import descriptor


def unicode_string(memory: UserMemory, address: int) -> str:
    """The text of a UNICODE_STRING; raises AccessViolation, and NtError for odd lengths."""
    string = In[UNICODE_STRING](memory, address, UNICODE_STRING).read()
    if string.Length & 1:
        raise NtError(ntstatus.STATUS_OBJECT_NAME_INVALID)
    data = memory.read(string.Buffer, string.Length)
    return data.decode("utf-16-le", "surrogatepass")


def object_attributes(caller: Thread, pointer: In[OBJECT_ATTRIBUTES]) -> ObjectAttributes:
    """Name, root, flags and descriptor of OBJECT_ATTRIBUTES; NULL is an object without a name.

    Raises NtError and AccessViolation.
    """
    if not pointer:
        return UNNAMED
    given = pointer.read()
    if given.Length != OBJECT_ATTRIBUTES.SIZE:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    if given.Attributes & ~OBJ_VALID_ATTRIBUTES:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    name = unicode_string(caller.memory, given.ObjectName) if given.ObjectName else ""
    if given.RootDirectory and not given.ObjectName:
        raise NtError(ntstatus.STATUS_OBJECT_NAME_INVALID)
    root = caller.object(given.RootDirectory, None, 0) if given.RootDirectory else 0
    flags = given.Attributes & ~OBJ_KERNEL_HANDLE  # only the kernel makes itself such handles
    security = b""
    if given.SecurityDescriptor:
        security = descriptor(caller.memory, given.SecurityDescriptor).pack()
    return ObjectAttributes(name, root, flags, security)
