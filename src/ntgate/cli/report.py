"""What is told about a run at its end: lines on stderr, and the data of a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ntgate.cli.complain import complain
from ntgate.cli.needed_dlls import NeededDlls
from ntgate.dispatch.dispatcher import Observer
from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.tables import ServiceNumber
from ntgate.executive.events import (
    DialogAnswered,
    Event,
    FileChange,
    GuestException,
    HardError,
    ModuleLoad,
    ModuleUnload,
    PathDenied,
    Unimplemented,
)
from ntgate.layout.ntstatus import (
    SEVERITY_ERROR,
    STATUS_ACCESS_VIOLATION,
    STATUS_DLL_NOT_FOUND,
)
from ntgate.layout.status_names import name_of
from ntgate.trace.peek import Peek
from ntgate.trace.places import Places

if TYPE_CHECKING:
    from ntgate.executive.ps.thread import Process
    from ntgate.machine import Machine

ACCESSES = {0: "read of", 1: "write to", 8: "execution of"}
EXCEPTION_WINE_STUB = 0x80000100  # of a function that Wine lacks: its DLL's name and its own
LONGEST_NAME = 256


class CallCounter:
    """Counts every call by name, and passes it on to another observer."""

    def __init__(self, other: Observer | None) -> None:
        self.counts: Counter[str] = Counter()
        self._other = other

    def enter(self, caller: Any, number: ServiceNumber, raw: Sequence[int]) -> Outcome | None:
        self.counts[number.name] += 1
        return self._other.enter(caller, number, raw) if self._other is not None else None

    def leave(self, caller: Any, number: ServiceNumber, status: int | None) -> None:
        if self._other is not None:
            self._other.leave(caller, number, status)


class Report:
    """Listens to a machine from before its first program on."""

    command: list[str]
    ended = "exit"  # or: time limit, interrupted, stuck

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._calls: CallCounter | None = None
        self._modules = Places()
        self._needed = NeededDlls()
        self._missing: Counter[str] = Counter()
        self._last: dict[int, GuestException] = {}  # of each process
        self._lacked: dict[int, str] = {}  # the function of such an exception
        self._written: dict[str, bool] = {}  # path: whether the host has it
        self._deleted: dict[str, bool] = {}
        self._denied: list[PathDenied] = []
        self._dialogs: list[DialogAnswered] = []
        machine.events.listen(self._heard)

    def count_calls(self) -> None:
        """Once the observers of the calls are there: counting them takes one more."""
        dispatcher = self._machine.dispatcher
        self._calls = dispatcher.observer = CallCounter(dispatcher.observer)

    def print(self, process: Process) -> None:
        """To stderr, nothing where all went well."""
        lines = []
        if self.ended == "time limit":
            lines.append("time limit: the program was ended")
        elif self.ended == "stuck":
            lines.append("every thread waits for what can't come: the program was ended")
        elif process.exited:
            lines += self._failure(process)
            status = process.exit_status
            if not lines and status and not status & 0xFF:
                lines.append(f"the program's exit code is {status} ({status:#x})")
        if self._missing:
            listed = ", ".join(f"{name} ({count})" for name, count in sorted(self._missing.items()))
            lines.append(f"not implemented: {listed}")
        for line in lines:
            complain(f"ntgate: {line}")

    def data(self, process: Process, code: int) -> dict[str, object]:
        """The report: equal runs have equal ones."""
        calls = self._calls.counts if self._calls is not None else Counter()
        exited = process.exited
        failed = exited and process.exit_status >= SEVERITY_ERROR
        return {
            "command": self.command,
            "ended": self.ended,
            "exit_code": code,
            "exit_status": process.exit_status if exited else None,
            "exit_status_name": name_of(process.exit_status) if failed else None,
            "unhandled_exception": self._exception(process),
            "services": dict(sorted(calls.items())),
            "unimplemented": dict(sorted(self._missing.items())),
            "files_written": _files(self._written),
            "files_deleted": _files(self._deleted),
            "dialogs": [
                {"title": event.title, "text": event.text, "answer": event.answer}
                for event in self._dialogs
            ],
            "denied": [{"path": event.path, "reason": event.reason} for event in self._denied],
        }

    # What happens.

    def _heard(self, event: Event) -> None:
        if isinstance(event, Unimplemented):
            self._missing[event.service] += 1
        elif isinstance(event, HardError):
            complain(f"ntgate: hard error {_hard_error(event)}")
        elif isinstance(event, DialogAnswered):
            self._dialogs.append(event)
            complain(f"ntgate: {_dialog(event)}")
        elif isinstance(event, GuestException):
            self._last[event.pid] = event
            if event.code == EXCEPTION_WINE_STUB:
                self._lacked[event.pid] = self._names(event.pid, event.parameters)
        elif isinstance(event, ModuleLoad):
            self._modules.process(event.pid).load(event.base, event.size, event.name, event.image)
            self._needed.load(event.pid, event.name, event.image)
        elif isinstance(event, ModuleUnload):
            self._modules.process(event.pid).unload(event.base)
        elif isinstance(event, PathDenied):
            self._denied.append(event)
        elif isinstance(event, FileChange):
            self._changed(event)

    def _changed(self, event: FileChange) -> None:
        if event.action == "deleted":
            self._written.pop(event.path, None)
            self._deleted[event.path] = event.host
            return
        if event.previous and self._written.pop(event.previous, None) is None:
            self._deleted[event.previous] = event.host
        self._deleted.pop(event.path, None)
        self._written[event.path] = event.host

    # The exception that ended the process.

    def _unhandled(self, process: Process) -> GuestException | None:
        """The last one, where the process ended with its code: an error's, or a warning's such
        as that of a breakpoint."""
        last = self._last.get(process.pid)
        if not process.exited or last is None or last.code != process.exit_status:
            return None
        return last

    def _failure(self, process: Process) -> list[str]:
        event = self._unhandled(process)
        if event is None:
            # A status without a name is an exit code of the program's own, such as -1.
            text = _status(process.exit_status)
            is_error = process.exit_status >= SEVERITY_ERROR and " " in text
            if process.exit_status == STATUS_DLL_NOT_FOUND:
                missing = self._needed.missing(process.pid)
                text += f": there is no 32-bit {missing}" if missing else ""
            return [f"the program ended with {text}"] if is_error else []
        place = self._modules.process(event.pid).place(event.address)
        said = f"unhandled exception {_status(event.code)} at {place}{_access(event)}"
        lacked = self._lacked.get(event.pid) if event.code == EXCEPTION_WINE_STUB else ""
        return [f"{said} (Wine has no {lacked})" if lacked else said]

    def _names(self, pid: int, parameters: tuple[int, ...]) -> str:
        """A DLL and its function, as both are named in the memory of the thread that runs.

        Nobody may have read the page of a DLL's names yet: its file has them too.
        """
        peek = Peek(self._machine.executive.processes.current.memory)
        modules = self._modules.process(pid)
        names = []
        for address in parameters:
            module = modules.module_at(address)
            on_disk = module.on_disk(address, LONGEST_NAME) if module is not None else b""
            names.append(peek.available(address, LONGEST_NAME) or on_disk)
        texts = [name.partition(b"\0")[0].decode("latin-1") for name in names]
        return "!".join(texts) if all(texts) and all(map(str.isprintable, texts)) else ""

    def _exception(self, process: Process) -> dict[str, object] | None:
        event = self._unhandled(process)
        if event is None:
            return None
        return {
            "code": event.code,
            "name": name_of(event.code),
            "address": event.address,
            "place": self._modules.process(event.pid).place(event.address),
            "parameters": list(event.parameters),
            "thread": event.tid,
        }


def _status(status: int) -> str:
    name = name_of(status)
    number = f"{status:08x}"
    return number if name.lower().removeprefix("0x") == number else f"{number} {name}"


def _access(event: GuestException) -> str:
    if event.code != STATUS_ACCESS_VIOLATION or len(event.parameters) < 2:
        return ""
    kind, address = event.parameters[:2]
    return f" ({ACCESSES.get(kind, 'access to')} {address:08x})"


def _hard_error(event: HardError) -> str:
    parameters = ", ".join(
        value if isinstance(value, str) else f"{value:x}" for value in event.parameters
    )
    return f"{_status(event.status)}: {parameters}" if parameters else _status(event.status)


def _dialog(event: DialogAnswered) -> str:
    """In one line, whatever the box says."""
    title, text = (" ".join(part.split()) for part in (event.title, event.text))
    said = f"dialog box {title!r}" + (f": {text}" if text else "")
    done = f"pressed {event.answer!r}" if event.answer else "closed it"
    return "".join(unit if unit.isprintable() else "?" for unit in f"{said} - {done}")


def _files(found: dict[str, bool]) -> list[dict[str, object]]:
    return [{"path": path, "on_host": found[path]} for path in sorted(found)]
