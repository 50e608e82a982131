"""Allocate, free, protect and query: statuses and rounding, as NT's documentation has them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mm_machine import MmMachine

from ntgate.errors import NtError
from ntgate.executive.mm.allocate import allocate, create_peb_or_teb
from ntgate.executive.mm.fault import access_fault, user_memory
from ntgate.executive.mm.free import free
from ntgate.executive.mm.protect import protect
from ntgate.executive.mm.query import MemoryBasicInformation, query, working_set
from ntgate.executive.mm.residence import lock, unlock
from ntgate.executive.mm.space import ProcessSpace
from ntgate.layout import ntstatus as s
from ntgate.layout.mm import (
    MEM_COMMIT,
    MEM_DECOMMIT,
    MEM_FREE,
    MEM_PHYSICAL,
    MEM_PRIVATE,
    MEM_RELEASE,
    MEM_RESERVE,
    MEM_RESET,
    MEM_TOP_DOWN,
    MEM_WRITE_WATCH,
    PAGE_EXECUTE,
    PAGE_EXECUTE_READ,
    PAGE_EXECUTE_READWRITE,
    PAGE_EXECUTE_WRITECOPY,
    PAGE_GUARD,
    PAGE_NOACCESS,
    PAGE_NOCACHE,
    PAGE_READONLY,
    PAGE_READWRITE,
    PAGE_WRITECOPY,
)
from ntgate.layout.status_names import name_of

RESERVE_COMMIT = MEM_RESERVE | MEM_COMMIT
MACHINE = MmMachine(commit_limit=0x5000)


@pytest.fixture
def space() -> Iterator[ProcessSpace]:
    """A process that leaves nothing behind."""
    manager = MACHINE.manager
    before = manager.frames.available
    space = MACHINE.process()
    yield space
    process = space.process
    manager.delete_space(space)
    assert manager.frames.available == before
    assert manager.committed == 0
    assert (process.VadRoot, process.NumberOfVads, process.VirtualSize) == (0, 0, 0)
    assert (process.CommitCharge, process.Vm.WorkingSetSize) == (0, 0)
    assert process.NumberOfPrivatePages == 0


def refused(status: int, function: object, *arguments: object, **keywords: object) -> None:
    assert callable(function)
    with pytest.raises(NtError) as caught:
        function(*arguments, **keywords)
    assert name_of(caught.value.status) == name_of(status)


def info(space: ProcessSpace, address: int) -> tuple[int, ...]:
    """AllocationBase, AllocationProtect, RegionSize, State, Protect."""
    found = query(space, address)
    assert found.BaseAddress == address & ~0xFFF
    assert found.Type == (0 if found.State == MEM_FREE else MEM_PRIVATE)
    return (
        found.AllocationBase, found.AllocationProtect, found.RegionSize, found.State,
        found.Protect,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("base", "size", "kind", "protection", "zero_bits", "status"),
    [
        (0, 0x1000, RESERVE_COMMIT, PAGE_READWRITE, 22, s.STATUS_INVALID_PARAMETER_3),
        (0, 0, RESERVE_COMMIT, PAGE_READWRITE, 0, s.STATUS_INVALID_PARAMETER_4),
        (0, 0x7FFE0000, MEM_RESERVE, PAGE_READWRITE, 0, s.STATUS_NO_MEMORY),
        (0, 0x7FFE0001, MEM_RESERVE, PAGE_READWRITE, 0, s.STATUS_INVALID_PARAMETER_4),
        (0x7FFE0000, 0x1000, MEM_RESERVE, PAGE_READWRITE, 0, s.STATUS_INVALID_PARAMETER_2),
        (0x7FFD0000, 0x10001, MEM_RESERVE, PAGE_READWRITE, 0, s.STATUS_INVALID_PARAMETER_4),
        (0, 0x1000, 0, PAGE_READWRITE, 0, s.STATUS_INVALID_PARAMETER_5),
        (0, 0x1000, MEM_TOP_DOWN, PAGE_READWRITE, 0, s.STATUS_INVALID_PARAMETER_5),
        (0, 0x1000, MEM_RESERVE | 0x40, PAGE_READWRITE, 0, s.STATUS_INVALID_PARAMETER_5),
        (0, 0x1000, MEM_RESET | MEM_COMMIT, PAGE_READWRITE, 0, s.STATUS_INVALID_PARAMETER_5),
        (0, 0x1000, MEM_COMMIT | MEM_WRITE_WATCH, PAGE_READWRITE, 0, s.STATUS_INVALID_PARAMETER_5),
        (0, 0x1000, RESERVE_COMMIT | MEM_PHYSICAL, PAGE_READWRITE, 0, s.STATUS_INVALID_PARAMETER_5),
        (0, 0x1000, MEM_RESERVE | MEM_PHYSICAL, PAGE_READONLY, 0, s.STATUS_INVALID_PARAMETER_6),
        (0, 0x1000, RESERVE_COMMIT, 0, 0, s.STATUS_INVALID_PAGE_PROTECTION),
        (0, 0x1000, RESERVE_COMMIT, PAGE_WRITECOPY, 0, s.STATUS_INVALID_PAGE_PROTECTION),
        (0, 0x1000, RESERVE_COMMIT, PAGE_EXECUTE_WRITECOPY, 0, s.STATUS_INVALID_PAGE_PROTECTION),
        (0, 0x1000, RESERVE_COMMIT, 0x06, 0, s.STATUS_INVALID_PAGE_PROTECTION),
        (0, 0x1000, RESERVE_COMMIT, PAGE_NOACCESS | PAGE_GUARD, 0,
         s.STATUS_INVALID_PAGE_PROTECTION),
        (0, 0x1000, RESERVE_COMMIT, PAGE_READONLY | PAGE_GUARD | PAGE_NOCACHE, 0,
         s.STATUS_INVALID_PAGE_PROTECTION),
        (0x10000, 0x1000, MEM_COMMIT, PAGE_READWRITE, 0, s.STATUS_CONFLICTING_ADDRESSES),
        (0x10000, 0x1000, MEM_RESET, PAGE_READWRITE, 0, s.STATUS_CONFLICTING_ADDRESSES),
    ],
)  # fmt: skip
def test_a_wrong_allocation_says_why(
    space: ProcessSpace, base: int, size: int, kind: int, protection: int, zero_bits: int,
    status: int,
) -> None:  # fmt: skip
    refused(status, allocate, space, base, size, kind, protection, zero_bits=zero_bits)
    assert info(space, 0) == (0, 0, 0x7FFE0000, MEM_FREE, PAGE_NOACCESS)


def test_reservations_start_on_64_kb_and_end_on_a_page(space: ProcessSpace) -> None:
    assert allocate(space, 0x123456, 0x10, MEM_RESERVE, PAGE_READWRITE) == (0x120000, 0x4000)
    assert allocate(space, 0, 1, MEM_RESERVE, PAGE_READONLY) == (0x10000, 0x1000)
    assert info(space, 0x120000) == (0x120000, PAGE_READWRITE, 0x4000, MEM_RESERVE, 0)
    assert info(space, 0x11000) == (0, 0, 0x120000 - 0x11000, MEM_FREE, PAGE_NOACCESS)
    refused(
        s.STATUS_CONFLICTING_ADDRESSES, allocate, space, 0x12F000, 0x1000, MEM_RESERVE,
        PAGE_READWRITE,
    )  # fmt: skip  (the 64 KB below are taken)
    assert allocate(space, 0x130000, 0x1000, MEM_RESERVE, PAGE_READWRITE)[0] == 0x130000


def test_a_commit_starts_on_a_page(space: ProcessSpace) -> None:
    base, _ = allocate(space, 0, 0x10000, MEM_RESERVE, PAGE_NOACCESS)
    committed = allocate(space, base + 0x1FFF, 2, MEM_COMMIT, PAGE_READONLY)
    assert committed == (base + 0x1000, 0x2000)
    assert info(space, base) == (base, PAGE_NOACCESS, 0x1000, MEM_RESERVE, 0)
    assert info(space, base + 0x1000) == (
        base, PAGE_NOACCESS, 0x2000, MEM_COMMIT, PAGE_READONLY,
    )  # fmt: skip
    assert info(space, base + 0x3000) == (base, PAGE_NOACCESS, 0xD000, MEM_RESERVE, 0)
    refused(
        s.STATUS_CONFLICTING_ADDRESSES, allocate, space, base + 0xF000, 0x1001, MEM_COMMIT,
        PAGE_READONLY,
    )  # fmt: skip
    assert space.process.CommitCharge == 2
    allocate(space, base + 0x2000, 0x2000, MEM_COMMIT, PAGE_READWRITE)  # one of them again
    assert space.process.CommitCharge == 3
    assert info(space, base + 0x2000)[2:] == (0x2000, MEM_COMMIT, PAGE_READWRITE)


def test_low_and_high_places(space: ProcessSpace) -> None:
    assert allocate(space, 1, 0x1000, RESERVE_COMMIT, PAGE_READWRITE) == (0, 0x2000)  # null
    assert allocate(space, 0, 0x1000, MEM_RESERVE, PAGE_READWRITE)[0] == 0x10000
    top, _ = allocate(space, 0, 0x11000, MEM_RESERVE | MEM_TOP_DOWN, PAGE_READWRITE)
    assert top == 0x7FFC0000
    low, _ = allocate(
        space, 0, 0x1000, MEM_RESERVE | MEM_TOP_DOWN, PAGE_READWRITE, zero_bits=8
    )
    assert low == 0xFF0000
    space.process.Flags |= 1 << 21  # VmTopDown
    assert allocate(space, 0, 0x1000, MEM_RESERVE, PAGE_READWRITE)[0] == 0x7FFB0000


def test_a_large_commit_touches_nothing(space: ProcessSpace) -> None:
    before = MACHINE.manager.frames.available
    base, size = allocate(space, 0, 0x4000000, RESERVE_COMMIT, PAGE_READWRITE)
    assert MACHINE.manager.frames.available == before
    assert info(space, base + 0x1000)[2:] == (size - 0x1000, MEM_COMMIT, PAGE_READWRITE)
    assert space.process.CommitCharge == size >> 12
    assert space.process.VirtualSize == size


def test_commitment_has_limits(space: ProcessSpace) -> None:
    refused(s.STATUS_COMMITMENT_LIMIT, allocate, space, 0, 0x5001000, RESERVE_COMMIT, 4)
    base, _ = allocate(space, 0, 0x5001000, MEM_RESERVE, PAGE_READWRITE)
    refused(s.STATUS_COMMITMENT_LIMIT, allocate, space, base, 0x5001000, MEM_COMMIT, 4)
    assert info(space, base)[2:] == (0x5001000, MEM_RESERVE, 0)
    space.process.CommitChargeLimit = 3
    refused(s.STATUS_COMMITMENT_LIMIT, allocate, space, base, 0x4000, MEM_COMMIT, 4)
    allocate(space, base, 0x3000, MEM_COMMIT, PAGE_READWRITE)
    assert space.process.CommitChargePeak == 3


@pytest.mark.parametrize(
    ("base", "size", "kind", "status"),
    [
        (0, 0x1000, 0, s.STATUS_INVALID_PARAMETER_4),
        (0, 0x1000, MEM_DECOMMIT | MEM_RELEASE, s.STATUS_INVALID_PARAMETER_4),
        (0x7FFF0000, 0x1000, MEM_RELEASE, s.STATUS_INVALID_PARAMETER_2),
        (0x1000, 0x7FFEF000, MEM_RELEASE, s.STATUS_INVALID_PARAMETER_3),
        (0x100000, 0, MEM_RELEASE, s.STATUS_MEMORY_NOT_ALLOCATED),
        (0x7FFE0000, 0, MEM_RELEASE, s.STATUS_MEMORY_NOT_ALLOCATED),
        (0x10000, 0x4001, MEM_RELEASE, s.STATUS_UNABLE_TO_FREE_VM),
        (0x10000, 0x4001, MEM_DECOMMIT, s.STATUS_UNABLE_TO_FREE_VM),
        (0x11000, 0, MEM_RELEASE, s.STATUS_FREE_VM_NOT_AT_BASE),
        (0x11000, 0, MEM_DECOMMIT, s.STATUS_FREE_VM_NOT_AT_BASE),
    ],
)
def test_a_wrong_free_says_why(
    space: ProcessSpace, base: int, size: int, kind: int, status: int
) -> None:
    allocate(space, 0x10000, 0x4000, RESERVE_COMMIT, PAGE_READWRITE)
    refused(status, free, space, base, size, kind)
    assert info(space, 0x10000)[2:] == (0x4000, MEM_COMMIT, PAGE_READWRITE)


def test_decommitted_pages_come_back_as_zeros(space: ProcessSpace) -> None:
    base, _ = allocate(space, 0, 0x4000, RESERVE_COMMIT, PAGE_READWRITE)
    memory = user_memory(space)
    memory.write(base, b"x" * 0x4000)
    assert free(space, base + 0x1800, 0x1000, MEM_DECOMMIT) == (base + 0x1000, 0x2000)
    assert info(space, base + 0x1000)[2:] == (0x2000, MEM_RESERVE, 0)
    assert space.process.CommitCharge == 2
    assert access_fault(space, base + 0x1000, 0) == s.STATUS_ACCESS_VIOLATION
    free(space, base + 0x1000, 0x1000, MEM_DECOMMIT)  # again
    assert space.process.CommitCharge == 2
    allocate(space, base, 0x4000, MEM_COMMIT, PAGE_READWRITE)
    assert memory.read(base, 0x4000) == b"x" * 0x1000 + bytes(0x2000) + b"x" * 0x1000
    assert free(space, base, 0, MEM_DECOMMIT) == (base, 0x4000)
    assert info(space, base)[2:] == (0x4000, MEM_RESERVE, 0)
    assert space.process.CommitCharge == 0


def test_a_release_may_split(space: ProcessSpace) -> None:
    base, _ = allocate(space, 0, 0x50000, RESERVE_COMMIT, PAGE_READWRITE)
    user_memory(space).write(base + 0x40000, b"above")
    assert free(space, base + 0x12345, 0x1000, MEM_RELEASE) == (base + 0x12000, 0x2000)
    assert info(space, base)[:3] == (base, PAGE_READWRITE, 0x12000)
    assert info(space, base + 0x12000)[2:4] == (0x2000, MEM_FREE)
    above = base + 0x14000
    assert info(space, above)[:3] == (above, PAGE_READWRITE, 0x3C000)
    assert user_memory(space).read(base + 0x40000, 5) == b"above"
    assert space.process.CommitCharge == 0x4E
    assert space.process.VirtualSize == 0x4E000
    free(space, base, 0x2000, MEM_RELEASE)
    free(space, above + 0x3B000, 0x1000, MEM_RELEASE)
    assert info(space, base + 0x2000)[:3] == (base + 0x2000, PAGE_READWRITE, 0x10000)
    assert info(space, above)[2] == 0x3B000
    refused(s.STATUS_FREE_VM_NOT_AT_BASE, free, space, above + 0x1000, 0, MEM_RELEASE)
    assert free(space, above, 0, MEM_RELEASE) == (above, 0x3B000)


def test_nodes_have_the_tags_that_scanners_look_for(space: ProcessSpace) -> None:
    base, _ = allocate(space, 0, 0x30000, MEM_RESERVE, PAGE_READWRITE)
    free(space, base + 0x10000, 0x10000, MEM_RELEASE)
    create_peb_or_teb(space, 0x1000)
    tags = [MACHINE.pool.tag(node) for node in space.vads]
    assert tags == [b"VadS", b"VadF", b"Vadl"]


@pytest.mark.parametrize(
    ("base", "size", "protection", "status"),
    [
        (0x10000, 0, PAGE_READONLY, s.STATUS_INVALID_PARAMETER_3),
        (0x7FFF0000, 1, PAGE_READONLY, s.STATUS_INVALID_PARAMETER_2),
        (0x7FFEF000, 0x1001, PAGE_READONLY, s.STATUS_INVALID_PARAMETER_3),
        (0x10000, 1, 0, s.STATUS_INVALID_PAGE_PROTECTION),
        (0x10000, 1, PAGE_WRITECOPY, s.STATUS_INVALID_PAGE_PROTECTION),
        (0x10000, 1, PAGE_READONLY | PAGE_READWRITE, s.STATUS_INVALID_PAGE_PROTECTION),
        (0x100000, 1, PAGE_READONLY, s.STATUS_CONFLICTING_ADDRESSES),
        (0x10000, 0x4001, PAGE_READONLY, s.STATUS_CONFLICTING_ADDRESSES),
        (0x11000, 0x1001, PAGE_READONLY, s.STATUS_NOT_COMMITTED),
        (0x12000, 1, PAGE_READONLY, s.STATUS_NOT_COMMITTED),
        (0x7FFE0000, 1, PAGE_READWRITE, s.STATUS_CONFLICTING_ADDRESSES),
    ],
)
def test_a_wrong_protection_says_why(
    space: ProcessSpace, base: int, size: int, protection: int, status: int
) -> None:
    allocate(space, 0x10000, 0x4000, MEM_RESERVE, PAGE_READWRITE)
    allocate(space, 0x10000, 0x2000, MEM_COMMIT, PAGE_READWRITE)
    refused(status, protect, space, base, size, protection)
    assert info(space, 0x10000)[2:] == (0x2000, MEM_COMMIT, PAGE_READWRITE)


@pytest.mark.parametrize("touched", [False, True])
@pytest.mark.parametrize(
    "protection",
    [
        PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE, PAGE_EXECUTE, PAGE_EXECUTE_READ,
        PAGE_EXECUTE_READWRITE, PAGE_READWRITE | PAGE_GUARD, PAGE_READONLY | PAGE_NOCACHE,
    ],
)  # fmt: skip
def test_protection_is_what_a_query_says(
    space: ProcessSpace, protection: int, touched: bool
) -> None:
    base, _ = allocate(space, 0, 0x4000, RESERVE_COMMIT, PAGE_READWRITE)
    if touched:
        user_memory(space).write(base, b"x" * 0x4000)
    assert protect(space, base + 0x1FFF, 2, protection) == (
        base + 0x1000, 0x2000, PAGE_READWRITE,
    )  # fmt: skip
    length = 0x4000 if protection == PAGE_READWRITE else 0x2000
    start = base if protection == PAGE_READWRITE else base + 0x1000
    assert info(space, start) == (base, PAGE_READWRITE, length, MEM_COMMIT, protection)
    assert protect(space, base, 0x4000, PAGE_READWRITE)[2] == PAGE_READWRITE
    assert protect(space, base, 0x4000, PAGE_READWRITE)[2] == PAGE_READWRITE
    assert info(space, base)[2] == 0x4000


def test_the_end_of_user_space(space: ProcessSpace) -> None:
    assert query(space, 0x7FFE0123) == MemoryBasicInformation(
        0x7FFE0000, 0x7FFE0000, PAGE_READONLY, 0x1000, MEM_COMMIT, PAGE_READONLY, MEM_PRIVATE
    )
    assert query(space, 0x7FFE5000) == MemoryBasicInformation(
        0x7FFE5000, 0x7FFE0000, PAGE_READONLY, 0xB000, MEM_RESERVE, PAGE_NOACCESS, MEM_PRIVATE
    )
    refused(s.STATUS_INVALID_PARAMETER, query, space, 0x7FFF0000)
    refused(s.STATUS_INVALID_PARAMETER, query, space, 0x80000000)


def test_peb_and_tebs_come_from_the_top(space: ProcessSpace) -> None:
    assert create_peb_or_teb(space, 0x1000) == 0x7FFDF000
    assert create_peb_or_teb(space, 0x2000) == 0x7FFDD000
    user_memory(space).write(0x7FFDF000, b"x")
    assert info(space, 0x7FFDF000)[2:] == (0x1000, MEM_COMMIT, PAGE_READWRITE)
    refused(s.STATUS_INVALID_PAGE_PROTECTION, free, space, 0x7FFDF000, 0, MEM_RELEASE)
    refused(s.STATUS_INVALID_PAGE_PROTECTION, protect, space, 0x7FFDF000, 1, PAGE_READONLY)


def test_locked_pages_are_in_memory(space: ProcessSpace) -> None:
    base, _ = allocate(space, 0, 0x4000, RESERVE_COMMIT, PAGE_READWRITE)
    assert lock(space, base + 0x800, 0x1000) == (s.STATUS_SUCCESS, base, 0x2000)
    assert space.process.Vm.WorkingSetSize == 2
    assert lock(space, base + 0x1000, 0x1000)[0] == s.STATUS_WAS_LOCKED
    refused(s.STATUS_NOT_LOCKED, unlock, space, base, 0x3000)
    assert unlock(space, base, 0x1000) == (base, 0x1000)
    free(space, base, 0x4000, MEM_DECOMMIT)
    refused(s.STATUS_NOT_LOCKED, unlock, space, base + 0x1000, 0x1000)
    refused(s.STATUS_ACCESS_VIOLATION, lock, space, base, 0x1000)


def test_the_working_set_lists_valid_pages(space: ProcessSpace) -> None:
    base, _ = allocate(space, 0, 0x4000, RESERVE_COMMIT, PAGE_READWRITE)
    user_memory(space).write(base + 0x1000, b"x")
    user_memory(space).read(base + 0x3000, 1)
    protect(space, base + 0x3000, 0x1000, PAGE_READONLY)
    assert working_set(space) == [base + 0x1000 | 4, base + 0x3000 | 1]


def test_churn_gives_every_frame_back(space: ProcessSpace) -> None:
    """256 MB through 64 MB of RAM."""
    memory = user_memory(space)
    for _ in range(16):
        base, size = allocate(space, 0, 0x1000000, RESERVE_COMMIT, PAGE_READWRITE)
        for page in range(base, base + size, 0x4000):
            memory.write(page, b"x")
        free(space, base, 0, MEM_RELEASE)
    assert space.process.Vm.WorkingSetSize == 0


def test_memory_that_is_used_up_is_a_status(space: ProcessSpace) -> None:
    frames = MACHINE.manager.frames
    taken = [frames.allocate() for _ in range(frames.available - 1)]
    base, _ = allocate(space, 0, 0x2000, RESERVE_COMMIT, PAGE_READWRITE)
    assert access_fault(space, base, 0) == s.STATUS_NO_MEMORY  # a page table took the last
    for frame in taken:
        frames.free(frame)
    assert access_fault(space, base, 0) == s.STATUS_SUCCESS
