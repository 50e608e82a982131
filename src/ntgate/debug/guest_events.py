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

# (WinDbg's code, exception code, name); the first of a code names it.
EXCEPTIONS = (
    ("asrt", 0xC0000420, "Assertion failure"),
    ("av", 0xC0000005, "Access violation"),
    ("bpe", 0x80000003, "Break instruction exception"),
    ("ch", 0xC0000008, "Invalid handle"),
    ("clr", 0xE0434F4D, "CLR exception"),
    ("dm", 0x80000002, "Data misaligned"),
    ("dz", 0xC0000094, "Integer divide-by-zero"),
    ("eh", 0xE06D7363, "C++ EH exception"),
    ("gp", 0x80000001, "Guard page violation"),
    ("ii", 0xC000001D, "Illegal instruction"),
    ("ip", 0xC0000006, "In-page I/O error"),
    ("iov", 0xC0000095, "Integer overflow"),
    ("isc", 0xC000001C, "Invalid system call"),
    ("lsq", 0xC000001E, "Invalid lock sequence"),
    ("pi", 0xC0000096, "Privileged instruction violation"),
    ("sbo", 0xC0000409, "Security check failure or stack buffer overrun"),
    ("sov", 0xC00000FD, "Stack overflow"),
    ("sse", 0x80000004, "Single step exception"),
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
