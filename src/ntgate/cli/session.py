"""One program run from the command line: what it is given, what it may use, and its end.

    --rw, --mount HOST=GUEST[:ro|cow|rw]    the folders of the host that it sees
    --env NAME=VALUE                        variables besides the standard ones
    --time-limit, --memory-limit            what it may use
    --report FILE                           what it did, as JSON
"""

from __future__ import annotations

import _thread
import json
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import field, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from ntgate.cli.report import Report
from ntgate.devices.console import StreamDevice
from ntgate.devices.mounts import Mount
from ntgate.errors import UsageError
from ntgate.executive.io.source import Policy
from ntgate.machine import Cause, Machine, MachineOptions
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.executive.io.device import ByteDevice
    from ntgate.executive.ps.thread import Process

EXIT_TIME_LIMIT = 124  # as timeout(1) has it
EXIT_STUCK = 125
EXIT_SIGNAL = 128  # and the signal's number, as shells have it
PAGES_OF_MB = 256
LEAST_MEMORY = 16  # MB
LONGEST_S = 365 * 24 * 3600
GRACE_S = 5.0  # for a service that runs when the time is up; then it is broken off
REMIND_S = 0.2  # between two requests to stop: one that comes while nothing runs is lost


@dataclass
class SessionOptions:
    """Options of `run`, `trace` and `kd`, as they were typed."""

    rw: bool = False
    mounts: Sequence[str] = ()
    environment: Sequence[str] = ()
    time_limit: float | None = None  # seconds of the host's time
    memory_limit: int | None = None  # MB
    report: Path | None = None
    verbatim: bool = False
    answer: str = ""  # the text of a button, or "none"
    variables: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Raises UsageError."""
        if self.time_limit is not None and not 0 < self.time_limit <= LONGEST_S:
            raise UsageError(
                f"--time-limit {self.time_limit:g}: a number of seconds above 0, at most a year"
            )
        if self.memory_limit is not None and self.memory_limit < LEAST_MEMORY:
            raise UsageError(f"--memory-limit {self.memory_limit}: at least {LEAST_MEMORY} MB")
        self.variables = {}
        for text in self.environment:
            name, equals, value = text.partition("=")
            if not equals or not name:
                raise UsageError(f"--env {text}: write NAME=VALUE")
            self.variables[name] = value

    def machine(self, options: MachineOptions) -> MachineOptions:
        """The machine's own options, with the limit that goes into them."""
        if self.memory_limit is None:
            return options
        return replace(options, memory_limit=self.memory_limit * PAGES_OF_MB)

    @property
    def current_folder(self) -> Policy:
        return Policy.WRITE_THROUGH if self.rw else Policy.COPY_ON_WRITE

    def start(
        self, machine: Machine, program: str, arguments: Sequence[str], stdin: ByteDevice | None
    ) -> Process:
        """The program on a machine, with the host's output; raises UsageError."""
        machine.executive.dialogs.answer = self.answer
        return machine.start(
            program,
            arguments,
            stdin=stdin,
            stdout=host_stream(sys.stdout),
            stderr=host_stream(sys.stderr),
            environment=self.variables,
            mounts=[Mount.parse(text) for text in self.mounts],
            current_folder=self.current_folder,
            verbatim=self.verbatim,
        )


def open_output(path: Path, *, append: bool = False) -> TextIO:
    """A text file to write; raises UsageError."""
    try:
        return path.open(
            "a" if append else "w", encoding="utf-8", errors="backslashreplace", newline="\n"
        )
    except OSError as error:
        raise UsageError(f"can't write {path}: {error.strerror}") from None


def _write_report(out: TextIO, data: dict[str, object]) -> None:
    try:
        with out:
            json.dump(data, out, indent=2)
            out.write("\n")
    except OSError as error:
        raise UsageError(f"can't write {out.name}: {error.strerror}") from None


def host_stream(stream: TextIO | None) -> StreamDevice | None:
    """None where the host has closed the stream."""
    return StreamDevice(stream.buffer) if stream is not None else None


def _endings() -> list[signal.Signals]:
    """The signals that end a run; those of a terminal that goes, but for `nohup`."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    for name in ("SIGHUP", "SIGBREAK"):  # Unix has one, Windows the other
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            numbers.append(number)
    return numbers


def _interrupt_main_thread() -> None:
    """On Windows it only sleeps while it waits for input, and needs no signal to wake up."""
    if sys.platform == "win32":
        _thread.interrupt_main()
        return
    ident = threading.main_thread().ident
    assert ident is not None
    signal.pthread_kill(ident, signal.SIGINT)


class Session:
    """A machine with the host's standard streams, and one program on it."""

    def __init__(self, machine_options: MachineOptions, options: SessionOptions) -> None:
        self.options = options
        self.machine = Machine(options.machine(machine_options))
        self.report = Report(self.machine)
        self._stdin = host_stream(sys.stdin)
        self._report_file: TextIO | None = None
        self._process: Process | None = None
        self._interrupted = False
        self._signal: int = signal.SIGINT
        self._expired = False
        self._is_late = False
        self._stopped = False

    def start(self, program: str, arguments: Sequence[str]) -> None:
        """Raises UsageError; whoever wants to observe calls does so before."""
        if self.options.report is not None:
            self._report_file = open_output(self.options.report)
            self.report.count_calls()
        self.report.command = [program, *arguments]
        self._process = self.options.start(self.machine, program, arguments, self._stdin)

    def run(self) -> None:
        """Until every program has ended, the time is up, or Ctrl-C."""
        before = [(number, signal.signal(number, self._on_interrupt)) for number in _endings()]
        over = threading.Event()
        limit = self.options.time_limit
        if limit is not None:
            threading.Thread(target=self._watch, args=(limit, over), daemon=True).start()
        try:
            while not (self._interrupted or self._expired or self._stopped):
                if self.machine.resume() is Cause.EXIT:
                    break
        except KeyboardInterrupt:
            pass  # out of a read of the host's; the flags say why
        finally:
            over.set()
            for number, handler in before:
                signal.signal(number, handler)

    def stop(self) -> None:
        """Have `run` return soon, with the program unfinished."""
        self._stopped = True
        self.machine.request_stop()

    def finish(self) -> int:
        """Tell the user how it went, write the report, and give the exit code."""
        assert self._process is not None
        process, report = self._process, self.report
        if self._expired:
            report.ended, code = "time limit", EXIT_TIME_LIMIT
        elif self._interrupted:
            report.ended, code = "interrupted", EXIT_SIGNAL + self._signal
        elif not process.exited:
            report.ended, code = "stuck", EXIT_STUCK
        else:
            report.ended, code = "exit", process.exit_status & 0xFF
        report.print(process)
        if self._report_file is not None:
            _write_report(self._report_file, report.data(process, code))
        return code

    @property
    def _is_reading(self) -> bool:
        return self._stdin is not None and self._stdin.is_waiting

    def _on_interrupt(self, number: int, _frame: FrameType | None) -> None:
        """Never out of a service, but for a second Ctrl-C or long after the time limit."""
        if not self._interrupted:
            self._signal = number
        again, self._interrupted = self._interrupted, not self._expired
        self.machine.request_stop()
        if self._is_reading or again or self._is_late:
            raise KeyboardInterrupt

    def _watch(self, limit: float, over: threading.Event) -> None:
        if over.wait(limit):
            return
        self._expired = True
        late = time.monotonic() + GRACE_S
        while True:
            self.machine.request_stop()
            self._is_late = time.monotonic() > late
            if self._is_reading or self._is_late:
                _interrupt_main_thread()
            if over.wait(REMIND_S):
                return
