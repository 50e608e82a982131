"""What happens in the machine that is no system call, for whoever listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

from ntgate.records import dataclass


@dataclass(frozen=True)
class Event:
    """`pid` and `tid` of the thread that it happened in; 0 for none."""

    pid: int
    tid: int


@dataclass(frozen=True)
class ProcessStart(Event):
    """`command_line`: empty where it is written later, behind NtCreateProcess."""

    image: str
    parent: int
    command_line: str


@dataclass(frozen=True)
class ProcessExit(Event):
    status: int


@dataclass(frozen=True)
class ThreadStart(Event):
    start_address: int


@dataclass(frozen=True)
class ThreadExit(Event):
    status: int


@dataclass(frozen=True)
class ModuleLoad(Event):
    name: str
    base: int
    size: int
    directory: int  # CR3 of the process
    image: bytes = field(repr=False)  # the PE file


@dataclass(frozen=True)
class ModuleUnload(Event):
    base: int


@dataclass(frozen=True)
class CodeStart(Event):
    """Memory that is no image's runs for the first time, 64 pages around.

    `base` and `size` are the region's, `protection` is the page's PAGE_*.  `memory`: "private",
    "mapped" for a view of a section, "image" for a page that the program has written and can
    still write.
    """

    address: int
    base: int
    size: int
    protection: int
    memory: str


@dataclass(frozen=True)
class GuestException(Event):
    """An exception on its way to ring 3; the second chance ends the process."""

    code: int
    address: int
    parameters: tuple[int, ...]
    first_chance: bool


@dataclass(frozen=True)
class DebugPrint(Event):
    text: str


@dataclass(frozen=True)
class HardError(Event):
    """A hard error that was answered without a hard error port."""

    status: int
    parameters: tuple[int | str, ...]
    response: int  # HARDERROR_RESPONSE


@dataclass(frozen=True)
class DialogAnswered(Event):
    """A dialog box that nobody saw: what it said, and the button that was pressed in it.

    An empty `answer` is that it was closed.
    """

    title: str
    text: str
    answer: str


@dataclass(frozen=True)
class Unimplemented(Event):
    """A call of a service that has no function; it got STATUS_NOT_IMPLEMENTED."""

    service: str
    number: int


@dataclass(frozen=True)
class FileChange(Event):
    """A file of a volume is `written`, `deleted` or `renamed`; `path` is the guest's.

    Of a rename, `previous` is the old name.  `host`: below a write-through mount, so that the
    host has the change too.
    """

    action: str
    path: str
    host: bool
    previous: str = ""


@dataclass(frozen=True)
class PathDenied(Event):
    """A name that would lead out of what the guest was given; it got an error."""

    path: str
    reason: str


Listener = Callable[[Event], None]


class Events:
    """The listeners of one machine, called in the order in which they came."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Returns what ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def emit(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)
