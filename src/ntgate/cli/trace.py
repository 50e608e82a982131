"""`ntgate trace`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import TextIO

from ntgate.cli.complain import BROKEN_PIPE
from ntgate.cli.session import Session, SessionOptions, open_output
from ntgate.cli.trace_events import pass_on
from ntgate.devices.host_errors import is_broken_pipe
from ntgate.errors import NtgateError, UsageError
from ntgate.machine import MachineOptions
from ntgate.records import dataclass
from ntgate.trace.filters import Filter, parse_events, parse_names, parse_status, parse_trace
from ntgate.trace.handle_names import HandleNames
from ntgate.trace.injections import Injection, parse_injection
from ntgate.trace.json_writer import JsonLinesWriter
from ntgate.trace.plans import Planner
from ntgate.trace.split_writer import SplitWriter
from ntgate.trace.structures import StructureDecoder
from ntgate.trace.summary_writer import ORDERS, SummaryWriter
from ntgate.trace.text_writer import TextOptions, TextWriter
from ntgate.trace.tracer import Tracer, Writer

FORMATS = ("text", "jsonl")
LEAST_WIDTH = 40


@dataclass
class TraceOptions:
    """The options of the command line, already checked.

    summary: a table in the trace's place; with_summary: behind it.  split: a file for each process.
    width: columns of a line, 0 for any number; None for those of a terminal.  append: keep what
    the file has.  order: of the table's rows.  dumped: the services whose buffers are shown whole.
    """

    output: Path | None = None
    format: str = "text"
    summary: bool = False
    with_summary: bool = False
    relative: bool = False
    spent: bool = False
    with_stack: bool = False
    handle_names: bool = False
    whole: bool = False
    string_limit: int = 32
    split: bool = False
    width: int | None = None
    absolute: bool = False
    numbers: bool = False
    append: bool = False
    order: str = "time"
    dumped: frozenset[str] = frozenset()
    shown: Filter = field(default_factory=Filter)
    injections: list[Injection] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Raises UsageError."""
        if self.format not in FORMATS:
            raise UsageError(f"--format {self.format}: there are {' and '.join(FORMATS)}")
        if self.string_limit < 0:
            raise UsageError(f"-s {self.string_limit}: a number of bytes")
        if (self.width is not None and 0 < self.width < LEAST_WIDTH) or (self.width or 0) < 0:
            raise UsageError(f"--width {self.width}: at least {LEAST_WIDTH} columns, or 0")
        if self.order not in ORDERS:
            raise UsageError(f"-S {self.order}: one of {', '.join(ORDERS)}")
        if self.append and self.output is None:
            raise UsageError("-A: the file's name is missing; give -o FILE")
        if self.split and self.output is None:
            raise UsageError("-ff: the files' name is missing; give -o FILE")
        if self.split and (self.summary or self.with_summary):
            option = "-c" if self.summary else "-C"
            raise UsageError(f"-ff: a table counts all processes; leave out {option}")

    def add_path(self, path: str) -> None:
        """One `-P`.  Raises UsageError."""
        if not path:
            raise UsageError("-P: a path, or a part of one")
        paths = (*self.shown.paths, path.replace("/", "\\").lower())
        self.shown = replace(self.shown, paths=paths)

    @property
    def is_timed(self) -> bool:
        """Whether a time is shown at all."""
        return self.are_ends_timed or self.absolute or self.format == "jsonl"

    @property
    def are_ends_timed(self) -> bool:
        return self.summary or self.with_summary or self.relative or self.spent

    def add_expression(self, text: str) -> None:
        """One `-e`: `trace=`, `event=`, `status=`, `inject=`, or a list as for `trace=`."""
        key, equals, value = text.partition("=")
        if not equals:
            key, value = "trace", text
        if key == "inject":
            self.injections.append(parse_injection(value))
        elif key == "dump":
            self.dumped |= parse_names(value)
        elif key == "event":
            self.shown = replace(self.shown, events=parse_events(value))
        elif key == "status":
            self.shown = replace(self.shown, statuses=parse_status(value))
        elif key == "trace":
            names, gates = parse_trace(value)
            self.shown = replace(self.shown, names=names, gates=gates)
        else:
            raise UsageError(
                f"-e {text}: use trace=NAME,%family, event=KIND, status=failed, dump=NAME or "
                "inject=NAME:..."
            )


