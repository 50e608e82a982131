"""What happens in the machine, as WinDbg names and prints it."""

from __future__ import annotations

from ntgate.debug.symbols import SymbolTable
from ntgate.debug.target import GuestEvent
from ntgate.executive.events import (
    Event,
    ModuleLoad,
    ModuleUnload,
    ProcessExit,
    ProcessStart,
    ThreadExit,
    ThreadStart,
)
from ntgate.layout import ntstatus as s

# (WinDbg's code, exception code, name); the first of a code names it.
EXCEPTIONS = (
    ("asrt", s.STATUS_ASSERTION_FAILURE, "Assertion failure"),
    ("av", s.STATUS_ACCESS_VIOLATION, "Access violation"),
    ("bpe", s.STATUS_BREAKPOINT, "Break instruction exception"),
    ("ch", s.STATUS_INVALID_HANDLE, "Invalid handle"),
    ("clr", 0xE0434F4D, "CLR exception"),
    ("dm", s.STATUS_DATATYPE_MISALIGNMENT, "Data misaligned"),
    ("dz", s.STATUS_INTEGER_DIVIDE_BY_ZERO, "Integer divide-by-zero"),
    ("eh", 0xE06D7363, "C++ EH exception"),
    ("gp", s.STATUS_GUARD_PAGE_VIOLATION, "Guard page violation"),
    ("ii", s.STATUS_ILLEGAL_INSTRUCTION, "Illegal instruction"),
    ("ip", s.STATUS_IN_PAGE_ERROR, "In-page I/O error"),
    ("iov", s.STATUS_INTEGER_OVERFLOW, "Integer overflow"),
    ("isc", s.STATUS_INVALID_SYSTEM_SERVICE, "Invalid system call"),
    ("lsq", s.STATUS_INVALID_LOCK_SEQUENCE, "Invalid lock sequence"),
    ("pi", s.STATUS_PRIVILEGED_INSTRUCTION, "Privileged instruction violation"),
    ("sbo", s.STATUS_STACK_BUFFER_OVERRUN, "Security check failure or stack buffer overrun"),
    ("sov", s.STATUS_STACK_OVERFLOW, "Stack overflow"),
    ("sse", s.STATUS_SINGLE_STEP, "Single step exception"),
)
_NAMES = {code: name for _short, code, name in EXCEPTIONS}


def exception_name(code: int) -> str:
    return _NAMES.get(code, "Unknown exception")


def describe(event: Event, symbols: SymbolTable) -> GuestEvent | None:
    """An event that is no exception; None for one that a debugger does not tell of."""
    pid, tid = event.pid, event.tid
    match event:
        case ModuleLoad():
            text = f"ModLoad: {event.base:08x} {event.base + event.size:08x}   {event.name}"
            return GuestEvent("ld", text, pid, tid, event.name)
        case ModuleUnload():
            module = symbols.module_at(event.base)
            name = module.image_name if module is not None else f"{event.base:08x}"
            return GuestEvent("ud", f"Unload module {name} at {event.base:08x}", pid, tid, name)
        case ThreadStart():
            text = f"Create thread {pid:x}.{tid:x}"
            return GuestEvent("ct", text, pid, tid)
        case ThreadExit():
            text = f"Exit thread {pid:x}.{tid:x}, code {event.status:x}"
            return GuestEvent("et", text, pid, tid)
        case ProcessStart():
            text = f"Create process {pid:x}  {event.image}"
            return GuestEvent("cpr", text, pid, tid, event.image)
        case ProcessExit():
            text = f"Exit process {pid:x}, code {event.status:x}"
            return GuestEvent("epr", text, pid, tid)
    return None
