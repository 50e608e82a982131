"""`ntgate trace`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import TextIO

from ntgate.cli.session import Session, SessionOptions, open_output
from ntgate.cli.trace_events import pass_on
from ntgate.errors import UsageError
from ntgate.machine import MachineOptions
from ntgate.records import dataclass
from ntgate.trace.filters import Filter, parse_events, parse_status, parse_trace
from ntgate.trace.handle_names import HandleNames
from ntgate.trace.injections import Injection, parse_injection
from ntgate.trace.json_writer import JsonLinesWriter
from ntgate.trace.plans import Planner
from ntgate.trace.structures import StructureDecoder
from ntgate.trace.summary_writer import SummaryWriter
from ntgate.trace.text_writer import TextOptions, TextWriter
from ntgate.trace.tracer import Tracer, Writer

FORMATS = ("text", "jsonl")


@dataclass
class TraceOptions:
    """The options of the command line, already checked.

    summary: a table in the trace's place; with_summary: behind it.
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
    shown: Filter = field(default_factory=Filter)
    injections: list[Injection] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Raises UsageError."""
        if self.format not in FORMATS:
            raise UsageError(f"--format {self.format}: there are {' and '.join(FORMATS)}")
        if self.string_limit < 0:
            raise UsageError(f"-s {self.string_limit}: a number of bytes")

    @property
    def is_timed(self) -> bool:
        """Whether a time is shown at all."""
        counted = self.summary or self.with_summary
        return counted or self.relative or self.spent or self.format == "jsonl"

    def add_expression(self, text: str) -> None:
        """One `-e`: `trace=`, `event=`, `status=`, `inject=`, or a list as for `trace=`."""
        key, equals, value = text.partition("=")
        if not equals:
            key, value = "trace", text
        if key == "inject":
            self.injections.append(parse_injection(value))
        elif key == "event":
            self.shown = replace(self.shown, events=parse_events(value))
        elif key == "status":
            self.shown = replace(self.shown, statuses=parse_status(value))
        elif key == "trace":
            names, gates = parse_trace(value)
            self.shown = replace(self.shown, names=names, gates=gates)
        else:
            raise UsageError(
                f"-e {text}: use trace=NAME,%family, event=KIND, status=failed or inject=NAME:..."
            )


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
    file = open_output(options.output) if options.output is not None else sys.stderr
    out = CheckedOutput(file, session.stop)
    is_text = options.format == "text"
    names = HandleNames(machine.executive.objects) if is_text or options.handle_names else None
    tracer = Tracer(
        _writers(out, options),
        machine.precise_time if options.is_timed else lambda: 0,
        Planner(StructureDecoder(options.string_limit), with_names=names is not None),
        shown=options.shown,
        injections=options.injections,
        handle_names=names,
        with_arguments=not options.summary,
        with_stack=options.with_stack,
    )
    machine.observe(tracer, tracer.sysenter)
    machine.events.listen(lambda event: pass_on(tracer, event))
    try:
        session.start(program, arguments)
        try:
            session.run()
        finally:
            tracer.close()
    finally:
        if options.output is not None:
            out.close()
    if out.error is not None:
        raise UsageError(f"can't write {options.output or 'stderr'}: {out.error.strerror}")
    return session.finish()


def _writers(out: CheckedOutput, options: TraceOptions) -> list[Writer]:
    writers: list[Writer] = []
    if options.format == "jsonl" and not options.summary:
        writers.append(JsonLinesWriter(out, spent=options.spent))
    elif not options.summary:
        colour = out.isatty() and "NO_COLOR" not in os.environ
        text = TextOptions(options.relative, options.spent, options.whole, colour)
        writers.append(TextWriter(out, text))
    if options.summary or options.with_summary:
        writers.append(SummaryWriter(out))
    return writers
