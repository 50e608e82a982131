"""NT's object manager: objects, handles and the namespace, in guest memory as XP lays them out.

Enters: requests of the executive's other parts and of services.  Leaves: addresses of objects'
bodies, handles, and an NtError for what can't be done.
"""

from ntgate.executive.ob.attributes import UNNAMED, ObjectAttributes
from ntgate.executive.ob.manager import ObjectManager
from ntgate.executive.ob.types import HandleClosing, ObjectType

__all__ = ["UNNAMED", "HandleClosing", "ObjectAttributes", "ObjectManager", "ObjectType"]
