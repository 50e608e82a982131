"""The `kd>` prompt: reading command lines, and running those of `-c`."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Protocol, TextIO, runtime_checkable

from ntgate.debug.interpreter import Interpreter
from ntgate.trace.text_writer import PLAIN, RED

PROMPT = "kd> "


@runtime_checkable
class Interruptible(Protocol):
    """A machine whose `resume` can be ended from a signal handler."""

    def request_interrupt(self) -> None:
        """Make the resume that runs now return StopReason.INTERRUPT soon."""
        ...


def run_commands(interpreter: Interpreter, text: str, out: TextIO | None = None) -> bool:
    """Run the commands of `-c`, printing `kd> command` and the answer for each.

    Returns whether all of them could be done.  A command that fails does not stop the others.
    """
    out = out or sys.stdout
    _connect(interpreter, out)
    all_done = True
    with _interrupts(interpreter):
        for command in interpreter.split(text):
            out.write(f"{PROMPT}{command}\n")
            all_done &= _execute(interpreter, command, out)
            if interpreter.is_leaving:
                break
    return all_done


def interact(
    interpreter: Interpreter, stdin: TextIO | None = None, out: TextIO | None = None
) -> bool:
    """Ask for commands until `q` or the end of the input.

    At a terminal: history, completion, and an empty line repeats the last command.  Otherwise
    each line is read plainly and shown behind the prompt.  Returns False where a command that
    did not come from a terminal has failed.
    """
    stdin, out = stdin or sys.stdin, out or sys.stdout
    _connect(interpreter, out)
    if stdin.isatty() and out.isatty():
        _converse(interpreter, out)
        return True
    all_done = True
    with _interrupts(interpreter):
        for line in stdin:
            command = line.strip()
            if command:
                out.write(f"{PROMPT}{command}\n")
                all_done &= _execute(interpreter, command, out)
            if interpreter.is_leaving:
                break
    return all_done


def _converse(interpreter: Interpreter, out: TextIO) -> None:
    # It takes a fifth of a second, which only a terminal needs.
    from ntgate.debug.line_editor import LineEditor

    editor = LineEditor(interpreter.session, history_file())
    last = ""
    while not interpreter.is_leaving:
        try:
            line = editor.read(PROMPT).strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        line = line or last
        last = interpreter.repeatable(line)
        with _interrupts(interpreter):
            _execute(interpreter, line, out)


def _execute(interpreter: Interpreter, line: str, out: TextIO) -> bool:
    try:
        return interpreter.execute(line).ok
    except KeyboardInterrupt:
        out.write("Interrupted\n")
        return False
    except Exception as bug:
        # The machine that the user has brought to this point outlives a bug in one command.
        place = traceback.extract_tb(bug.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        out.write(f"A bug in ntgate: {type(bug).__name__}: {bug} ({where}); nothing else is lost\n")
        return False
    finally:
        out.flush()


def _connect(interpreter: Interpreter, out: TextIO) -> None:
    interpreter.write = out.write
    interpreter.write_mistake = _red(out) if _has_colour(out) else None


def _red(out: TextIO) -> Callable[[str], object]:
    def write(text: str) -> None:
        out.write(f"{RED}{text.rstrip()}{PLAIN}\n")

    return write


def _has_colour(out: TextIO) -> bool:
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@contextmanager
def _interrupts(interpreter: Interpreter) -> Iterator[None]:
    """Ctrl-C stops a running machine, and ends any other command.

    Only the main thread can have that; elsewhere nothing changes.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        session = interpreter.session
        if session.is_running and isinstance(session.machine, Interruptible):
            session.machine.request_interrupt()
        else:
            raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGINT, interrupt)
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def history_file() -> Path | None:
    """Where the prompt's history is kept, by the platform's habit; None where it can't be."""
    try:
        if sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Application Support"
        else:
            base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        path = base / "ntgate" / "kd_history"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except (OSError, RuntimeError):  # RuntimeError: there is no home folder
        return None
    return path
