"""The tree of all keys: finding, making, changing, deleting; hives hung in and taken out.

The statuses are those of NT's registry, from the public documentation and from conformance
tests against Windows.
"""

from __future__ import annotations

from collections.abc import Callable

from ntgate.errors import NtError
from ntgate.executive.cm.node import LINK_VALUE, Hive, KeyNode, Value, utf16, utf16_size
from ntgate.executive.cm.security import default_descriptor
from ntgate.executive.ob.names import upcase
from ntgate.executive.ob.namespace import MOST_LINKS
from ntgate.layout import ntstatus
from ntgate.layout.cm import REG_LINK

ROOT_NAME = "REGISTRY"
LARGEST_KEY_NAME = 512  # bytes
LARGEST_VALUE_NAME = 32767  # bytes
DEEPEST = 512  # levels
SEPARATOR = "\\"

# What changed, as REG_NOTIFY_CHANGE_*.
CHANGE_NAME       = 1
CHANGE_ATTRIBUTES = 2
CHANGE_LAST_SET   = 4
CHANGE_SECURITY   = 8

# What a key and a value take on the host besides their text and data, in bytes, rounded up.
KEY_COST = 0x400
VALUE_COST = 0x180
QUOTA = 0x1000_0000  # bytes on the host: a program can't fill it


