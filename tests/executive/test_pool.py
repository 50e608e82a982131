"""Nonpaged pool: blocks apart and zeroed, headers that link, free space that comes together."""

from __future__ import annotations

import random

import pytest

from ntgate.boot.boot import boot
from ntgate.cpu.ram import PAGE_SIZE
from ntgate.errors import GuestBugCheck, NtError
from ntgate.executive.pool import NONPAGED, SIZE_MASK, UNIT, Pool
from ntgate.layout import machine as m
from ntgate.layout import ntstatus
from ntgate.layout.ob import POOL_HEADER
from ntgate.memory.kernel import KernelMemory

PAGES = 24
MEMORY = boot(pages=0x8000).memory.kernel
START = m.NONPAGED_POOL + 0x10_0000


@pytest.fixture
def pool() -> Pool:
    return Pool(MEMORY, START, START + PAGES * PAGE_SIZE)


def check_pages(pool: Pool, memory: KernelMemory) -> None:
    """Every small page is blocks without a gap; two free ones never touch."""
    free = {header for headers in pool.free_blocks.values() for header in headers}
    for page in pool.small_pages:
        header, before, was_free = page, 0, False
        while header < page + PAGE_SIZE:
            view = POOL_HEADER(memory, header)
            units = view.BlockSize & SIZE_MASK
            is_free = not view.BlockSize & ~SIZE_MASK
            assert view.PreviousSize == before
            assert is_free == (header in free)
            assert not (is_free and was_free)
            header, before, was_free = header + units * UNIT, units, is_free
        assert header == page + PAGE_SIZE


def fill(pool: Pool, size: int) -> list[int]:
    blocks = []
    with pytest.raises(NtError) as full:
        while True:
            blocks.append(pool.allocate(size, b"Fill"))
    assert full.value.status == ntstatus.STATUS_INSUFFICIENT_RESOURCES
    return blocks


@pytest.mark.parametrize("size", [1, 8, 0x48, 0x200, 0x7F8, 0xFF0, 0x1000, 0x2800])
def test_what_is_freed_has_room_for_blocks_of_any_size(pool: Pool, size: int) -> None:
    blocks = fill(pool, size)
    random.Random(size).shuffle(blocks)
    for block in blocks:
        pool.free(block)
    assert not pool.small_pages
    assert pool.allocate(PAGES * PAGE_SIZE, b"All ") == START


def test_the_header_says_size_and_tag(pool: Pool) -> None:
    first, second = pool.allocate(0x30, b"One "), pool.allocate(5, b"Two ")
    view = POOL_HEADER(MEMORY, second - UNIT)
    assert (view.PreviousSize, view.BlockSize) == (7, NONPAGED | 2)
    assert (pool.tag(first), pool.tag(second)) == (b"One ", b"Two ")
    pool.free(first)
    with pytest.raises(GuestBugCheck, match="STOP: 0x000000C2"):
        pool.free(first)


def test_any_order_of_allocating_and_freeing(pool: Pool) -> None:
    random_of = random.Random(7)
    held: dict[int, bytes] = {}
    for step in range(6_000):
        if held and random_of.random() < 0.48:
            address = random_of.choice(list(held))
            assert MEMORY.read(address, len(held[address])) == held.pop(address)
            pool.free(address)
        else:
            size = random_of.choice([8, 24, 0x38, 0x90, 0x278, 0x6F0, 0xFF0, 0x1800])
            try:
                address = pool.allocate(size, b"Test")
            except NtError:
                continue
            assert MEMORY.read(address, size) == bytes(size)
            held[address] = random_of.randbytes(size)
            MEMORY.write(address, held[address])
        if not step % 50:
            check_pages(pool, MEMORY)
    for address in held:
        pool.free(address)
    assert not pool.small_pages


def test_a_damaged_header_is_the_guests_bug_check(pool: Pool) -> None:
    first, second = pool.allocate(0x30, b"One "), pool.allocate(0x30, b"Two ")
    pool.allocate(0x30, b"Last")
    pool.free(first)
    POOL_HEADER(MEMORY, second - UNIT).PreviousSize = 6
    MEMORY.set_u32(second - UNIT - 6 * UNIT, 6 << 16)
    with pytest.raises(GuestBugCheck) as stop:
        pool.free(second)
    assert stop.value.code == 0x19


def test_pages_that_are_freed_twice_are_a_bug_check(pool: Pool) -> None:
    pages = pool.allocate(PAGE_SIZE, b"Test")
    pool.free(pages)
    with pytest.raises(GuestBugCheck, match="STOP: 0x000000C2"):
        pool.free(pages)
