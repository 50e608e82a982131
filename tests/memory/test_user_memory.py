"""User pointers: probed, brought in, copied page by page; a bad one is an AccessViolation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_memory import ANYONE, PDPT, SmallMemory

from ntgate.cpu.mmu import FAULT_PROTECTION, FAULT_USER, FAULT_WRITE, PRESENT, USER, WRITABLE
from ntgate.memory.user import AccessViolation, UserMemory

BASE, SIZE = 0x00400000, 0x3000  # three pages, and none beside them
ABSENT = 0xC0000005


class User(UserMemory):
    """A memory manager that brings nothing in, but remembers being asked."""

    def __init__(self, rights: int = ANYONE) -> None:
        self.machine = SmallMemory()
        self.asked: list[tuple[int, int]] = []
        self.answer = ABSENT
        for page in range(BASE, BASE + SIZE, 0x1000):
            self.machine.map(page, rights)
        super().__init__(self.machine.cpu, PDPT, self._resolve)

    def _resolve(self, address: int, error: int) -> int:
        self.asked.append((address, error))
        return self.answer


@given(offset=st.integers(-0x20, SIZE + 0x20), data=st.binary(min_size=1, max_size=0x2100))
def test_a_copy_is_whole_or_ends_at_the_page(offset: int, data: bytes) -> None:
    """What lies before a page that faults has been written, as on NT."""
    user = User()
    address = BASE + offset
    fits = offset >= 0 and offset + len(data) <= SIZE
    if fits:
        user.write(address, data)
        assert user.read(address, len(data)) == user.machine.peek(address, len(data)) == data
        return
    first_bad = address if offset < 0 or offset >= SIZE else BASE + SIZE
    with pytest.raises(AccessViolation) as write:
        user.write(address, data)
    assert (write.value.address, write.value.write) == (first_bad, True)
    with pytest.raises(AccessViolation) as read:
        user.read(address, len(data))
    assert (read.value.address, read.value.write) == (first_bad, False)
    done = max(first_bad - address, 0)
    assert user.machine.peek(address, done) == data[:done]


@given(
    address=st.one_of(st.integers(0x7FFE0000, 0x80010000), st.integers(0xFFFF0000, 0xFFFFFFFF)),
    size=st.integers(0, 0x20000),
)
def test_nothing_at_or_above_the_probe_address(address: int, size: int) -> None:
    user = User()
    allowed = size == 0 or address + size <= 0x7FFF0000
    for probe in (user.probe, user.probe_for_write):
        if allowed and probe == user.probe:
            probe(address, size)
        elif not allowed:
            with pytest.raises(AccessViolation):
                probe(address, size)
    if not allowed:
        assert user.asked == []  # the memory manager never hears of it


@pytest.mark.parametrize(("address", "size"), [(0xFFFFFFFC, 8), (0xFFFFF000, 0x2000), (4, 1 << 32)])
def test_a_kernel_pointer_does_not_wrap(address: int, size: int) -> None:
    user = User()
    user.kernel = True
    with pytest.raises(AccessViolation):
        user.read(address, size)


def test_a_kernel_caller_reaches_system_space() -> None:
    user = User()
    user.machine.map(0x80400000, PRESENT | WRITABLE)
    with pytest.raises(AccessViolation):
        user.read(0x80400000, 4)
    user.kernel = True
    user.write(0x80400FFC, b"abcd")
    assert user.u32(0x80400FFC) == 0x64636261
    assert user.asked == []


def test_the_memory_manager_brings_pages_in() -> None:
    user = User()
    late = BASE + SIZE

    def bring_in(address: int, error: int) -> int:
        user.asked.append((address, error))
        user.machine.map(address & ~0xFFF)
        return 0

    user.resolve = bring_in
    user.write(late - 2, b"abcd")
    assert user.asked == [(late, FAULT_USER | FAULT_WRITE)]
    assert user.read(late - 2, 4) == b"abcd"
    assert user.read(late + 0x1000, 1) == b"\0"
    assert user.asked[1:] == [(late + 0x1000, FAULT_USER)]


def test_a_status_of_the_memory_manager_comes_out() -> None:
    user = User()
    user.answer = 0xC0000006
    with pytest.raises(AccessViolation) as violation:
        user.set_u32(BASE - 4, 1)
    assert (violation.value.status, violation.value.write) == (0xC0000006, True)


def test_protection() -> None:
    user = User(PRESENT | USER)
    assert user.u64(BASE) == 0
    with pytest.raises(AccessViolation):
        user.write(BASE + 5, b"a")
    assert user.asked == [(BASE + 5, FAULT_USER | FAULT_WRITE | FAULT_PROTECTION)]
    system = User(PRESENT | WRITABLE)
    with pytest.raises(AccessViolation):
        system.read(BASE, 1)
    assert system.asked == [(BASE, FAULT_USER | FAULT_PROTECTION)]


@pytest.mark.parametrize(
    ("address", "size", "touched"),
    [(BASE, 1, 0), (BASE + 0xFFF, 2, 0), (BASE, SIZE, 0), (BASE + 0x800, SIZE, 1), (BASE, 0, 0)],
)
def test_a_probe_touches_every_page(address: int, size: int, touched: int) -> None:
    user = User()
    if touched:
        with pytest.raises(AccessViolation):
            user.probe_for_write(address, size)
    else:
        user.probe_for_write(address, size)
    assert len(user.asked) == touched


def test_code_that_ran_is_written_through_the_processor() -> None:
    user = User()
    frame = user.machine.space.entry(BASE + 0x1000) >> 12 & 0xFFFFF
    user.write(BASE, b"\x90" * 0x1000)
    assert user.machine.cpu.flushes == 0
    user.machine.cpu.ran.add(frame)
    user.write(BASE + 0xFFF, b"\x90\x90")
    assert user.machine.cpu.flushes == 1


@given(value=st.integers(0, (1 << 64) - 1), offset=st.integers(0, SIZE - 8))
def test_numbers_at_any_address(value: int, offset: int) -> None:
    user = User()
    for size, read, write in (
        (2, user.u16, user.set_u16), (4, user.u32, user.set_u32), (8, user.u64, user.set_u64),
    ):  # fmt: skip
        write(BASE + offset, value)
        assert read(BASE + offset) == value & (1 << 8 * size) - 1
