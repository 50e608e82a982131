"""Dialog boxes that nobody can answer: they are told, and their default button is pressed.

A program's thread that has waited for messages for a while, with a dialog box on the screen that
nobody sees and with nothing else going on in the machine, would wait for ever.  So the box's words
go to whoever runs the machine, and the box gets what a press of its default button sends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.executive.events import DialogAnswered
from ntgate.executive.win32k.windows import Message, Window
from ntgate.layout.ke import READY, RUNNING, WAITING
from ntgate.layout.user import WM_CLOSE, WM_COMMAND, WS_DISABLED, WS_VISIBLE

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive
    from ntgate.executive.ps.thread import Thread

PATIENCE = -30_000_000  # three seconds
MOST_ALIKE = 3  # answers to boxes that say the same, before they are closed; and then left alone
PUSH_BUTTON, DEFAULT_BUTTON, BUTTON_KINDS = 0, 1, 0xF
IDOK, IDCANCEL = 1, 2
LEAVE = "none"
ORDINAL = "\uffff"  # a picture's number follows, not a text


class Dialogs:
    """Of one machine.  `answer` is the text of the button to press where a box has it; "none"
    leaves the boxes alone."""

    def __init__(self, executive: Executive) -> None:
        self._executive = executive
        self._timers: dict[Thread, int] = {}
        self._answered: dict[tuple[int, str, str], int] = {}
        self.answer = ""

    def waits(self, thread: Thread) -> None:
        """A thread has no message left and is about to wait for one."""
        if thread in self._timers or self.answer == LEAVE or self._box(thread) is None:
            return
        clock = self._executive.clock
        due = clock.due_time(PATIENCE)
        self._timers[thread] = clock.set_timer(due, lambda: self._expired(thread))

    def active(self, thread: Thread) -> None:
        """Something has happened to a thread's windows; timers of its own don't count."""
        timer = self._timers.pop(thread, None)
        if timer is not None:
            self._executive.clock.cancel(timer)

    def _expired(self, thread: Thread) -> None:
        self._timers.pop(thread, None)
        box = self._box(thread)
        if thread.ethread.Terminated or box is None:
            return
        if thread.ethread.Tcb.State != WAITING or self._busy():
            self.waits(thread)
            return
        self._press(thread, box)

    def _busy(self) -> bool:
        """Whether a program still computes: the box may be one that shows how far it is."""
        processes = self._executive.processes
        return any(
            thread.ethread.Tcb.State in (READY, RUNNING)
            for process in list(processes.processes.values())
            if not process.exited and process.image is not None
            for thread in processes.threads_of(process)
        )

    def _box(self, thread: Thread) -> Window | None:
        """The thread's latest dialog box that could be answered."""
        found = None
        for window in self._executive.windows.top_level():
            ready = window.style & (WS_VISIBLE | WS_DISABLED) == WS_VISIBLE
            if window.thread is thread and ready and window.dialog_info:
                found = window
        return found

    def _press(self, thread: Thread, box: Window) -> None:
        windows = self._executive.windows
        shown = [row for row in windows.tree(box)[1:] if row.style & WS_VISIBLE]
        said = " ".join(
            word
            for row in shown
            if row.window_class.name == "static" and not row.text.startswith(ORDINAL)
            for word in row.text.split()
        )
        buttons = [
            row
            for row in shown
            if row.window_class.name == "button" and not row.style & WS_DISABLED
            and row.style & BUTTON_KINDS in (PUSH_BUTTON, DEFAULT_BUTTON)
        ]  # fmt: skip
        alike = (box.handle, box.text, said)
        times = self._answered[alike] = self._answered.get(alike, 0) + 1
        if times > 2 * MOST_ALIKE:
            return
        button = self._choose(buttons) if times <= MOST_ALIKE else None
        label = button.text.replace("&", "") if button is not None else ""
        self._executive.events.emit(
            DialogAnswered(thread.pid, thread.tid, box.text, said, label)
        )
        time = self._executive.clock.milliseconds
        if button is not None:
            message = Message(button.parent, WM_COMMAND, button.menu & 0xFFFF, button.handle, time)
        else:
            message = Message(box.handle, WM_CLOSE, 0, 0, time)
        windows.queue(thread).post(message)

    def _choose(self, buttons: list[Window]) -> Window | None:
        wanted = self.answer.casefold()
        for row in buttons:
            if wanted and row.text.replace("&", "").casefold() == wanted:
                return row
        for row in buttons:
            if row.style & BUTTON_KINDS == DEFAULT_BUTTON:
                return row
        by_number = {row.menu: row for row in reversed(buttons)}
        return by_number.get(IDOK) or by_number.get(IDCANCEL) or next(iter(buttons), None)
