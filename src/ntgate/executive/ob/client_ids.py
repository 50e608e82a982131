"""Process and thread ids: handles of PspCidTable, whose entries hold the bodies themselves."""

from __future__ import annotations

from collections.abc import Iterator

from ntgate.errors import NtError
from ntgate.executive.ob.namespace import Namespace
from ntgate.executive.ob.types import ObjectType
from ntgate.executive.pool import Pool
from ntgate.layout import ntstatus
from ntgate.layout.ob import HANDLE_OBJECT_MASK, HANDLE_UNLOCKED
from ntgate.memory.kernel import KernelMemory


class ClientIds(Namespace):
    """Named objects, and the ids of processes and threads.  The table holds no references."""

    def __init__(self, memory: KernelMemory, pool: Pool, symbols: dict[str, int]) -> None:
        super().__init__(memory, pool, symbols)
        self.cid_table = self.tables.create_unlisted()
        self.publish("PspCidTable", self.cid_table)

    def allocate_id(self, body: int) -> int:
        """An id, a multiple of 4; the first is 4.  Raises STATUS_INSUFFICIENT_RESOURCES."""
        cid, entry = self.tables.allocate(self.cid_table)
        self.memory.set_u32(entry, body | HANDLE_UNLOCKED)
        self.memory.set_u32(entry + 4, 0)
        return cid

    def free_id(self, cid: int) -> None:
        """Give an id back, once; it is used again after all that were free before it."""
        self.tables.free(self.cid_table, cid)

    def reference_by_id(self, cid: int, kind: ObjectType) -> int:
        """The body of the process or thread of an id, with a reference that the caller drops.

        Raises STATUS_INVALID_PARAMETER where there is none of that type.
        """
        body = self._body_of(cid)
        if not body or self.type_of(body) is not kind:
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
        self.reference(body)
        return body

    def ids(self) -> Iterator[tuple[int, int]]:
        """Every id that is in use, with its process's or thread's body."""
        for cid, entry in self.tables.used(self.cid_table):
            yield cid, self.memory.u32(entry) & HANDLE_OBJECT_MASK

    def _body_of(self, cid: int) -> int:
        entry = self.tables.entry(self.cid_table, cid & ~3)
        return self.memory.u32(entry) & HANDLE_OBJECT_MASK if entry else 0
