"""`.logopen`, `.writemem`, `.readmem`, `$<`: files of the host."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ntgate.debug import peek
from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.errors import KdError
from ntgate.debug.session import Session

_LARGEST = 0x10000000
_LARGEST_SCRIPT = 0x100000


def _take_path(args: Arguments) -> Path:
    """A file's name, in quotes where it has blanks."""
    quoted = args.take_string() if args.rest.startswith('"') else None
    name = args.take_word() if quoted is None else quoted
    if not name:
        raise args.mistake()
    return Path(name)


def _open_log(session: Session, args: Arguments, mode: str) -> Iterable[str]:
    args.take_option("/[tu]")
    path = _take_path(args)
    args.finish()
    _close(session)
    try:
        session.log = open(path, mode, encoding="utf-8")  # noqa: SIM115  (until .logclose)
    except OSError as error:
        raise KdError(f"can't write {path}: {error.strerror}") from None
    yield f"Opened log file '{path}'"


@command(".logopen", help="Write what is typed and shown to a file too", usage=".logopen FILE")
def open_log(session: Session, args: Arguments) -> Iterable[str]:
    return _open_log(session, args, "w")


@command(".logappend", help="As .logopen, at the end of a file", usage=".logappend FILE")
def append_log(session: Session, args: Arguments) -> Iterable[str]:
    return _open_log(session, args, "a")


@command(".logclose", help="Close the log file", usage=".logclose")
def close_log(session: Session, args: Arguments) -> Iterable[str]:
    args.finish()
    name = _close(session)
    if not name:
        raise KdError("No log file open")
    yield f"Closing open log file {name}"


@command(".logfile", help="Show whether there is a log file", usage=".logfile")
def show_log(session: Session, args: Arguments) -> Iterable[str]:
    args.finish()
    yield f"Log '{session.log.name}' open" if session.log is not None else "No log file open"


def _close(session: Session) -> str:
    log = session.log
    session.log = None
    if log is None:
        return ""
    try:
        log.close()
    except OSError as error:
        raise KdError(f"can't write {log.name}: {error.strerror}") from None
    return str(log.name)


@command(".writemem", help="Write memory to a file", usage=".writemem FILE ADDRESS [L COUNT]")
def write_memory(session: Session, args: Arguments) -> Iterable[str]:
    path = _take_path(args)
    found = args.take_range(1, 0x80)
    args.finish()
    data = b"".join(piece for _at, piece in peek.chunks(session.target, found.address, found.size))
    if len(data) != found.size:
        hole = peek.readable(session.target, found.address, found.size)
        raise KdError(f"Unable to read memory at {found.address + len(hole):08x}, file not written")
    try:
        path.write_bytes(data)
    except OSError as error:
        raise KdError(f"can't write {path}: {error.strerror}") from None
    yield f"Writing {len(data):x} bytes"


@command(".readmem", help="Read memory from a file", usage=".readmem FILE ADDRESS [L COUNT]")
def read_memory(session: Session, args: Arguments) -> Iterable[str]:
    path = _take_path(args)
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST)
    except OSError as error:
        raise KdError(f"can't read {path}: {error.strerror}") from None
    found = args.take_range(1, len(data))
    args.finish()
    if found.size > len(data):
        raise KdError(f"{path} has {len(data):x} bytes only")
    session.target.write(found.address, data[: found.size])
    yield f"Reading {found.size:x} bytes"


def _script(args: Arguments) -> list[str]:
    path = _take_path(args)
    args.finish()
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_LARGEST_SCRIPT).splitlines()
    except OSError as error:
        raise KdError(f"Command file execution failed: {path}: {error.strerror}") from None


@command("$<", "$$<", help="Run the lines of a file as commands", usage="$<FILE")
def run_script(session: Session, args: Arguments) -> Iterable[str]:
    for line in _script(args):
        yield from session.run(line)
        if session.has_failed() or session.is_leaving:
            return


@command("$><", "$$><", help="Run the lines of a file as one command line", usage="$$><FILE")
def run_joined_script(session: Session, args: Arguments) -> Iterable[str]:
    yield from session.run(";".join(line for line in _script(args) if line.strip()))