class KeyTree:
    """`now` is the system time; `changed(node, change)` is called after every change."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self.changed: Callable[[KeyNode, int], None] = lambda _node, _change: None
        self.used = 0
        self._security = default_descriptor()
        self.root = KeyNode(ROOT_NAME, None, None, volatile=True)
        self.root.security = self._security
        self.machine = self._holder("MACHINE")
        self.user = self._holder("USER")

    def _holder(self, name: str) -> KeyNode:
        node = KeyNode(name, self.root, None, volatile=True)
        node.security = self._security
        self.root.add_subkey(node)
        return node

    # Finding

    def follow(
        self, start: KeyNode, path: str, *, open_link: bool = False
    ) -> tuple[KeyNode, str]:
        """The key that a path leads to; or, for one that is missing, its parent and its name.

        Backslashes in a row count as one, and those at the end don't count.  A link at the end
        is followed too, unless open_link asks for it.  Raises STATUS_KEY_DELETED,
        STATUS_OBJECT_NAME_NOT_FOUND where a parent is missing, STATUS_INVALID_PARAMETER for a
        name that is too long, STATUS_NAME_TOO_LONG for links in a circle.
        """
        if start.deleted:
            raise NtError(ntstatus.STATUS_KEY_DELETED)
        names = [name for name in path.split(SEPARATOR) if name]
        for _ in range(MOST_LINKS):
            node, rest = self._walk(start, names, open_link=open_link)
            if not node.link or (open_link and not rest):
                return node, rest[0] if rest else ""
            start, names = self.root, self._behind_root(node.link_target) + rest
        raise NtError(ntstatus.STATUS_NAME_TOO_LONG)

    def _walk(
        self, node: KeyNode, names: list[str], *, open_link: bool
    ) -> tuple[KeyNode, list[str]]:
        """Down to a key that has no such subkey, or to a link; and the names that are left."""
        for index, name in enumerate(names):
            if utf16_size(name) > LARGEST_KEY_NAME:
                raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
            found = node.subkey(name)
            last = index == len(names) - 1
            if found is None:
                if not last:
                    raise NtError(ntstatus.STATUS_OBJECT_NAME_NOT_FOUND)
                return node, [name]
            node = found
            if node.link and not (last and open_link):
                return node, names[index + 1 :]
        return node, []

    def _behind_root(self, target: str) -> list[str]:
        """The names of a link's target, which is a full path into the registry."""
        first, *names = target.split(SEPARATOR)
        if first or not names or upcase(names[0]) != ROOT_NAME:
            raise NtError(ntstatus.STATUS_OBJECT_NAME_NOT_FOUND)
        return [name for name in names[1:] if name]

    def find(self, path: str) -> KeyNode:
        """The key of a full path \\REGISTRY\\...; raises what `follow` raises."""
        node, missing = self.follow(self.root, SEPARATOR.join(self._behind_root(path)))
        if missing:
            raise NtError(ntstatus.STATUS_OBJECT_NAME_NOT_FOUND)
        return node

    # Keys

    def create(
        self,
        parent: KeyNode,
        name: str,
        *,
        volatile: bool = False,
        link: bool = False,
        class_name: str = "",
    ) -> KeyNode:
        """A new key below `parent`, which has none of that name.

        Raises STATUS_INVALID_PARAMETER beside hives and below 512 levels,
        STATUS_CHILD_MUST_BE_VOLATILE, STATUS_ACCESS_DENIED below a link,
        STATUS_INSUFFICIENT_RESOURCES.
        """
        if parent.deleted:
            raise NtError(ntstatus.STATUS_KEY_DELETED)
        if parent.hive is None or parent.level >= DEEPEST:
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
        if parent.link:
            raise NtError(ntstatus.STATUS_ACCESS_DENIED)
        if parent.volatile and not volatile:
            raise NtError(ntstatus.STATUS_CHILD_MUST_BE_VOLATILE)
        node = KeyNode(
            name, parent, parent.hive, time=self.now(), volatile=volatile, link=link,
            class_name=class_name,
        )  # fmt: skip
        node.security = parent.security
        self._charge(_cost(node))
        parent.add_subkey(node)
        self.touch(parent)
        self.changed(parent, CHANGE_NAME)
        return node

    def delete(self, node: KeyNode) -> None:
        """A key that is deleted already is so with success.

        Raises STATUS_CANNOT_DELETE for a key that has subkeys or is a hive's top key.
        """
        if node.deleted:
            return
        parent = node.parent
        if parent is None or node.subkey_count or node.is_hive_root:
            raise NtError(ntstatus.STATUS_CANNOT_DELETE)
        self._remove(node, parent)
        self.changed(parent, CHANGE_NAME)

    def delete_tree(self, node: KeyNode) -> None:
        """A key with everything below it; raises STATUS_CANNOT_DELETE for a hive's top key."""
        if node.is_hive_root:
            raise NtError(ntstatus.STATUS_CANNOT_DELETE)
        for each in reversed(list(node.tree())):
            self.delete(each)

    def rename(self, node: KeyNode, name: str) -> None:
        """Raises STATUS_KEY_DELETED, STATUS_INVALID_PARAMETER, STATUS_CANNOT_DELETE."""
        parent = self._living(node).parent
        if not name or SEPARATOR in name or utf16_size(name) > LARGEST_KEY_NAME:
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
        if parent is None or node.is_hive_root or parent.subkey(name) is not None:
            raise NtError(ntstatus.STATUS_CANNOT_DELETE)
        parent.remove_subkey(node)
        node.name = name
        parent.add_subkey(node)
        self.touch(node)
        self.touch(parent)
        self.changed(parent, CHANGE_NAME)

    def set_security(self, node: KeyNode, descriptor: bytes) -> None:
        """descriptor: a self-relative SECURITY_DESCRIPTOR.  Raises STATUS_KEY_DELETED."""
        self._living(node).security = descriptor
        self.touch(node)
        self.changed(node, CHANGE_SECURITY)

    def set_user_flags(self, node: KeyNode, flags: int) -> None:
        self._living(node).user_flags = flags & 0xF
        self.touch(node)
        self.changed(node, CHANGE_ATTRIBUTES)

    def set_last_write_time(self, node: KeyNode, time: int) -> None:
        self._living(node).last_write_time = time
        self.changed(node, CHANGE_ATTRIBUTES)

    def touch(self, node: KeyNode) -> None:
        node.last_write_time = self.now()

    # Values

    def value(self, node: KeyNode, name: str) -> Value:
        """Raises STATUS_KEY_DELETED and STATUS_OBJECT_NAME_NOT_FOUND."""
        found = self._living(node).value(name)
        if found is None:
            raise NtError(ntstatus.STATUS_OBJECT_NAME_NOT_FOUND)
        return found

    def set_value(self, node: KeyNode, name: str, kind: int, data: bytes) -> None:
        """Raises STATUS_KEY_DELETED, STATUS_INVALID_PARAMETER for a long name,
        STATUS_ACCESS_DENIED for any value of a link but its target, and
        STATUS_INSUFFICIENT_RESOURCES."""
        found = self._living(node).value(name)
        if utf16_size(name) > LARGEST_VALUE_NAME:
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
        if node.link and (kind != REG_LINK or upcase(name) != upcase(LINK_VALUE)):
            raise NtError(ntstatus.STATUS_ACCESS_DENIED)
        freed = _value_cost(found) if found is not None else 0
        self._charge(_value_cost(Value(name, kind, data)) - freed)
        node.set_value(name, kind, data)
        self.touch(node)
        self.changed(node, CHANGE_LAST_SET)

    def delete_value(self, node: KeyNode, name: str) -> None:
        """Raises STATUS_KEY_DELETED and STATUS_OBJECT_NAME_NOT_FOUND."""
        self.used -= _value_cost(self.value(node, name))
        node.remove_value(name)
        self.touch(node)
        self.changed(node, CHANGE_LAST_SET)

    # Hives

    def mount(self, parent: KeyNode, name: str, root: KeyNode) -> None:
        """Hang a hive's top key below MACHINE or USER, under `name`.

        Raises STATUS_INVALID_PARAMETER elsewhere, STATUS_OBJECT_NAME_COLLISION.
        """
        if parent not in (self.machine, self.user) or SEPARATOR in name or not name:
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
        if parent.subkey(name) is not None:
            raise NtError(ntstatus.STATUS_OBJECT_NAME_COLLISION)
        self._charge(_tree_cost(root))
        root.name, root.parent = name, parent
        assert root.hive is not None
        root.hive.root = root
        parent.add_subkey(root)
        self.changed(parent, CHANGE_NAME)

    def new_hive(
        self, parent: KeyNode, name: str, file: str = "", *, volatile: bool = False
    ) -> KeyNode:
        """An empty hive, mounted; its top key."""
        hive = Hive(file)
        root = KeyNode(name, parent, hive, time=self.now(), volatile=volatile)
        root.security = self._security
        self.mount(parent, name, root)
        return root

    def attach(self, parent: KeyNode, name: str, root: KeyNode) -> None:
        """Hang in a hive of the machine's own when it starts, as `mount` does, but without a look
        into it: what it holds counts when it is read."""
        root.name, root.parent, root.security = name, parent, self._security
        root.last_write_time = self.now()
        self._charge(_cost(root))
        parent.add_subkey(root)

    def account(self, node: KeyNode) -> None:
        """Count the values and the subkeys that a key of such a hive was read to have."""
        self.used += sum(map(_value_cost, node.values)) + sum(map(_cost, node.subkeys))

    def make_link(self, node: KeyNode, target: str) -> None:
        """Make an empty key a symbolic link to a full path."""
        node.link = True
        self.set_value(node, LINK_VALUE, REG_LINK, utf16(target))

    def unmount(self, node: KeyNode) -> None:
        """Take a hive out.

        Raises STATUS_INVALID_PARAMETER for what is no hive's top key, STATUS_CANNOT_DELETE
        while a key of it has a handle.
        """
        parent = self._living(node).parent
        if node.hive is None or parent is None or node.hive.root is not node:
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
        if any(each.opens for each in node.tree()):
            raise NtError(ntstatus.STATUS_CANNOT_DELETE)
        self.used -= _tree_cost(node)
        parent.remove_subkey(node)
        self.changed(parent, CHANGE_NAME)

    def replace_contents(self, node: KeyNode, source: KeyNode) -> None:
        """Give a key the values and subkeys of the top key of another tree.

        Every key that was below it is deleted.  Raises STATUS_KEY_DELETED,
        STATUS_INSUFFICIENT_RESOURCES.
        """
        self._charge(_tree_cost(source) - _cost(source))
        for value in self._living(node).values:
            self.used -= _value_cost(value)
            node.remove_value(value.name)
        for each in reversed(list(node.tree())):
            if each is not node and each.parent is not None:
                self._remove(each, each.parent)
        node.class_name = source.class_name
        for value in source.values:
            node.set_value(value.name, value.type, value.data)
        for subkey in source.subkeys:
            subkey.parent = node
            node.add_subkey(subkey)
            for each in subkey.tree():
                each.hive = node.hive
                each.volatile = each.volatile or node.volatile
        self.touch(node)
        self.changed(node, CHANGE_NAME | CHANGE_LAST_SET)

    # Within

    def _living(self, node: KeyNode) -> KeyNode:
        if node.deleted:
            raise NtError(ntstatus.STATUS_KEY_DELETED)
        return node

    def _remove(self, node: KeyNode, parent: KeyNode) -> None:
        self.used -= _cost(node) + sum(map(_value_cost, node.values))
        parent.remove_subkey(node)
        node.deleted = True
        self.touch(parent)
        self.changed(node, 0)

    def _charge(self, cost: int) -> None:
        if cost > 0 and self.used + cost > QUOTA:
            raise NtError(ntstatus.STATUS_INSUFFICIENT_RESOURCES)
        self.used += cost


def _cost(node: KeyNode) -> int:
    """Of a key without its values."""
    return KEY_COST + 4 * len(node.name) + 2 * len(node.class_name)


def _value_cost(value: Value) -> int:
    return VALUE_COST + 4 * len(value.name) + len(value.data)


def _tree_cost(node: KeyNode) -> int:
    return sum(_cost(each) + sum(map(_value_cost, each.values)) for each in node.tree())
