"""The KTRAP_FRAME of each way into the kernel, looked at from inside the service."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gate.gate_machine import DebuggedMachine
from gate.guest_run import GuestRun, base_frame
from ntgate.dispatch.tables import ServiceNumber
from ntgate.executive.ps.thread import Thread
from ntgate.layout import machine as m
from ntgate.layout.ke import KPCR, KTHREAD, KTRAP_FRAME
from ntgate.machine import Cause

RESIDUE = 0xE51D0000  # and the member's offset: what nobody has written since
NEVER_WRITTEN = """
    TempSegCs TempEsp Dr0 Dr1 Dr2 Dr3 Dr6 SegGs SegEs SegDs Ecx Eax V86Es V86Ds V86Fs V86Gs
""".split()
MEMBERS = [name for name in vars(KTRAP_FRAME) if name[0].isupper() and name != "SIZE"]
KI_FAST_SYSTEM_CALL_RET = 0x7C92E4F4
WRITE_FILE = 0x112


def residue(name: str) -> int:
    offset: int = getattr(KTRAP_FRAME, name).offset
    return RESIDUE | offset


@dataclass(frozen=True)
class Registers:
    """REGISTERS of trap_frames.c: what the caller had at the gate."""

    eax: int
    ebx: int
    esi: int
    edi: int
    ebp: int
    edx: int
    esp: int
    eip: int
    eflags: int
    fs: int
    ecx: int

    SIZE = 44


@dataclass(frozen=True)
class Seen:
    """One NtWriteFile: its frame, its arguments, and KTHREAD, KPCR during the call."""

    frame: dict[str, int]
    address: int
    caller: Registers
    trap_frame: int
    previous_mode: int
    exception_list: int
    base: int


class FrameWatcher:
    """Leaves a mark in every member at NtYieldExecution, and reads them at NtWriteFile."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.numbers: list[int] = []

    def enter(self, caller: Thread, number: ServiceNumber, raw: Sequence[int]) -> int | None:
        kernel, tcb = caller.executive.kernel, caller.ethread.Tcb
        base = base_frame(caller)
        if number.name == "NtYieldExecution":
            for name in (*NEVER_WRITTEN, "Edx"):
                setattr(base, name, residue(name))
        elif number.name == "NtWriteFile":
            self.numbers.append(number.number)
            registers = Registers(*struct.unpack("<11I", caller.memory.read(raw[5], raw[6])))
            frame = KTRAP_FRAME(kernel, caller.frame)
            pcr = KPCR(kernel, m.KPCR_ADDRESS)
            self.seen.append(
                Seen(
                    {name: getattr(frame, name) for name in MEMBERS}, frame.address, registers,
                    tcb.TrapFrame, tcb.PreviousMode, pcr.NtTib.ExceptionList, base.address,
                )
            )  # fmt: skip
        return None

    def leave(self, caller: Any, number: ServiceNumber, status: int | None) -> None:
        """The frame is looked at on the way in only."""


@pytest.fixture
def watched(guest: Callable[[str], Path]) -> FrameWatcher:
    run = GuestRun(guest("trap_frames"))
    watcher = FrameWatcher()
    run.machine.dispatcher.observer = watcher
    written = run.finish()
    assert len(written) == Registers.SIZE * len(watcher.seen)
    assert len(watcher.seen) == 10
    return watcher


def common(registers: Registers) -> dict[str, int]:
    """What both ways write alike."""
    return {
        **{name: residue(name) for name in NEVER_WRITTEN},
        "DbgEbp": registers.ebp,
        "DbgArgMark": 0xBADB0D00,
        "Dr7": 0,
        "PreviousPreviousMode": 1,
        "ExceptionList": 0xFFFFFFFF,
        "Edi": registers.edi,
        "Esi": registers.esi,
        "Ebx": registers.ebx,
        "Ebp": registers.ebp,
        "ErrCode": 0,
        "SegCs": 0x1B,
        "EFlags": registers.eflags,
        "HardwareSegSs": 0x23,
    }


def after_sysenter(registers: Registers) -> dict[str, int]:
    return common(registers) | {
        "DbgEip": KI_FAST_SYSTEM_CALL_RET,
        "DbgArgPointer": registers.edx + 8,
        "Edx": residue("Edx"),
        "SegFs": 0x3B,
        "Eip": KI_FAST_SYSTEM_CALL_RET,
        "HardwareEsp": registers.edx,
    }


def after_int_2e(registers: Registers) -> dict[str, int]:
    return common(registers) | {
        "DbgEip": registers.eip,
        "DbgArgPointer": registers.edx,
        # The TrapFrame of before: the fast call of NtYieldExecution has put its residue there.
        "Edx": residue("Edx"),
        "SegFs": registers.fs,
        "Eip": registers.eip,
        "HardwareEsp": registers.esp,
    }


def test_every_member_of_both_frames(watched: FrameWatcher) -> None:
    for index, seen in enumerate(watched.seen):
        expected = (after_int_2e if index % 2 else after_sysenter)(seen.caller)
        assert seen.frame == expected
        assert seen.caller.esp != seen.caller.edx
    assert [seen.caller.fs for seen in watched.seen[-2:]] == [0, 0]


