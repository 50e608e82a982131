"""Random allocations, frees, protections and accesses against a model with a row for each page."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from mm_machine import MmMachine

from ntgate.errors import NtError
from ntgate.executive.mm.allocate import allocate
from ntgate.executive.mm.fault import user_memory
from ntgate.executive.mm.free import free
from ntgate.executive.mm.protect import protect
from ntgate.executive.mm.query import query
from ntgate.layout.mm import MEM_COMMIT, MEM_DECOMMIT, MEM_FREE, MEM_RELEASE, MEM_RESERVE
from ntgate.memory.user import AccessViolation

NOACCESS, READONLY, READWRITE, GUARD = 0x01, 0x02, 0x04, 0x104
FIRST = 0x10  # the window: 64 pages from 10000h
PAGES = 64
MACHINE = MmMachine()

pages = st.integers(0, PAGES - 1)
lengths = st.integers(1, 24)
protections = st.sampled_from([NOACCESS, READONLY, READWRITE, GUARD])


@dataclass
class Page:
    """`protect` 0: reserved; `value` is its first byte."""

    owner: int  # first page of the allocation
    initial: int
    protect: int
    value: int = 0


class PrivateMemory(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.available = MACHINE.manager.frames.available
        self.space = MACHINE.process()
        self.memory = user_memory(self.space)
        self.model: dict[int, Page] = {}

    def teardown(self) -> None:
        MACHINE.manager.delete_space(self.space)
        assert MACHINE.manager.frames.available == self.available
        assert MACHINE.manager.committed == 0

    def covered(self, first: int, count: int) -> bool:
        """Whether the pages lie in one allocation."""
        rows = [self.model.get(page) for page in range(first, first + count)]
        return rows[0] is not None and all(row and row.owner == rows[0].owner for row in rows)

    @staticmethod
    def attempt(allowed: bool, function: object, *arguments: object) -> None:
        assert callable(function)
        try:
            function(*arguments)
        except NtError:
            assert not allowed
        else:
            assert allowed

    @rule(page=pages, count=lengths, protection=protections, commit=st.booleans())
    def reserve(self, page: int, count: int, protection: int, commit: bool) -> None:
        first = page & ~15
        span = range(first, page + count)
        allowed = not any(p in self.model for p in span)
        kind = MEM_RESERVE | MEM_COMMIT if commit else MEM_RESERVE
        self.attempt(
            allowed, allocate, self.space, (FIRST + page) << 12, count << 12, kind, protection
        )
        if allowed:
            for p in span:
                self.model[p] = Page(first, protection, protection if commit else 0)

    @rule(page=pages, count=lengths, protection=protections)
    def commit(self, page: int, count: int, protection: int) -> None:
        allowed = self.covered(page, count)
        self.attempt(
            allowed, allocate, self.space, (FIRST + page) << 12, count << 12, MEM_COMMIT,
            protection,
        )  # fmt: skip
        if allowed:
            for p in range(page, page + count):
                self.model[p].protect = protection

    @rule(page=pages, count=lengths)
    def decommit(self, page: int, count: int) -> None:
        allowed = self.covered(page, count)
        self.attempt(
            allowed, free, self.space, (FIRST + page) << 12, count << 12, MEM_DECOMMIT
        )
        if allowed:
            for p in range(page, page + count):
                self.model[p].protect = self.model[p].value = 0

    @rule(page=pages, count=st.one_of(st.just(0), lengths))
    def release(self, page: int, count: int) -> None:
        row = self.model.get(page)
        if count:
            allowed = self.covered(page, count)
            gone = range(page, page + count)
        else:
            allowed = row is not None and row.owner == page
            gone = range(page, page + sum(1 for r in self.model.values() if r.owner == page))
        self.attempt(
            allowed, free, self.space, (FIRST + page) << 12, count << 12, MEM_RELEASE
        )
        if not allowed:
            return
        assert row is not None
        owner = row.owner
        for p in gone:
            del self.model[p]
        for p, rest in self.model.items():  # what stays begins, or begins again
            if rest.owner == owner:
                rest.owner = owner if p < gone.start else gone.stop

    @rule(page=pages, count=lengths, protection=protections)
    def change_protection(self, page: int, count: int, protection: int) -> None:
        rows = [self.model.get(p) for p in range(page, page + count)]
        allowed = self.covered(page, count) and all(row and row.protect for row in rows)
        self.attempt(
            allowed, protect, self.space, (FIRST + page) << 12, count << 12, protection
        )
        if allowed:
            for p in range(page, page + count):
                self.model[p].protect = protection

    @rule(page=pages, value=st.integers(1, 255))
    def write(self, page: int, value: int) -> None:
        row = self.model.get(page)
        allowed = row is not None and row.protect == READWRITE
        try:
            self.memory.write((FIRST + page) << 12, bytes([value]))
        except AccessViolation:
            assert not allowed
        else:
            assert allowed
        if row is not None:
            row.value = value if allowed else row.value
            row.protect = READWRITE if row.protect == GUARD else row.protect

    @rule(page=pages)
    def read(self, page: int) -> None:
        row = self.model.get(page)
        try:
            found = self.memory.read((FIRST + page) << 12, 1)[0]
        except AccessViolation:
            assert row is None or row.protect in (0, NOACCESS, GUARD)
        else:
            assert row is not None and row.protect in (READONLY, READWRITE)
            assert found == row.value
        if row is not None and row.protect == GUARD:
            row.protect = READWRITE

    @invariant()
    def a_walk_of_queries_shows_the_model(self) -> None:
        address, end = FIRST << 12, (FIRST + PAGES) << 12
        while address < end:
            found = query(self.space, address)
            for base in range(address, min(address + found.RegionSize, end), 0x1000):
                row = self.model.get((base >> 12) - FIRST)
                if row is None:
                    assert found.State == MEM_FREE
                    continue
                assert found.AllocationBase == (FIRST + row.owner) << 12
                assert found.AllocationProtect == row.initial
                assert (found.State == MEM_COMMIT) == bool(row.protect)
                assert found.Protect == row.protect
            after = (address + found.RegionSize >> 12) - FIRST
            if address + found.RegionSize < end and found.State != MEM_FREE:
                row, last = self.model.get(after), self.model[after - 1]
                assert row is None or (row.owner, row.protect) != (last.owner, last.protect)
            address += found.RegionSize

    @invariant()
    def the_charges_are_the_models(self) -> None:
        committed = sum(1 for row in self.model.values() if row.protect)
        assert self.space.process.CommitCharge == MACHINE.manager.committed == committed
        assert self.space.process.VirtualSize == len(self.model) << 12
        owners = {row.owner for row in self.model.values()}
        assert self.space.process.NumberOfVads == len(owners)


TestPrivateMemory = PrivateMemory.TestCase
TestPrivateMemory.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
