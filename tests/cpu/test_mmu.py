"""The host's page walk against the engine's."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from small_machine import KERNEL, PDPT, USER, SmallMachine

from ntgate.cpu import mmu
from ntgate.cpu.mmu import NO_EXECUTE, PRESENT, WRITABLE, PageFault

TARGET = 0x00A00000
TABLE_FRAME = 0x150
READ, WRITE = 0x100, 0x110  # from USER and KERNEL: the accesses to [ecx]
RIGHTS = [0, PRESENT, PRESENT | WRITABLE, PRESENT | mmu.USER, PRESENT | WRITABLE | mmu.USER]

MACHINE = SmallMachine()
for page in (USER, KERNEL):
    MACHINE.write(page + READ, b"\x8a\x01")  # mov al,[ecx]
    MACHINE.write(page + WRITE, b"\x88\x19")  # mov [ecx],bl

entries = st.builds(
    lambda frame, rights, nx: frame << 12 | rights | (NO_EXECUTE if nx else 0),
    st.integers(0x160, 0x1FF),
    st.sampled_from(RIGHTS),
    st.booleans(),
)


def map_target(directory: int, entry: int, *, large: bool) -> None:
    """Give TARGET's 2 MB the rights of `directory`: a page table with `entry`, or a large page."""
    ram = MACHINE.ram
    place = (ram.qwords[PDPT >> 3] >> 12 << 9) + (TARGET >> 21)
    rights = directory & (PRESENT | WRITABLE | mmu.USER | NO_EXECUTE)
    if large:
        ram.qwords[place] = rights | mmu.LARGE  # from 0, which is all of RAM
    else:
        ram.qwords[place] = rights | TABLE_FRAME << 12
        ram.qwords[(TABLE_FRAME << 9) + (TARGET >> 12 & 0x1FF)] = entry
    MACHINE.cpu.flush_tlb()


@settings(max_examples=150)
@given(
    directory=entries, entry=entries, large=st.booleans(), write=st.booleans(),
    user=st.booleans(), offset=st.integers(0x800, 0xFFF),
)  # fmt: skip
def test_translate_is_the_engines_walk(
    directory: int, entry: int, large: bool, write: bool, user: bool, offset: int
) -> None:
    machine, address = MACHINE, TARGET + offset
    map_target(directory, entry, large=large)
    access = (mmu.FAULT_WRITE if write else 0) | (mmu.FAULT_USER if user else 0)
    physical, expected = 0, None
    try:
        physical = mmu.translate(machine.ram.qwords, PDPT, address, access)
        machine.ram.bytes[physical] = 0x5A
    except PageFault as fault:
        expected = (14, fault.address, fault.error)
    mapping = mmu.walk(machine.ram.qwords, PDPT, address)
    machine.events.clear()
    code = (USER if user else KERNEL) + (WRITE if write else READ)
    machine.start(code, ring=3 if user else 0, eax=0, ebx=0x22, ecx=address)
    machine.run(1 if expected is None else 10)
    found = [(event.vector, machine.register("cr2"), event.error) for event in machine.events]
    assert found == ([] if expected is None else [expected])
    if expected is None:
        assert mapping is not None
        assert (mapping.physical, mapping.large) == (physical, large)
        assert mapping.rights & mmu.WRITABLE or not write
        assert mapping.rights & mmu.USER or not user
        seen = machine.ram.bytes[physical] if write else machine.register("eax")
        assert seen == (0x22 if write else 0x5A)
    else:
        assert (mapping is not None) == bool(expected[2] & mmu.FAULT_PROTECTION)


@given(linear=st.integers(0, 0xFFFFFFFF), entry=st.integers(0, (1 << 64) - 1))
def test_tables_beyond_ram_are_no_tables(linear: int, entry: int) -> None:
    """Whatever stands in an entry, the walk ends in a mapping or in a page fault."""
    qwords = memoryview(bytearray(0x2000)).cast("Q")
    for index in range(4):
        qwords[index] = 0x1000 | PRESENT
    qwords[0x200 + (linear >> 21 & 0x1FF)] = entry
    mapping = mmu.walk(qwords, 0, linear)
    try:
        physical = mmu.translate(qwords, 0, linear)
    except PageFault as fault:
        assert fault.address == linear
        assert mapping is None
    else:
        assert mapping is not None
        assert mapping.physical == physical
