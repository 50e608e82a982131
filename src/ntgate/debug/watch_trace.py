"""`wt`: run a routine to its end, and show which others it called and how long each was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field

from iced_x86 import Mnemonic

from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.disasm import is_call, is_return
from ntgate.debug.processes import implicit_thread
from ntgate.debug.running import current_line, leave_context, report, step
from ntgate.debug.session import Session
from ntgate.layout.machine import MM_SYSTEM_RANGE_START
from ntgate.records import dataclass

_DEEPEST = 0x100
_SHARED_STUBS = ("!KiFastSystemCall", "!KiIntSystemCall")


@dataclass
class _Call:
    """A routine that runs: its own instructions, and those of what it called.

    `esp`: where its return address lies.
    """

    name: str
    esp: int
    own: int = 0
    below: int = 0


@dataclass
class _Counts:
    """The instructions of a routine's invocations."""

    each: list[int] = field(default_factory=list)

    def row(self, name: str) -> str:
        mean = sum(self.each) // len(self.each)
        return (
            f"{name:<43} {len(self.each):11} {min(self.each):7} {max(self.each):7} {mean:7}"
        )


class _Watch:
    """The calls below the one that `wt` began in."""

    def __init__(self, session: Session, deepest: int) -> None:
        self._session = session
        self._deepest = deepest
        self._stack = [self._begin()]
        self.counts: dict[str, _Counts] = {}
        self.system_calls: dict[str, int] = {}
        self.executed = 0

    def _begin(self) -> _Call:
        target = self._session.target
        name = self._session.label(target.register("eip")).partition("+")[0]
        return _Call(name, target.register("esp"))

    @property
    def is_done(self) -> bool:
        return not self._stack

    def _row(self, depth: int) -> str:
        call = self._stack[depth]
        return f"{call.own:5} {call.below:5} [{depth:3}] {'  ' * depth}{call.name}"

    def after(self, mnemonic: int, *, called: bool, returned: bool) -> Iterator[str]:
        """Count the instruction that has just run."""
        self.executed += 1
        self._stack[-1].own += 1
        if mnemonic in (Mnemonic.SYSENTER, Mnemonic.INT):
            self._count_system_call()
            called = True
        if called and len(self._stack) <= self._deepest:
            yield self._row(len(self._stack) - 1)
            self._stack.append(self._begin())
        elif returned:
            yield from self._unwind()

    def _count_system_call(self) -> None:
        names = [call.name for call in self._stack]
        is_shared = names[-1].endswith(_SHARED_STUBS) and len(names) > 1
        name = names[-2] if is_shared else names[-1]
        self.system_calls[name] = self.system_calls.get(name, 0) + 1

    def _unwind(self) -> Iterator[str]:
        """The calls whose return address has been taken off the stack are over."""
        esp = self._session.target.register("esp")
        while self._stack and _is_over(self._stack[-1].esp, esp):
            yield self._row(len(self._stack) - 1)
            over = self._stack.pop()
            self.counts.setdefault(over.name, _Counts()).each.append(over.own)
            if self._stack:
                self._stack[-1].below += over.own + over.below

    def summary(self, others: int) -> Iterator[str]:
        yield ""
        yield f"{self.executed} instructions were executed ({others} from other threads)"
        yield ""
        yield f"{'Function Name':<43} Invocations MinInst MaxInst AvgInst"
        for name in sorted(self.counts):
            yield self.counts[name].row(name)
        yield ""
        calls = sum(self.system_calls.values())
        yield f"{calls} system call{'s were' if calls != 1 else ' was'} executed"
        if calls:
            yield ""
            yield "Calls  System Call"
            for name, count in sorted(self.system_calls.items()):
                yield f"{count:5}  {name}"


def _is_over(began: int, esp: int) -> bool:
    """Whether a call that began with one esp is over at another; each ring has its own stack."""
    if (began >= MM_SYSTEM_RANGE_START) != (esp >= MM_SYSTEM_RANGE_START):
        return began >= MM_SYSTEM_RANGE_START
    return began < esp


@command(
    "wt",
    help="Run to the end of this routine and show the calls that it makes",
    usage="wt [-l DEPTH]\n-l: calls below that depth count for the one above them",
)
def watch_and_trace(session: Session, args: Arguments) -> Iterable[str]:
    deepest = _DEEPEST
    if args.take_option("-l"):
        deepest = min(args.take_value(), _DEEPEST)
    args.finish()
    leave_context(session)
    watch = _Watch(session, deepest)
    thread, others = implicit_thread(session).address, 0
    while not watch.is_done:
        line = current_line(session)
        is_mine = implicit_thread(session).address == thread
        others += not is_mine
        outcome = step(session)
        if is_mine and line is not None and line.is_valid:
            yield from watch.after(
                line.instruction.mnemonic,
                called=is_call(line.instruction),
                returned=is_return(line.instruction),
            )
        if not outcome.is_plain:
            yield from report(session, outcome)
            return
    yield from watch.summary(others)
    yield from session.run("r")
