"""`g`, `t`, `p` and their relatives: making the machine run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, runtime_checkable

from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.disasm import is_call, is_return
from ntgate.debug.errors import KdError
from ntgate.debug.frames import current_place, unwind
from ntgate.debug.running import (
    Goal,
    Outcome,
    current_line,
    leave_context,
    report,
    run,
    step,
    step_over,
)
from ntgate.debug.session import Session
from ntgate.debug.target import Stop, StopReason

_FARTHEST_CALLER = 0x20000


@runtime_checkable
class AnswersExceptions(Protocol):
    """A machine that lets the debugger decide what becomes of the guest's exception."""

    def answer_exception(self, handled: bool) -> None:
        """Tell what the next resume does with the exception that it stopped for."""
        ...


def _take_start(session: Session, args: Arguments) -> None:
    """`=ADDRESS`: go on from there."""
    if args.rest.startswith("="):
        args.rest = args.rest[1:].lstrip()
        address = args.take_address()
        leave_context(session)
        session.target.set_register("eip", address)


def _go(session: Session, goals: list[Goal]) -> Iterator[str]:
    if session.is_in_hit:
        session.wants_resume = True
        return
    while True:
        outcome = run(session, goals)
        yield from report(session, outcome)
        if not session.wants_resume:
            return
        session.wants_resume = False


@command("g", "gc", help="Go: run the machine", usage="g [=START] [STOP_ADDRESS ...]")
def go(session: Session, args: Arguments) -> Iterable[str]:
    _take_start(session, args)
    goals = [Goal(value & 0xFFFFFFFF) for value in args.take_values()]
    return _go(session, goals)


def _answer(session: Session, args: Arguments, handled: bool) -> Iterable[str]:
    args.finish()
    machine = session.live
    if not isinstance(machine, AnswersExceptions):
        raise KdError("This machine does not ask what to do with an exception; use g")
    machine.answer_exception(handled)
    return _go(session, [])


@command("gh", help="Go, with the exception handled", usage="gh")
def go_handled(session: Session, args: Arguments) -> Iterable[str]:
    return _answer(session, args, True)


@command("gn", help="Go, with the exception left to the guest", usage="gn")
def go_not_handled(session: Session, args: Arguments) -> Iterable[str]:
    return _answer(session, args, False)


@command("gu", help="Go up: run until this routine returns", usage="gu")
def go_up(session: Session, args: Arguments) -> Iterable[str]:
    args.finish()
    leave_context(session)
    frame = unwind(session.target, current_place(session.target))
    caller = frame.caller
    if caller is None:
        raise KdError("Can't find where this routine returns to")
    esp = session.target.register("esp")
    if caller.esp is not None:
        goal = Goal(caller.eip, caller.esp, caller.esp)
    else:
        goal = Goal(caller.eip, esp + 1, esp + _FARTHEST_CALLER)
    return _go(session, [goal])


def _steps(
    session: Session, args: Arguments, advance: Callable[[Session], Outcome]
) -> Iterator[str]:
    _take_start(session, args)
    count = args.take_value() if args else 1
    args.finish()
    for _ in range(count):
        outcome = advance(session)
        yield from report(session, outcome)
        if not outcome.is_plain and not session.wants_resume:
            return
        session.wants_resume = False


@command(
    "t", help="Trace: run one instruction, into calls and system calls", usage="t [=START] [COUNT]"
)
def trace(session: Session, args: Arguments) -> Iterable[str]:
    return _steps(session, args, step)


@command(
    "p", help="Step: run one instruction, over calls and system calls", usage="p [=START] [COUNT]"
)
def step_command(session: Session, args: Arguments) -> Iterable[str]:
    return _steps(session, args, step_over)


def _until(
    session: Session, advance: Callable[[Session], Outcome], is_there: Callable[[], bool]
) -> Iterator[str]:
    """Step until `is_there`; shows the last stop only."""
    outcome = Outcome(Stop(StopReason.STEP))
    while outcome.is_plain:
        outcome = advance(session)
        if is_there():
            break
    yield from report(session, outcome)
    session.wants_resume = False


def _at(session: Session, is_wanted: Callable[..., bool]) -> Callable[[], bool]:
    def is_there() -> bool:
        line = current_line(session)
        return line is not None and line.is_valid and is_wanted(line.instruction)

    return is_there


def _until_command(
    name: str, advance: Callable[[Session], Outcome], is_wanted: Callable[..., bool]
) -> Callable[[Session, Arguments], Iterable[str]]:
    def step_until(session: Session, args: Arguments) -> Iterable[str]:
        args.finish()
        return _until(session, advance, _at(session, is_wanted))

    return step_until


for _name, _advance, _is_wanted, _help in (
    ("tc", step, is_call, "Trace to the next call"),
    ("pc", step_over, is_call, "Step to the next call"),
    ("tt", step, is_return, "Trace to the next return"),
    ("pt", step_over, is_return, "Step to the next return"),
):
    command(_name, help=_help, usage=_name)(_until_command(_name, _advance, _is_wanted))


def _to_address(
    session: Session, args: Arguments, advance: Callable[[Session], Outcome]
) -> Iterable[str]:
    address = args.take_address()
    args.finish()
    return _until(session, advance, lambda: session.target.register("eip") == address)


@command("ta", help="Trace to an address", usage="ta ADDRESS")
def trace_to_address(session: Session, args: Arguments) -> Iterable[str]:
    return _to_address(session, args, step)


@command("pa", help="Step to an address", usage="pa ADDRESS")
def step_to_address(session: Session, args: Arguments) -> Iterable[str]:
    return _to_address(session, args, step_over)


@command("q", "qd", help="Quit the debugger", usage="q")
def leave(session: Session, args: Arguments) -> Iterable[str]:
    session.is_leaving = True
    return ()
