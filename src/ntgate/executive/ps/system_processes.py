"""Programs that serve others and that nobody waits for: services, and who controls them.

One becomes such by a class of NtSetInformationProcess that is Wine's own, or by being started by
one.  When the programs that were started from outside have ended, and what they started has ended
too or has done next to nothing for long, as COM's servers do once they have lost their clients,
those that serve are told by an event, as at a shutdown; what then is still there after a while is
ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.executive.events import Event, ProcessExit, ProcessStart
from ntgate.executive.ke.kernel_event import make_event
from ntgate.layout import ntstatus
from ntgate.layout.ke import DISPATCHER_HEADER, TERMINATED, WAITING
from ntgate.layout.machine import SYSTEM_PID

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive
    from ntgate.executive.ps.thread import Process

LINGER = -100_000_000  # ten seconds: what a service still has time for
LONG = -6_000_000_000  # ten minutes
SHUTDOWN = -50_000_000  # five: what it has to end


class SystemProcesses:
    """Those of one machine."""

    def __init__(self, executive: Executive) -> None:
        self._executive = executive
        self._members: set[int] = set()  # addresses of EPROCESSes
        self._event = 0
        self._timer: int | None = None
        self._rest: list[tuple[int, int]] | None = None  # what did nothing at the last look
        executive.events.listen(self._listen)

    def join(self, process: Process) -> int:
        """Make it one of them; the body of the event that ends it."""
        if not self._event:
            self._event = make_event(self._executive)
        self._members.add(process.eprocess.address)
        self._look()
        return self._event

    def __contains__(self, process: Process) -> bool:
        return process.eprocess.address in self._members

    def _listen(self, event: Event) -> None:
        if not self._members:
            return
        if isinstance(event, ProcessStart):
            parent = self._find(event.parent)
            started = self._find(event.pid)
            if parent is not None and parent in self and started is not None:
                self._members.add(started.eprocess.address)
        if isinstance(event, ProcessStart | ProcessExit):
            self._look()

    def _look(self) -> None:
        """Begin the while, or end it: a program has come from outside."""
        clock = self._executive.clock
        if any(self._is_from_outside(process) for process in self._living()):
            if self._timer is not None:
                clock.cancel(self._timer)
                self._timer = None
            if self._event:
                DISPATCHER_HEADER(self._executive.kernel, self._event).SignalState = 0
        elif self._timer is None and any(self._living()):
            self._rest = None
            self._timer = clock.set_timer(clock.due_time(LINGER), self._check)

    def _check(self) -> None:
        rest = self._at_rest()
        if rest is not None and rest in ([], self._rest):
            self._tell()
            return
        self._rest = rest
        clock = self._executive.clock
        self._timer = clock.set_timer(clock.due_time(LONG), self._check)

    def _at_rest(self) -> list[tuple[int, int]] | None:
        """The threads of programs that serve nobody and the ticks that each has run; None while
        one of them runs."""
        threads: list[tuple[int, int]] = []
        for process in self._living():
            if process in self:
                continue
            for thread in self._executive.processes.threads_of(process):
                tcb = thread.ethread.Tcb
                if tcb.State not in (WAITING, TERMINATED):
                    return None
                threads.append((thread.tid, tcb.UserTime + tcb.KernelTime))
        return threads

    def _tell(self) -> None:
        clock = self._executive.clock
        self._executive.waits.set_event(self._event)
        self._timer = clock.set_timer(clock.due_time(SHUTDOWN), self._end)

    def _end(self) -> None:
        self._timer = None
        for process in self._living():
            self._executive.processes.terminate_process(process, ntstatus.STATUS_SUCCESS)

    def _find(self, pid: int) -> Process | None:
        return next((process for process in self._living() if process.pid == pid), None)

    def _living(self) -> list[Process]:
        """Every program that has not ended."""
        found = self._executive.processes.processes.values()
        return [each for each in found if not each.exited and each.pid > SYSTEM_PID]

    def _is_from_outside(self, process: Process) -> bool:
        return process not in self and process.eprocess.InheritedFromUniqueProcessId <= SYSTEM_PID
