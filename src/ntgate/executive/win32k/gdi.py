"""GDI objects of a process: the handle table that gdi32 reads, in Wine 8.0's form.

The table has 65536 entries of 24 bytes and lies in the process, at PEB.GdiSharedHandleTable. A
handle is an index and the entry's Unique, the object's type with its generation, above it. What
an object is made of stays with the host: a device context draws nowhere.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import field

from ntgate.memory.user import UserMemory
from ntgate.records import dataclass

ENTRIES, ENTRY_SIZE = 0x10000, 24
TABLE_SIZE = ENTRIES * ENTRY_SIZE
FIRST_HANDLE = 32
UNIQUE_OFFSET, TYPE_OFFSET, USER_POINTER_OFFSET = 0xC, 0xE, 0x10
STOCK_FLAG = 0x80
LAST_GENERATION = 0xFE

# Types of handles: bits 16 to 22.
DC, PALETTE, BITMAP, FONT, BRUSH, PEN, MEMORY_DC = 0x01, 0x08, 0x09, 0x0A, 0x10, 0x30, 0x41

BS_SOLID, BS_NULL, BS_PATTERN = 0, 1, 3
PS_SOLID, PS_NULL = 0, 5
LOGBRUSH, LOGPEN = struct.Struct("<3I"), struct.Struct("<IiiI")
BITMAP_HEADER = struct.Struct("<4i2HI")
LOGFONT_SIZE = 92

WHITE_BRUSH, BLACK_PEN, SYSTEM_FONT, DEFAULT_PALETTE, DEFAULT_BITMAP = 0, 7, 13, 15, 20

DC_ATTR_SIZE = 200
GM_COMPATIBLE = AD_COUNTERCLOCKWISE = ALTERNATE = ABSOLUTE = BLACKONWHITE = MM_TEXT = 1
OPAQUE, R2_COPYPEN, WHITE = 2, 13, 0xFFFFFF
MITER_LIMIT = 10.0


def logfont(height: int, weight: int, charset: int, pitch: int, face: str) -> bytes:
    """LOGFONTW of a font with this height in logical units."""
    name = face.encode("utf-16-le").ljust(64, b"\0")
    return struct.pack("<5i8B", height, 0, 0, 0, weight, 0, 0, 0, charset, 0, 0, 0, pitch) + name


def _brush(color: int, style: int = BS_SOLID) -> tuple[int, bytes]:
    return BRUSH, LOGBRUSH.pack(style, color, 0)


def _pen(color: int, style: int = PS_SOLID) -> tuple[int, bytes]:
    return PEN, LOGPEN.pack(style, 0, 0, color)


def is_bitmap_size(width: int, height: int) -> bool:
    """Whether a bitmap can be so large: its bytes are counted in a LONG at any depth."""
    return width >= 0 and height >= 0 and (4 * width + 1) * max(height, 1) <= 0x7FFFFFFF


def bitmap_header(width: int, height: int, planes: int, bits: int) -> bytes:
    """BITMAP without bits; rows are multiples of two bytes."""
    return BITMAP_HEADER.pack(0, width, height, (width * bits + 15) // 16 * 2, planes, bits, 0)


_OEM = logfont(12, 400, 255, 0x31, "Terminal")
_SYSTEM = logfont(16, 700, 0, 0x22, "System")
_FIXED = logfont(16, 400, 0, 0x31, "Fixedsys")
_DIALOG = logfont(-11, 400, 0, 0x22, "MS Shell Dlg")
# The stock objects by GetStockObject's number; from 20, Wine's own.
STOCK: tuple[tuple[int, bytes], ...] = (
    _brush(0xFFFFFF), _brush(0xC0C0C0), _brush(0x808080), _brush(0x404040), _brush(0),
    _brush(0, BS_NULL), _pen(0xFFFFFF), _pen(0), _pen(0, PS_NULL), (FONT, _OEM), (FONT, _OEM),
    (FONT, logfont(12, 400, 0, 0x31, "Courier")),
    (FONT, logfont(12, 400, 0, 0x22, "MS Sans Serif")), (FONT, _SYSTEM),
    (FONT, _SYSTEM), (PALETTE, struct.pack("<H", 20)), (FONT, _FIXED),
    (FONT, _DIALOG), _brush(0xFFFFFF), _pen(0), (BITMAP, bitmap_header(1, 1, 1, 1)),
    (FONT, _SYSTEM), (FONT, _FIXED), (FONT, _DIALOG),
)  # fmt: skip


@dataclass
class GdiObject:
    """`data` is its LOGBRUSH, LOGPEN, LOGFONTW or BITMAP; `selected` what a device context has."""

    kind: int
    data: bytes = b""
    attributes: int = 0  # address of a device context's DC_ATTR
    bits: int = 0  # address of a DIB section's memory
    selected: dict[int, int] = field(default_factory=dict)


class GdiObjects:
    """The table of one process at `table`.

    `allocate` gives memory in the process, of a size, zeroed; `free` takes it back.
    """

    def __init__(
        self,
        memory: UserMemory,
        allocate: Callable[[int], int],
        free: Callable[[int], None],
    ) -> None:
        self._memory = memory
        self._allocate = allocate
        self._give_back = free
        self.table = allocate(TABLE_SIZE)
        self._objects: dict[int, GdiObject] = {}
        self._next = FIRST_HANDLE
        self._free: list[int] = []
        self._free_attributes: list[int] = []
        for kind, data in STOCK:
            self.create(GdiObject(kind, data), flags=STOCK_FLAG)

    def create(self, new: GdiObject, flags: int = 0) -> int:
        """The new object's handle; 0 when there are too many."""
        if not self._free and self._next == ENTRIES:
            return 0
        if self._free:
            index = self._free.pop()
        else:
            index, self._next = self._next, self._next + 1
        entry = self._entry(index)
        (generation,) = self._memory.read(entry + UNIQUE_OFFSET + 1, 1)
        generation = generation % LAST_GENERATION + 1
        unique = bytes((new.kind | flags, generation))
        self._memory.write(entry + UNIQUE_OFFSET, unique + bytes((new.kind & 0x1F,)))
        self._memory.write(entry + USER_POINTER_OFFSET, struct.pack("<Q", new.attributes))
        self._objects[index] = new
        return int.from_bytes(unique, "little") << 16 | index

    def get(self, handle: int, *kinds: int) -> GdiObject | None:
        """The object of a handle; None when it is none, or of another kind."""
        found = self._objects.get(handle & 0xFFFF)
        if found is None or (kinds and found.kind not in kinds):
            return None
        unique = self._memory.read(self._entry(handle & 0xFFFF) + UNIQUE_OFFSET, 2)
        return found if handle >> 16 in (0, int.from_bytes(unique, "little")) else None

    def delete(self, handle: int) -> bool:
        """Whether there was such an object; a stock object stays."""
        found = self.get(handle)
        if found is None:
            return False
        if handle >> 16 & STOCK_FLAG:
            return True
        index = handle & 0xFFFF
        self._memory.write(self._entry(index) + TYPE_OFFSET, b"\0")
        del self._objects[index]
        self._free.append(index)
        if found.bits:
            self._give_back(found.bits)
        if found.attributes:
            self._free_attributes.append(found.attributes)
        return True

    def stock(self, number: int) -> int:
        """The handle of a stock object."""
        index = FIRST_HANDLE + number
        unique = self._memory.read(self._entry(index) + UNIQUE_OFFSET, 2)
        return int.from_bytes(unique, "little") << 16 | index

    def create_dc(self, kind: int, width: int, height: int) -> int:
        """A device context with the stock objects in it, as large as this."""
        if not self._free_attributes:
            block = self._allocate(0x1000)
            self._free_attributes += range(block, block + 0x1000 - DC_ATTR_SIZE, DC_ATTR_SIZE)
        attributes = self._free_attributes.pop()
        selected = {
            BRUSH: self.stock(WHITE_BRUSH), PEN: self.stock(BLACK_PEN),
            FONT: self.stock(SYSTEM_FONT), PALETTE: self.stock(DEFAULT_PALETTE),
            BITMAP: self.stock(DEFAULT_BITMAP),
        }  # fmt: skip
        handle = self.create(GdiObject(kind, attributes=attributes, selected=selected))
        data = struct.pack(
            "<3I4I2i3I6H2iI4if", handle, 0, 0, WHITE, WHITE, 0, 0, 0, 0, GM_COMPATIBLE,
            AD_COUNTERCLOCKWISE, 0, 0, OPAQUE, ALTERNATE, R2_COPYPEN, ABSOLUTE, BLACKONWHITE,
            MM_TEXT, 0, 0, 0, 0, width, height, MITER_LIMIT,
        ) + struct.pack("<12i", 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0)  # fmt: skip
        self._memory.write(attributes, data.ljust(DC_ATTR_SIZE, b"\0"))
        return handle

    def allocate_bits(self, size: int) -> int:
        """Memory for a bitmap, which goes with it; raises NtError."""
        return self._allocate(size)

    def _entry(self, index: int) -> int:
        return self.table + ENTRY_SIZE * index
