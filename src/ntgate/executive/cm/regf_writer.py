"""Writing hive files, in the version 1.3 that every Windows reads."""

from __future__ import annotations

import struct

from ntgate.executive.cm import regf
from ntgate.executive.cm.node import KeyNode, Value, utf16
from ntgate.executive.cm.regf import NO_CELL
from ntgate.executive.ob.names import upcase

BIN_SIZE = 0x1000
BIN_HEADER = struct.Struct("<4sIIQQI")
MINOR_VERSION = 3
LONGEST_LEAF = 511  # elements: a leaf stays within a bin
FILE_NAME_SIZE = 64
INLINE_SIZE = 4


def write(node: KeyNode, time: int, file: str = "") -> bytes:
    """A hive file of a key and what is below it, without what is volatile.

    time: the system time.  file: the name for the base block, of which the end is kept.
    """
    return _Writer(node, time).file(file)


class _Cells:
    """Hive bins as they grow.  A cell lies within one bin; its offset counts its size dword."""

    def __init__(self, time: int) -> None:
        self.data = bytearray()
        self._time = time
        self._room = 0  # left in the last bin

    def add(self, content: bytes) -> int:
        size = -(-(len(content) + 4) // 8) * 8
        if size > self._room:
            self._new_bin(size)
        offset = len(self.data)
        self.data += struct.pack("<i", -size) + content + bytes(size - 4 - len(content))
        self._room -= size
        return offset

    def replace(self, offset: int, content: bytes) -> None:
        """Fill a cell that was added with as many bytes."""
        self.data[offset + 4 : offset + 4 + len(content)] = content

    def finish(self) -> bytes:
        self._free_rest()
        return bytes(self.data)

    def _new_bin(self, size: int) -> None:
        self._free_rest()
        whole = -(-(size + regf.BIN_HEADER_SIZE) // BIN_SIZE) * BIN_SIZE
        self.data += BIN_HEADER.pack(b"hbin", len(self.data), whole, 0, self._time, 0)
        self._room = whole - regf.BIN_HEADER_SIZE

    def _free_rest(self) -> None:
        if self._room:
            self.data += struct.pack("<i", self._room) + bytes(self._room - 4)
            self._room = 0


class _Writer:
    def __init__(self, top: KeyNode, time: int) -> None:
        self._top = top
        self._time = time
        self._cells = _Cells(time)
        self._security: dict[bytes, int] = {}
        self._users: dict[bytes, int] = {}

    def file(self, name: str) -> bytes:
        nodes = [node for node in self._top.tree() if node is self._top or not node.volatile]
        places = {node: self._cells.add(self._key(node, {})) for node in nodes}
        for node in nodes:
            self._cells.replace(places[node], self._key(node, places))
        self._link_security()
        bins = self._cells.finish()
        base = bytearray(regf.BASE_BLOCK_SIZE)
        regf.BASE_BLOCK.pack_into(
            base, 0, b"regf", 1, 1, self._time, 1, MINOR_VERSION, 0, 1, places[self._top],
            len(bins), 1, utf16(name)[-FILE_NAME_SIZE + 2 :],
        )  # fmt: skip
        struct.pack_into("<I", base, regf.CHECKSUM_OFFSET, regf.checksum(base))
        return bytes(base) + bins

    def _key(self, node: KeyNode, places: dict[KeyNode, int]) -> bytes:
        """A _CM_KEY_NODE; without places only its size counts."""
        name, compressed = _name(node.name)
        flags = regf.KEY_COMP_NAME if compressed else 0
        flags |= regf.KEY_SYM_LINK if node.link else 0
        subkeys = [each for each in node.subkeys if not each.volatile]
        parent, index, values, security, class_cell = 0, NO_CELL, NO_CELL, NO_CELL, NO_CELL
        class_name = utf16(node.class_name)
        if node is self._top:
            flags |= regf.KEY_HIVE_ENTRY | regf.KEY_NO_DELETE
        if places:
            if node is not self._top and node.parent is not None:
                parent = places[node.parent]
            index = self._index([(each, places[each]) for each in subkeys])
            values = self._values(node)
            security = self._security_cell(node.security)
            class_cell = self._cells.add(class_name) if class_name else NO_CELL
        return regf.KEY_NODE.pack(
            b"nk", flags, node.last_write_time, 0, parent, len(subkeys), 0, index, NO_CELL,
            node.value_count, values, security, class_cell, node.max_name_length,
            node.max_class_length, node.max_value_name_length, node.max_value_data_length, 0,
            len(name), len(class_name),
        ) + name  # fmt: skip

    def _index(self, subkeys: list[tuple[KeyNode, int]]) -> int:
        if not subkeys:
            return NO_CELL
        leaves = [
            self._leaf(subkeys[start : start + LONGEST_LEAF])
            for start in range(0, len(subkeys), LONGEST_LEAF)
        ]
        if len(leaves) == 1:
            return leaves[0]
        return self._cells.add(struct.pack(f"<2sH{len(leaves)}I", b"ri", len(leaves), *leaves))

    def _leaf(self, subkeys: list[tuple[KeyNode, int]]) -> int:
        content = struct.pack("<2sH", b"lf", len(subkeys))
        for node, place in subkeys:
            content += struct.pack("<I", place) + _hint(node.name)
        return self._cells.add(content)

    def _values(self, node: KeyNode) -> int:
        if not node.value_count:
            return NO_CELL
        offsets = [self._value(value) for value in node.values]
        return self._cells.add(struct.pack(f"<{len(offsets)}I", *offsets))

    def _value(self, value: Value) -> int:
        name, compressed = _name(value.name)
        size = len(value.data)
        if size <= INLINE_SIZE:
            place = int.from_bytes(value.data, "little")
            size |= regf.INLINE_DATA
        else:
            place = self._cells.add(value.data)
        flags = regf.VALUE_COMP_NAME if compressed and name else 0
        head = regf.KEY_VALUE.pack(b"vk", len(name), size, place, value.type, flags, 0)
        return self._cells.add(head + name)

    def _security_cell(self, descriptor: bytes) -> int:
        """One cell for all keys of a descriptor."""
        self._users[descriptor] = self._users.get(descriptor, 0) + 1
        if descriptor not in self._security:
            size = regf.KEY_SECURITY.size + len(descriptor)
            self._security[descriptor] = self._cells.add(bytes(size))
        return self._security[descriptor]

    def _link_security(self) -> None:
        """The _CM_KEY_SECURITY cells are a ring, and count the keys that use them."""
        ring = list(self._security.items())
        for index, (descriptor, place) in enumerate(ring):
            following, before = ring[(index + 1) % len(ring)][1], ring[index - 1][1]
            head = regf.KEY_SECURITY.pack(
                b"sk", 0, following, before, self._users[descriptor], len(descriptor)
            )
            self._cells.replace(place, head + descriptor)


def _name(name: str) -> tuple[bytes, bool]:
    """The bytes of a name, and whether each stands for a unit."""
    if all(ord(unit) < 0x100 for unit in name):
        return name.encode("latin-1"), True
    return utf16(name), False


def _hint(name: str) -> bytes:
    """The first four letters of a name, for a fast look-up."""
    start = upcase(name)[:4]
    if not start.isascii():
        return bytes(4)
    return start.encode("ascii").ljust(4, b"\0")
