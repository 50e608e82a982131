"""The machine's events as a trace shows them: a name and fields.

The first word of a name is its kind, which `-e event=` takes (trace/filters.py).
"""

from __future__ import annotations

from typing import Any

from ntgate.executive.events import (
    CodeStart,
    DebugPrint,
    DialogAnswered,
    Event,
    FileChange,
    GuestException,
    HardError,
    ModuleLoad,
    ModuleUnload,
    PathDenied,
    ProcessExit,
    ProcessStart,
    ThreadExit,
    ThreadStart,
    Unimplemented,
)
from ntgate.layout.ntstatus import STATUS_ACCESS_VIOLATION, STATUS_IN_PAGE_ERROR
from ntgate.trace.places import ProcessPlaces
from ntgate.trace.scalars import exit_status, flags, hexadecimal, status
from ntgate.trace.tracer import Tracer
from ntgate.trace.values import Clipped, Word

ACCESSES = {0: "read", 1: "write", 8: "execute"}  # of EXCEPTION_RECORD's first parameter


# Codes of compilers and of Wine, which are no NTSTATUS.
OWN_CODES = {
    0xE06D7363: "Visual C++", 0x406D1388: "a thread's name", 0xE0434352: ".NET",
    0x0EEDFADE: "Delphi", 0x20474343: "GCC", 0x80000100: "Wine lacks a function",
    0x80000101: "Wine's assertion",
}  # fmt: skip


def pass_on(tracer: Tracer, event: Event, string_limit: int) -> None:
    """Tell a tracer what has happened; its places follow the modules."""
    places, pid = tracer.places.process(event.pid), event.pid
    if isinstance(event, ModuleLoad):
        places.load(event.base, event.size, event.name, event.image)
    told = describe(event, places, string_limit)
    if told is not None:
        tracer.event(pid, event.tid, *told)
    if isinstance(event, ModuleUnload):
        places.unload(event.base)


def describe(
    event: Event, places: ProcessPlaces, string_limit: int
) -> tuple[str, dict[str, Any]] | None:
    """None for what is no line of a trace; string_limit: characters of a command line to show."""
    match event:
        case ProcessStart():
            return "process start", {
                "image": event.image, "parent": event.parent,
                **_command_line(event.command_line, string_limit),
            }  # fmt: skip
        case ProcessExit():
            return "process exit", {"status": exit_status(event.status)}
        case ThreadStart():
            return "thread start", _place("start", event.start_address, places)
        case ThreadExit():
            return "thread exit", {"status": exit_status(event.status)}
        case ModuleLoad():
            again = {"again": True} if places.has_copies(event.name) else {}
            return "module load", {
                "name": event.name, "base": hexadecimal(event.base),
                "size": hexadecimal(event.size), **again,
            }  # fmt: skip
        case ModuleUnload():
            return "module unload", {
                "name": places.file_name(event.base), "base": hexadecimal(event.base),
            }  # fmt: skip
        case CodeStart():
            return "code start", {
                "address": Word(places.symbol(event.address)), "base": hexadecimal(event.base),
                "size": hexadecimal(event.size),
                "protect": flags(event.protection, "PAGE_PROTECTION"),
                "memory": Word(event.memory),
            }  # fmt: skip
        case GuestException():
            return "exception", _exception(event, places)
        case DebugPrint():
            return "debug print", {"text": event.text}
        case HardError():
            return "hard error", {
                "status": status(event.status),
                "parameters": [
                    value if isinstance(value, str) else hexadecimal(value)
                    for value in event.parameters
                ],
                "response": event.response,
            }
        case DialogAnswered():
            return "dialog answered", {
                "title": event.title, "text": event.text, "answer": event.answer,
            }  # fmt: skip
        case FileChange() if event.action == "renamed":
            return "file renamed", {"path": event.path, "previous": event.previous}
        case FileChange():
            return f"file {event.action}", {"path": event.path}
        case PathDenied():
            return "file denied", {"path": event.path, "reason": event.reason}
        case Unimplemented():
            return "unimplemented service", {"name": event.service, "number": event.number}
    return None


def _command_line(text: str, limit: int) -> dict[str, Any]:
    if not text:
        return {}
    return {"command_line": text if len(text) <= limit else Clipped(text[:limit])}


def _place(key: str, address: int, places: ProcessPlaces) -> dict[str, Any]:
    """An address by its symbol; one in no image says so."""
    fields: dict[str, Any] = {key: Word(places.symbol(address))}
    if places.module_at(address) is None:
        fields["in_image"] = False
    return fields


def _code(code: int) -> Word:
    known = OWN_CODES.get(code)
    return Word(f"{code:#x} ({known})") if known else status(code)


def _exception(event: GuestException, places: ProcessPlaces) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "code": _code(event.code),
        **_place("address", event.address, places),
    }
    faults = (STATUS_ACCESS_VIOLATION, STATUS_IN_PAGE_ERROR)
    if event.code in faults and len(event.parameters) > 1:
        access = ACCESSES.get(event.parameters[0])
        fields["access"] = Word(access or hexadecimal(event.parameters[0]))
        fields["target"] = hexadecimal(event.parameters[1])
    elif event.parameters:
        fields["parameters"] = [hexadecimal(value) for value in event.parameters]
    fields["chance"] = Word("first" if event.first_chance else "second")
    return fields
