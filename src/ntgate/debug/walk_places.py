"""Names for what a system call touches: `KTHREAD.ServiceTable`, `SSDT[112h]`, `KTSS.Esp0`."""

from __future__ import annotations

from ntgate.debug import peek, segments
from ntgate.debug.target import Target, Unreadable
from ntgate.layout.ke import SERVICE_DESCRIPTOR_SIZE, SERVICE_DESCRIPTORS
from ntgate.layout.machine import (
    KGDT_R0_PCR,
    SHARED_USER_DATA,
    SHARED_USER_DATA_KERNEL,
    TRAP_FRAME_LENGTH,
)
from ntgate.layout.type_table import Array, Struct, TypeTable
from ntgate.records import dataclass

_DESCRIPTOR_FIELDS = {0: "Base", 4: "Count", 8: "Limit", 0xC: "Number"}
_SHORTER = (
    ("KPCR.PrcbData.", "KPRCB."),
    ("KPCR.NtTib.", "KPCR."),
    ("KUSER_SHARED_DATA.", "SharedUserData!"),
)


@dataclass(frozen=True)
class ServiceTable:
    """A KSERVICE_TABLE_DESCRIPTOR of the thread: `limit` entries at `base` and at `number`."""

    index: int
    base: int
    limit: int
    number: int


class Places:
    """The structures of the current thread and processor, as the target has them now.

    `frame` is the address of the call's KTRAP_FRAME once that is known.
    """

    def __init__(self, target: Target, types: TypeTable) -> None:
        self.frame: int | None = None
        self._symbols = target.symbols
        self._frame_type = types.struct("_KTRAP_FRAME")
        self._structs: list[tuple[int, Struct]] = [
            (at, types.struct("_KUSER_SHARED_DATA"))
            for at in (SHARED_USER_DATA, SHARED_USER_DATA_KERNEL)
        ]
        self.pcr = self._add(_base(target, KGDT_R0_PCR), types.struct("_KPCR"))
        self.tss = self._add(_base(target, target.register("tr")), types.struct("_KTSS"))
        thread = types.struct("_KTHREAD")
        self.thread = self._add(
            peek.number(target, self.pcr + types.offset("_KPCR", "PrcbData.CurrentThread")), thread
        )
        self.service_table_at = self.thread + thread.field("ServiceTable").offset
        self.trap_frame_at = self.thread + thread.field("TrapFrame").offset
        self.descriptors = peek.number(target, self.service_table_at)
        self.tables = tuple(_tables(target, self.descriptors))

    def _add(self, address: int, struct: Struct) -> int:
        self._structs.append((address, struct))
        return address

    def name(self, address: int) -> str | None:
        """`KPCR.TSS`, `SSDT[112h]` or a symbol; None where nothing has a name."""
        if field := self.frame_field(address):
            return f"KTRAP_FRAME.{field}"
        for start, struct in self._structs:
            if start <= address < start + struct.size:
                return _shortened(f"{struct.tag.lstrip('_')}.{_member(struct, address - start)}")
        return self._table_name(address) or self._symbol(address)

    def frame_field(self, address: int) -> str | None:
        """The field of the call's KTRAP_FRAME at an address: `HardwareEsp`, `EFlags+1`."""
        if self.frame is None or not self.frame <= address < self.frame + TRAP_FRAME_LENGTH:
            return None
        return _member(self._frame_type, address - self.frame)

    def meaning(self, value: int) -> str | None:
        """What a value points to, if it is one of the structures or a symbol."""
        if value == self.frame:
            return "KTRAP_FRAME"
        for start, struct in self._structs:
            if start == value:
                return struct.tag.lstrip("_")
        return self._symbol(value)

    def entry_of(self, address: int) -> tuple[ServiceTable, int] | None:
        """The table and the index of the SSDT entry at an address."""
        for table in self.tables:
            if table.base <= address < table.base + 4 * table.limit:
                return table, (address - table.base) // 4
        return None

    def _table_name(self, address: int) -> str | None:
        offset = address - self.descriptors
        if 0 <= offset < SERVICE_DESCRIPTORS * SERVICE_DESCRIPTOR_SIZE:
            field = _DESCRIPTOR_FIELDS.get(offset % SERVICE_DESCRIPTOR_SIZE, "?")
            return f"ServiceTable[{offset // SERVICE_DESCRIPTOR_SIZE}].{field}"
        if entry := self.entry_of(address):
            table, index = entry
            return f"SSDT[{table.index << 12 | index:x}h]"
        for table in self.tables:
            if table.number <= address < table.number + table.limit:
                return f"argument bytes[{table.index << 12 | address - table.number:x}h]"
        return None

    def _symbol(self, address: int) -> str | None:
        location = self._symbols.nearest(address)
        return str(location) if location else None


def _base(target: Target, selector: int) -> int:
    found = segments.descriptor(target, selector)
    if found is None:
        raise Unreadable(target.register("gdtr") + (selector & 0xFFF8))
    return found.base


def _tables(target: Target, descriptors: int) -> list[ServiceTable]:
    found = []
    for index in range(SERVICE_DESCRIPTORS):
        at = descriptors + index * SERVICE_DESCRIPTOR_SIZE
        base, limit, number = (peek.number(target, at + offset) for offset in (0, 8, 12))
        if limit:
            found.append(ServiceTable(index, base, limit, number))
    return found


def _member(struct: Struct, offset: int) -> str:
    """The path of the field that holds a byte; `+n` where the byte is not its first."""
    holders = [field for field in struct.fields if field.offset <= offset]
    field = max(holders, key=lambda holder: holder.offset)
    first = next(holder for holder in holders if holder.offset == field.offset)
    inside, name, inner = offset - first.offset, first.name, first.type
    if isinstance(inner, Struct) and inner.fields:
        return f"{name}.{_member(inner, inside)}"
    if isinstance(inner, Array) and inner.element.size:
        index, inside = divmod(inside, inner.element.size)
        name = f"{name}[{index}]"
    return f"{name}+{inside:x}" if inside else name


def _shortened(name: str) -> str:
    for long, short in _SHORTER:
        if name.startswith(long):
            return short + name.removeprefix(long)
    return name
