"""Windows that nobody sees: classes, windows and the message queues of threads.

They belong to the host's side: XP keeps them in win32k's own memory, which nothing here reads.
A queue's dispatcher header stands in the guest's pool, for the waits on messages.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import field

from ntgate.executive.ke.wait import Waits
from ntgate.executive.pool import Pool
from ntgate.executive.ps.thread import Process, Thread
from ntgate.layout import lists
from ntgate.layout.ke import DISPATCHER_HEADER, NOTIFICATION_EVENT
from ntgate.layout.user import (
    CS_GLOBALCLASS,
    WM_QUIT,
    WM_REGISTERED,
    WM_TIMER,
    WM_USER,
    WS_CHILD,
    WS_CLIPCHILDREN,
    WS_CLIPSIBLINGS,
    WS_POPUP,
    WS_VISIBLE,
)
from ntgate.memory.kernel import KernelMemory
from ntgate.records import dataclass

DESKTOP_WINDOW, FIRST_HANDLE, HANDLE_STEP = 0x10010, 0x10020, 2
DESKTOP_CLASS, DESKTOP_ATOM = "#32769", 32769
WIDTH, HEIGHT = 1024, 768  # of the screen, in dots
FIRST_ATOM, ATOMS = 0xC100, 0x3E00
MOST_POSTED = 10000


Rectangle = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(eq=False)
class WindowClass:
    """`fields` are WNDCLASSEXW's 12 dwords; `menu_name` Wine's three pointers."""

    atom: int
    name: str  # in lower case
    given_name: str
    fields: list[int]
    menu_name: bytes
    unicode: bool
    process: Process
    extra: bytearray
    windows: int = 0


@dataclass(eq=False)
class Window:
    """`rectangle` is left, top, right, bottom on the screen.

    closing: of a console's window, which the kernel answers for; what WM_CLOSE does.  started:
    the process and the thread whom such a window is said to be of, where it is a program's.
    """

    handle: int
    window_class: WindowClass
    thread: Thread
    procedure: int
    unicode: bool
    style: int
    ex_style: int
    parent: int
    menu: int
    instance: int
    rectangle: tuple[int, int, int, int]
    extra: bytearray
    text: str = ""
    user_data: int = 0
    properties: dict[str, int] = field(default_factory=dict)
    dialog_info: int = 0  # what user32 keeps with a dialog box
    update: Rectangle | None = None  # what has to be painted, from the window's own corner
    erase: bool = False  # with its background
    closing: Callable[[], None] | None = None
    started: tuple[int, int] | None = None

    @property
    def owner(self) -> tuple[int, int]:
        """The ids of the process and the thread that it is of."""
        return self.started or (self.thread.pid, self.thread.tid)


@dataclass(eq=False)
class Hook:
    """A procedure for a thread of a process, or for all with `tid` 0; `kind` is WH_*."""

    handle: int
    kind: int
    procedure: int
    process: Process
    tid: int
    unicode: bool


@dataclass(eq=False)
class Sent:
    """A message that another thread waits for; `sender` is that one's queue."""

    window: int
    message: int
    wparam: int
    lparam: int
    ansi: bool
    sender: MessageQueue
    result: int | None = None


@dataclass(frozen=True)
class Message:
    """What MSG tells but the point; `time` is in milliseconds."""

    window: int
    message: int
    wparam: int
    lparam: int
    time: int


@dataclass(eq=False)
class MessageTimer:
    """Posts WM_TIMER each `period`, in 100 ns units; `due` in system time."""

    window: int
    number: int
    period: int
    procedure: int
    due: int


class MessageQueue:
    """Of one thread; `header` is signaled while there may be something for it."""

    def __init__(self, header: int, waits: Waits) -> None:
        self.header = header
        self._waits = waits
        self.posted: deque[Message] = deque()
        self.sent: deque[Sent] = deque()
        self.timers: dict[tuple[int, int], MessageTimer] = {}
        self.quit_code: int | None = None
        self.focus = self.active = 0  # windows
        self.running_hooks: list[Hook] = []

    def wake(self) -> None:
        self._waits.set_event(self.header)

    def post(self, message: Message) -> bool:
        """Whether there was room."""
        if len(self.posted) >= MOST_POSTED:
            return False
        self.posted.append(message)
        self.wake()
        return True

    def post_quit(self, code: int) -> None:
        self.quit_code = code
        self.wake()

    def take(
        self, window: int | None, first: int, last: int, now: int, time: int, *, remove: bool
    ) -> Message | None:
        """The next message of a window, of all when None, between two numbers; 0 and 0 is all."""
        for message in self.posted:
            if _fits(message.window, message.message, window, first, last):
                if remove:
                    self.posted.remove(message)
                return message
        if self.quit_code is not None and not window:
            code, self.quit_code = self.quit_code, None if remove else self.quit_code
            return Message(0, WM_QUIT, code, 0, time)
        for timer in self.timers.values():
            if timer.due <= now and _fits(timer.window, WM_TIMER, window, first, last):
                if remove:
                    timer.due = now + timer.period
                return Message(timer.window, WM_TIMER, timer.number, timer.procedure, time)
        return None

    def next_timer(self, window: int | None = None, first: int = 0, last: int = 0) -> int | None:
        """The system time at which the next timer is due whose message `take` would give."""
        times = (
            timer.due
            for timer in self.timers.values()
            if _fits(timer.window, WM_TIMER, window, first, last)
        )
        return min(times, default=None)


