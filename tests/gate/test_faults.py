"""Faults of ring 3: each arrives in the program's handler, and its trap frame is the hardware's."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gate.guest_run import GuestRun, base_frame
from ntgate.executive.events import Event, GuestException
from ntgate.layout import ntstatus
from ntgate.machine import Cause

ROUNDS = 10_000
INT_N_VECTORS = 249  # those that ring 3 may not ask for
PRIVILEGED = """
    cli sti hlt inb_imm inl_imm outb_imm outl_imm inb_dx inl_dx outb_dx outl_dx outsb outsl clts
    invd wbinvd mov_from_cr0 mov_to_cr0 mov_to_cr2 mov_from_cr3 mov_to_cr3 mov_to_cr4 mov_from_dr0
    mov_from_dr7 mov_to_dr7 wrmsr rdmsr rdpmc sysexit lgdt lidt lmsw invlpg lldt ltr insb insl
""".split()
INVALID = """
    ud2 ud1 lock_nop mov_to_cs lea_register group5_7 syscall sysret vmcall xgetbv rsm
    reserved_0f_04 reserved_0f_0a les_register
""".split()

READ, WRITE = 0, 1  # ExceptionInformation[0] of an access violation
USER, PRESENT = 4, 1  # bits of a page fault's error code, beside 2 for a write
TRAPPED_BY = """
    KiTrap00 KiTrap01 KiTrap03 KiTrap04 KiTrap05 KiTrap06 KiTrap0D KiTrap0E KiTrap10 KiDebugService
""".split()


@dataclass(frozen=True)
class Expected:
    """What the handler is told, and what the processor has pushed."""

    code: int
    vector: int
    error: int = 0
    parameters: str = ""  # as the program prints them
    address: int = 0  # of the exception, from the instruction's first byte
    eip: int = 0  # in the frame, from there too


def page_fault(access: int, error: int) -> Expected:
    return Expected(ntstatus.STATUS_ACCESS_VIOLATION, 0x0E, error, f"{access:08x} address")


def general(error: int) -> Expected:
    return Expected(ntstatus.STATUS_ACCESS_VIOLATION, 0x0D, error, "00000000 ffffffff")


BREAKPOINT = "00000000 00000000 00000000"
EXPECTED = {
    "read_absent": page_fault(READ, USER),
    "write_absent": page_fault(WRITE, USER | 2),
    "read_hidden": page_fault(READ, USER),
    "write_hidden": page_fault(WRITE, USER | 2),
    "write_read_only": page_fault(WRITE, USER | 2),
    "modify_read_only": page_fault(WRITE, USER | 2 | PRESENT),
    "read_kernel": page_fault(READ, USER | PRESENT),
    "write_kernel": page_fault(WRITE, USER | 2 | PRESENT),
    "write_shared_user_data": page_fault(WRITE, USER | 2 | PRESENT),
    # A process that has not opted in to NX is told of a read.
    "execute_absent": page_fault(READ, 0x10 | USER),
    "execute_kernel": page_fault(READ, 0x10 | USER | PRESENT),
    "divide_by_zero": Expected(ntstatus.STATUS_INTEGER_DIVIDE_BY_ZERO, 0x00),
    "divide_overflow": Expected(ntstatus.STATUS_INTEGER_DIVIDE_BY_ZERO, 0x00),
    "breakpoint": Expected(ntstatus.STATUS_BREAKPOINT, 0x03, 0, BREAKPOINT, 0, 1),
    "breakpoint_cd_03": Expected(ntstatus.STATUS_BREAKPOINT, 0x03, 0, BREAKPOINT, 1, 2),
    "overflow": Expected(ntstatus.STATUS_INTEGER_OVERFLOW, 0x04, 0, "", 0, 1),
    "bound": Expected(ntstatus.STATUS_ARRAY_BOUNDS_EXCEEDED, 0x05),
    "debug_service": Expected(
        ntstatus.STATUS_BREAKPOINT, 0x2D, 0, "00000007 00000000 00000000", 2, 2
    ),
    "single_step": Expected(ntstatus.STATUS_SINGLE_STEP, 0x01, 0, "", 1, 1),
    "icebp": Expected(ntstatus.STATUS_SINGLE_STEP, 0x01, 0, "", 1, 1),
    "bad_selector": general(0x08),
    "bad_far_jump": general(0x08),
    "too_long": general(0),
    "float_divide": Expected(ntstatus.STATUS_FLOAT_DIVIDE_BY_ZERO, 0x10, 0, "00000000"),
    "int_n": general(8 * 0 + 2),
    **{name: Expected(ntstatus.STATUS_PRIVILEGED_INSTRUCTION, 0x0D) for name in PRIVILEGED},
    **{name: Expected(ntstatus.STATUS_ILLEGAL_INSTRUCTION, 0x06) for name in INVALID},
}


def rounds_of(name: str, rounds: int) -> int:
    """Those that share a kind share its rounds."""
    for group in (PRIVILEGED, INVALID):
        if name in group:
            return -(-rounds // len(group))
    return -(-rounds // INT_N_VECTORS) * INT_N_VECTORS if name == "int_n" else rounds


def summary(rounds: int) -> list[str]:
    lines = []
    for name, expected in EXPECTED.items():
        line = f"{name} {rounds_of(name, rounds)} {expected.code:08x} {expected.address}"
        lines.append(f"{line} {expected.parameters}".rstrip())
    return [*lines, "passed"]


def test_ten_thousand_of_each_kind_reach_the_handler(guest: Callable[[str], Path]) -> None:
    run = GuestRun(guest("faults"), typed=struct.pack("<I", ROUNDS))
    del run.events  # a quarter of a million
    assert run.finish().splitlines() == summary(ROUNDS)


@dataclass(frozen=True)
class Trap:
    """What a handler's first instruction finds: `eip` as the processor has pushed it."""

    vector: int
    error: int
    eip: int
    cs: int
    ss: int
    cr2: int


