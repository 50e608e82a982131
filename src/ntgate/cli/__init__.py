"""The command line: reads options, drives a `Machine`, prints.

Enters: the words that the user typed.  Leaves: text on stdout and stderr, and an exit code.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Entry point of the `ntgate` script."""
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        _drop_output()
        sys.exit(141)
    except OSError as error:
        # A file that the user names fails with a UsageError: what is left is the output.
        _drop_output()
        print(f"ntgate: can't write the output: {error.strerror}", file=sys.stderr)
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
        print(f"ntgate: {error.format_message().rstrip('.')}{where}", file=sys.stderr)
        sys.exit(error.exit_code)
    except click.Abort:
        raise KeyboardInterrupt from None
    except NtgateError as error:
        _flush()
        print(f"ntgate: {error}", file=sys.stderr)
        if isinstance(error, MachineError) and error.state:
            print(error.state, file=sys.stderr)
        sys.exit(error.exit_code)
    finally:
        _flush()


def _flush() -> None:
    """The stream is None where the host has closed it."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _drop_output() -> None:
    """What is still in the stream's buffer can't be written at exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
