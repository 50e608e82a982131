"""`ntgate trace`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from ntgate.cli.session import Session, SessionOptions, open_output
from ntgate.errors import UsageError
from ntgate.executive.events import (
    Event,
    GuestException,
    ModuleLoad,
    ModuleUnload,
    ProcessExit,
    ProcessStart,
    ThreadExit,
    ThreadStart,
)
from ntgate.layout.ntstatus import name_of
from ntgate.machine import MachineOptions
from ntgate.trace.decode import Decoder
from ntgate.trace.filters import Filter, Injection, parse_injection, parse_trace
from ntgate.trace.tracer import Tracer, Writer
from ntgate.trace.writers import JsonLinesWriter, SummaryWriter, TextWriter

FORMATS = ("text", "jsonl")


@dataclass
class TraceOptions:
    """The options of the command line, already checked."""

    output: Path | None = None
    format: str = "text"
    summary: bool = False
    relative: bool = False
    with_stack: bool = False
    string_limit: int = 32
    shown: Filter | None = None
    injections: list[Injection] = field(default_factory=list)

    def add_expression(self, text: str) -> None:
        """One `-e`: `trace=...`, `inject=...`, or a list as for `trace=`."""
        key, equals, value = text.partition("=")
        if key == "inject" and equals:
            self.injections.append(parse_injection(value))
        elif key == "trace" or not equals:
            self.shown = parse_trace(value if equals else text)
        else:
            raise UsageError(f"-e {text}: use trace=NAME,%family or inject=NAME:status=...")


def trace_program(
    program: str, arguments: Sequence[str], machine_options: MachineOptions,
    session_options: SessionOptions, options: TraceOptions,
) -> int:  # fmt: skip
    """Run a program, writing its calls; returns its exit code."""
    session = Session(machine_options, session_options)
    machine = session.machine
    out = open_output(options.output) if options.output is not None else sys.stderr
    tracer = Tracer(
        _writer(out, options),
        lambda: machine.executive.clock.interrupt_time,
        shown=options.shown,
        injections=options.injections,
        decoder=Decoder(options.string_limit),
        with_stack=options.with_stack,
    )
    machine.observe(tracer, tracer.sysenter)
    machine.events.listen(lambda event: _event(tracer, event))
    try:
        session.start(program, arguments)
        session.run()
    finally:
        tracer.close()
        if options.output is not None:
            out.close()
    return session.finish()


def _writer(out: TextIO, options: TraceOptions) -> Writer:
    if options.summary:
        return SummaryWriter(out)
    if options.format == "jsonl":
        return JsonLinesWriter(out)
    if options.format != "text":
        raise UsageError(f"--format {options.format}: there are {' and '.join(FORMATS)}")
    return TextWriter(out, relative=options.relative)


def _event(tracer: Tracer, event: Event) -> None:
    fields: dict[str, object]
    if isinstance(event, ModuleLoad):
        tracer.modules.load(event.pid, event.base, event.size, event.name)
        name, fields = "module load", {"name": event.name, "base": f"{event.base:#x}"}
    elif isinstance(event, ModuleUnload):
        tracer.modules.unload(event.pid, event.base)
        name, fields = "module unload", {"base": f"{event.base:#x}"}
    elif isinstance(event, ProcessStart):
        name, fields = "process start", {"image": event.image, "parent": event.parent}
    elif isinstance(event, ProcessExit):
        name, fields = "process exit", {"status": name_of(event.status)}
    elif isinstance(event, ThreadStart):
        name, fields = "thread start", {"start": f"{event.start_address:#x}"}
    elif isinstance(event, ThreadExit):
        name, fields = "thread exit", {"status": name_of(event.status)}
    elif isinstance(event, GuestException):
        chance = "first" if event.first_chance else "second"
        name = "exception"
        fields = {
            "code": name_of(event.code),
            "address": tracer.modules.place(event.pid, event.address),
            "chance": chance,
        }
    else:
        return
    tracer.writer.event(event.pid, event.tid, name, fields)