def _fits(at: int, number: int, window: int | None, first: int, last: int) -> bool:
    """Whether a message to the window `at` is one of those that somebody wants."""
    between = not (first or last) or first <= number <= last
    return between and (window is None or at == window)


class Windows:
    """All of the machine."""

    def __init__(self, kernel: KernelMemory, pool: Pool, waits: Waits) -> None:
        self._kernel = kernel
        self._pool = pool
        self._waits = waits
        self._queues: dict[Thread, MessageQueue] = {}
        self._windows: dict[int, Window] = {}
        self._classes: list[WindowClass] = []
        self._atoms: dict[str, int] = {}
        self._next = FIRST_HANDLE
        self.desktop: Window | None = None
        self.hooks: dict[int, Hook] = {}

    def queue(self, thread: Thread) -> MessageQueue:
        """The queue of a thread, made when it first asks.

        Raises NtError STATUS_INSUFFICIENT_RESOURCES.
        """
        queue = self._queues.get(thread)
        if queue is None:
            address = self._pool.allocate(DISPATCHER_HEADER.SIZE, b"Usqu")
            header = DISPATCHER_HEADER(self._kernel, address)
            header.Type, header.Size = NOTIFICATION_EVENT, DISPATCHER_HEADER.SIZE // 4
            lists.initialize(self._kernel, address + DISPATCHER_HEADER.WaitListHead.offset)
            queue = self._queues[thread] = MessageQueue(address, self._waits)
        return queue

    def empty(self, queue: MessageQueue) -> None:
        """What waits for the queue from now on waits for something new."""
        DISPATCHER_HEADER(self._kernel, queue.header).SignalState = 0

    def thread_ended(self, thread: Thread) -> None:
        """Its windows and its queue are gone; who waits for an answer gets 0."""
        for window in [window for window in self._windows.values() if window.thread is thread]:
            self.remove(window)
        self.hooks = {k: hook for k, hook in self.hooks.items() if hook.tid != thread.tid}
        queue = self._queues.pop(thread, None)
        if queue is not None:
            for sent in queue.sent:
                sent.result = 0
                sent.sender.wake()
            self._pool.free(queue.header)

    def process_ended(self, process: Process) -> None:
        """Its classes are gone."""
        self._classes = [row for row in self._classes if row.process is not process]

    # Classes.

    def find_class(self, process: Process, name: str | int, instance: int) -> WindowClass | None:
        """By name or atom: the process's own of that module, then a global one."""
        for wanted in (instance, None):
            for row in self._classes:
                named = row.atom == name if isinstance(name, int) else row.name == name.lower()
                if row.process is process and named:
                    common = row.fields[1] & CS_GLOBALCLASS
                    if not instance or row.fields[5] == wanted or (wanted is None and common):
                        return row
        return None

    def add_class(
        self, process: Process, name: str | int, fields: list[int], menu_name: bytes, *,
        unicode: bool,
    ) -> WindowClass:  # fmt: skip
        """A class with its atom, the same for each class of a name."""
        given = f"#{name}" if isinstance(name, int) else name
        text = given.lower()
        number = name if isinstance(name, int) else self._atoms.get(text)
        if number is None:
            number = self._atoms[text] = FIRST_ATOM + len(self._atoms) % ATOMS
        extra = bytearray(fields[3])
        new = WindowClass(number, text, given, fields, menu_name, unicode, process, extra)
        self._classes.append(new)
        return new

    def remove_class(self, row: WindowClass) -> None:
        self._classes.remove(row)

    # Windows.

    def add(self, make: Callable[[int], Window]) -> Window:
        window = make(self._next)
        self._windows[self._next] = window
        self._next += HANDLE_STEP
        window.window_class.windows += 1
        return window

    def __len__(self) -> int:
        return len(self._windows)

    def make_desktop(self, thread: Thread) -> None:
        """The window that the others are on, in no list of windows; a thread of the system's."""
        row = WindowClass(
            DESKTOP_ATOM, DESKTOP_CLASS, DESKTOP_CLASS, [0] * 12, bytes(12), True,
            thread.process, bytearray(),
        )  # fmt: skip
        style = WS_POPUP | WS_VISIBLE | WS_CLIPSIBLINGS | WS_CLIPCHILDREN
        self.desktop = Window(
            DESKTOP_WINDOW, row, thread, 0, True, style, 0, 0, 0, 0, (0, 0, WIDTH, HEIGHT),
            bytearray(),
        )  # fmt: skip

    def get(self, handle: int) -> Window | None:
        if handle | 0x10000 == DESKTOP_WINDOW:
            return self.desktop
        found = self._windows.get(handle)
        if found is None and handle and not handle >> 16:
            found = self._windows.get(handle | 0x10000)
        return found

    def children(self, parent: int) -> Iterator[Window]:
        """Of a window; the topmost ones for 0 and for the desktop."""
        if parent == DESKTOP_WINDOW:
            parent = 0
        return (window for window in list(self._windows.values()) if window.parent == parent)

    def add_hook(self, make: Callable[[int], Hook]) -> int:
        """Its handle."""
        handle = self._next
        self._next += HANDLE_STEP
        self.hooks[handle] = make(handle)
        return handle

    def needs_paint(self, window: Window) -> bool:
        """Whether it has a part to paint and everything that it is within is visible."""
        row: Window | None = window
        while row is not None and row.style & WS_VISIBLE:
            if not self.is_child(row):
                return window.update is not None
            row = self.get(row.parent)
        return False

    def to_paint(self, thread: Thread) -> Window | None:
        """The thread's first window that has to be painted."""
        for window in self._windows.values():
            if window.update is not None and window.thread is thread and self.needs_paint(window):
                return window
        return None

    def show(self, window: Window) -> None:
        """It becomes visible: all of it has to be painted, with what is within."""
        window.style |= WS_VISIBLE
        for row in self.tree(window):
            if row is window or self.is_child(row):
                row.update, row.erase = (0, 0, *client_area(row)), True
        self.queue(window.thread).wake()

    def top_level(self) -> Iterator[Window]:
        """Those that are within no other, with those that another owns."""
        return (window for window in list(self._windows.values()) if not self.is_child(window))

    def everybody(self, message: int) -> Iterator[Window]:
        """Whom a message to HWND_BROADCAST reaches: none, if its number is a program's own."""
        if WM_USER <= message < WM_REGISTERED:
            return
        for window in self.top_level():
            only_for_messages = window.parent and self.get(window.parent) is None
            if window.closing is None and not only_for_messages:
                yield window

    @staticmethod
    def is_child(window: Window) -> bool:
        """Whether it is within another, and not owned by it."""
        return bool(window.style & WS_CHILD)

    def parent_of(self, window: Window, *, owners: bool = False) -> Window | None:
        """The window that it is within, or that owns it."""
        return self.get(window.parent) if owners or self.is_child(window) else None

    def origin(self, window: Window) -> tuple[int, int]:
        """What its place counts from: its parent's corner."""
        parent = self.parent_of(window)
        return parent.rectangle[:2] if parent is not None else (0, 0)

    def move(self, window: Window, rectangle: tuple[int, int, int, int]) -> None:
        """Windows within it go with it."""
        x, y = rectangle[0] - window.rectangle[0], rectangle[1] - window.rectangle[1]
        for row in self.tree(window):
            if row is not window and self.is_child(row):
                left, top, right, bottom = row.rectangle
                row.rectangle = (left + x, top + y, right + x, bottom + y)
        window.rectangle = rectangle

    def tree(self, window: Window) -> list[Window]:
        """A window and all below it, parents first."""
        rows = [window]
        for row in rows:
            rows += self.children(row.handle)
        return rows

    def remove(self, window: Window) -> None:
        if self._windows.pop(window.handle, None):
            window.window_class.windows -= 1
        queue = self._queues.get(window.thread)
        if queue is not None:
            queue.timers = {k: t for k, t in queue.timers.items() if t.window != window.handle}
            queue.posted = deque(m for m in queue.posted if m.window != window.handle)


def client_area(window: Window) -> tuple[int, int]:
    """Width and height; there are no frames."""
    left, top, right, bottom = window.rectangle
    return right - left, bottom - top


def union(one: Rectangle | None, other: Rectangle) -> Rectangle:
    """The rectangle around both."""
    if one is None:
        return other
    return (
        min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3]),
    )  # fmt: skip
