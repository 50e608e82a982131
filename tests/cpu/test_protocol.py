"""The real processor and the fake one are the same to their owner."""

from __future__ import annotations

import inspect

import pytest
from small_machine import SmallMachine

from ntgate.cpu.fake import FakeProcessor
from ntgate.cpu.processor import Processor
from ntgate.cpu.protocol import Cpu, CpuBreakpoints, CpuRegisters, CpuWatchpoints
from ntgate.cpu.ram import PhysicalMemory
from ntgate.cpu.registers import NAMES


def members(protocol: type) -> set[str]:
    named = {name for name in vars(protocol) if not name.startswith("_")}
    return named | set(inspect.get_annotations(protocol))


def owners_use(cpu: Cpu) -> int:
    """What a type checker compares both with."""
    cpu.registers.write("eax", 5)
    cpu.registers.write_msr(0x176, 0x805426E0)
    cpu.write_physical(0x100, b"abc")
    cpu.breakpoints.add(0x1234)
    cpu.breakpoints.remove(0x1234)
    return cpu.registers.read("eax") + cpu.registers.read_msr(0x176) + cpu.cpl


def test_both_do_what_the_owner_asks() -> None:
    fake, machine = FakeProcessor(PhysicalMemory(16)), SmallMachine()
    assert owners_use(fake) == owners_use(machine.cpu) == 5 + 0x805426E0
    assert bytes(fake.ram.bytes[0x100:0x103]) == bytes(machine.ram.bytes[0x100:0x103]) == b"abc"


def test_both_have_every_member() -> None:
    for cpu in (FakeProcessor(PhysicalMemory(16)), SmallMachine().cpu):
        for protocol, part in (
            (Cpu, cpu), (CpuRegisters, cpu.registers), (CpuBreakpoints, cpu.breakpoints),
            (CpuWatchpoints, cpu.watchpoints),
        ):  # fmt: skip
            assert {name for name in members(protocol) if not hasattr(part, name)} == set()


def test_their_methods_take_the_same_arguments() -> None:
    for name, method in inspect.getmembers(Cpu, inspect.isfunction):
        if not name.startswith("_"):
            expected = list(inspect.signature(method).parameters)
            for kind in (Processor, FakeProcessor):
                assert list(inspect.signature(getattr(kind, name)).parameters) == expected, name


def test_the_fake_has_every_register() -> None:
    fake = FakeProcessor(PhysicalMemory(16))
    for number, name in enumerate(NAMES):
        fake.registers.write(name, number)
    assert [fake.registers.read(name) for name in NAMES] == list(range(len(NAMES)))
    with pytest.raises(KeyError):
        fake.registers.read("rax")


def test_the_fake_counts_flushes() -> None:
    fake = FakeProcessor(PhysicalMemory(16))
    fake.ran.add(2)
    fake.write_physical(0x1FFE, b"12")
    fake.write_physical(0x1FFF, b"12")
    fake.write_physical(0x3000, b"")
    assert fake.flushes == 1


def test_the_fake_runs_a_script() -> None:
    fake = FakeProcessor(PhysicalMemory(16))
    assert fake.run(100)

    def program() -> bool:
        fake.stop()
        return True

    fake.program = program
    assert not fake.run(100)
