"""Events that the kernel itself makes and signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.executive.ob import ObjectAttributes
from ntgate.executive.ob import attributes as a
from ntgate.layout import lists
from ntgate.layout.ke import DISPATCHER_HEADER, NOTIFICATION_EVENT

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive


def make_event(executive: Executive, path: str = "") -> int:
    """The body of a new notification event, not signalled, that stays for good.

    path: its full name; without one it is for handles alone.
    """
    objects, kernel = executive.objects, executive.kernel
    attributes = ObjectAttributes(path, 0, a.OBJ_PERMANENT if path else 0)
    body = objects.create(objects.types["Event"], DISPATCHER_HEADER.SIZE, attributes, kernel=True)
    header = DISPATCHER_HEADER(kernel, body)
    header.Type, header.Size = NOTIFICATION_EVENT, DISPATCHER_HEADER.SIZE // 4
    lists.initialize(kernel, header.WaitListHead.address)
    if path:
        objects.insert(0, body, 0, attributes)
    return body
