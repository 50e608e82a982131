"""`.process`, `.thread`, `|`, `~`, `.reload`: which process and thread commands look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.errors import KdError
from ntgate.debug.processes import (
    find_process,
    find_thread,
    image_name,
    implicit_process,
    implicit_thread,
    owner,
    processes,
    saved_registers,
    threads,
)
from ntgate.debug.records import Record
from ntgate.debug.registers import state
from ntgate.debug.session import Session
from ntgate.layout.ke import TERMINATED


def look_from(session: Session, process: Record) -> None:
    """Have commands see a process's memory and modules."""
    directory = process["Pcb.DirectoryTableBase"]
    if not directory:
        raise KdError(f"Process {process.address:08x} has no address space any more")
    session.look_from(process.address, directory)


def look_at(session: Session, thread: Record) -> None:
    """Have commands see a thread's registers; raises KdError for one that has ended."""
    if thread["Tcb.State"] == TERMINATED:
        raise KdError(f"Thread {thread.address:08x} has ended: it has no registers")
    saved = saved_registers(thread)
    session.look_at_thread(thread.address)
    if saved is None:
        session.target.reset()
    else:
        session.target.use(saved)


@command(
    ".process",
    help="Choose the process whose memory commands see; alone, the processor's",
    usage=".process [/p] [/r] [EPROCESS | ID]",
)
def choose_process(session: Session, args: Arguments) -> Iterable[str]:
    _take_switches(args)
    if args:
        address = args.take_address()
        args.finish()
        look_from(session, find_process(session, address))
    else:
        session.look_from(None, None)
    yield f"Implicit process is now {implicit_process(session).address:08x}"


def _take_switches(args: Arguments) -> str:
    """WinDbg's `/p` and `/r`: here memory and modules always go with the process."""
    found = ""
    while switch := args.take_option("/([a-zA-Z]+)"):
        found += switch[1]
    return found


@command(
    ".thread",
    help="Choose the thread whose registers and stack commands see; alone, the processor's",
    usage=".thread [/p] [/r] [ETHREAD | ID]\n/p: its process too",
)
def choose_thread(session: Session, args: Arguments) -> Iterable[str]:
    switches = _take_switches(args)
    if args:
        address = args.take_address()
        args.finish()
        thread = find_thread(session, address)
        look_at(session, thread)
        if "p" in switches:
            look_from(session, owner(session, thread))
    else:
        session.leave_context()
    yield f"Implicit thread is now {implicit_thread(session).address:08x}"


@command(
    "|",
    help="List the processes, or choose one",
    usage="|            all of them\n|NUMBERs     choose one by its number in the list",
)
def list_processes(session: Session, args: Arguments) -> Iterable[str]:
    known = list(processes(session))
    chosen = _take_number(args, len(known), "process")
    if chosen is not None:
        look_from(session, known[chosen])
        yield f"Implicit process is now {known[chosen].address:08x}"
        return
    current = implicit_process(session).address
    for number, process in enumerate(known):
        mark = "." if process.address == current else " "
        identity = f"id: {process['UniqueProcessId']:x}"
        yield f"{mark} {number:2}  {identity:<8} {process.address:08x}  name: {image_name(process)}"


@command(
    "~",
    help="List the threads of the process that is looked at, or choose one",
    usage="~            all of them\n~NUMBERs     choose one by its number in the list\n"
    "~* COMMAND, ~NUMBER COMMAND    run a command for each, for one",
)
def list_threads(session: Session, args: Arguments) -> Iterable[str]:
    process = implicit_process(session)
    known = list(threads(process))
    if args.rest.startswith("*") and args.rest[1:].strip():
        yield from _for_each(session, known, args.rest[1:].strip())
        return
    if args.rest == "*":
        args.take_rest()
    chosen = _take_number(args, len(known), "thread")
    if chosen is not None:
        yield from _choose_or_run(session, known, chosen, args)
        return
    current = implicit_thread(session).address
    for number, thread in enumerate(known):
        yield _thread_row(number, thread, current)


def _thread_row(number: int, thread: Record, current: int) -> str:
    mark = "." if thread.address == current else " "
    identity = f"{thread['Cid.UniqueProcess']:x}.{thread['Cid.UniqueThread']:x}"
    frozen = "Frozen" if thread["Tcb.FreezeCount"] else "Unfrozen"
    return (
        f"{mark} {number:2}  Id: {identity} Suspend: {thread['Tcb.SuspendCount']} "
        f"Teb: {thread['Tcb.Teb']:08x} {frozen}"
    )


def _take_number(args: Arguments, count: int, what: str) -> int | None:
    """The number behind `|` or `~`, with the `s` of WinDbg's `~0s` taken off."""
    if not args:
        return None
    word = args.take_option(r"([0-9]+)s?")
    if word is None:
        raise args.mistake()
    number = int(word[1][:6])
    if number >= count:
        raise KdError(f"^ Illegal {what} error in '{args.line}': there are {count}")
    return number


def _choose_or_run(
    session: Session, known: list[Record], number: int, args: Arguments
) -> Iterator[str]:
    if args:
        yield from _for_each(session, [known[number]], args.take_rest())
        return
    look_at(session, known[number])
    look_from(session, owner(session, known[number]))
    yield from state(session)


def _for_each(session: Session, chosen: list[Record], text: str) -> Iterator[str]:
    """Run a command line as if each thread had been chosen, and go back."""
    if session.target.is_saved_context:
        raise KdError("`.trap`, `.cxr` or `.thread` is in the way: .thread goes back")
    before = implicit_process(session)
    current = implicit_thread(session).address
    try:
        for number, thread in enumerate(chosen):
            if thread["Tcb.State"] == TERMINATED:
                continue
            look_at(session, thread)
            look_from(session, owner(session, thread))
            yield ""
            yield _thread_row(number, thread, current)
            yield from session.run(text)
    finally:
        session.leave_context()
        look_from(session, before)


@command(
    ".reload",
    help="Load symbols again: they are always those of what is in memory",
    usage=".reload [/user] [/f] [MODULE]",
)
def reload_symbols(session: Session, args: Arguments) -> Iterable[str]:
    args.take_rest()
    count = len(session.machine.symbols.modules)
    yield f"Symbols follow the machine by themselves: {count} modules are known"