class Unread(NtgateError):
    """Nobody reads the trace any more."""

    exit_code = BROKEN_PIPE


class CheckedOutput:
    """Where a trace is written.  The first error stops the machine, and stays in `error`."""

    def __init__(self, file: TextIO, stop: Callable[[], None]) -> None:
        self.error: OSError | None = None
        self.isatty = file.isatty
        self._file = file
        self._stop = stop

    def write(self, text: str) -> None:
        try:
            self._file.write(text)
        except OSError as error:
            self._failed(error)

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            self._failed(error)

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        self.error = self.error or error
        self._stop()


def trace_program(
    program: str, arguments: Sequence[str], machine_options: MachineOptions,
    session_options: SessionOptions, options: TraceOptions,
) -> int:  # fmt: skip
    """Run a program, writing its calls; returns its exit code."""
    if options.output is None and sys.stderr is None:
        raise UsageError("a trace needs the standard error, or -o FILE")
    session = Session(machine_options, session_options)
    machine = session.machine
    outputs = Outputs(options, session.stop)
    is_named = options.format == "text" or options.handle_names or bool(options.shown.paths)
    names = HandleNames(machine.executive.objects) if is_named else None
    tracer = Tracer(
        outputs.writers(),
        machine.precise_time if options.is_timed else lambda: 0,
        Planner(StructureDecoder(options.string_limit), with_names=names is not None),
        shown=options.shown,
        injections=options.injections,
        handle_names=names,
        invoke=machine.dispatcher.invoke,
        with_arguments=not options.summary or bool(options.shown.paths),
        with_ends=options.are_ends_timed,
        with_stack=options.with_stack,
        dumped=options.dumped,
    )
    machine.observe(tracer, tracer.sysenter)
    machine.events.listen(lambda event: pass_on(tracer, event, options.string_limit))
    try:
        session.start(program, arguments)
        try:
            session.run()
        finally:
            tracer.close()
    finally:
        outputs.close()
    outputs.check()
    return session.finish()


class Outputs:
    """Where a trace goes: stderr, a file, or with `-ff` one for each process."""

    def __init__(self, options: TraceOptions, stop: Callable[[], None]) -> None:
        self._options = options
        self._stop = stop
        self._opened: list[tuple[str, CheckedOutput]] = []

    def writers(self) -> list[Writer]:
        """Raises UsageError for a file that can't be written."""
        options = self._options
        if options.split:
            return [SplitWriter(self._of_process)]
        out = self._open(options.output)
        writers = [] if options.summary else [self._writer(out)]
        if options.summary or options.with_summary:
            writers.append(SummaryWriter(out, options.order))
        return writers

    def close(self) -> None:
        for _name, out in self._opened:
            if self._options.output is not None:
                out.close()

    def check(self) -> None:
        """Raises UsageError where something could not be written, Unread where nobody reads."""
        for name, out in self._opened:
            if out.error is not None:
                kind = Unread if is_broken_pipe(out.error) else UsageError
                raise kind(f"can't write {name}: {out.error.strerror}")

    def _of_process(self, pid: int) -> Writer:
        output = self._options.output
        assert output is not None
        return self._writer(self._open(output.with_name(f"{output.name}.{pid}")))

    def _open(self, path: Path | None) -> CheckedOutput:
        append = self._options.append
        file = open_output(path, append=append) if path is not None else sys.stderr
        assert file is not None
        out = CheckedOutput(file, self._stop)
        self._opened.append((str(path or "stderr"), out))
        return out

    def _writer(self, out: CheckedOutput) -> Writer:
        options = self._options
        if options.format == "jsonl":
            return JsonLinesWriter(out, spent=options.spent)
        is_terminal = out.isatty()
        width = options.width
        if width is None:
            width = shutil.get_terminal_size().columns if is_terminal else 0
        colour = is_terminal and "NO_COLOR" not in os.environ
        return TextWriter(
            out,
            TextOptions(
                options.relative, options.spent, options.whole, colour, width,
                absolute=options.absolute, numbers=options.numbers,
            ),
        )  # fmt: skip
