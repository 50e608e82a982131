"""The command line: reads options, drives a `Machine`, prints.

Enters: the words that the user typed.  Leaves: text on stdout and stderr, and an exit code.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the `ntgate` script."""
    from ntgate.cli.app import app
    from ntgate.errors import MachineError, NtgateError

    try:
        app(prog_name="ntgate")
    except NtgateError as error:
        sys.stdout.flush()
        print(f"ntgate: {error}", file=sys.stderr)
        if isinstance(error, MachineError) and error.state:
            print(error.state, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
