"""The command line: reads options, drives a `Machine`, prints.

Enters: the words that the user typed.  Leaves: text on stdout and stderr, and an exit code.
"""

from __future__ import annotations

import os
import sys

from ntgate.cli.complain import BROKEN_PIPE, complain


def main() -> None:
    """Entry point of the `ntgate` script."""
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        from ntgate.devices.host_errors import is_broken_pipe

        _drop_output()
        if is_broken_pipe(error):
            sys.exit(BROKEN_PIPE)
        what = "can't write the output" if error.filename is None else error.filename
        complain(f"ntgate: {what}: {error.strerror or error}")
        sys.exit(1)


def _run() -> None:
    import click

    from ntgate.cli.app import app
    from ntgate.errors import MachineError, NtgateError

    try:
        app(prog_name="ntgate", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.UsageError as error:
        where = f"; see {error.ctx.command_path} --help" if error.ctx is not None else ""
        complain(f"ntgate: {error.format_message().rstrip('.')}{where}")
        sys.exit(error.exit_code)
    except click.Abort:
        raise KeyboardInterrupt from None
    except NtgateError as error:
        _flush()
        complain(f"ntgate: {error}")
        if isinstance(error, MachineError) and error.state:
            complain(error.state)
        sys.exit(error.exit_code)
    finally:
        _flush()


def _flush() -> None:
    """The stream is None where the host has closed it."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _drop_output() -> None:
    """What is still in the stream's buffer can't be written at exit either."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