class TrapRecorder:
    """Runs a program; `last` is the trap that has come last, before the frame is complete."""

    WITH_ERROR = (0x0D, 0x0E)

    def __init__(self, run: GuestRun) -> None:
        self.machine = run.machine
        self.last = Trap(-1, 0, 0, 0, 0, 0)
        self.vectors = {}
        for name in TRAPPED_BY:
            address = self.machine.symbols[name]
            self.vectors[address] = 0x2D if name == "KiDebugService" else int(name[6:], 16)
            self.machine.cpu.breakpoints.add(address)

    def run_to_end(self) -> None:
        while self.machine.resume() is Cause.BREAKPOINT:
            registers = self.machine.cpu.registers
            vector = self.vectors[registers.eip]
            has_error = vector in self.WITH_ERROR
            esp = registers.read("esp") - (0 if has_error else 4)
            error, eip, cs, _eflags, _esp, ss = struct.unpack(
                "<6I", self.machine.kernel.read(esp, 24)
            )
            error = error if has_error else 0
            self.last = Trap(
                vector, error, eip, cs & 0xFFFF, ss & 0xFFFF, registers.read("cr2")
            )


def test_the_frames_have_the_hardwares_vector_error_code_and_cr2(
    guest: Callable[[str], Path],
) -> None:
    run = GuestRun(guest("faults"), typed=struct.pack("<I", 1))
    recorder = TrapRecorder(run)
    seen: list[tuple[GuestException, Trap, int, int]] = []

    def heard(event: Event) -> None:
        if isinstance(event, GuestException):
            frame = base_frame(run.machine.executive.processes.current)
            assert (frame.SegCs, frame.DbgArgMark) == (0x1B, 0xBADB0D00)
            seen.append((event, recorder.last, frame.ErrCode, frame.Eip))

    run.machine.events.listen(heard)
    recorder.run_to_end()
    assert run.output.splitlines() == summary(1)

    ring_0_vectors = [n for n in range(256) if n not in (3, 4) and not 0x2A <= n <= 0x2E]
    expected: list[Expected] = []
    for name, wanted in EXPECTED.items():
        int_n = [general(8 * vector + 2) for vector in ring_0_vectors]
        expected += int_n if name == "int_n" else [wanted]
    assert len(seen) == len(expected)
    for (event, trap, error, eip), wanted in zip(seen, expected, strict=True):
        at = event.address - wanted.address
        cr2 = event.parameters[1] if wanted.vector == 0x0E else trap.cr2
        assert trap == Trap(wanted.vector, wanted.error, at + wanted.eip, 0x1B, 0x23, cr2)
        assert error == wanted.error
        # KiTrap03 has stepped back to the instruction.
        assert eip == trap.eip - (wanted.vector == 3)
