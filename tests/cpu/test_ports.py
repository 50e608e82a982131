"""Who may do I/O, and what an access that is refused leaves behind: nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_machine import DATA, EVENT_PORT, KERNEL, STACK3, TSS, USER, SmallMachine

from ntgate.cpu.delivery import IF, RF
from ntgate.cpu.fake import LAYOUT, FakeProcessor
from ntgate.cpu.ports import io_allowed
from ntgate.cpu.ram import PhysicalMemory

IOPL3 = 0x3000
REGISTERS = ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp")
INSTRUCTIONS = [
    "in al, 60h", "in eax, 60h", "in ax, dx", "out 60h, al", "out dx, eax", "out dx, al", "insb",
    "outsb", "rep insb", "rep outsd", "out 0E9h, eax",
]  # fmt: skip
STORE = f"mov [{DATA}], ebx"
BEHIND = [
    f"pushad\n inc dword ptr [{DATA}]", f"out dx, al\n {STORE}", "in al, dx\n ud2", "sysenter",
    f"int 2Eh\n {STORE}", "cpuid\n rdtsc\n syscall", f"fld1\n movups [{DATA}], xmm0",
    "call eax", "ret",
]  # fmt: skip


def recorder(calls: list[tuple[int, ...]], answer: int = 0) -> Callable[..., Any]:
    """A callback that keeps its arguments."""

    def record(*arguments: int) -> int:
        calls.append(arguments)
        return answer

    return record


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize(
    ("instruction", "behind"),
    [*((instruction, STORE) for instruction in INSTRUCTIONS), *(("in al, 60h", b) for b in BEHIND)],
)
def test_ring_3_is_refused_without_a_trace(
    machine: SmallMachine, instruction: str, behind: str, counted: bool
) -> None:
    ports: list[tuple[int, ...]] = []
    machine.cpu.port_read = recorder(ports)
    machine.cpu.port_write = recorder(ports)
    program = f"cmp ebx, ecx\n{instruction}\n{behind}\n int 0FEh\n"
    machine.load(f";@org {USER:x}h\nStart:\n{program}")
    data = machine.read(DATA, 0x100), machine.read(STACK3 - 0x100, 0x100)
    values = {name: 0x11111111 * (i + 1) for i, name in enumerate(REGISTERS[:-1])}
    values |= {"esi": DATA, "edi": DATA + 8, "ecx": 3, "edx": 0x60}
    machine.start(USER, **values)
    assert not machine.cpu.run(1000 if counted else 0, 1_000_000)
    (event,) = machine.events
    assert (event.vector, event.error, event.eip, event.esp) == (13, 0, USER + 2, STACK3)
    assert event.eflags == 0x202 | RF | 0x10  # AF: 2 < 3
    assert ports == []
    assert (machine.read(DATA, 0x100), machine.read(STACK3 - 0x100, 0x100)) == data
    values["eax"] = machine.u32(machine.register("esp"))  # the stub has pushed it
    assert values["eax"] == 0x11111111
    assert {name: machine.register(name) for name in REGISTERS[1:-1]} == {
        name: values[name] for name in REGISTERS[1:-1]
    }


def test_the_machine_goes_on_behind_it(machine: SmallMachine) -> None:
    machine.on_event = lambda event: machine.skip(event, 2)
    events = machine.run_program(f"mov ecx, 3\n in al, 60h\n in al, 61h\n mov [{DATA}], ecx")
    assert [event.vector for event in events] == [13, 13]
    assert machine.u32(DATA) == 3


def test_iopl_3_lets_ring_3_through(machine: SmallMachine) -> None:
    writes: list[tuple[int, ...]] = []
    machine.cpu.port_read = lambda port, size: port << 8 | size
    machine.cpu.port_write = recorder(writes)
    machine.load(f"""
;@org {USER:x}h
Start:
    in eax, 60h
    mov [{DATA}], eax
    mov dx, 3F8h
    mov eax, 11223344h
    out dx, eax
    out 80h, al
    mov edi, {DATA + 8}
    mov ecx, 2
    rep insb
    int 0FEh
