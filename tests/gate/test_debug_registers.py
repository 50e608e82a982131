"""TF and the debug registers across the gate: ring 3 breaks, ring 0 never does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gate.guest_run import GuestRun
from ntgate.debug.interpreter import Interpreter
from ntgate.debug.live import LiveMachine
from ntgate.executive.events import GuestException
from ntgate.layout import ntstatus

TYPED = b"INPUTINPUT"
TRAP_FRAME_DR7 = "poi(poi(ffdff124)+134)+2c"  # of the current thread


def test_single_stepping_steps_over_the_call(guest: Callable[[str], Path]) -> None:
    """The steps are the caller's, the stub's and the two gate routines'.

    sysenter and int 2Eh are one step each, together with the instruction that they return to.
    """
    run = GuestRun(guest("single_step"))
    assert run.finish().splitlines() == [
        "stub 00000000 7c92dfa0 7c92dfa5 7c92dfaa 7c92e4f0 7c92e4f2 7c92dfac"
        " 00000003 00000004 0000000b 0000000c",
        "interrupt 00000000 00000003 00000004 0000000b 0000000c",
        "routine 00000000 7c92e500 7c92e504 00000002 00000003 0000000a 0000000b",
        "stub x 1000: 11000",
        "interrupt x 1000: 5000",
        "passed",
    ]
    codes = {event.code for event in run.exceptions}
    assert codes == {ntstatus.STATUS_SINGLE_STEP}


def test_hardware_breakpoints_fire_in_ring_3_and_not_in_ring_0(
    guest: Callable[[str], Path],
) -> None:
    run = GuestRun(guest("hardware_breakpoints"), typed=TYPED)
    written = run.finish()
    assert written.endswith("standing\nhits: 3\npassed\n"), written
    assert [event for event in run.exceptions if is_foreign(event)] == []


def is_foreign(event: GuestException) -> bool:
    return event.code != ntstatus.STATUS_SINGLE_STEP or event.address >= 0x80000000


def test_kd_clears_a_hardware_breakpoint_in_the_saved_frame(
    guest: Callable[[str], Path],
) -> None:
    """A thread that stands in a service gets its debug registers back from the frame."""
    run = GuestRun(guest("hardware_breakpoints"), typed=TYPED)
    kd = Interpreter(LiveMachine(run.machine))

    def execute(line: str) -> str:
        answer = kd.execute(line)
        assert answer.ok, answer.text
        return answer.text

    execute("bp nt!NtYieldExecution")
    assert "Breakpoint 0 hit" in execute("g")
    assert run.output.endswith("standing\n")
    dr7 = kd.session.evaluator.value(f"poi({TRAP_FRAME_DR7})")
    assert dr7 & 0xF00FF == 0xD0001
    execute(f"ed {TRAP_FRAME_DR7} 0")
    execute("g")
    assert run.output.endswith("standing\nhits: 1\npassed\n")
