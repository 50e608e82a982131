"""The commands and their options; each imports its work when it runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from ntgate.errors import UsageError

if TYPE_CHECKING:
    from ntgate.cli.session import SessionOptions
    from ntgate.machine import MachineOptions

app = typer.Typer(
    name="ntgate",
    help="A 32-bit Windows NT machine whose system calls you can watch, debug and change.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

PASS_ON = {"allow_interspersed_args": False, "ignore_unknown_options": True}

Memory = Annotated[int, typer.Option("--memory", metavar="MB", help="RAM (the study's: 512).")]
NoSep = Annotated[bool, typer.Option("--no-sep", help="A processor without sysenter.")]
Fast = Annotated[
    bool, typer.Option("--fast", help="Slices by the host's clock: faster, not repeatable.")
]
Rw = Annotated[bool, typer.Option("--rw", help="Let the program change the current folder.")]
Mounted = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--mount", metavar="HOST=GUEST[:ro|cow|rw]", help="Show a folder of the host."),
]
Environment = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--env", metavar="NAME=VALUE", help="Set a variable of the program."),
]
TimeLimit = Annotated[
    Optional[float],  # noqa: UP045
    typer.Option("--time-limit", metavar="SECONDS", help="End it then, with exit code 124."),
]
MemoryLimit = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--memory-limit", metavar="MB", help="What it may commit, and its files take."),
]
ReportFile = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--report", metavar="FILE", help="Write what it did as JSON."),
]
Words = Annotated[Optional[list[str]], typer.Argument(metavar="[ARGS]...")]  # noqa: UP045


@app.command(context_settings=PASS_ON)
def run(
    program: Annotated[str, typer.Argument(help="A PE file, or @NAME of a built-in program.")],
    arguments: Words = None,
    rw: Rw = False,
    mounts: Mounted = None,
    environment: Environment = None,
    time_limit: TimeLimit = None,
    memory_limit: MemoryLimit = None,
    report: ReportFile = None,
    memory: Memory = 512,
    no_sep: NoSep = False,
    fast: Fast = False,
) -> None:
    """Run a program; its exit code (low 8 bits) is ntgate's."""
    from ntgate.cli.run import run_program

    session = _session(rw, mounts, environment, time_limit, memory_limit, report)
    sys.exit(run_program(program, arguments or [], _options(memory, no_sep, fast), session))


@app.command(context_settings=PASS_ON)
def trace(
    program: Annotated[str, typer.Argument(help="A PE file, or @NAME of a built-in program.")],
    arguments: Words = None,
    expressions: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "-e", metavar="EXPR", help="trace=NAME,%family; event=KIND; inject=NAME:status=S:when=N"
        ),
    ] = None,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("-o", metavar="FILE", help="Write the trace here, not to stderr."),
    ] = None,
    form: Annotated[str, typer.Option("--format", help="text or jsonl.")] = "text",
    summary: Annotated[bool, typer.Option("-c", help="Count calls and errors.")] = False,
    with_summary: Annotated[bool, typer.Option("-C", help="As -c, behind the trace.")] = False,
    relative: Annotated[bool, typer.Option("-r", help="Virtual time since the last line.")] = False,
    spent: Annotated[bool, typer.Option("-T", help="Virtual time spent in each call.")] = False,
    stacks: Annotated[bool, typer.Option("-k", help="The callers of each call.")] = False,
    failed: Annotated[bool, typer.Option("-Z", help="Only calls that fail.")] = False,
    successful: Annotated[bool, typer.Option("-z", help="Only calls that do not.")] = False,
    names: Annotated[
        bool, typer.Option("-y", help="Objects of handles in JSON lines (text has them).")
    ] = False,
    whole: Annotated[bool, typer.Option("-v", help="Whole lists; optional arguments too.")] = False,
    _follow: Annotated[bool, typer.Option("-f", help="Children too: always so.")] = False,
    string_limit: Annotated[int, typer.Option("-s", help="Bytes of a buffer to show.")] = 32,
    rw: Rw = False,
    mounts: Mounted = None,
    environment: Environment = None,
    time_limit: TimeLimit = None,
    memory_limit: MemoryLimit = None,
    report: ReportFile = None,
    memory: Memory = 512,
    no_sep: NoSep = False,
    fast: Fast = False,
) -> None:
    """Run a program and show its system calls, with the gate that each came through."""
    from ntgate.cli.trace import TraceOptions, trace_program

    options = TraceOptions(
        output, form, summary, with_summary, relative, spent, stacks, names, whole, string_limit
    )
    for expression in [*(expressions or []), *["status=failed"] * failed,
                       *["status=successful"] * successful]:  # fmt: skip
        options.add_expression(expression)
    session = _session(rw, mounts, environment, time_limit, memory_limit, report)
    machine = _options(memory, no_sep, fast)
    sys.exit(trace_program(program, arguments or [], machine, session, options))


@app.command(context_settings=PASS_ON)
def kd(
    program: Annotated[Optional[str], typer.Argument(help="What to debug.")] = None,  # noqa: UP045
    arguments: Words = None,
    commands: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("-c", metavar="COMMANDS", help="Run these, separated by ; and leave."),
    ] = None,
    memory: Memory = 512,
    no_sep: NoSep = False,
    fast: Fast = False,
) -> None:
    """Debug the machine's kernel, stopped at the initial break of a program."""
    from ntgate.cli.kd import debug

    options = _options(memory, no_sep, fast)
    options.debugger = True
    sys.exit(0 if debug(program or "@sysenter", arguments or [], commands, options) else 1)


@app.command()
def demo(
    width: Annotated[int, typer.Option(min=100, max=250, help="Columns to fill.")] = 100,
    no_sep: NoSep = False,
) -> None:
    """Walk one NtWriteFile call through both gates, step by step."""
    from ntgate.cli.demo import show

    show(width, _options(512, no_sep, False))


userland = typer.Typer(help="The DLLs that real programs need.", no_args_is_help=True)
app.add_typer(userland, name="userland")


@userland.command("install")
def userland_install(
    folder: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--from", metavar="DIR", help="An installed Wine's or a folder of DLLs."),
    ] = None,
    any_version: Annotated[
        bool, typer.Option("--any-version", help="Take the archive's Wine whatever its version.")
    ] = False,
) -> None:
    """Get Wine's DLLs as an ordinary user and prepare them in the cache folder."""
    from ntgate.cli.userland import install_userland

    install_userland(folder, any_version=any_version)


@userland.command("status")
def userland_status() -> None:
    """Tell what is installed, where, and whether its hashes are right."""
    from ntgate.cli.userland import show_status

    sys.exit(show_status())


def _session(
    rw: bool, mounts: list[str] | None, environment: list[str] | None, time_limit: float | None,
    memory_limit: int | None, report: Path | None,
) -> SessionOptions:  # fmt: skip
    from ntgate.cli.session import SessionOptions

    return SessionOptions(
        rw, mounts or (), environment or (), time_limit, memory_limit, report
    )


def _options(memory: int, no_sep: bool, fast: bool) -> MachineOptions:
    from ntgate.layout.machine import MEMORY_PAGES
    from ntgate.machine import MachineOptions

    if not 128 <= memory <= 2048:
        raise UsageError(f"--memory {memory}: the machine takes 128 to 2048 MB")
    # The study's 512 MB machine has 1ff6a pages: firmware keeps the rest.
    pages = MEMORY_PAGES + (memory - 512) * 256
    return MachineOptions(pages=pages, has_sep=not no_sep, counted=not fast)