""")
    machine.start(USER, eflags=IF | IOPL3 | 2)
    machine.run()
    assert machine.events == []
    assert machine.u32(DATA) == 0x6004
    assert writes == [(0x3F8, 4, 0x11223344), (0x80, 1, 0x44)]
    assert machine.read(DATA + 8, 4) == b"\x01\x01\0\0"


def test_the_map_of_the_tss_opens_single_ports(machine: SmallMachine) -> None:
    reads: list[tuple[int, ...]] = []
    machine.cpu.port_read = recorder(reads)
    machine.set_u32(TSS + 0x64, 0x88 << 16)
    machine.write(TSS + 0x88, b"\xff" * 0x200)
    machine.write(TSS + 0x88 + 0x60 // 8, b"\xfc")  # 60h and 61h
    machine.on_event = lambda event: machine.skip(event, 2)
    text = "in al, 60h\n in al, 61h\n in al, 62h\n in ax, 60h\n nop\n in eax, 60h"
    events = machine.run_program(text)
    assert reads == [(0x60, 1), (0x61, 1), (0x60, 2)]
    assert [event.eip - USER for event in events] == [4, 10]


def test_ring_0_needs_no_permission(machine: SmallMachine) -> None:
    machine.cpu.port_read = lambda port, size: 0x5A
    assert machine.run_program("in al, 60h\n movzx ecx, al", ring=0) == []
    assert machine.register("ecx") == 0x5A


def test_the_host_refuses_a_call_and_it_is_ordinary_io(machine: SmallMachine) -> None:
    writes: list[tuple[int, ...]] = []
    asked: list[tuple[int, ...]] = []
    machine.cpu.port_write = recorder(writes)
    machine.cpu.host_call = recorder(asked)  # 0: no
    machine.load(f";@org {KERNEL:x}h\nStart:\n mov eax, 77h\n out {EVENT_PORT}, eax\n hlt\n")
    machine.start(KERNEL, ring=0)
    machine.run()
    assert asked == [(0x77,)]
    assert writes == [(EVENT_PORT, 4, 0x77)]


def test_the_host_is_called_from_ring_0_only(machine: SmallMachine) -> None:
    asked: list[int] = []
    answer = machine.cpu.host_call

    def host_call(value: int) -> bool:
        asked.append(value)
        return answer(value)

    machine.cpu.host_call = host_call
    (event,) = machine.run_program(f"mov eax, 112h\n out {EVENT_PORT}, eax")
    assert (event.vector, event.error, event.eip) == (13, 0, USER + 5)
    assert 0x112 not in asked


@given(
    base=st.integers(0x68, 0x200),
    limit=st.integers(0x60, 0x400),
    port=st.integers(0, 0x400),
    size=st.sampled_from([1, 2, 4]),
    bits=st.binary(min_size=0x90, max_size=0x90),
)
def test_the_map_is_read_bit_by_bit(
    base: int, limit: int, port: int, size: int, bits: bytes
) -> None:
    """SDM volume 1, 18.5.2: two bytes are read, and both must be within the limit."""
    cpu = FakeProcessor(PhysicalMemory(8))
    cpu.ram.qwords[0x1000 >> 3] = 0x2000 | 1
    cpu.ram.qwords[0x2000 >> 3] = 0x83  # 2 MB from 0
    cpu.registers.write("cr3", 0x1000)
    tss = 0x4000
    cpu.context[LAYOUT.tr + 2], cpu.context[LAYOUT.tr + 4] = tss, limit
    cpu.context[LAYOUT.hflags] = 3
    cpu.ram.words[tss + 0x66 >> 1] = base
    cpu.ram.bytes[tss + base : tss + base + len(bits)] = bits
    byte = base + port // 8
    expected = limit >= 0x67 and byte + 1 <= limit
    if expected:
        pair = int.from_bytes(cpu.ram.bytes[tss + byte : tss + byte + 2], "little")
        expected = pair >> port % 8 & (1 << size) - 1 == 0
    assert io_allowed(cpu.delivery, cpu.context, port, size) == expected
