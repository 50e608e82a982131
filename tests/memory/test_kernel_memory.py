"""System space from the host's side, and typed views of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_memory import DIRECT, SmallMemory

from ntgate.cpu.mmu import PageFault
from ntgate.memory.kernel import DIRECT_BASE
from ntgate.memory.paging import kernel_entry
from ntgate.memory.structs import Struct, bits, embed, pointer, raw, u8, u16, u32, u64

MAPPED = 0xE1000000  # three pages, in frames that don't touch


class LIST_ENTRY(Struct, size=0x08):
    Flink = u32(0x00)
    Blink = u32(0x04)


class SAMPLE(Struct, size=0x30):
    Byte = u8(0x01)
    Word = u16(0x02)
    Long = u32(0x04)
    Low = bits(0x0C, 0, 4)
    Flag = bits(0x0C, 4)
    High = bits(0x0C, 20, 12)
    Time = u64(0x14)
    Name = raw(0x1C, 5)
    Links = embed(0x24, LIST_ENTRY)
    Next = pointer(0x2C, LIST_ENTRY)


@pytest.fixture
def memory() -> SmallMemory:
    made = SmallMemory()
    for page, frame in enumerate((0x20, 0x30, 0x28)):
        made.space.set_entry(MAPPED + 0x1000 * page, kernel_entry(frame))
    return made


PLACES = [DIRECT_BASE + 0x6000, MAPPED + 0x100]


@pytest.mark.parametrize("address", PLACES)
def test_numbers_of_each_size(memory: SmallMemory, address: int) -> None:
    kernel = memory.kernel
    kernel.set_u64(address + 4, 0x1122334455667788)
    assert kernel.u64(address + 4) == 0x1122334455667788
    assert (kernel.u32(address + 4), kernel.u32(address + 8)) == (0x55667788, 0x11223344)
    assert (kernel.u16(address + 6), kernel.u8(address + 9)) == (0x5566, 0x33)
    kernel.set_u8(address + 4, 0x1FF)
    kernel.set_u16(address + 6, 0x1ABCD)
    kernel.set_u32(address + 8, -1)
    assert kernel.read(address + 4, 8) == bytes.fromhex("ff77cdabffffffff")


@given(offset=st.integers(0, 0x2FFF), data=st.binary(max_size=0x2100))
def test_bytes_across_pages(offset: int, data: bytes) -> None:
    memory = SmallMemory()
    for page, frame in enumerate((0x20, 0x30, 0x28)):
        memory.space.set_entry(MAPPED + 0x1000 * page, kernel_entry(frame))
    data = data[: 0x3000 - offset]
    memory.kernel.write(MAPPED + offset, data)
    assert memory.kernel.read(MAPPED + offset, len(data)) == data
    assert memory.peek(MAPPED + offset, len(data)) == data


def test_the_direct_part_is_ram_in_order(memory: SmallMemory) -> None:
    memory.kernel.write(DIRECT_BASE + 0x5FFE, b"abcd")
    assert bytes(memory.ram.bytes[0x5FFE:0x6002]) == b"abcd"
    with pytest.raises(PageFault) as fault:
        memory.kernel.u32(DIRECT_BASE + DIRECT)
    assert fault.value.address == DIRECT_BASE + DIRECT


def test_a_hole_is_a_page_fault(memory: SmallMemory) -> None:
    for action in (
        lambda: memory.kernel.u32(MAPPED + 0x3000),
        lambda: memory.kernel.read(MAPPED + 0x2FFE, 4),
        lambda: memory.kernel.write(MAPPED + 0x2FFE, b"abcd"),
    ):
        with pytest.raises(PageFault) as fault:
            action()
        assert fault.value.address == MAPPED + 0x3000
    assert memory.kernel.read(MAPPED + 0x2FFE, 2) == b"ab"  # what lies before the hole


@pytest.mark.parametrize("address", PLACES)
def test_members_read_and_change_the_guest(memory: SmallMemory, address: int) -> None:
    view = SAMPLE(memory.kernel, address)
    view.Byte, view.Word, view.Long = 0x101, 0x12345, 0x1_9ABCDEF0
    view.Low, view.Flag, view.High = 0x1F, 1, 0xABC
    view.Time = 0x0123456789ABCDEF
    view.Name = b"kernel"
    view.Links.Flink, view.Links.Blink = address, address + 4
    view.Next = LIST_ENTRY(memory.kernel, address + 0x24)
    links = (address, address + 4, address + 0x24)
    assert memory.kernel.read(address, SAMPLE.SIZE).hex(" ", -4) == " ".join(
        ["00014523 f0debc9a 00000000 1f00c0ab 00000000 efcdab89 67452301 6b65726e 65000000"]
        + [link.to_bytes(4, "little").hex() for link in links]
    )
    assert (view.Byte, view.Word, view.Long) == (1, 0x2345, 0x9ABCDEF0)
    assert (view.Low, view.Flag, view.High) == (0xF, 1, 0xABC)
    assert (view.Time, view.Name) == (0x0123456789ABCDEF, b"kerne")
    assert view.Next == view.Links
    view.Flag = 0
    assert (view.Low, view.High) == (0xF, 0xABC)
    view.Next = None
    assert view.Next is None


def test_views_compare_by_what_they_show(memory: SmallMemory) -> None:
    first, same = (LIST_ENTRY(memory.kernel, 0x80006000) for _ in range(2))
    other = LIST_ENTRY(memory.kernel, 0x80006008)
    assert first == same != other
    assert len({first, same, other}) == 2
    assert SAMPLE(memory.kernel, 0x80006000) != first
    assert repr(other) == "<LIST_ENTRY at 80006008>"


def test_members_of_a_class() -> None:
    assert SAMPLE.Long.offset == 4
    assert list(SAMPLE.members()) == (
        "Byte Word Long Low Flag High Time Name Links Next".split()
    )


def test_a_member_beyond_the_end_is_refused() -> None:
    with pytest.raises(TypeError, match=r"TOO_LONG\.Last ends beyond its size 0x4"):

        class TOO_LONG(Struct, size=4):
            Last = u16(3)
