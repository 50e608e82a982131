"""Hives between the tree and their files.

What reads and writes the files is imported when it is first needed.
"""

from __future__ import annotations

from ntgate.errors import NtError
from ntgate.executive.cm.node import Hive, KeyNode
from ntgate.executive.cm.tree import KeyTree
from ntgate.layout import ntstatus


def load(tree: KeyTree, parent: KeyNode, name: str, file: str, data: bytes) -> None:
    """Mount the hive in `data` below MACHINE or USER; raises what regf.read and mount raise."""
    from ntgate.executive.cm import defaults, regf

    tree.mount(parent, name, regf.read(data, Hive(file)))
    defaults.list_hives(tree)


def unload(tree: KeyTree, node: KeyNode) -> None:
    """Raises what KeyTree.unmount raises."""
    from ntgate.executive.cm import defaults

    tree.unmount(node)
    defaults.list_hives(tree)


def save(tree: KeyTree, node: KeyNode) -> bytes:
    """A hive file of a key; raises STATUS_KEY_DELETED."""
    from ntgate.executive.cm import regf_writer

    if node.deleted:
        raise NtError(ntstatus.STATUS_KEY_DELETED)
    file = node.hive.file if node.hive is not None else ""
    return regf_writer.write(node, tree.now(), file)


def restore(tree: KeyTree, node: KeyNode, data: bytes, *, force: bool) -> None:
    """Give a key what a hive file holds.

    Raises STATUS_ACCESS_DENIED while a key below has a handle and it isn't forced, and what
    regf.read and replace_contents raise.
    """
    from ntgate.executive.cm import regf

    if not force and open_subkeys(node):
        raise NtError(ntstatus.STATUS_ACCESS_DENIED)
    if node.hive is None:
        raise NtError(ntstatus.STATUS_ACCESS_DENIED)
    tree.replace_contents(node, regf.read(data, node.hive))


def open_subkeys(node: KeyNode) -> int:
    """How many keys below a key have handles."""
    return sum(bool(each.opens) for each in node.tree() if each is not node)


def save_merged(tree: KeyTree, high: KeyNode, low: KeyNode) -> bytes:
    """A hive file of two trees of different hives.

    Raises STATUS_KEY_DELETED, and STATUS_INVALID_PARAMETER for trees of one hive.
    """
    from ntgate.executive.cm import regf_writer

    if high.deleted or low.deleted:
        raise NtError(ntstatus.STATUS_KEY_DELETED)
    if high.hive is low.hive:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    return regf_writer.write(merge(high, low), tree.now())


def merge(high: KeyNode, low: KeyNode) -> KeyNode:
    """A tree of its own with the keys of both; a value of `high` hides one of `low`."""
    merged = KeyNode(high.name, None, high.hive)
    waiting: list[tuple[KeyNode, tuple[KeyNode, ...]]] = [(merged, (low, high))]
    while waiting:
        target, sources = waiting.pop()
        below: dict[KeyNode, tuple[KeyNode, ...]] = {}
        for source in sources:
            target.security, target.class_name = source.security, source.class_name
            target.last_write_time, target.link = source.last_write_time, source.link
            for value in source.values:
                target.set_value(value.name, value.type, value.data)
            for subkey in source.subkeys:
                if subkey.volatile:
                    continue
                into = target.subkey(subkey.name)
                if into is None:
                    into = KeyNode(subkey.name, target, high.hive)
                    target.add_subkey(into)
                below[into] = (*below.get(into, ()), subkey)
        waiting += below.items()
    return merged
