"""Making and opening objects that may have names: what many families do the same way."""

from __future__ import annotations

from collections.abc import Callable

from ntgate.dispatch.types import HANDLE, OBJECT_ATTRIBUTES, In, Out
from ntgate.errors import NtError
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.services.capture import object_attributes


def create_object(
    caller: Thread,
    kind: str,
    size: int,
    access: int,
    pointer: In[OBJECT_ATTRIBUTES],
    handle: Out[HANDLE],
    fill: Callable[[int], None],
) -> int:
    """A new object that `fill(body)` makes what it is, or with OBJ_OPENIF the one of its name."""
    handle.probe()
    attributes = object_attributes(caller, pointer, creating=True)
    objects = caller.executive.objects
    body = objects.create(objects.types[kind], size, attributes)
    try:
        fill(body)
    except NtError:
        objects.dereference(body)
        raise
    inserted = objects.insert(caller.process.handles, body, access, attributes)
    handle.write(inserted.handle)
    return inserted.status


def open_object(
    caller: Thread,
    kind: str,
    access: int,
    pointer: In[OBJECT_ATTRIBUTES],
    handle: Out[HANDLE],
    *,
    always_written: bool = False,
) -> int:
    """The object of a name; STATUS_INVALID_PARAMETER without OBJECT_ATTRIBUTES.

    always_written: the handle is 0 after a failure, where others leave it as it was.
    """
    handle.probe()
    opened = 0
    try:
        if not pointer:
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
        objects = caller.executive.objects
        attributes = object_attributes(caller, pointer)
        opened = objects.open_by_name(
            caller.process.handles, objects.types[kind], access, attributes
        )
    finally:
        if opened or always_written:
            handle.write(opened)
    return ntstatus.STATUS_SUCCESS
