"""An object manager of its own, and a process that creates and opens by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from ntgate.boot.boot import boot
from ntgate.errors import NtError
from ntgate.executive.ob import ObjectAttributes, ObjectManager
from ntgate.executive.pool import Pool
from ntgate.layout import machine as m
from ntgate.layout import ntstatus as s
from ntgate.layout.access import GENERIC_ALL

BODY_SIZES = {"Mutant": 0x20, "Event": 0x10, "Device": 0xB8, "File": 0x70, "Key": 0x44}


class CountingPool(Pool):
    """Counts what is allocated."""

    blocks = 0

    def allocate(self, size: int, tag: bytes) -> int:
        self.blocks += 1
        return super().allocate(size, tag)

    def free(self, address: int) -> None:
        self.blocks -= 1
        super().free(address)


@dataclass
class Program:
    """A process that creates and opens by name; a handle, or the status where it fails."""

    ob: ObjectManager
    table: int

    def create(self, name: str, path: str, flags: int = 0, root: int = 0) -> tuple[int, int]:
        """Status and handle."""
        attributes = ObjectAttributes(path, root, flags)
        if name == "Directory":
            body = self.ob.create_directory(attributes)
        elif name == "SymbolicLink":
            body = self.ob.create_symbolic_link("\\BaseNamedObjects", attributes)
        else:
            body = self.ob.create(self.ob.types[name], BODY_SIZES[name], attributes)
        try:
            inserted = self.ob.insert(self.table, body, GENERIC_ALL, attributes)
        except NtError as error:
            return error.status, 0
        return inserted.status, inserted.handle

    def link(self, path: str, target: str) -> int:
        attributes = ObjectAttributes(path)
        body = self.ob.create_symbolic_link(target, attributes)
        return self.ob.insert(self.table, body, GENERIC_ALL, attributes).handle

    def open(self, name: str, path: str, flags: int = 0, root: int = 0) -> tuple[int, int]:
        attributes = ObjectAttributes(path, root, flags)
        kind = self.ob.types[name]
        try:
            return 0, self.ob.open_by_name(self.table, kind, GENERIC_ALL, attributes)
        except NtError as error:
            return error.status, 0

    def body(self, handle: int) -> int:
        return self.ob.query_handle(self.table, handle).body

    def close(self, *handles: int) -> None:
        for handle in handles:
            self.ob.close_handle(self.table, handle)

    def made(self, name: str, path: str, flags: int = 0, root: int = 0) -> int:
        status, handle = self.create(name, path, flags, root)
        assert status == s.STATUS_SUCCESS
        return handle

    def at(self, path: str) -> int:
        """The body at a path."""
        return self.ob.lookup(path)[0]


def new_manager(pool_type: type[Pool] = Pool) -> ObjectManager:
    system = boot()
    pool = pool_type(system.memory.kernel, m.NONPAGED_POOL, m.NONPAGED_POOL_END)
    return ObjectManager(system.memory.kernel, pool, system.symbols)


def new_program() -> Program:
    ob = new_manager(CountingPool)
    return Program(ob, ob.create_table(0x81100020, 8))


def blocks(program: Program) -> int:
    pool = program.ob.blocks.pool
    assert isinstance(pool, CountingPool)
    return pool.blocks


def status_of(call: Callable[[], object]) -> int:
    with pytest.raises(NtError) as caught:
        call()
    return caught.value.status
