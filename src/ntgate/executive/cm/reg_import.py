"""From .reg files into the tree, and back."""

from __future__ import annotations

from collections.abc import Iterator

from ntgate.errors import NtError, UsageError
from ntgate.executive.cm import reg_text
from ntgate.executive.cm.node import LINK_VALUE, KeyNode, Value
from ntgate.executive.cm.tree import SEPARATOR, KeyTree
from ntgate.executive.ob.names import split, upcase
from ntgate.layout import ntstatus
from ntgate.layout.cm import REG_LINK
from ntgate.layout.status_names import name_of

SHORT_NAMES = {
    "HKLM": "HKEY_LOCAL_MACHINE",
    "HKU": "HKEY_USERS",
    "HKCU": "HKEY_CURRENT_USER",
    "HKCR": "HKEY_CLASSES_ROOT",
    "HKCC": "HKEY_CURRENT_CONFIG",
}


class RegFiles:
    """Reads .reg text into a tree and writes it.

    user_sid: whose keys HKEY_CURRENT_USER are.
    """

    def __init__(self, tree: KeyTree, user_sid: str) -> None:
        self._tree = tree
        self._roots = {
            "HKEY_LOCAL_MACHINE": r"\REGISTRY\MACHINE",
            "HKEY_USERS": r"\REGISTRY\USER",
            "HKEY_CURRENT_USER": rf"\REGISTRY\USER\{user_sid}",
            "HKEY_CLASSES_ROOT": r"\REGISTRY\MACHINE\SOFTWARE\Classes",
            "HKEY_CURRENT_CONFIG":
                r"\REGISTRY\MACHINE\SYSTEM\CurrentControlSet\Hardware Profiles\Current",
        }  # fmt: skip

    def nt_path(self, path: str) -> str:
        r"""\REGISTRY\... of HKEY_LOCAL_MACHINE\..., HKLM\... or \Registry\...; UsageError."""
        if upcase(path).startswith(r"\REGISTRY"):
            return path
        first, rest = split(path)
        root = self._roots.get(SHORT_NAMES.get(upcase(first), upcase(first)))
        if root is None:
            raise UsageError(f"{first} is no root of the registry; HKEY_LOCAL_MACHINE is one")
        return root + rest

    def read(self, text: str) -> None:
        """Carry out a .reg file; raises UsageError that names the line."""
        for key in reg_text.parse(text):
            try:
                self._apply(key)
            except UsageError as error:
                raise UsageError(f"line {key.line}: {error}") from None
            except NtError as error:
                status = name_of(error.status)
                raise UsageError(f"line {key.line}: {key.path}: {status}") from None

    def write(self, path: str) -> str:
        """A .reg file of a key and everything below it; UsageError where there is no such key."""
        try:
            node = self._tree.find(self.nt_path(path))
        except NtError as error:
            raise UsageError(f"{path}: {name_of(error.status)}") from None
        return reg_text.dump(self._sections(node, path.rstrip(SEPARATOR)))

    def _apply(self, key: reg_text.RegKey) -> None:
        path = self.nt_path(key.path)
        if key.delete:
            try:
                self._tree.delete_tree(self._tree.find(path))
            except NtError as error:
                if error.status != ntstatus.STATUS_OBJECT_NAME_NOT_FOUND:
                    raise
            return
        node = self._make(path, key.values)
        for name, value in key.values:
            if value is not None:
                self._tree.set_value(node, name, value.type, value.data)
            elif node.value(name) is not None:
                self._tree.delete_value(node, name)

    def _make(self, path: str, values: list[tuple[str, Value | None]]) -> KeyNode:
        """The key of a path, made with its parents where it is missing."""
        first = values[0][1] if values else None
        link = first is not None and first.type == REG_LINK and (
            upcase(first.name) == upcase(LINK_VALUE)
        )
        tree = self._tree
        names = [name for name in path.split(SEPARATOR) if name][1:]
        node = tree.root
        for index, name in enumerate(names):
            is_link = link and index == len(names) - 1
            parent = node
            node, missing = tree.follow(parent, name, open_link=is_link)
            if missing:
                node = tree.create(node, missing, volatile=node.volatile, link=is_link)
        return node

    def _sections(self, node: KeyNode, path: str) -> Iterator[tuple[str, list[Value]]]:
        """Every key of a tree by its path in the file."""
        start = len(node.path)
        for each in node.tree():
            yield path + each.path[start:], each.values
