"""Hive files: the base block, cells, and reading them.

The format is that of the public "Windows registry file format specification" (M. Suhanov), with
the structures' names of XP's symbols.  Offsets of cells count from the first hive bin.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

from ntgate.errors import NtError
from ntgate.executive.cm.node import Hive, KeyNode, from_utf16
from ntgate.executive.cm.tree import DEEPEST, KEY_COST, QUOTA, VALUE_COST
from ntgate.layout import ntstatus
from ntgate.records import dataclass

BASE_BLOCK_SIZE = 0x1000
CHECKSUM_OFFSET = 0x1FC
NO_CELL = 0xFFFFFFFF
BIN_HEADER_SIZE = 0x20

# _HBASE_BLOCK up to FileName.
BASE_BLOCK = struct.Struct("<4sIIQIIIIIII64s")
# _CM_KEY_NODE up to Name.
KEY_NODE = struct.Struct("<2sHQIIIIIIIIIIIIIIIHH")
# _CM_KEY_VALUE up to Name.
KEY_VALUE = struct.Struct("<2sHIIIHH")
# _CM_KEY_SECURITY up to Descriptor.
KEY_SECURITY = struct.Struct("<2sHIIII")

# _CM_KEY_NODE.Flags.
KEY_VOLATILE   = 0x01
KEY_HIVE_EXIT  = 0x02
KEY_HIVE_ENTRY = 0x04
KEY_NO_DELETE  = 0x08
KEY_SYM_LINK   = 0x10
KEY_COMP_NAME  = 0x20

VALUE_COMP_NAME = 1
INLINE_DATA = 0x8000_0000
LARGEST_SEGMENT = 16344  # bytes of data in each cell of _CM_BIG_DATA
BIG_DATA_MINOR = 4  # the first minor version that has _CM_BIG_DATA


class _Corrupt(Exception):
    """The file contradicts itself."""


def checksum(base_block: bytes | bytearray) -> int:
    """_HBASE_BLOCK.CheckSum."""
    total = 0
    for word in struct.unpack_from("<127I", base_block):
        total ^= word
    return {0: 1, 0xFFFFFFFF: 0xFFFFFFFE}.get(total, total)


def read(data: bytes, hive: Hive) -> KeyNode:
    """The tree in a hive file; its top key has no parent yet.

    Raises STATUS_REGISTRY_CORRUPT, and STATUS_INSUFFICIENT_RESOURCES for one that unfolds to
    more than the registry may hold.
    """
    with corruption_told():
        reader = HiveReader(data)
        cell = reader.top()
        top = KeyNode(cell.name, None, hive)
        waiting = [(cell, top)]
        while waiting:
            cell, node = waiting.pop()
            reader.describe(cell, node)
            reader.read_values(cell, node)
            for below in reader.subkeys(cell):
                if node.subkey(below.name) is not None:
                    raise _Corrupt
                child = KeyNode(below.name, node, hive)
                node.add_subkey(child)
                waiting.append((below, child))
        return top


@contextmanager
def corruption_told() -> Iterator[None]:
    """What HiveReader finds wrong within raises STATUS_REGISTRY_CORRUPT."""
    try:
        yield
    except (_Corrupt, struct.error):
        raise NtError(ntstatus.STATUS_REGISTRY_CORRUPT) from None


@dataclass(frozen=True, slots=True)
class KeyCell:
    """A _CM_KEY_NODE: what the key itself is, and what leads on."""

    name: str
    time: int
    link: bool
    class_name: str
    security: bytes
    subkey_count: int
    first_subkey: int
    value_count: int
    first_value: int
    level: int


class HiveReader:
    """The cells of a hive file; to be used within `corruption_told`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._seen: set[int] = set()
        self._used = 0
        if len(data) < BASE_BLOCK_SIZE:
            raise _Corrupt
        base = BASE_BLOCK.unpack_from(data)
        signature, major, kind = base[0], base[4], base[6]
        self._minor, self._root = base[5], base[8]
        stored = int.from_bytes(data[CHECKSUM_OFFSET : CHECKSUM_OFFSET + 4], "little")
        if signature != b"regf" or major != 1 or kind or stored != checksum(data):
            raise _Corrupt

    def top(self) -> KeyCell:
        """The top key."""
        return self._key(self._root, 1)

    def subkeys(self, cell: KeyCell) -> Iterator[KeyCell]:
        """Those of a key."""
        for offset in self._subkey_offsets(cell):
            yield self._key(offset, cell.level + 1)

    def describe(self, cell: KeyCell, node: KeyNode) -> None:
        """Give a key all that it has besides its name, its values and its subkeys."""
        node.last_write_time, node.link = cell.time, cell.link
        node.class_name, node.security = cell.class_name, cell.security

    def read_values(self, cell: KeyCell, node: KeyNode) -> None:
        """Give a key its values."""
        if not cell.value_count or cell.first_value == NO_CELL:
            return
        listed = self._cell(cell.first_value)
        for offset in struct.unpack_from(f"<{cell.value_count}I", listed):
            self._use(VALUE_COST)
            value = self._cell(offset)
            signature, name_length, size, data, kind, flags, _spare = KEY_VALUE.unpack_from(value)
            if signature != b"vk":
                raise _Corrupt
            name = _name(value, KEY_VALUE.size, name_length, compressed=flags & VALUE_COMP_NAME)
            node.set_value(name, kind, self._value_data(size, data))

    def _cell(self, offset: int) -> bytes:
        """What is in an allocated cell, without its size."""
        at = BASE_BLOCK_SIZE + offset
        if offset & 7 or offset < BIN_HEADER_SIZE or at + 4 > len(self._data):
            raise _Corrupt
        size = -int.from_bytes(self._data[at : at + 4], "little", signed=True)
        if size < 8 or at + size > len(self._data):
            raise _Corrupt
        self._use(size)
        return self._data[at + 4 : at + size]

    def _use(self, size: int) -> None:
        """Cells can be shared, so that a small file unfolds to a large tree."""
        self._used += size
        if self._used > QUOTA:
            raise NtError(ntstatus.STATUS_INSUFFICIENT_RESOURCES)

    def _key(self, offset: int, level: int) -> KeyCell:
        if offset in self._seen or level > DEEPEST:
            raise _Corrupt
        self._seen.add(offset)
        self._use(KEY_COST)
        cell = self._cell(offset)
        (signature, flags, time, _access, _parent, subkey_count, _volatile_count, subkeys,
         _volatile_subkeys, value_count, values, security, class_cell, _max_name, _max_class,
         _max_value_name, _max_data, _work, name_length, class_length,
         ) = KEY_NODE.unpack_from(cell)  # fmt: skip
        if signature != b"nk":
            raise _Corrupt
        name = _name(cell, KEY_NODE.size, name_length, compressed=flags & KEY_COMP_NAME)
        if not name or "\\" in name:
            raise _Corrupt
        return KeyCell(
            name, time, bool(flags & KEY_SYM_LINK), self._class_name(class_cell, class_length),
            self._security(security) if security != NO_CELL else b"",
            subkey_count, subkeys, value_count, values, level,
        )  # fmt: skip

    def _class_name(self, offset: int, length: int) -> str:
        if offset == NO_CELL or not length:
            return ""
        return from_utf16(_take(self._cell(offset), 0, length))

    def _security(self, offset: int) -> bytes:
        cell = self._cell(offset)
        signature, _reserved, _next, _before, _count, size = KEY_SECURITY.unpack_from(cell)
        if signature != b"sk":
            raise _Corrupt
        return _take(cell, KEY_SECURITY.size, size)

    def _subkey_offsets(self, cell: KeyCell) -> list[int]:
        if not cell.subkey_count or cell.first_subkey == NO_CELL:
            return []
        index = self._cell(cell.first_subkey)
        offsets: list[int] = []
        if index[:2] == b"ri":
            for leaf in self._index(index, 4):
                offsets += self._leaf(self._cell(leaf))
        else:
            offsets = self._leaf(index)
        if len(offsets) != cell.subkey_count:
            raise _Corrupt
        return offsets

    def _leaf(self, index: bytes) -> list[int]:
        if index[:2] in (b"lf", b"lh"):
            return self._index(index, 8)
        if index[:2] == b"li":
            return self._index(index, 4)
        raise _Corrupt

    def _index(self, index: bytes, stride: int) -> list[int]:
        """The first dword of every element of a _CM_KEY_INDEX."""
        (count,) = struct.unpack_from("<H", index, 2)
        words = struct.unpack_from(f"<{count * stride // 4}I", index, 4)
        return list(words[:: stride // 4])

    def _value_data(self, size: int, offset: int) -> bytes:
        if size & INLINE_DATA:
            return _take(offset.to_bytes(4, "little"), 0, size & ~INLINE_DATA)
        if not size:
            return b""
        cell = self._cell(offset)
        if size <= LARGEST_SEGMENT or self._minor < BIG_DATA_MINOR or cell[:2] != b"db":
            return _take(cell, 0, size)
        count, segments = struct.unpack_from("<HI", cell, 2)
        parts = []
        for segment in struct.unpack_from(f"<{count}I", self._cell(segments)):
            parts.append(self._cell(segment)[:LARGEST_SEGMENT])
        return _take(b"".join(parts), 0, size)


def _take(cell: bytes, start: int, size: int) -> bytes:
    if start + size > len(cell):
        raise _Corrupt
    return cell[start : start + size]


def _name(cell: bytes, start: int, length: int, *, compressed: int) -> str:
    name = _take(cell, start, length)
    return name.decode("latin-1") if compressed else from_utf16(name)