def test_the_thread_points_at_its_frame_at_the_top_of_its_stack(watched: FrameWatcher) -> None:
    for seen in watched.seen:
        assert seen.address == seen.trap_frame == seen.base
        assert seen.previous_mode == 1
        assert seen.exception_list == 0xFFFFFFFF


def test_the_number_takes_twelve_bits_and_the_table_two(watched: FrameWatcher) -> None:
    assert watched.numbers == [WRITE_FILE] * 10
    assert {seen.caller.eax for seen in watched.seen} == {
        0x112, 0x80000112, 0xFFFFC112, 0x0BADC112,
    }  # fmt: skip


TABLE_INDEX = bytes.fromhex("c1ef08 83e730")  # shr edi,8 / and edi,30h, behind mov edi,eax


def test_eax_reaches_the_table_index_unchanged(guest: Callable[[str], Path]) -> None:
    run = GuestRun(guest("trap_frames"))
    machine = run.machine
    entry = machine.symbols["KiFastCallEntry"]
    code = machine.kernel.read(entry, 0x200)
    assert code.count(TABLE_INDEX) == 1
    machine.cpu.breakpoints.add(entry + code.index(TABLE_INDEX) - 2)
    indexes = []
    while machine.resume() is Cause.BREAKPOINT:
        indexes.append(machine.cpu.registers.read("eax"))
    calls = [n for n in indexes if n & 0xFFF == WRITE_FILE]
    assert calls == [
        n for high in (0, 0x80000000, 0xFFFFC000, 0x0BADC000, 0) for n in [high | WRITE_FILE] * 2
    ]


# Arguments


class ArgumentWatcher:
    def __init__(self) -> None:
        self.raw: list[Sequence[int]] = []

    def enter(self, caller: Thread, number: ServiceNumber, raw: Sequence[int]) -> int | None:
        if number.name == "NtWriteFile":
            self.raw.append(raw)
        return None

    def leave(self, caller: Any, number: ServiceNumber, status: int | None) -> None:
        """Arguments are looked at on the way in only."""


@pytest.mark.parametrize("program", ["@sysenter", "@int2e", "@direct"])
def test_a_service_gets_its_arguments_from_the_kernel_stack(program: str) -> None:
    """Between the copy and the service the user's stack is changed, and then the kernel's."""
    for place in ("user", "kernel"):
        run = GuestRun(program)
        machine, watcher = run.machine, ArgumentWatcher()
        machine.dispatcher.observer = watcher
        machine.cpu.breakpoints.add(machine.symbols["NtWriteFile"])
        assert machine.resume() is Cause.BREAKPOINT
        thread = machine.executive.processes.current
        user = base_frame(thread).DbgArgPointer
        arguments = list(struct.unpack("<9I", thread.memory.read(user, 36)))
        kernel = machine.cpu.registers.read("esp") + 4
        assert list(struct.unpack("<9I", machine.kernel.read(kernel, 36))) == arguments
        length = arguments[6]
        assert length > 5
        if place == "user":
            thread.memory.write(user, bytes(36))
        else:
            machine.kernel.set_u32(kernel + 4 * 6, 5)
        run.finish()
        assert [*watcher.raw[0]] == [*arguments[:6], length if place == "user" else 5, 0, 0]
        assert run.output == {"user": run.output.strip("\0"), "kernel": "hello"}[place]
        assert len(run.output) == watcher.raw[0][6]


# From ring 0


def test_a_zw_call_builds_its_frame_under_the_callers(tmp_path: Path) -> None:
    """nt!ZwYieldExecution from a driver: PreviousMode goes to 0 and comes back."""
    machine = DebuggedMachine()
    kernel = machine.machine.kernel
    seen: list[tuple[int, int, int, int, int, int]] = []

    class Watcher:
        def enter(self, caller: Thread, number: ServiceNumber, raw: Sequence[int]) -> int | None:
            frame, tcb = KTRAP_FRAME(kernel, caller.frame), caller.ethread.Tcb
            seen.append(
                (tcb.PreviousMode, frame.PreviousPreviousMode, frame.SegCs & 0xFFFF, frame.Edx,
                 frame.SegFs & 0xFFFF, frame.address)
            )  # fmt: skip
            return None

        def leave(self, caller: Any, number: ServiceNumber, status: int | None) -> None:
            """Only the frame is looked at."""

    machine.machine.dispatcher.observer = Watcher()
    thread = machine.machine.executive.processes.current
    tcb: KTHREAD = thread.ethread.Tcb
    tcb.TrapFrame = base_frame(thread).address
    machine.run_driver("DriverEntry:\n        call    ZwYieldExecution\n        ret\n")
    ((previous_mode, before, cs, edx, fs, address),) = seen
    assert (previous_mode, before, cs, edx, fs) == (0, 1, 8, base_frame(thread).address, 0x30)
    assert address < base_frame(thread).address
    assert tcb.PreviousMode == 1
    assert tcb.TrapFrame == base_frame(thread).address
    machine.run_to_end()
