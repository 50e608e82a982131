"""Free frames: zeroed, and not reused with translations of what ran in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntgate.cpu.fake import FakeProcessor
from ntgate.cpu.ram import PhysicalMemory
from ntgate.memory.frames import FrameAllocator, OutOfFrames


def allocator(available: range) -> tuple[FakeProcessor, FrameAllocator]:
    cpu = FakeProcessor(PhysicalMemory(16))
    return cpu, FrameAllocator(cpu.ram, available, cpu.ran, cpu.flush_code)


def test_frames_come_from_the_end_and_back_again() -> None:
    _cpu, frames = allocator(range(4, 8))
    assert [frames.allocate() for _ in range(2)] == [7, 6]
    frames.free(7)
    assert (frames.available, frames.allocate()) == (3, 7)


def test_a_frame_is_zeroed_when_it_is_given_out() -> None:
    cpu, frames = allocator(range(4, 5))
    cpu.ram.bytes[0x4000:0x5000] = b"\xaa" * 0x1000
    cpu.ram.bytes[0x5000] = 1
    frames.allocate()
    assert not any(cpu.ram.bytes[0x4000:0x5000])
    assert cpu.ram.bytes[0x5000] == 1


def test_none_is_left() -> None:
    _cpu, frames = allocator(range(4, 5))
    frames.allocate()
    with pytest.raises(OutOfFrames):
        frames.allocate()


def test_frames_that_ran_wait_for_one_flush() -> None:
    cpu, frames = allocator(range(4, 8))
    taken = [frames.allocate() for _ in range(4)]
    cpu.ran.update((4, 5, 6))
    for frame in taken:
        frames.free(frame)
    assert frames.available == 4
    assert (frames.allocate(), cpu.flushes) == (7, 0)
    assert cpu.ran == {4, 5, 6}
    assert {frames.allocate() for _ in range(3)} == {4, 5, 6}
    assert cpu.flushes == 1
    assert cpu.ran == set()


def test_only_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long before frames are scarce: what was translated from them is the host's memory."""
    monkeypatch.setattr("ntgate.memory.frames.MOST_QUARANTINED", 2)
    cpu, frames = allocator(range(2, 16))
    cpu.ran.update((14, 15))
    first, second = frames.allocate(), frames.allocate()
    frames.free(first)
    assert (frames.allocate(), cpu.flushes) == (13, 0)
    frames.free(second)
    assert (frames.allocate(), cpu.flushes) == (14, 1)
    assert cpu.ran == set()
    assert frames.available == 12


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 7), st.booleans()), max_size=60))
def test_no_frame_is_out_twice(steps: list[tuple[bool, int, bool]]) -> None:
    cpu, frames = allocator(range(8, 16))
    out: list[int] = []
    for take, which, runs in steps:
        if take and len(out) < 8:
            frame = frames.allocate()
            assert frame not in out
            assert frame not in cpu.ran
            out.append(frame)
        elif out:
            frame = out.pop(which % len(out))
            if runs:
                cpu.ran.add(frame)
            frames.free(frame)
        assert frames.available == 8 - len(out)
