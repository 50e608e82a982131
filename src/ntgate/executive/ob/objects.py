"""Objects: made, counted and freed.

In front of a body in its pool block, from the end: OBJECT_HEADER, then as far as it has them
creator, name, handle-count and quota information.  The header says how far back each lies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ntgate.errors import GuestBugCheck, NtError
from ntgate.executive.ob import attributes as a
from ntgate.executive.ob import handle_counts, types
from ntgate.executive.ob.attributes import UNNAMED, ObjectAttributes
from ntgate.executive.ob.blocks import Blocks
from ntgate.executive.ob.handle_counts import OB_FLAG_SINGLE_HANDLE_ENTRY, HandleCounts
from ntgate.executive.ob.types import ROWS, ObjectType, TypeRow
from ntgate.executive.pool import Pool
from ntgate.layout import lists, ntstatus
from ntgate.layout.access import SYNCHRONIZE
from ntgate.layout.ke import DISPATCHER_HEADER
from ntgate.layout.ob import (
    OBJECT_HEADER,
    OBJECT_HEADER_CREATOR_INFO,
    OBJECT_HEADER_NAME_INFO,
    OBJECT_TYPE,
    OBJECT_TYPE_INITIALIZER,
)
from ntgate.memory.kernel import KernelMemory

T = TypeVar("T")

HEADER_SIZE = 0x18  # of OBJECT_HEADER up to its Body
QUOTA_INFO_SIZE = 0x10
EXCLUSIVE_PROCESS = 0x0C  # in OBJECT_HEADER_QUOTA_INFO, which the public type table lacks
REFERENCE_BY_POINTER = 0x18
EVENT_SIZE = 0x10

# OBJECT_HEADER.Flags.
OB_FLAG_KERNEL_OBJECT    = 0x02
OB_FLAG_CREATOR_INFO     = 0x04
OB_FLAG_EXCLUSIVE_OBJECT = 0x08
OB_FLAG_PERMANENT_OBJECT = 0x10


class Objects:
    """Every object of the machine.  An object is named by the address of its body.

    release_descriptor(pointer) is told of the SecurityDescriptor of an object that goes.
    """

    def __init__(self, memory: KernelMemory, pool: Pool, symbols: dict[str, int]) -> None:
        self.memory = memory
        self.blocks = Blocks(memory, pool)
        self.handle_counts = HandleCounts(self.blocks)
        self.symbols = symbols
        self.types: dict[str, ObjectType] = {}
        self._types_by_address: dict[int, ObjectType] = {}
        self._companions: dict[int, tuple[int, object]] = {}
        self.release_descriptor: Callable[[int], None] = lambda _pointer: None
        self.check_permanent: Callable[[], None] = lambda: None
        self._default_object = self._make_default_object()
        for row in ROWS:
            self._create_type(row)

    # Types

    def type_of(self, body: int) -> ObjectType:
        """Raises STATUS_OBJECT_TYPE_MISMATCH where a header points at no type."""
        found = self._types_by_address.get(self.memory.u32(body - HEADER_SIZE + 8))
        if found is None:
            raise NtError(ntstatus.STATUS_OBJECT_TYPE_MISMATCH)
        return found

    def dispatcher_object(self, body: int) -> int:
        """Address of the DISPATCHER_HEADER that a wait on the object waits for."""
        kind = self.type_of(body)
        if kind.waitable is not None:
            return kind.waitable(body)
        default = kind.view.DefaultObject
        return default if default >> 31 else body + default

    # Objects

    def header(self, body: int) -> OBJECT_HEADER:
        return OBJECT_HEADER(self.memory, body - HEADER_SIZE)

    def create(
        self,
        kind: ObjectType,
        body_size: int,
        attributes: ObjectAttributes = UNNAMED,
        *,
        kernel: bool = False,
    ) -> int:
        """A new object with a zeroed body of `body_size` bytes and one reference.

        An object with a name has room for it; it gets it when it is inserted.  kernel: the
        kernel asks, not a program.  Raises STATUS_INVALID_PARAMETER for attributes that the
        type refuses, STATUS_PRIVILEGE_NOT_HELD for a permanent one that the current thread may not
        make, and STATUS_INSUFFICIENT_RESOURCES.
        """
        if attributes.attributes & kind.view.TypeInfo.InvalidAttributes:
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
        flags = OB_FLAG_KERNEL_OBJECT if kernel else 0
        if attributes.attributes & a.OBJ_PERMANENT:
            if not kernel:
                self.check_permanent()
            flags |= OB_FLAG_PERMANENT_OBJECT
        if attributes.attributes & a.OBJ_EXCLUSIVE:
            flags |= OB_FLAG_EXCLUSIVE_OBJECT
        named = bool(attributes.name)
        body = self._allocate(kind.row, kind.view.Key, body_size, flags, named=named)
        self.header(body).Type = kind.address
        kind.count_objects(1)
        return body

    def reference(self, body: int) -> None:
        header = body - HEADER_SIZE
        self.memory.set_u32(header, self.memory.u32(header) + 1)

    def dereference(self, body: int) -> None:
        """Drop a reference; the last one frees the object."""
        header = body - HEADER_SIZE
        count = self.memory.u32(header) - 1
        if count < 0:
            raise GuestBugCheck(
                REFERENCE_BY_POINTER, (self.memory.u32(header + 8), body, 0, count & 0xFFFFFFFF)
            )
        self.memory.set_u32(header, count)
        if not count:
            self._delete(body)

    def companion(self, body: int, kind: type[T]) -> T:
        """What the host keeps beside an object.

        Raises STATUS_OBJECT_TYPE_MISMATCH where there is none, or where the object's type is
        no longer that under which it was set.
        """
        of_type, found = self._companions.get(body, (0, None))
        if not isinstance(found, kind) or self.memory.u32(body - HEADER_SIZE + 8) != of_type:
            raise NtError(ntstatus.STATUS_OBJECT_TYPE_MISMATCH)
        return found

    def set_companion(self, body: int, companion: object) -> None:
        self._companions[body] = (self.type_of(body).address, companion)

    # What lies in front of the header

    def name_info(self, body: int) -> OBJECT_HEADER_NAME_INFO | None:
        header = self.header(body)
        offset = header.NameInfoOffset
        return OBJECT_HEADER_NAME_INFO(self.memory, header.address - offset) if offset else None

    def exclusive_process(self, body: int) -> int:
        """The EPROCESS that alone may open the object; 0 for none."""
        header = self.header(body)
        offset = header.QuotaInfoOffset
        return self.memory.u32(header.address - offset + EXCLUSIVE_PROCESS) if offset else 0

    def set_exclusive_process(self, body: int, process: int) -> None:
        header = self.header(body)
        self.memory.set_u32(header.address - header.QuotaInfoOffset + EXCLUSIVE_PROCESS, process)

    # Within

    def variable(self, name: str, size: int) -> int:
        """Address of a variable of nt; of pool that stands for it in an image without it."""
        return self.symbols.get(name) or self.blocks.allocate(size, b"ObVa")

    def publish(self, name: str, value: int) -> None:
        """Store a pointer in a variable of nt, where the image has it."""
        if name in self.symbols:
            self.memory.set_u32(self.symbols[name], value)

    def _allocate(self, row: TypeRow, key: int, size: int, flags: int, *, named: bool) -> int:
        creator = OBJECT_HEADER_CREATOR_INFO.SIZE if row.keeps_list else 0
        name = OBJECT_HEADER_NAME_INFO.SIZE if named else 0
        counts = handle_counts.INFO_SIZE if row.counts_handles else 0
        quota = QUOTA_INFO_SIZE if flags & OB_FLAG_EXCLUSIVE_OBJECT else 0
        before = creator + name + counts + quota
        tag = (key | types.PROTECTED_POOL).to_bytes(4, "little")
        block = self.blocks.allocate(before + HEADER_SIZE + size, tag)
        header = OBJECT_HEADER(self.memory, block + before)
        if row.keeps_list:
            flags |= OB_FLAG_CREATOR_INFO
        if row.counts_handles:
            flags |= OB_FLAG_SINGLE_HANDLE_ENTRY
        header.NameInfoOffset = creator + name if named else 0
        header.HandleInfoOffset = creator + name + counts if counts else 0
        header.QuotaInfoOffset = before if quota else 0
        header.Flags = flags
        header.PointerCount = 1
        return header.address + HEADER_SIZE

    def _delete(self, body: int) -> None:
        """The one routine that frees an object."""
        kind = self.type_of(body)
        if kind.delete:
            kind.delete(body)
        self._companions.pop(body, None)
        header = self.header(body)
        before = OBJECT_HEADER_CREATOR_INFO.SIZE if header.Flags & OB_FLAG_CREATOR_INFO else 0
        if before:
            lists.remove(self.memory, header.address - before)
        name_info = self.name_info(body)
        if name_info:
            self.blocks.free_string(name_info.Name)
        if header.SecurityDescriptor:
            self.release_descriptor(header.SecurityDescriptor)
        self.handle_counts.release(header)
        block = header.address - max(
            before, header.NameInfoOffset, header.HandleInfoOffset, header.QuotaInfoOffset
        )
        kind.count_objects(-1)
        self.blocks.free(block)

    def _create_type(self, row: TypeRow) -> None:
        root = self.types["Type"] if self.types else None
        flags = OB_FLAG_KERNEL_OBJECT | OB_FLAG_PERMANENT_OBJECT
        key = types.type_key("Type")
        body = self._allocate(ROWS[0], key, OBJECT_TYPE.SIZE, flags, named=True)
        kind = ObjectType(self.memory, body, row)
        self.types[row.name] = self._types_by_address[body] = kind
        root = self.types["Type"]
        view = kind.view
        lists.initialize(self.memory, view.TypeList.address)
        self.blocks.set_string(view.Name, row.name, b"ObNm")
        view.Index = len(self.types)
        view.Key = types.type_key(row.name)
        view.DefaultObject = {
            types.DEFAULT_EVENT: self._default_object, types.NEVER: 0
        }.get(row.waits_on, row.waits_on)  # fmt: skip
        info = view.TypeInfo
        info.Length = OBJECT_TYPE_INITIALIZER.SIZE
        info.UseDefaultObject = row.waits_on == types.DEFAULT_EVENT
        info.CaseInsensitive = row.case_insensitive
        info.InvalidAttributes = row.invalid_attributes
        mapping = info.GenericMapping
        (mapping.GenericRead, mapping.GenericWrite, mapping.GenericExecute,
         mapping.GenericAll) = row.access  # fmt: skip
        synchronize = SYNCHRONIZE if info.UseDefaultObject else 0
        info.ValidAccessMask = mapping.GenericAll | synchronize
        info.SecurityRequired = row.needs_security
        info.MaintainHandleCount = row.counts_handles
        info.MaintainTypeList = row.keeps_list
        header = self.header(body)
        header.Type = root.address
        root.count_objects(1)
        creator_info = header.address - OBJECT_HEADER_CREATOR_INFO.SIZE
        lists.insert_tail(self.memory, root.view.TypeList.address, creator_info)
        self.publish(row.symbol, body)
        if "ObpObjectTypes" in self.symbols:
            slot = self.symbols["ObpObjectTypes"] + 4 * (view.Index - 1)
            self.memory.set_u32(slot, body)

    def _make_default_object(self) -> int:
        """A notification event, signalled for good."""
        event = DISPATCHER_HEADER(self.memory, self.variable("ObpDefaultObject", EVENT_SIZE))
        event.Size = EVENT_SIZE // 4
        event.SignalState = 1
        lists.initialize(self.memory, event.WaitListHead.address)
        return event.address
