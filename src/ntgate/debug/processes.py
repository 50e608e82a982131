"""Processes and threads as the kernel's own lists have them, and which one is looked at."""

from __future__ import annotations

from collections.abc import Iterator

from ntgate.debug import peek
from ntgate.debug.errors import KdError
from ntgate.debug.records import Record, list_entries
from ntgate.debug.session import Session
from ntgate.debug.target import Unreadable
from ntgate.layout.ke import PROCESS_OBJECT, THREAD_OBJECT
from ntgate.layout.machine import (
    KPCR_ADDRESS,
    MM_SYSTEM_RANGE_START,
    NPX_FRAME_LENGTH,
    TRAP_FRAME_LENGTH,
)

_FIRST_FRAME = NPX_FRAME_LENGTH + TRAP_FRAME_LENGTH  # below KTHREAD.InitialStack


def record(session: Session, name: str, address: int) -> Record:
    """A structure in the address space that is looked at."""
    return Record(session.target, session.types, name, address)


def symbol(session: Session, name: str) -> int:
    """The address of a name; raises KdError."""
    address = session.machine.symbols.lookup(name)
    if address is None:
        raise KdError(f"Couldn't resolve error at '{name}'")
    return address


def processes(session: Session) -> Iterator[Record]:
    """The EPROCESSes on PsActiveProcessHead."""
    offset = session.types.offset("_EPROCESS", "ActiveProcessLinks")
    for entry in list_entries(session.target, symbol(session, "nt!PsActiveProcessHead")):
        yield record(session, "_EPROCESS", entry - offset)


def threads(process: Record) -> Iterator[Record]:
    """The ETHREADs on a process's ThreadListHead."""
    return process.list("_ETHREAD", "ThreadListHead", "ThreadListEntry")


def implicit_process(session: Session) -> Record:
    """The EPROCESS that is looked at: that of `.process`, else the processor's."""
    return record(session, "_EPROCESS", session.evaluator.address("@$proc"))


def implicit_thread(session: Session) -> Record:
    """The ETHREAD that is looked at: that of `.thread`, else the processor's."""
    return record(session, "_ETHREAD", session.evaluator.address("@$thread"))


def find_process(session: Session, number: int) -> Record:
    """A process by its EPROCESS or its id; raises KdError."""
    if number >= MM_SYSTEM_RANGE_START:
        return _checked(session, "_EPROCESS", number, PROCESS_OBJECT)
    for process in processes(session):
        if process["UniqueProcessId"] == number:
            return process
    raise KdError(f"Can't find a process with id {number:x}")


def find_thread(session: Session, number: int) -> Record:
    """A thread by its ETHREAD or its id; raises KdError."""
    if number >= MM_SYSTEM_RANGE_START:
        return _checked(session, "_ETHREAD", number, THREAD_OBJECT)
    for process in processes(session):
        for thread in threads(process):
            if thread["Cid.UniqueThread"] == number:
                return thread
    raise KdError(f"Can't find a thread with id {number:x}")


def owner(session: Session, thread: Record) -> Record:
    """The process of a thread."""
    return record(session, "_EPROCESS", thread["ThreadsProcess"])


def image_name(process: Record) -> str:
    """ImageFileName, at most 16 characters."""
    raw = peek.readable(process.target, process.at("ImageFileName"), 16)
    return raw.split(b"\0")[0].decode("latin-1")


def _checked(session: Session, name: str, address: int, kind: int) -> Record:
    found = record(session, name, address)
    what = name.removeprefix("_E").capitalize()
    try:
        is_one = peek.number(session.target, address, 1) == kind
    except Unreadable:
        raise KdError(f"Could not read {what} {address:08x}") from None
    if not is_one:
        raise KdError(f"TYPE mismatch for {what.lower()} object at {address:08x}")
    return found


def is_running(thread: Record) -> bool:
    """Whether the processor runs this thread."""
    pcr = Record(thread.target, thread.types, "_KPCR", KPCR_ADDRESS)
    return pcr["PrcbData.CurrentThread"] == thread.address


def saved_registers(thread: Record) -> dict[str, int] | None:
    """Those that a thread which does not run left on its kernel stack; None for the current one.

    Of the general registers the switch keeps edi, esi, ebx and ebp (entry/context_switch.asm),
    the others are shown as 0;
    KernelStack points at the ExceptionList, EFLAGS and the return address behind them.
    """
    target = thread.target
    if is_running(thread):
        return None
    stack = thread["Tcb.KernelStack"]
    eflags, eip = (peek.number(target, stack + offset) for offset in (4, 8))
    esp = stack + 0xC
    saved = dict.fromkeys(("eax", "ecx", "edx", "gs"), 0)
    saved.update(eip=eip, esp=esp, efl=eflags, cs=8, ss=0x10, ds=0x23, es=0x23, fs=0x30)
    found = target.symbols.nearest(eip)
    if found is not None and found.symbol is not None and found.symbol.name == "KiSwapContext":
        names = ("edi", "esi", "ebx", "ebp")
        saved.update({name: peek.number(target, esp + 4 * at) for at, name in enumerate(names)})
    else:  # it has never run: its first frame lies ready at the top
        saved["ebp"] = thread["Tcb.InitialStack"] - _FIRST_FRAME
    return saved

