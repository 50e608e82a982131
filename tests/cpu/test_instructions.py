"""cpuid and rdtsc: what the guest reads is the machine's, not the host's."""

from __future__ import annotations

import pytest
from small_machine import CR4, DATA, KERNEL, USER, SmallMachine

from ntgate.cpu.instructions import NX, POPCNT, SEP, SSE41, SSE42, cpuid

CR4_TSD = 1 << 2


@pytest.mark.parametrize("ring", [0, 3])
def test_rdtsc_reads_the_virtual_clock(machine: SmallMachine, ring: int) -> None:
    machine.cpu.timestamp = lambda: 0x1122334455667788
    assert machine.run_program("stc\n rdtsc\n pushfd\n pop ebx\n mov ecx, eax", ring=ring) == []
    assert (machine.register("edx"), machine.register("ecx")) == (0x11223344, 0x55667788)
    assert machine.register("ebx") & 1


@pytest.mark.parametrize("ring", [0, 3])
def test_tsd_keeps_rdtsc_for_ring_0(machine: SmallMachine, ring: int) -> None:
    machine.cpu.registers.write("cr4", CR4 | CR4_TSD)
    assert [event.vector for event in machine.run_program("rdtsc", ring=ring)] == [13] * (ring > 0)


def test_a_single_step_over_rdtsc(machine: SmallMachine) -> None:
    machine.on_event = lambda event: machine.set_u32(event.frame + 8, 0x202)
    machine.load(f";@org {USER:x}h\nStart:\n rdtsc\n nop\n int 0FEh\n")
    machine.start(USER, eflags=0x302)
    machine.run()
    assert [(event.vector, event.eip) for event in machine.events] == [(1, USER + 2)]
    assert machine.register("dr6") & 0x4000


@pytest.mark.parametrize("has_sep", [True, False])
def test_cpuid(has_sep: bool) -> None:
    machine = SmallMachine(has_sep=has_sep)
    machine.load(f"""
;@org {KERNEL:x}h
Start:
    mov edi, {DATA}
    mov esi, Leaves
next:
    mov eax, [esi]
    cpuid
    mov [edi], eax
    mov [edi+4], ebx
    mov [edi+8], ecx
    mov [edi+12], edx
    add esi, 4
    add edi, 16
    cmp esi, {KERNEL + 0x800 + 16}
    jne next
    int 0FEh
;@org {KERNEL + 0x800:x}h
Leaves:
    .long 0, 1, 80000001h, 80000004h
""")
    machine.start(KERNEL, ring=0)
    machine.run()
    words = [machine.u32(DATA + 4 * i) for i in range(16)]
    expected = [cpuid(leaf, has_sep=has_sep) for leaf in (0, 1, 0x80000001, 0x80000004)]
    assert words == [word for row in expected for word in row]
    assert machine.read(DATA + 4, 4) + machine.read(DATA + 12, 4) == b"Genuinel"[:4] + b"ineI"
    assert bool(words[7] & SEP) == has_sep
    assert words[11] & NX
    hypervisor, rdrand = 1 << 31, 1 << 30
    assert not words[6] & (hypervisor | rdrand)


def test_unknown_leaves_are_empty() -> None:
    assert cpuid(0x40000000, has_sep=True) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("feature", "code", "expected"),
    [
        (POPCNT, "popcnt edx, ecx", 12),
        (SSE41, "movd xmm0, ecx\n pextrb edx, xmm0, 1", 0xFF),
        (SSE42, "crc32 edx, cl", 0x5E133C24),  # of 0F: that row of CRC-32C's table
    ],
)
def test_what_cpuid_tells_of_runs(
    machine: SmallMachine, feature: int, code: str, expected: int
) -> None:
    assert cpuid(1, has_sep=True)[2] & feature
    assert machine.run_program(f"xor edx, edx\n mov ecx, 0FF0Fh\n {code}") == []
    assert machine.register("edx") == expected
