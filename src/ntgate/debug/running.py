"""Running the machine until a breakpoint or a goal, and telling the user why it stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from iced_x86 import Instruction, Mnemonic

from ntgate.debug import peek, saved_context
from ntgate.debug.breakpoints import Breakpoint
from ntgate.debug.disasm import CodeLine, is_call
from ntgate.debug.errors import KdError
from ntgate.debug.registers import state
from ntgate.debug.session import Session
from ntgate.debug.target import RaisedException, Stop, StopReason, Target, Unreadable
from ntgate.debug.unassemble import line_at
from ntgate.layout.machine import SYSTEM_CALL_RETURN
from ntgate.records import dataclass

_MOST_ARGUMENT_BYTES = 0x1000

_DEFAULT_TEXT = {
    StopReason.EXCEPTION: "Unknown exception",
    StopReason.EVENT: "Event",
    StopReason.INTERRUPT: "Break-in by the user",
    StopReason.EXIT: "The last process has ended",
    StopReason.BUGCHECK: "Fatal System Error",
    StopReason.FAILURE: "The machine has failed",
}


@dataclass(frozen=True)
class Goal:
    """An address to stop at, if esp is then within `lowest_esp` and `highest_esp`.

    That tells this call's return from those of deeper calls and of other threads.
    """

    address: int
    lowest_esp: int = 0
    highest_esp: int = 0xFFFFFFFF

    def is_reached(self, target: Target) -> bool:
        at_address = target.register("eip") == self.address
        return at_address and self.lowest_esp <= target.register("esp") <= self.highest_esp


@dataclass(frozen=True)
class Outcome:
    """Why the machine stands, and which of the user's breakpoints say so."""

    stop: Stop
    hits: Sequence[Breakpoint] = ()

    @property
    def is_plain(self) -> bool:
        """Whether the machine did what it was asked, and nothing happened on the way."""
        return self.stop.reason is StopReason.STEP


def run(session: Session, goals: Sequence[Goal] = ()) -> Outcome:
    """Run until something happens; reaching a goal counts as a step that is done."""
    machine = session.live
    leave_context(session)
    handles: list[int] = []
    try:
        for address in {goal.address for goal in goals}:
            handles.append(machine.add_breakpoint(address))
        while True:
            session.breakpoints.resolve()
            machine.stop_at_modules = session.breakpoints.are_waiting
            stop = session.resume()
            if stop.reason is StopReason.MODULE:
                continue
            if stop.reason is not StopReason.BREAKPOINT:
                return Outcome(stop)
            hits = session.breakpoints.hit(stop.breakpoints)
            if hits:
                return Outcome(stop, hits)
            if any(goal.is_reached(machine) for goal in goals):
                return Outcome(Stop(StopReason.STEP))
    finally:
        machine.stop_at_modules = False
        for handle in handles:
            machine.remove_breakpoint(handle)


def step(session: Session) -> Outcome:
    """One instruction.  A breakpoint on the next one is hit, as the machine now skips it.

    A hit of a breakpoint with passes left is no hit.
    """
    leave_context(session)
    session.breakpoints.resolve()
    stop = session.resume(1)
    if stop.reason not in (StopReason.STEP, StopReason.BREAKPOINT):
        return Outcome(stop)
    reached = session.breakpoints.handles_at(session.target.register("eip"))
    hits = session.breakpoints.hit((*stop.breakpoints, *reached))
    return Outcome(Stop(StopReason.BREAKPOINT), hits) if hits else Outcome(Stop(StopReason.STEP))


def step_over(session: Session) -> Outcome:
    """One instruction, with all that a call, a system call or a `rep` does in it."""
    leave_context(session)
    goal = _behind(session)
    return run(session, [goal]) if goal else step(session)


def leave_context(session: Session) -> None:
    """Forget what was chosen to look at, and where `u` was: the machine goes on."""
    session.leave_context()
    session.cursors.code = None


def current_line(session: Session) -> CodeLine | None:
    """The instruction at eip, None where that can't be read."""
    try:
        return line_at(session, session.target.register("eip"))
    except Unreadable:
        return None


def _behind(session: Session) -> Goal | None:
    """Where the instruction at eip comes back to; None where a plain step will do."""
    line = current_line(session)
    if line is None or not line.is_valid:
        return None
    esp = session.target.register("esp")
    if is_call(line.instruction):
        return Goal(line.next_address, esp, esp + _MOST_ARGUMENT_BYTES)
    if line.instruction.mnemonic == Mnemonic.SYSENTER:
        try:
            back = peek.number(session.target, SYSTEM_CALL_RETURN)
        except Unreadable:
            return None
        user_esp = session.target.register("edx")
        return Goal(back, user_esp, user_esp)
    if line.instruction.mnemonic == Mnemonic.INT or _repeats(line.instruction):
        return Goal(line.next_address, esp, esp)
    return None


def _repeats(instruction: Instruction) -> bool:
    return instruction.is_string_instruction and (
        instruction.has_rep_prefix or instruction.has_repne_prefix
    )


def report(session: Session, outcome: Outcome) -> Iterator[str]:
    """What the user sees of a stop.  The commands of a breakpoint run here.

    Raises KdError, behind everything else, where the machine is not fit to go on.
    """
    stop = outcome.stop
    if stop.reason is StopReason.BREAKPOINT:
        yield from _report_hits(session, outcome.hits)
        return
    if stop.reason in _DEFAULT_TEXT:
        code = f" - code {stop.code:08x}" if stop.code else ""
        yield from (stop.text or _DEFAULT_TEXT[stop.reason] + code).splitlines()
    raised = stop.event.exception if stop.event is not None else None
    if raised is not None and stop.reason is StopReason.EXCEPTION:
        show_registers_of(session, raised)
    commands = session.filters.commands_of(stop.event)
    if commands and not session.is_in_hit:
        yield from _run_commands(session, [commands])
        if session.wants_resume:
            return
    if stop.reason is not StopReason.EXIT:
        yield from state(session)
    if stop.reason is StopReason.FAILURE:
        raise KdError("This is a fault of ntgate's; the machine can be looked at")


def _report_hits(session: Session, hits: Sequence[Breakpoint]) -> Iterator[str]:
    for breakpoint in hits:
        if breakpoint.is_one_shot:
            session.breakpoints.remove(breakpoint)
        if not breakpoint.commands:
            yield f"Breakpoint {breakpoint.number} hit"
    if session.is_in_hit:
        yield from state(session)
        return
    yield from _run_commands(session, [breakpoint.commands for breakpoint in hits])
    if not session.wants_resume:
        yield from state(session)


def _run_commands(session: Session, texts: Sequence[str]) -> Iterator[str]:
    """The commands of breakpoints or events; `wants_resume` is whether all of them say `g`."""
    session.is_in_hit = True
    session.wants_resume = False
    try:
        for text in texts:
            yield from session.run(text)
    finally:
        session.is_in_hit = False
        session.wants_resume &= all(texts)


def show_registers_of(session: Session, raised: RaisedException) -> None:
    """Look at the registers of an exception; those of the processor need no help.

    What is changed in them counts for `gh`.
    """
    if not raised.frame:
        session.target.reset()
        return

    def store(name: str, value: int) -> None:
        saved_context.store_in_trap_frame(session.machine, raised.frame, name, value)

    now = saved_context.from_trap_frame(session.machine, raised.frame)
    session.target.use(now, store if raised.first_chance else None)
