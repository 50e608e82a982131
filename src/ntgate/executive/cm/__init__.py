"""The configuration manager: the registry, with its keys on the host and XP's key objects.

Enters: requests by name or handle, .reg files, hive files.  Leaves: handles, keys and their
values, news of changes, and an NtError for what can't be done.
"""

from ntgate.executive.cm.node import KeyNode, Value
from ntgate.executive.cm.registry import Key, NewKey, Registry

__all__ = ["Key", "KeyNode", "NewKey", "Registry", "Value"]
