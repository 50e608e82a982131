"""Handles: what a process calls its objects by, looked up in its table in guest memory.

The first dword of an entry is the address of the object's header with, in the low bits, 1
(the entry isn't locked), OBJ_INHERIT and OBJ_AUDIT_OBJECT_CLOSE; the second is the granted
access, in which bit 2000000h protects the handle from being closed.  That is XP's form, as the
public descriptions of its entry lock and of nt!ObpAccessProtectCloseBit give it.

A handle holds one reference and counts in HandleCount, in the type's number of handles and,
where the type keeps it, in its process's count.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress

from ntgate.errors import NtError
from ntgate.executive.ob import attributes as a
from ntgate.executive.ob.handle_table import HandleTables
from ntgate.executive.ob.objects import HEADER_SIZE, OB_FLAG_EXCLUSIVE_OBJECT
from ntgate.executive.ob.symbolic_links import SymbolicLinks
from ntgate.executive.ob.types import HandleClosing, ObjectType
from ntgate.executive.pool import Pool
from ntgate.layout import ntstatus
from ntgate.layout.ob import (
    CURRENT_PROCESS,
    CURRENT_THREAD,
    HANDLE_OBJECT_MASK,
    HANDLE_PROTECT_CLOSE,
    HANDLE_TABLE,
    HANDLE_UNLOCKED,
    OBJECT_HEADER,
)
from ntgate.memory.kernel import DIRECT_BASE, KernelMemory
from ntgate.records import dataclass

KERNEL_HANDLE_MASK = 0x8000_0000
KEPT_ATTRIBUTES = a.OBJ_INHERIT | a.OBJ_AUDIT_OBJECT_CLOSE  # in Object
INDEX_IN_PAGE = 0x7FC  # the bits of a handle; 0 is a page's reserved entry
LIST_HEAD_SIZE = 8

# In dwords from the start of a HANDLE_TABLE and of an OBJECT_HEADER.
NEXT_NEEDING_POOL = HANDLE_TABLE.NextHandleNeedingPool.offset >> 2
TYPE = OBJECT_HEADER.Type.offset >> 2


@dataclass(frozen=True, slots=True)
class Handle:
    """A handle and its entry; `attributes` are OBJ_INHERIT, _PROTECT_CLOSE and _AUDIT_."""

    value: int
    body: int
    granted_access: int
    attributes: int


def _no_thread() -> int:
    raise NtError(ntstatus.STATUS_INVALID_HANDLE)


class Handles(SymbolicLinks):
    """Objects with handles.  A table is named by the address of its HANDLE_TABLE.

    `current_process` and `current_thread` give the bodies that the pseudo handles -1 and -2
    stand for.  `kernel_table` is the System process's, in which kernel handles live: those have
    bit 31, and only a caller with `kernel=True` can use them.  `check_access` says what rights the
    current thread gets to an object that it opens.
    """

    def __init__(self, memory: KernelMemory, pool: Pool, symbols: dict[str, int]) -> None:
        super().__init__(memory, pool, symbols)
        list_head = self.variable("HandleTableListHead", LIST_HEAD_SIZE)
        self.tables = HandleTables(self.blocks, list_head)
        self.kernel_table = 0
        self.current_process: Callable[[], int] = _no_thread
        self.current_thread: Callable[[], int] = _no_thread
        self.check_access: Callable[[int, int], int] = self._grant_all
        # The dwords from DIRECT_BASE up.  An address turned into an index by exclusive or is
        # beyond the end when it is anywhere else.
        self._kernel_space = memory.dwords[: memory.direct >> 2]

    # Looking up

    def reference_by_handle(
        self,
        table: int,
        handle: int,
        kind: ObjectType | None = None,
        access: int = 0,
        *,
        kernel: bool = False,
    ) -> int:
        """The body of a handle's object, with a reference that the caller drops.

        access: the specific rights that the handle must have.  kernel: kernel mode asks; its
        handles count, and rights don't.  Raises STATUS_INVALID_HANDLE,
        STATUS_OBJECT_TYPE_MISMATCH and STATUS_ACCESS_DENIED.
        """
        kernel_space = self._kernel_space
        try:
            place = (table ^ DIRECT_BASE) >> 2
            # With levels above the entries, TableCode's low bits are in this sum; what isn't
            # below the table's limit are pseudo and kernel handles too.
            entry = kernel_space[place] + (handle >> 2 << 3)
            if (
                handle < kernel_space[place + NEXT_NEEDING_POOL]
                and handle & INDEX_IN_PAGE
                and not entry & 7
            ):
                place = (entry ^ DIRECT_BASE) >> 2
                header = kernel_space[place] & HANDLE_OBJECT_MASK
                denied = access & ~kernel_space[place + 1] and not kernel
                place = (header ^ DIRECT_BASE) >> 2
                if kind is not None and kernel_space[place + TYPE] != kind.address:
                    raise NtError(ntstatus.STATUS_OBJECT_TYPE_MISMATCH)
                if denied:
                    raise NtError(ntstatus.STATUS_ACCESS_DENIED)
                kernel_space[place] += 1
                return header + HEADER_SIZE
        except IndexError:
            pass
        return self._reference_slowly(table, handle, kind, access, kernel=kernel)

    def body_of_handle(self, table: int, handle: int, kind: ObjectType, access: int) -> int:
        """The body of a handle's object, while the handle stays; raises as `reference_by_handle`.

        For a service that is done before anybody else runs.
        """
        kernel_space = self._kernel_space
        try:
            place = (table ^ DIRECT_BASE) >> 2
            entry = kernel_space[place] + (handle >> 2 << 3)
            if (
                handle < kernel_space[place + NEXT_NEEDING_POOL]
                and handle & INDEX_IN_PAGE
                and not entry & 7
            ):
                place = (entry ^ DIRECT_BASE) >> 2
                header = int(kernel_space[place] & HANDLE_OBJECT_MASK)
                denied = access & ~kernel_space[place + 1]
                place = (header ^ DIRECT_BASE) >> 2
                if not denied and kernel_space[place + TYPE] == kind.address:
                    return header + HEADER_SIZE
        except IndexError:
            pass
        body = self.reference_by_handle(table, handle, kind, access)
        self.dereference(body)
        return body

    def query_handle(self, table: int, handle: int, *, kernel: bool = False) -> Handle:
        """What a handle stands for, without a reference; raises STATUS_INVALID_HANDLE."""
        pseudo = {CURRENT_PROCESS: self.current_process, CURRENT_THREAD: self.current_thread}
        if handle in pseudo:
            body = pseudo[handle]()
            return Handle(handle, body, self.type_of(body).row.access[-1], 0)
        table, own = self._own_table(table, handle, kernel=kernel)
        return self._read_entry(handle, self._used_entry(table, own))

    # Making and closing

    def create_handle(self, table: int, body: int, access: int, attributes: int = 0) -> int:
        """A new handle with exactly the rights `access`; it takes a reference of its own.

        With OBJ_KERNEL_HANDLE it is a kernel handle.  Raises STATUS_ACCESS_DENIED where another
        process has the object for itself, and STATUS_INSUFFICIENT_RESOURCES.
        """
        if attributes & a.OBJ_KERNEL_HANDLE:
            table = self.kernel_table
        process = HANDLE_TABLE(self.memory, table).QuotaProcess
        self._claim(body, process, exclusive=bool(attributes & a.OBJ_EXCLUSIVE))
        handle, entry = self.tables.allocate(table)
        self._count_handle(body, process)
        protect = HANDLE_PROTECT_CLOSE if attributes & a.OBJ_PROTECT_CLOSE else 0
        value = body - HEADER_SIZE | HANDLE_UNLOCKED | attributes & KEPT_ATTRIBUTES
        self.memory.set_u32(entry, value)
        self.memory.set_u32(entry + 4, access & ~HANDLE_PROTECT_CLOSE | protect)
        return handle | KERNEL_HANDLE_MASK if attributes & a.OBJ_KERNEL_HANDLE else handle

    def open_by_pointer(
        self,
        table: int,
        body: int,
        desired_access: int,
        attributes: int = 0,
        kind: ObjectType | None = None,
    ) -> int:
        """A handle with the rights that are asked for, generic ones mapped.

        Raises STATUS_OBJECT_TYPE_MISMATCH, STATUS_ACCESS_DENIED, and what create_handle raises.
        """
        of_type = self.type_of(body)
        if kind is not None and of_type is not kind:
            raise NtError(ntstatus.STATUS_OBJECT_TYPE_MISMATCH)
        granted = self.check_access(body, desired_access)
        return self.create_handle(table, body, granted, attributes)

    def close_handle(self, table: int, handle: int, *, kernel: bool = False) -> None:
        """Raises STATUS_INVALID_HANDLE, also for pseudo handles; STATUS_HANDLE_NOT_CLOSABLE."""
        if handle in (CURRENT_PROCESS, CURRENT_THREAD):
            raise NtError(ntstatus.STATUS_INVALID_HANDLE)
        table, own = self._own_table(table, handle, kernel=kernel)
        entry = self._used_entry(table, own)
        if self.memory.u32(entry + 4) & HANDLE_PROTECT_CLOSE:
            raise NtError(ntstatus.STATUS_HANDLE_NOT_CLOSABLE)
        self._drop(table, own, entry)

    def duplicate(
        self,
        source_table: int,
        source: int,
        target_table: int,
        access: int = 0,
        attributes: int = 0,
        options: int = 0,
        *,
        kernel: bool = False,
        check: Callable[[int, int], int] | None = None,
    ) -> int:
        """A handle in the target's table to the object of a handle in the source's.

        check: in place of check_access, for rights that the source doesn't have.

        options: DUPLICATE_*.  DUPLICATE_CLOSE_SOURCE closes the source whatever else happens,
        if it can be closed.  Raises STATUS_INVALID_HANDLE and what create_handle raises.
        """
        found = self.query_handle(source_table, source, kernel=kernel)
        self.reference(found.body)
        changed = 0
        try:
            if options & a.DUPLICATE_SAME_ATTRIBUTES:
                attributes = found.attributes | attributes & a.OBJ_KERNEL_HANDLE
            if options & a.DUPLICATE_SAME_ACCESS:
                access = found.granted_access
            elif self.type_of(found.body).map_generic(access) & ~found.granted_access:
                if self.type_of(found.body).set_security is not None:
                    # Nobody but the object's own manager could say whether it gives more.
                    raise NtError(ntstatus.STATUS_ACCESS_DENIED)
                access = (check or self.check_access)(found.body, access)
            else:
                access = self.type_of(found.body).grant(access)
            if options & a.DUPLICATE_CLOSE_SOURCE and source_table == target_table:
                changed = self._change_handle(source_table, found, access, attributes)
                if changed:
                    return changed
            return self.create_handle(target_table, found.body, access, attributes)
        finally:
            if options & a.DUPLICATE_CLOSE_SOURCE and not changed:
                with suppress(NtError):
                    self.close_handle(source_table, source, kernel=kernel)
            self.dereference(found.body)

    def _change_handle(self, table: int, found: Handle, access: int, attributes: int) -> int:
        """Close a handle and make a new one of it: the same value, which NT takes again too.

        0 where it is not one that can be closed.
        """
        if found.value & KERNEL_HANDLE_MASK or found.attributes & a.OBJ_PROTECT_CLOSE:
            return 0
        if attributes & (a.OBJ_KERNEL_HANDLE | a.OBJ_EXCLUSIVE):
            return 0
        entry = self._used_entry(table, found.value & ~3)
        protect = HANDLE_PROTECT_CLOSE if attributes & a.OBJ_PROTECT_CLOSE else 0
        header = self.memory.u32(entry) & HANDLE_OBJECT_MASK
        self.memory.set_u32(entry, header | HANDLE_UNLOCKED | attributes & KEPT_ATTRIBUTES)
        self.memory.set_u32(entry + 4, access & ~HANDLE_PROTECT_CLOSE | protect)
        return found.value & ~3

    # Whole tables

    def create_table(self, process: int, pid: int) -> int:
        """An empty table for a process; raises STATUS_INSUFFICIENT_RESOURCES."""
        return self.tables.create(process, pid)

    def inherit_table(
        self, parent: int, process: int, pid: int, only: Collection[int] | None = None
    ) -> int:
        """A table for a process with the parent's inheritable handles, of the same values.

        only: the handles that may be inherited, all of them when None.
        """
        table = self.tables.create(process, pid)
        self.tables.match_size(table, parent)
        inherited = {}
        for value, entry in self.tables.used(parent):
            if only is not None and value not in only:
                continue
            first, second = self.memory.u32(entry), self.memory.u32(entry + 4)
            body = (first & HANDLE_OBJECT_MASK) + HEADER_SIZE
            exclusive = self.header(body).Flags & OB_FLAG_EXCLUSIVE_OBJECT
            if first & a.OBJ_INHERIT and not exclusive:
                inherited[value] = first, second
                self._count_handle(body, process)
        self.tables.occupy(table, inherited)
        return table

    def delete_table(self, table: int) -> None:
        """Close every handle, protected or not, and free the table."""
        for handle, entry in self.tables.used(table):
            if self.memory.u32(entry):  # closing another handle may have closed this one
                self._drop(table, handle, entry)
        self.tables.destroy(table)

    def handles(self, table: int) -> Iterator[Handle]:
        """Every handle of a table, in the order of the values."""
        for value, entry in self.tables.used(table):
            yield self._read_entry(value, entry)

    def all_handles(self) -> Iterator[tuple[int, Handle]]:
        """Every handle of every process, with the process's id."""
        for table in self.tables.all():
            pid = HANDLE_TABLE(self.memory, table).UniqueProcessId
            for handle in self.handles(table):
                yield pid, handle

    def set_handle_attributes(
        self, table: int, handle: int, *, inherit: bool, protect: bool, kernel: bool = False
    ) -> None:
        """Change what OBJECT_HANDLE_FLAG_INFORMATION holds; raises STATUS_INVALID_HANDLE."""
        table, own = self._own_table(table, handle, kernel=kernel)
        entry = self._used_entry(table, own)
        first, second = self.memory.u32(entry), self.memory.u32(entry + 4)
        first = first & ~a.OBJ_INHERIT | (a.OBJ_INHERIT if inherit else 0)
        second = second & ~HANDLE_PROTECT_CLOSE | (HANDLE_PROTECT_CLOSE if protect else 0)
        self.memory.set_u32(entry, first)
        self.memory.set_u32(entry + 4, second)

    # Within

    def _grant_all(self, body: int, desired: int) -> int:
        return self.type_of(body).grant(desired)

    def _reference_slowly(
        self, table: int, handle: int, kind: ObjectType | None, access: int, *, kernel: bool
    ) -> int:
        """For free, pseudo and kernel handles, tables with levels, and memory in odd places."""
        found = self.query_handle(table, handle, kernel=kernel)
        if kind is not None and self.header(found.body).Type != kind.address:
            raise NtError(ntstatus.STATUS_OBJECT_TYPE_MISMATCH)
        if access & ~found.granted_access and not kernel:
            raise NtError(ntstatus.STATUS_ACCESS_DENIED)
        self.reference(found.body)
        return found.body

    def _own_table(self, table: int, handle: int, *, kernel: bool) -> tuple[int, int]:
        """The table that a handle is in, and its value there."""
        if not handle & KERNEL_HANDLE_MASK:
            return table, handle & ~3
        if not kernel or not self.kernel_table:
            raise NtError(ntstatus.STATUS_INVALID_HANDLE)
        return self.kernel_table, handle & ~3 & ~KERNEL_HANDLE_MASK

    def _used_entry(self, table: int, handle: int) -> int:
        entry = self.tables.entry(table, handle)
        if not entry or not self.memory.u32(entry):
            raise NtError(ntstatus.STATUS_INVALID_HANDLE)
        return entry

    def _read_entry(self, value: int, entry: int) -> Handle:
        first, second = self.memory.u32(entry), self.memory.u32(entry + 4)
        protect = a.OBJ_PROTECT_CLOSE if second & HANDLE_PROTECT_CLOSE else 0
        return Handle(
            value,
            (first & HANDLE_OBJECT_MASK) + HEADER_SIZE,
            second & ~HANDLE_PROTECT_CLOSE,
            first & KEPT_ATTRIBUTES | protect,
        )

    def _claim(self, body: int, process: int, *, exclusive: bool) -> None:
        """Let one process at a time have handles to an exclusive object."""
        header = self.header(body)
        if not header.Flags & OB_FLAG_EXCLUSIVE_OBJECT:
            if exclusive and header.HandleCount:
                raise NtError(ntstatus.STATUS_ACCESS_DENIED)
            return
        if header.HandleCount and self.exclusive_process(body) != process:
            raise NtError(ntstatus.STATUS_ACCESS_DENIED)
        self.set_exclusive_process(body, process)

    def _count_handle(self, body: int, process: int) -> None:
        header = self.header(body)
        header.PointerCount += 1
        header.HandleCount += 1
        self.type_of(body).count_handles(1)
        self.handle_counts.change(header, process, 1)

    def _drop(self, table: int, handle: int, entry: int) -> None:
        """Free a used entry and what it held."""
        gone = self._read_entry(handle, entry)
        body = gone.body
        process = HANDLE_TABLE(self.memory, table).QuotaProcess
        self.tables.free(table, handle)
        header = self.header(body)
        kind = self.type_of(body)
        in_process, in_system = self.handle_counts.of(header, process), header.HandleCount
        header.HandleCount = in_system - 1
        kind.count_handles(-1)
        self.handle_counts.change(header, process, -1)
        if kind.close:
            kind.close(HandleClosing(body, process, gone.granted_access, in_process, in_system))
        self.check_name(body)
        self.dereference(body)
