"""The commands and their options; each imports its work when it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ntgate import __version__
from ntgate.cli.complain import BROKEN_PIPE
from ntgate.errors import UsageError

if TYPE_CHECKING:
    from ntgate.cli.session import SessionOptions
    from ntgate.machine import MachineOptions

FILE = click.Path(path_type=Path)
# What follows the program belongs to it.
PASS_ON = {"allow_interspersed_args": False}

Command = Callable[..., None]


class _Commands(click.Group):
    def invoke(self, context: click.Context) -> Any:
        """click itself would make an exit code of 1 of a reader that has gone."""
        try:
            return super().invoke(context)
        except OSError as error:
            from ntgate.devices.host_errors import is_broken_pipe

            if not is_broken_pipe(error):
                raise
            sys.exit(BROKEN_PIPE)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def app() -> None:
    """A 32-bit Windows NT machine whose system calls you can watch, debug and change."""


def options(*decorators: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Options that several commands have, in this order."""

    def add(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return add


machine_options = options(
    click.option("--memory", metavar="MB", type=int, default=512, help="RAM (the study's: 512)."),
    click.option("--no-sep", is_flag=True, help="A processor without sysenter."),
    click.option(
        "--fast", is_flag=True, help="Slices by the host's clock: faster, not repeatable."
    ),
)

program_options = options(
    click.option("--rw", is_flag=True, help="Let the program change the current folder."),
    click.option(
        "--verbatim", is_flag=True, help="Put ARGUMENTS into the command line without quoting."
    ),
    click.option(
        "--mount", "mounts", metavar="HOST=GUEST[:ro|cow|rw]", multiple=True,
        help="Show a folder of the host.",
    ),
    click.option(
        "--env", "environment", metavar="NAME=VALUE", multiple=True,
        help="Set a variable of the program.",
    ),
    click.option(
        "--answer", metavar="BUTTON", default="",
        help="The button to press in dialog boxes, or none; the default one otherwise.",
    ),
    click.option(
        "--memory-limit", metavar="MB", type=int, help="What it may commit, and its files take."
    ),
)  # fmt: skip

session_options = options(
    program_options,
    click.option(
        "--time-limit", metavar="SECONDS", type=float, help="End it then, with exit code 124."
    ),
    click.option("--report", metavar="FILE", type=FILE, help="Write what it did as JSON."),
)  # fmt: skip

program_words = options(
    click.argument("program"),
    click.argument("arguments", nargs=-1, type=click.UNPROCESSED),
)


@app.command(context_settings=PASS_ON)
@program_words
@session_options
@machine_options
def run(
    program: str, arguments: Sequence[str], memory: int, no_sep: bool, fast: bool, **session: Any
) -> None:
    """Run a program; its exit code (low 8 bits) is ntgate's.

    PROGRAM is a PE file, one of the userland's programs, or @NAME of a built-in one.
    """
    from ntgate.cli.run import run_program

    machine = _options(memory, no_sep, fast)
    sys.exit(run_program(program, arguments, machine, _session(**session)))


@app.command(context_settings=PASS_ON)
@program_words
@click.option(
    "-e", "expressions", metavar="EXPR", multiple=True,
    help="trace=NAME,%family; event=KIND; status=failed; dump=NAME; inject=NAME:status=S:when=N",
)  # fmt: skip
@click.option(
    "-o", "output", metavar="FILE", type=FILE, help="Write the trace here, not to stderr."
)
@click.option("-A", "append", is_flag=True, help="Add to FILE instead of writing it anew.")
@click.option("--format", "form", default="text", help="text or jsonl.")
@click.option("-c", "summary", is_flag=True, help="Count calls and errors.")
@click.option("-C", "with_summary", is_flag=True, help="As -c, behind the trace.")
@click.option(
    "-S", "order", metavar="BY", default="time", help="Order of -c: time, calls, errors, name."
)
@click.option("-t", "absolute", is_flag=True, help="Virtual time since the machine's start.")
@click.option("-r", "relative", is_flag=True, help="Virtual time since the last line.")
@click.option("-T", "spent", is_flag=True, help="Virtual time spent in each call.")
@click.option("-k", "stacks", is_flag=True, help="The callers of each call.")
@click.option("-Z", "failed", is_flag=True, help="Only calls that fail.")
@click.option("-z", "successful", is_flag=True, help="Only calls that do not.")
@click.option(
    "-y", "names", is_flag=True, help="Names of handles and addresses in JSON lines too."
)
@click.option("-n", "numbers", is_flag=True, help="The services' numbers.")
@click.option("-v", "whole", is_flag=True, help="Whole lists; optional arguments too.")
@click.option("-f", "follow", count=True, help="Children too: always so.  -ff: FILE.PID for each.")
@click.option("-P", "paths", metavar="PATH", multiple=True, help="Only calls that name it.")
@click.option("--width", type=int, help="Break lines there (a terminal's; 0: never).")
@click.option("-s", "string_limit", type=int, default=32, help="Bytes of a buffer to show.")
@session_options
@machine_options
def trace(
    program: str,
    arguments: Sequence[str],
    expressions: Sequence[str],
    output: Path | None,
    append: bool,
    form: str,
    summary: bool,
    with_summary: bool,
    order: str,
    absolute: bool,
    relative: bool,
    spent: bool,
    stacks: bool,
    failed: bool,
    successful: bool,
    names: bool,
    numbers: bool,
    whole: bool,
    follow: int,
    paths: Sequence[str],
    width: int | None,
    string_limit: int,
    memory: int,
    no_sep: bool,
    fast: bool,
    **session: Any,
) -> None:
    """Run a program and show its system calls, with the gate that each came through."""
    from ntgate.cli.trace import TraceOptions, trace_program

    chosen = TraceOptions(
        output, form, summary, with_summary, relative, spent, stacks, names, whole, string_limit,
        split=follow > 1, width=width, absolute=absolute, numbers=numbers, append=append,
        order=order,
    )  # fmt: skip
    for path in paths:
        chosen.add_path(path)
    for expression in [*expressions, *["status=failed"] * failed,
                       *["status=successful"] * successful]:  # fmt: skip
        chosen.add_expression(expression)
    machine = _options(memory, no_sep, fast)
    sys.exit(trace_program(program, arguments, machine, _session(**session), chosen))


@app.command(context_settings=PASS_ON)
@click.argument("program", default="@sysenter")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("-c", "commands", metavar="COMMANDS", help="Run these, separated by ; and leave.")
@program_options
@machine_options
def kd(
    program: str, arguments: Sequence[str], commands: str | None, memory: int, no_sep: bool,
    fast: bool, **session: Any,
) -> None:  # fmt: skip
    """Debug the machine's kernel, stopped at the initial break of a program."""
    from ntgate.cli.kd import debug

    machine = _options(memory, no_sep, fast)
    machine.debugger = True
    done = debug(program, arguments, commands, machine, _session(**session))
    sys.exit(0 if done else 1)


@app.command()
@click.option(
    "--width", type=click.IntRange(100, 250), default=100, help="Columns to fill."
)
@click.option("--no-sep", is_flag=True, help="A processor without sysenter.")
def demo(width: int, no_sep: bool) -> None:
    """Walk one NtWriteFile call through both gates, step by step."""
    from ntgate.cli.demo import show

    show(width, _options(512, no_sep, False))


@app.group()
def userland() -> None:
    """The DLLs that real programs need."""


@userland.command("install")
@click.option(
    "--from", "folder", metavar="DIR", type=FILE,
    help="An installed Wine's or a folder of DLLs.",
)  # fmt: skip
@click.option("--any-version", is_flag=True, help="Take the archive's Wine whatever its version.")
@click.option(
    "--mirror", metavar="URL", help="The Debian archive to ask, as http://HOST/debian."
)
def userland_install(folder: Path | None, any_version: bool, mirror: str | None) -> None:
    """Get Wine's DLLs as an ordinary user and prepare them in the cache folder."""
    from ntgate.cli.userland import install_userland

    install_userland(folder, any_version=any_version, mirror=mirror)


@userland.command("status")
def userland_status() -> None:
    """Tell what is installed, where, and whether its hashes are right."""
    from ntgate.cli.userland import show_status

    sys.exit(show_status())


def _session(**chosen: Any) -> SessionOptions:
    from ntgate.cli.session import SessionOptions

    return SessionOptions(**chosen)


def _options(memory: int, no_sep: bool, fast: bool) -> MachineOptions:
    from ntgate.layout.machine import MEMORY_PAGES
    from ntgate.machine import MachineOptions

    if not 128 <= memory <= 2048:
        raise UsageError(f"--memory {memory}: the machine takes 128 to 2048 MB")
    # The study's 512 MB machine has 1ff6a pages: firmware keeps the rest.
    pages = MEMORY_PAGES + (memory - 512) * 256
    return MachineOptions(pages=pages, has_sep=not no_sep, counted=not fast)
