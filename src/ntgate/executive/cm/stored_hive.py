"""Hive files that are read where they are asked for: a machine starts without looking into them.

A key of such a hive has its place in the file until its values or subkeys are first asked for;
from then on it is a key like any other.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.cm.node import Hive, KeyNode
from ntgate.layout import ntstatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from ntgate.executive.cm.regf import HiveReader, KeyCell
    from ntgate.executive.cm.tree import KeyTree

UNREAD = ("_ordered", "_subkeys", "_values")


class StoredKey(KeyNode):
    """A key of which the slots for values and subkeys are empty until one of them is used."""

    __slots__ = ("_read",)

    def __init__(self, name: str, hive: Hive, read: Callable[[StoredKey], None]) -> None:
        super().__init__(name, None, hive)
        self._read = read
        for slot in UNREAD:
            delattr(self, slot)

    def __getattr__(self, name: str) -> object:
        if name not in UNREAD:
            raise AttributeError(name)
        self._subkeys = {}
        self._values = {}
        self._ordered = []
        self._read(self)
        return getattr(self, name)


def open_hive(tree: KeyTree, path: Path, file: str) -> KeyNode:
    """The top key of a hive file of the host's, for KeyTree.attach; nothing is read yet.

    file: the NT path that the hive has in the machine.
    """
    hive = Hive(file)
    hive.root = StoredKey("", hive, partial(_load_top, tree, path))
    return hive.root


def _load_top(tree: KeyTree, path: Path, node: StoredKey) -> None:
    from ntgate.executive.cm import regf

    try:
        data = path.read_bytes()
    except OSError:
        raise NtError(ntstatus.STATUS_REGISTRY_IO_FAILED) from None
    with regf.corruption_told():
        reader = regf.HiveReader(data)
        cell = reader.top()
        reader.describe(cell, node)
    _load(tree, reader, cell, node)


def _load(tree: KeyTree, reader: HiveReader, cell: KeyCell, node: StoredKey) -> None:
    """The values of a key, and its subkeys with what is in them unread."""
    from ntgate.executive.cm import regf

    assert node.hive is not None
    with regf.corruption_told():
        reader.read_values(cell, node)
        for below in reader.subkeys(cell):
            child = StoredKey(below.name, node.hive, partial(_load, tree, reader, below))
            reader.describe(below, child)
            child.parent = node
            node.add_subkey(child)
    tree.account(node)
