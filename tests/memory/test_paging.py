"""Address spaces: the tables that the kernel writes are those that the processor walks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_memory import ANYONE, DIRECTORIES, FIRST_FREE, PAGES, PDPT, SmallMemory

from ntgate.cpu import mmu
from ntgate.cpu.mmu import NO_EXECUTE, PRESENT, USER, WRITABLE
from ntgate.memory.frames import OutOfFrames
from ntgate.memory.paging import kernel_entry

addresses = st.integers(0, 0xBFFFFFFF)


@given(st.dictionaries(addresses.map(lambda a: a & ~0xFFF), st.integers(0, 0xF), max_size=12))
def test_what_is_set_is_what_is_walked(pages: dict[int, int]) -> None:
    memory = SmallMemory()
    for linear, frame in pages.items():
        memory.space.set_entry(linear, frame << 12 | ANYONE)
    for linear, frame in pages.items():
        mapping = mmu.walk(memory.ram.qwords, PDPT, linear + 0x123)
        assert mapping is not None
        assert mapping.physical == frame << 12 | 0x123
        assert mapping.rights & WRITABLE
        assert bool(mapping.rights & USER) == (linear < 0x80000000)
        assert mapping.entry_physical >> 3 == memory.space.index(linear)
        assert memory.space.entry(linear) == frame << 12 | ANYONE
    tables = {linear >> 21 for linear in pages}
    assert memory.frames.available == PAGES - FIRST_FREE - len(tables)


def test_an_address_without_a_table() -> None:
    memory = SmallMemory()
    assert memory.space.index(0x400000) is None
    assert memory.space.entry(0x400000) == 0
    assert memory.frames.available == PAGES - FIRST_FREE


def test_no_frame_for_a_table() -> None:
    memory = SmallMemory()
    while memory.frames.available:
        memory.frames.allocate()
    with pytest.raises(OutOfFrames):
        memory.space.set_entry(0x400000, 0)


def test_tables_of_a_range() -> None:
    memory = SmallMemory()
    for linear in (0x00000000, 0x00400000, 0x005FF000, 0x7FE00000):
        memory.space.set_entry(linear, 0)
    found = dict(memory.space.tables(0x1000, 0x7FFFFFFF))
    assert list(found) == [0, 0x400000, 0x7FE00000]
    assert found[0x400000] == memory.space.index(0x400000)
    assert list(memory.space.tables(0x200000, 0x3FFFFF)) == []


def test_the_tables_are_in_their_own_space() -> None:
    """PTEs at c0000000, directories at c0600000, as !pte and memory forensics look for them."""
    memory = SmallMemory()
    memory.space.set_entry(0x00402000, 0x0C << 12 | ANYONE)
    for linear in (0x00402000, 0x80000000, 0xC0600000):
        pde = 0xC0600000 + (linear >> 21) * 8
        place = mmu.translate(memory.ram.qwords, PDPT, pde)
        assert place >> 3 == memory.space.directory_index(linear)
    place = mmu.translate(memory.ram.qwords, PDPT, 0xC0000000 + (0x00402000 >> 12) * 8)
    assert memory.ram.qwords[place >> 3] == 0x0C << 12 | ANYONE
    assert memory.space.directories == DIRECTORIES
    assert mmu.translate(memory.ram.qwords, PDPT, 0xC0603000) == DIRECTORIES[3]


def test_the_user_half_is_given_back() -> None:
    memory = SmallMemory()
    before = memory.frames.available
    for linear in (0x00400000, 0x7FFE0000, 0x80000000, 0xBFE00000):
        memory.space.set_entry(linear, 0)
    memory.space.free_user_tables()
    # Two tables of the user half, and the four directories.
    assert memory.frames.available == before - 4 + 2 + 4


def test_entries_of_system_space() -> None:
    data, code = kernel_entry(5), kernel_entry(5, write=False, execute=True)
    assert data == 0x5000 | PRESENT | WRITABLE | 0x60 | 0x100 | NO_EXECUTE
    assert code == 0x5000 | PRESENT | 0x20 | 0x100
