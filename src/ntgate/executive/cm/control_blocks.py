"""CM_KEY_CONTROL_BLOCKs in guest memory: the names that a debugger finds behind a key handle.

A key has one while it or a key below it has a key object; it holds one reference on its
parent's.
"""

from __future__ import annotations

from ntgate.errors import NtError
from ntgate.executive.cm.node import KeyNode, utf16
from ntgate.executive.ob.blocks import Blocks
from ntgate.layout import lists
from ntgate.layout.cm import CM_KEY_CONTROL_BLOCK, CM_NAME_CONTROL_BLOCK

NAME_OFFSET = CM_NAME_CONTROL_BLOCK.Name.offset
FLAG_SYM_LINK = 0x10  # KEY_SYM_LINK of CM_KEY_NODE.Flags


class ControlBlocks:
    """Makes, follows and frees them.  KeyNode.kcb is the address."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._memory = blocks.memory

    def open(self, node: KeyNode) -> int:
        """Take a reference; the address.  Raises STATUS_INSUFFICIENT_RESOURCES."""
        missing = []
        above: KeyNode | None = node
        while above is not None and not above.kcb:
            missing.append(above)
            above = above.parent
        if above is not None:
            self._view(above).RefCount += 1
        for each in reversed(missing):
            try:
                self._make(each)
            except NtError:
                self.close(each.parent)
                raise
        return node.kcb

    def close(self, node: KeyNode | None) -> None:
        """Drop a reference; the last one frees the block, and drops that on the parent's."""
        while node is not None:
            view = self._view(node)
            view.RefCount -= 1
            if view.RefCount:
                return
            self._blocks.free(view.NameBlock)
            self._blocks.free(view.address)
            node.kcb = 0
            node = node.parent

    def update(self, node: KeyNode) -> None:
        """What the block repeats of its key has changed."""
        if node.kcb:
            view = self._view(node)
            view.Delete = node.deleted
            view.KcbLastWriteTime = node.last_write_time

    def rename(self, node: KeyNode) -> None:
        if node.kcb:
            name = self._make_name(node.name)
            view = self._view(node)
            self._blocks.free(view.NameBlock)
            view.NameBlock = name

    def bodies(self, node: KeyNode) -> int:
        """The head of the list that the key's CM_KEY_BODYs are in."""
        return node.kcb + CM_KEY_CONTROL_BLOCK.KeyBodyListHead.offset

    def _view(self, node: KeyNode) -> CM_KEY_CONTROL_BLOCK:
        return CM_KEY_CONTROL_BLOCK(self._memory, node.kcb)

    def _make(self, node: KeyNode) -> None:
        name = self._make_name(node.name)
        try:
            address = self._blocks.allocate(CM_KEY_CONTROL_BLOCK.SIZE, b"CMkb")
        except NtError:
            self._blocks.free(name)
            raise
        node.kcb = address
        view = self._view(node)
        view.RefCount = 1
        view.ParentKcb = node.parent.kcb if node.parent is not None else 0
        view.TotalLevels = node.level
        view.NameBlock = name
        view.Flags = FLAG_SYM_LINK if node.link else 0
        lists.initialize(self._memory, self.bodies(node))
        self.update(node)

    def _make_name(self, name: str) -> int:
        """A name is kept in bytes where every unit fits in one."""
        compressed = all(ord(unit) < 0x100 for unit in name)
        text = name.encode("latin-1") if compressed else utf16(name)
        address = self._blocks.allocate(NAME_OFFSET + len(text), b"CMnb")
        block = CM_NAME_CONTROL_BLOCK(self._memory, address)
        block.Compressed = compressed
        block.RefCount = 1
        block.NameLength = len(text)
        self._memory.write(address + NAME_OFFSET, text)
        return address
