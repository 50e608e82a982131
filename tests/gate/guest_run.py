"""A guest program run to its end on a machine of its own, with all that there was to see."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ntgate.devices.console import MemoryDevice
from ntgate.executive.events import Event, GuestException
from ntgate.executive.ps.thread import Process, Thread
from ntgate.layout import machine as m
from ntgate.layout.ke import KTHREAD, KTRAP_FRAME
from ntgate.machine import Machine, MachineOptions

FAILED_CHECK = b" is "


class GuestRun:
    """`machine` with `program` started on it; `events` is filled while it runs."""

    def __init__(
        self,
        program: str | Path,
        *,
        typed: bytes = b"",
        arguments: Sequence[str] = (),
        options: MachineOptions | None = None,
    ) -> None:
        self.machine = Machine(options)
        self.events: list[Event] = []
        self.machine.events.listen(self.events.append)
        self.console = MemoryDevice()
        self.process: Process = self.machine.start(
            program, arguments, stdin=MemoryDevice(typed), stdout=self.console
        )

    def finish(self) -> str:
        """Run to the end; all that was written.  The program must have passed its own checks."""
        self.machine.run()
        written = self.output
        assert self.process.exited, f"nothing can run, and the program has not ended:\n{written}"
        assert self.process.exit_status == 0, f"{self.process.exit_status:08x}\n{written}"
        return written

    @property
    def output(self) -> str:
        return bytes(self.console.output).decode("latin-1")

    @property
    def exceptions(self) -> list[GuestException]:
        return [event for event in self.events if isinstance(event, GuestException)]


def base_frame(thread: Thread) -> KTRAP_FRAME:
    """The frame of a thread's entry from ring 3."""
    tcb: KTHREAD = thread.ethread.Tcb
    top = tcb.InitialStack - m.NPX_FRAME_LENGTH - m.TRAP_FRAME_LENGTH
    return KTRAP_FRAME(thread.executive.kernel, top)
