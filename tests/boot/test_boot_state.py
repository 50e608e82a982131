"""What is in memory and in the registers before the first instruction."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from ntgate.boot.boot import BootedSystem, boot
from ntgate.cpu.descriptors import parse_segment
from ntgate.cpu.mmu import NO_EXECUTE, walk
from ntgate.dispatch.tables import EXTRA, NT, WIN32K, service_table
from ntgate.layout import machine as m
from ntgate.layout.ke import KUSER_SHARED_DATA


@pytest.fixture(scope="module")
def system() -> Iterator[BootedSystem]:
    booted = boot()
    yield booted
    booted.cpu.close()


def code(system: BootedSystem, address: int, size: int) -> bytes:
    return system.memory.kernel.read(address, size)


def test_the_entry_points_have_the_bytes_of_the_study(system: BootedSystem) -> None:
    fast = "b923000000 6a30 0fa1 8ed9 8ec1 648b0d40000000 8b6104 6a23"
    assert code(system, 0x805426E0, 25) == bytes.fromhex(fast)
    service = "6a00 55 53 56 57 0fa0 bb30000000 668ee3"
    assert code(system, 0x80542611, 16) == bytes.fromhex(service)
    assert system.symbols["KiFastCallEntry"] == 0x805426E0
    assert system.symbols["KiSystemService"] == 0x80542611
    assert system.symbols["KiTrap0F"] == 0x8054590C


def test_the_idt_has_the_study_s_gates(system: BootedSystem) -> None:
    kernel = system.memory.kernel
    assert kernel.u64(m.IDT + 0x2E * 8) == 0x8054EE00_00082611
    assert kernel.u64(m.IDT + 0x2F * 8) == 0x80548E00_0008590C
    from_ring_3 = []
    for vector in range(0x100):
        low, high = kernel.u32(m.IDT + 8 * vector), kernel.u32(m.IDT + 8 * vector + 4)
        if high >> 13 & 3 == 3:  # DPL
            from_ring_3.append(vector)
        if high >> 15 & 1 and high >> 8 & 0x1F != 5:  # present, and no task gate
            assert low >> 16 == m.KGDT_R0_CODE
            offset = low & 0xFFFF | high & 0xFFFF0000
            mapping = walk(system.cpu.ram.qwords, m.SYSTEM_PDPT, offset)
            assert mapping is not None
            assert not mapping.entry & NO_EXECUTE, f"vector {vector:02x} can't run"
    assert from_ring_3 == [0x03, 0x04, 0x2A, 0x2B, 0x2C, 0x2D, 0x2E]


def test_the_ssdt_has_a_stub_of_its_own_for_each_service(system: BootedSystem) -> None:
    kernel, symbols = system.memory.kernel, system.symbols
    descriptor = symbols["KeServiceDescriptorTable"]
    base, _counters, limit, number = (kernel.u32(descriptor + 4 * i) for i in range(4))
    assert (base, limit, number) == (symbols["KiServiceTable"], 0x11C, symbols["KiArgumentTable"])
    targets = set()
    for row in service_table(NT):
        target = kernel.u32(base + 4 * row.number)
        assert target == symbols[row.name]
        assert kernel.u8(number + row.number) == row.argument_bytes
        # mov edi,edi / push ebp / mov ebp,esp / mov eax,ID
        assert code(system, target, 10) == b"\x8b\xff\x55\x8b\xec\xb8" + struct.pack(
            "<I", row.number
        )
        targets.add(target)
    assert len(targets) == 284


def test_the_shadow_table_adds_win32k(system: BootedSystem) -> None:
    kernel, symbols = system.memory.kernel, system.symbols
    shadow = symbols["KeServiceDescriptorTableShadow"]
    assert kernel.u32(shadow) == symbols["KiServiceTable"]
    assert kernel.u32(shadow + 0x18) == 0x29B == len(service_table(WIN32K))
    assert kernel.u32(shadow + 0x28) == len(service_table(EXTRA))
    plain = symbols["KeServiceDescriptorTable"]
    assert kernel.u32(plain + 0x18) == 0
    for row in service_table(WIN32K):
        index = row.number & 0xFFF
        assert kernel.u32(kernel.u32(shadow + 0x10) + 4 * index) == symbols[row.name]


def test_zw_routines_go_through_ki_system_service(system: BootedSystem) -> None:
    for row in service_table(NT):
        address = system.symbols[f"Zw{row.name[2:]}"]
        stub = code(system, address, 17)
        assert stub[:13] == b"\xb8" + struct.pack("<I", row.number) + bytes.fromhex(
            "8d542404 9c 6a08 e8"
        )
        (distance,) = struct.unpack_from("<i", stub, 13)
        assert address + 17 + distance == system.symbols["KiSystemService"]


def test_the_gdt(system: BootedSystem) -> None:
    kernel = system.memory.kernel

    def segment(selector: int) -> tuple[int, int, int]:
        at = m.GDT + (selector & 0xFFF8)
        found = parse_segment(kernel.u32(at), kernel.u32(at + 4))
        return found.base, found.limit, found.dpl

    assert segment(m.KGDT_R0_CODE) == segment(m.KGDT_R0_DATA) == (0, 0xFFFFFFFF, 0)
    assert segment(m.KGDT_R3_CODE) == segment(m.KGDT_R3_DATA) == (0, 0xFFFFFFFF, 3)
    assert segment(m.KGDT_TSS) == (0x80042000, 0x20AB, 0)
    assert segment(m.KGDT_R0_PCR) == (0xFFDFF000, 0x1FFF, 0)
    assert segment(m.KGDT_R3_TEB)[1:] == (0xFFF, 3)


def test_registers(system: BootedSystem) -> None:
    registers = system.cpu.registers
    assert [registers.read_msr(i) for i in (0x174, 0x175, 0x176)] == [8, 0xF88C7000, 0x805426E0]
    assert (registers.read("idtr"), registers.read("idtl")) == (0x8003F400, 0x7FF)
    assert (registers.read("gdtr"), registers.read("gdtl")) == (0x8003F000, 0x3FF)
    assert (registers.read("tr"), registers.read("ldtr")) == (0x28, 0)
    assert registers.read("cr3") == 0x39000
    assert registers.read("cr0") & 0x80010001 == 0x80010001  # PG, WP, PE
    assert registers.read("cr4") & 1 << 5  # PAE


def test_shared_user_data_is_one_page_for_both_rings(system: BootedSystem) -> None:
    data = KUSER_SHARED_DATA(system.memory.kernel, m.SHARED_USER_DATA_KERNEL)
    assert (data.SystemCall, data.SystemCallReturn) == (0x7C92E4F0, 0x7C92E4F4)
    assert data.NumberOfPhysicalPages == 0x1FF6A == system.cpu.ram.pages


def test_the_page_tables_are_in_their_own_address_space(system: BootedSystem) -> None:
    qwords = system.cpu.ram.qwords
    space = system.memory.space
    for linear in (0x804D8000, 0xFFDFF000, 0xF88C6000):
        index = space.index(linear)
        assert index is not None
        through_self = walk(qwords, m.SYSTEM_PDPT, 0xC0000000 + (linear >> 12) * 8)
        assert through_self is not None
        assert through_self.physical == index * 8
        directory = walk(qwords, m.SYSTEM_PDPT, 0xC0600000 + (linear >> 21) * 8)
        assert directory is not None
        assert directory.physical == space.directory_index(linear) * 8


def test_without_sep_the_stubs_go_to_int_2e_and_the_exit_stays_iretd() -> None:
    booted = boot(has_sep=False)
    data = KUSER_SHARED_DATA(booted.memory.kernel, m.SHARED_USER_DATA_KERNEL)
    assert data.SystemCall == 0x7C92E500
    assert booted.cpu.registers.read_msr(0x176) == 0
    branch = booted.symbols["KiSystemCallExitBranch"]
    assert code(booted, branch, 2) == b"\x75\x05"
    booted.cpu.close()


def test_with_sep_the_exit_branch_has_the_one_byte_that_xp_patches(system: BootedSystem) -> None:
    branch = system.symbols["KiSystemCallExitBranch"]
    assert code(system, branch, 2) == b"\x75\x06"


def test_memory_size_and_shared_user_data_change_together() -> None:
    booted = boot(pages=0x10000)
    data = KUSER_SHARED_DATA(booted.memory.kernel, m.SHARED_USER_DATA_KERNEL)
    assert data.NumberOfPhysicalPages == 0x10000 == booted.cpu.ram.pages
    booted.cpu.close()
