"""What the user is told beside the program's own output."""

from __future__ import annotations

import contextlib
import sys

BROKEN_PIPE = 141  # the exit code when nobody reads the output: a shell has it of SIGPIPE

def complain(line: str) -> None:
    """A line on stderr, where the host has one that can be written."""
    if sys.stderr is None:  # `print` would take stdout
        return
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
