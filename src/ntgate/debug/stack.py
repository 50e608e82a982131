"""`k` and its forms, `.trap` and `.cxr`: the calls that led here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ntgate.debug import peek, saved_context
from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.frames import Frame, Place, current_place, walk
from ntgate.debug.registers import state
from ntgate.debug.session import Session
from ntgate.debug.target import Unreadable

_DEFAULT_DEPTH = 20
_DEEPEST = 0x1000
_ARGUMENTS = 3


@command(
    "k",
    help="Show the stack: the calls that led here, from ring 0 into ring 3",
    usage="k[b|v][n][f][L] [COUNT]\n"
    "k = EBP ESP EIP [COUNT]\n"
    "b: the first three arguments; v: trap frames too; n: frame numbers; f: frame sizes",
    options="bpPvnfLM",
)
def stack(session: Session, args: Arguments) -> Iterable[str]:
    place = current_place(session.target)
    if args.rest.startswith("="):
        args.rest = args.rest[1:].lstrip()
        ebp, esp, eip = (args.take_address() for _ in range(3))
        place = Place(eip, ebp, esp)
    count = args.take_value() if args else _DEFAULT_DEPTH
    args.finish()
    if session.target.is_saved_context:
        yield "  *** Stack trace for last set context - .trap or .cxr resets it"
    frames = walk(session.target, place, min(count, _DEEPEST))
    yield from stack_rows(session, args.options, frames)


def stack_rows(session: Session, options: str, frames: Iterable[Frame]) -> Iterator[str]:
    """The heading and a row for each frame; `options` are the letters of `k`."""
    yield _heading(options)
    previous: int | None = None
    for number, frame in enumerate(frames):
        yield "".join(_columns(session, options, number, frame, previous))
        previous = frame.base


def _heading(options: str) -> str:
    heading = " # " if "n" in options else ""
    heading += "  Memory  " if "f" in options else ""
    heading += "ChildEBP RetAddr"
    if "b" in options or "v" in options:
        heading += "  Args to Child"
    return heading


def _columns(
    session: Session, options: str, number: int, frame: Frame, previous: int | None
) -> Iterator[str]:
    if "n" in options:
        yield f"{number:02x} "
    if "f" in options:
        size = frame.base - previous if previous is not None else 0
        yield f"{size:8x}  " if size > 0 else " " * 10
    yield f"{frame.base & 0xFFFFFFFF:08x} {frame.return_address:08x} "
    if "b" in options or "v" in options:
        yield f"{_arguments(session, frame)} "
    yield session.label(frame.place.eip)
    if "v" in options and frame.trap_frame is not None:
        yield f" (TrapFrame @ {frame.trap_frame:08x})"


def _arguments(session: Session, frame: Frame) -> str:
    words = []
    for index in range(_ARGUMENTS):
        try:
            words.append(f"{peek.number(session.target, frame.base + 8 + 4 * index):08x}")
        except Unreadable:
            words.append("????????")
    return " ".join(words)


@command(
    ".trap",
    help="Look at the registers that a KTRAP_FRAME saved; alone, go back to the processor's",
    usage=".trap [ADDRESS]",
)
def trap(session: Session, args: Arguments) -> Iterable[str]:
    if not args:
        yield from _reset(session)
        return
    address = args.take_address()
    args.finish()
    saved = saved_context.from_trap_frame(session.target, address)
    yield f"ErrCode = {saved_context.error_code(session.target, address):08x}"
    session.target.use(saved)
    yield from state(session)


@command(
    ".cxr",
    help="Look at the registers in a CONTEXT; alone, go back to the processor's",
    usage=".cxr [ADDRESS]",
)
def context_record(session: Session, args: Arguments) -> Iterable[str]:
    if not args:
        yield from _reset(session)
        return
    address = args.take_address()
    args.finish()
    session.target.use(saved_context.from_context(session.target, address))
    yield from state(session)


def _reset(session: Session) -> Iterator[str]:
    if session.target.is_saved_context:
        yield "Resetting default scope"
    session.target.reset()
    session.cursors.code = session.target.register("eip")
