"""Segment descriptors, as they lie in the guest's GDT."""

from __future__ import annotations

from ntgate.debug.target import Target, Unreadable
from ntgate.records import dataclass

_SYSTEM_TYPES = {
    0x1: "TSS16 Avl",
    0x2: "LDT",
    0x3: "TSS16 Busy",
    0x4: "CallGate16",
    0x5: "TaskGate",
    0x6: "IntGate16",
    0x7: "TrapGate16",
    0x9: "TSS32 Avl",
    0xB: "TSS32 Busy",
    0xC: "CallGate32",
    0xE: "IntGate32",
    0xF: "TrapGate32",
}


@dataclass(frozen=True)
class Descriptor:
    """The eight bytes of a segment descriptor, taken apart."""

    selector: int
    base: int
    limit: int  # the offset of the last byte
    access: int  # present, DPL, S and type
    flags: int  # granularity, default size, long, available

    @property
    def is_present(self) -> bool:
        return bool(self.access & 0x80)

    @property
    def privilege(self) -> int:
        return self.access >> 5 & 3

    @property
    def type_name(self) -> str:
        """`Data RW Ac`, `Code RE`, `TSS32 Busy`: the column of `dg`."""
        kind = self.access & 0xF
        if not self.access & 0x10:
            return _SYSTEM_TYPES.get(kind, "<Reserved>")
        if kind & 8:
            name = "Code RE" if kind & 2 else "Code EO"
        else:
            name = "Data RW" if kind & 2 else "Data RO"
        return f"{name} Ac" if kind & 1 else name

    def row(self) -> str:
        """The row of `dg`, under the headings of HEADER."""
        size = "Bg" if self.flags & 4 else "Nb"
        granularity = "Pg" if self.flags & 8 else "By"
        present = "P " if self.is_present else "Np"
        long = "Lo" if self.flags & 2 else "Nl"
        return (
            f"{self.selector:04x} {self.base:08x} {self.limit:08x} {self.type_name:<10} "
            f"{self.privilege} {size} {granularity} {present} {long} "
            f"{self.flags << 8 | self.access:08x}"
        )


HEADER = (
    "                                  P Si Gr Pr Lo",
    "Sel    Base     Limit     Type    l ze an es ng Flags",
    "---- -------- -------- ---------- - -- -- -- -- --------",
)


def decode(selector: int, raw: bytes) -> Descriptor:
    """The descriptor in eight bytes."""
    low, high = int.from_bytes(raw[:4], "little"), int.from_bytes(raw[4:8], "little")
    limit = low & 0xFFFF | high & 0xF0000
    if high & 1 << 23:
        limit = limit << 12 | 0xFFF
    base = low >> 16 | (high & 0xFF) << 16 | high & 0xFF000000
    return Descriptor(selector, base, limit, high >> 8 & 0xFF, high >> 20 & 0xF)


def descriptor(target: Target, selector: int) -> Descriptor | None:
    """The GDT's or the LDT's descriptor for a selector; None beyond the limit."""
    offset = selector & 0xFFF8
    table, limit = target.register("gdtr"), target.register("gdtl")
    if selector & 4:
        local = target.register("ldtr") & 0xFFFC
        found = descriptor(target, local) if local and not local & 4 else None
        if found is None:
            return None
        table, limit = found.base, found.limit
    if offset + 7 > limit:
        return None
    return decode(selector, target.read(table + offset & 0xFFFFFFFF, 8))


def base_of(target: Target, segment: str) -> int:
    """The base of the segment in a segment register, 0 where the GDT does not tell."""
    try:
        found = descriptor(target, target.register(segment))
    except Unreadable:
        return 0
    return found.base if found else 0
