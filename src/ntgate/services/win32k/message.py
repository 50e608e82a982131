"""Messages: posted, sent, waited for and dispatched."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Annotated, Any

from ntgate.dispatch.outcome import Outcome, UserCall, Wait
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, PVOID, ULONG, Scalar
from ntgate.errors import NtError
from ntgate.executive.ke.wait import WAIT_ANY
from ntgate.executive.ps.thread import Thread
from ntgate.executive.win32k.windows import Message, MessageQueue, MessageTimer, Sent, Window
from ntgate.layout.times import MILLISECOND
from ntgate.layout.user import (
    WM_CLOSE,
    WM_ERASEBKGND,
    WM_GETTEXT,
    WM_GETTEXTLENGTH,
    WM_NCCREATE,
    WM_PAINT,
    WM_QUERYENDSESSION,
    WM_QUERYOPEN,
    WM_QUIT,
    WM_SETTEXT,
    WM_TIMER,
)
from ntgate.layout.win32_errors import (
    ERROR_INVALID_THREAD_ID,
    ERROR_INVALID_WINDOW_HANDLE,
    ERROR_NOT_ENOUGH_QUOTA,
    ERROR_TIMEOUT,
)
from ntgate.services.win32k.hook import HC_ACTION, WH_GETMESSAGE, ask
from ntgate.services.win32k.user import FALSE, TRUE
from ntgate.services.win32k.user_call import (
    DPI_UNAWARE,
    PARAMS,
    WMCHAR_MAP_CALLWINDOWPROC,
    WMCHAR_MAP_DISPATCHMESSAGE,
    WMCHAR_MAP_SENDMESSAGE,
    call_procedure,
    fail,
    parameters,
)
from ntgate.services.win32k.window import destroy_from_default

MSG = struct.Struct("<7I")
RESULT_OFFSET = 20  # in win_proc_params
HWND_BROADCAST, THREAD_MESSAGES = 0xFFFF, 0xFFFFFFFF
PM_REMOVE = 1
DefWindowProc, CallWindowProc = 0x29E, 0x2AB
SendMessage, SendMessageTimeout, SendNotifyMessage = 0x2B1, 0x2B3, 0x2B7
GetDispatchParams = 0x3001
QS_POSTMESSAGE, QS_TIMER, QS_PAINT, QS_SENDMESSAGE = 8, 0x10, 0x20, 0x40
USER_TIMER_MINIMUM, USER_TIMER_MAXIMUM = 10, 0x7FFFFFFF
LONGEST_TEXT = 0x10000

MILLISECONDS = Annotated[int, Scalar("ULONG")]


def _now(caller: Thread) -> tuple[int, int]:
    """System time, and milliseconds since the start as messages tell."""
    clock = caller.executive.clock
    return clock.system_time, clock.milliseconds


def _message(caller: Thread, window: int, number: int, wparam: int, lparam: int) -> Message:
    return Message(window, number, wparam, lparam, _now(caller)[1])


@service()
def NtUserPostMessage(
    caller: Thread, hwnd: HANDLE, msg: ULONG, wparam: ULONG, lparam: ULONG
) -> Outcome:
    """Put a message into the queue of a window's thread, or of the own one without a window."""
    windows = caller.executive.windows
    if not hwnd:
        return _post(caller, caller, _message(caller, 0, msg, wparam, lparam))
    if hwnd == HWND_BROADCAST:
        for row in windows.everybody(msg):
            windows.queue(row.thread).post(_message(caller, row.handle, msg, wparam, lparam))
        return TRUE
    window = windows.get(hwnd)
    if window is None:
        return fail(caller, ERROR_INVALID_WINDOW_HANDLE)
    if window is windows.desktop:
        return TRUE
    if window.closing is not None:
        if msg == WM_CLOSE:
            window.closing()
        return TRUE
    return _post(caller, window.thread, _message(caller, window.handle, msg, wparam, lparam))


def _post(caller: Thread, thread: Thread, message: Message) -> int:
    posted = caller.executive.windows.queue(thread).post(message)
    return TRUE if posted else fail(caller, ERROR_NOT_ENOUGH_QUOTA)


@service()
def NtUserPostThreadMessage(
    caller: Thread, thread: ULONG, msg: ULONG, wparam: ULONG, lparam: ULONG
) -> Outcome:
    """Put a message into a thread's queue."""
    objects = caller.executive.objects
    try:
        body = objects.reference_by_id(thread, objects.types["Thread"])
    except NtError:
        return fail(caller, ERROR_INVALID_THREAD_ID)
    objects.dereference(body)
    found = caller.executive.processes.threads[body]
    if found.ethread.Terminated:
        return fail(caller, ERROR_INVALID_THREAD_ID)
    return _post(caller, found, _message(caller, 0, msg, wparam, lparam))


def _write(caller: Thread, address: int, message: Message) -> None:
    data = MSG.pack(
        message.window, message.message, message.wparam, message.lparam, message.time, 0, 0
    )
    caller.memory.write(address, data)


def _wanted(hwnd: int) -> int | None:
    """Which window's messages: of all for 0, of none (the thread's own) for -1."""
    return None if not hwnd else 0 if hwnd == THREAD_MESSAGES else hwnd


def _answer_sent(caller: Thread, queue: MessageQueue, resume: Any, state: Any) -> UserCall | None:
    """Call the procedure of the first window that another thread's message waits for."""
    while queue.sent:
        sent = queue.sent.popleft()
        window = caller.executive.windows.get(sent.window)
        if window is not None:
            caller.executive.dialogs.active(caller)
            return call_procedure(
                window, sent.message, sent.wparam, sent.lparam, _sent_done, (sent, resume, state),
                ansi=sent.ansi,
            )  # fmt: skip
        sent.result = 0
        sent.sender.wake()
    return None


def _sent_done(caller: Thread, result: int, state: Any) -> Outcome:
    sent, resume, inner = state
    sent.result = result
    sent.sender.wake()
    outcome: Outcome = resume(caller, 0, inner)
    return outcome


@service()
def NtUserPeekMessage(
    caller: Thread, msg_out: PVOID, hwnd: HANDLE, first: ULONG, last: ULONG, flags: ULONG
) -> Outcome:
    """The next message, if there is one."""
    caller.memory.probe(msg_out, MSG.size, write=True)
    return _peek(caller, 0, (msg_out, hwnd, first, last, flags))


def _peek(caller: Thread, _status: int, state: Any) -> Outcome:
    address, hwnd, first, last, flags = state
    queue = caller.executive.windows.queue(caller)
    call = _answer_sent(caller, queue, _peek, state)
    if call is not None:
        return call
    now, time = _now(caller)
    remove = bool(flags & PM_REMOVE)
    message = queue.take(_wanted(hwnd), first, last, now, time, remove=remove)
    message = message or _paint_message(caller, hwnd, first, last, time)
    if message is None:
        caller.executive.input_idle.begin(caller.process)
        return FALSE
    _write(caller, address, message)
    return ask(caller, WH_GETMESSAGE, HC_ACTION, int(remove), address, _result_of, TRUE)


def _result_of(_caller: Thread, _answer: int, result: Any) -> Outcome:
    return int(result)


def _paint_message(caller: Thread, hwnd: int, first: int, last: int, time: int) -> Message | None:
    """WM_PAINT of a window that has to be painted, when there is nothing else."""
    window = caller.executive.windows.to_paint(caller)
    between = not (first or last) or first <= WM_PAINT <= last
    if window is None or not between or hwnd not in (0, window.handle):
        return None
    return Message(window.handle, WM_PAINT, 0, 0, time)


@service()
def NtUserGetMessage(
    caller: Thread, msg: PVOID, hwnd: HANDLE, first: ULONG, last: ULONG
) -> Outcome:
    """The next message, waiting for it; FALSE for WM_QUIT, -1 for no window."""
    caller.memory.probe(msg, MSG.size, write=True)
    if hwnd not in (0, THREAD_MESSAGES) and caller.executive.windows.get(hwnd) is None:
        fail(caller, ERROR_INVALID_WINDOW_HANDLE)
        return 0xFFFFFFFF
    return _get(caller, 0, (msg, hwnd, first, last))


def _get(caller: Thread, _status: int, state: Any) -> Outcome:
    address, hwnd, first, last = state
    windows = caller.executive.windows
    queue = windows.queue(caller)
    while True:
        call = _answer_sent(caller, queue, _get, state)
        if call is not None:
            return call
        now, time = _now(caller)
        message = queue.take(_wanted(hwnd), first, last, now, time, remove=True)
        message = message or _paint_message(caller, hwnd, first, last, time)
        if message is not None:
            if message.message not in (WM_TIMER, WM_PAINT):
                caller.executive.dialogs.active(caller)
            _write(caller, address, message)
            more = int(message.message != WM_QUIT)
            return ask(caller, WH_GETMESSAGE, HC_ACTION, PM_REMOVE, address, _result_of, more)
        caller.executive.dialogs.waits(caller)
        due = queue.next_timer(_wanted(hwnd), first, last)
        if wait_for_queue(caller, queue, due) is None:
            return Wait(_get, state)


def wait_for_queue(
    caller: Thread, queue: MessageQueue, due: int | None, others: Sequence[int] = (),
    *, alertable: bool = False,
) -> int | None:  # fmt: skip
    """Wait for other dispatcher objects and the queue, until a system time."""
    caller.executive.windows.empty(queue)
    caller.executive.input_idle.begin(caller.process)
    headers = [*others, queue.header]
    timeout = None if due is None else min(0, caller.executive.clock.system_time - due)
    return caller.executive.waits.begin(caller, headers, WAIT_ANY, timeout, alertable=alertable)


@service()
def NtUserWaitMessage(caller: Thread) -> Outcome:
    """Wait until there is a message."""
    return _wait_message(caller, 0, None)


def _wait_message(caller: Thread, _status: int, _state: Any) -> Outcome:
    queue = caller.executive.windows.queue(caller)
    while not queue_status(caller, queue):
        caller.executive.dialogs.waits(caller)
        if wait_for_queue(caller, queue, queue.next_timer()) is None:
            return Wait(_wait_message)
    return TRUE


def queue_status(caller: Thread, queue: MessageQueue) -> int:
    """QS_ bits of what the queue holds."""
    due = queue.next_timer()
    has_timer = due is not None and due <= caller.executive.clock.system_time
    posted = bool(queue.posted) or queue.quit_code is not None
    paints = caller.executive.windows.to_paint(caller) is not None
    sent = bool(queue.sent)
    return (
        QS_PAINT * paints | QS_POSTMESSAGE * posted | QS_TIMER * has_timer | QS_SENDMESSAGE * sent
    )


@service()
def NtUserGetQueueStatus(caller: Thread, flags: ULONG) -> Outcome:
    """What the queue holds, in both halves."""
    found = queue_status(caller, caller.executive.windows.queue(caller)) & flags
    return found << 16 | found


@service()
def NtUserTranslateMessage(caller: Thread, msg: PVOID, flags: ULONG) -> Outcome:
    """There are no keys."""
    return FALSE


@service()
def NtUserDispatchMessage(caller: Thread, msg: PVOID) -> Outcome:
    """Call the procedure of the message's window."""
    hwnd, number, wparam, lparam, *_ = MSG.unpack(caller.memory.read(msg, MSG.size))
    window = caller.executive.windows.get(hwnd)
    if window is None or window.thread is not caller:
        return 0
    return call_procedure(window, number, wparam, lparam, _result)


def _result(_caller: Thread, result: int, _state: Any) -> Outcome:
    return result


@service(partial="of the types, sending, dispatching and DefWindowProc without painting")
def NtUserMessageCall(
    caller: Thread, hwnd: HANDLE, msg: ULONG, wparam: ULONG, lparam: ULONG, result_info: PVOID,
    type: ULONG, ansi: ULONG,
) -> Outcome:  # fmt: skip
    """Send a message to a window; the own thread's procedures are called by user32 itself."""
    window = caller.executive.windows.get(hwnd)
    if type == CallWindowProc:
        procedure = caller.memory.u32(result_info)
        handle = window.handle if window is not None else hwnd
        data = PARAMS.pack(
            procedure, handle, msg, wparam, lparam, 0, ansi, ansi, 0, WMCHAR_MAP_CALLWINDOWPROC,
            DPI_UNAWARE, procedure, procedure,
        )  # fmt: skip
        _give_parameters(caller, result_info, data)
        return TRUE
    if hwnd == HWND_BROADCAST and type in (SendMessage, SendMessageTimeout, SendNotifyMessage):
        rows = tuple(row.handle for row in caller.executive.windows.everybody(msg))
        message = (msg, wparam, lparam, bool(ansi))
        return _send_next(caller, 0, (rows, message, type, result_info))
    if window is None:
        return fail(caller, ERROR_INVALID_WINDOW_HANDLE)
    if window is caller.executive.windows.desktop:
        if type in (SendMessageTimeout, SendNotifyMessage):
            return _answered(caller, type, result_info, 0)
        return 0
    if type == DefWindowProc:
        return _default(caller, window, msg, wparam, lparam, ansi=bool(ansi))
    if type not in (SendMessage, SendMessageTimeout, SendNotifyMessage, GetDispatchParams):
        return 0
    if window.closing is not None:
        result = _answer(caller, window, msg, wparam, lparam, ansi=bool(ansi))
        return _answered(caller, type, result_info, result)
    if window.thread is not caller:
        return _send(caller, window, msg, wparam, lparam, result_info, type, ansi=bool(ansi))
    if type in (SendMessage, GetDispatchParams):
        sending = type == SendMessage
        mapping = WMCHAR_MAP_SENDMESSAGE if sending else WMCHAR_MAP_DISPATCHMESSAGE
        data = parameters(window, msg, wparam, lparam, ansi=bool(ansi), mapping=mapping)
        _give_parameters(caller, result_info, data)
        return TRUE
    return call_procedure(
        window, msg, wparam, lparam, _answer_came, (type, result_info), ansi=bool(ansi)
    )


def _give_parameters(caller: Thread, address: int, data: bytes) -> None:
    """All of win_proc_params but where user32 wants the result."""
    caller.memory.write(address, data[:RESULT_OFFSET])
    after = RESULT_OFFSET + 4
    caller.memory.write(address + after, data[after:])


def _send(
    caller: Thread, window: Window, msg: int, wparam: int, lparam: int, info: int, kind: int,
    *, ansi: bool,
) -> Outcome:  # fmt: skip
    """To another thread."""
    sent = _hand_over(caller, window, (msg, wparam, lparam, ansi))
    if kind == SendNotifyMessage:
        return TRUE
    return _await(caller, 0, (sent, _until(caller, kind, info), _answer_came, (kind, info)))


def _hand_over(caller: Thread, window: Window, message: tuple[int, int, int, bool]) -> Sent:
    windows = caller.executive.windows
    own, other = windows.queue(caller), windows.queue(window.thread)
    sent = Sent(window.handle, *message, own)
    other.sent.append(sent)
    other.wake()
    return sent


def _until(caller: Thread, kind: int, info: int) -> int | None:
    """The system time at which nobody waits for an answer any more."""
    if kind != SendMessageTimeout:
        return None
    timeout = caller.memory.u32(info + 4)
    return caller.executive.clock.system_time + timeout * MILLISECOND


def _await(caller: Thread, _status: int, state: Any) -> Outcome:
    """Wait for the answer, answering messages for this thread meanwhile."""
    sent, due, went, inner = state
    queue = caller.executive.windows.queue(caller)
    while sent.result is None:
        call = _answer_sent(caller, queue, _await, state)
        if call is not None:
            return call
        if due is not None and due <= caller.executive.clock.system_time:
            return fail(caller, ERROR_TIMEOUT)
        if wait_for_queue(caller, queue, due) is None:
            return Wait(_await, state)
    outcome: Outcome = went(caller, int(sent.result), inner)
    return outcome


def _answer_came(caller: Thread, result: int, state: Any) -> Outcome:
    kind, info = state
    return _answered(caller, kind, info, result)


def _send_next(caller: Thread, result: int, state: Any) -> Outcome:
    """To the next of all, and how the last one has answered when there is none."""
    rows, message, kind, info = state
    windows = caller.executive.windows
    for at, handle in enumerate(rows, 1):
        window = windows.get(handle)
        if window is None:
            continue
        rest = (rows[at:], message, kind, info)
        if window.thread is caller:
            msg, wparam, lparam, ansi = message
            return call_procedure(window, msg, wparam, lparam, _send_next, rest, ansi=ansi)
        sent = _hand_over(caller, window, message)
        if kind != SendNotifyMessage:
            return _await(caller, 0, (sent, _until(caller, kind, info), _send_next, rest))
    return _answered(caller, kind, info, TRUE if kind == SendMessage else result)


def _answered(caller: Thread, kind: int, info: int, result: int) -> Outcome:
    if kind == SendNotifyMessage:
        return TRUE
    if kind == SendMessageTimeout:
        caller.memory.set_u32(info + 8, TRUE)  # of the function; what user32 stores is the answer
    elif info:
        caller.memory.set_u32(info + 4, 0)  # win_proc_params.hwnd: nothing is left to call
    return result


def _text_at(caller: Thread, address: int, *, ansi: bool) -> str:
    text = bytearray()
    width = 1 if ansi else 2
    while len(text) < LONGEST_TEXT and any(unit := caller.memory.read(address, width)):
        text += unit
        address += width
    return text.decode("cp1252" if ansi else "utf-16-le", "replace")


def _default(
    caller: Thread, window: Window, msg: int, wparam: int, lparam: int, *, ansi: bool
) -> Outcome:
    if msg == WM_CLOSE and window.closing is None:
        return destroy_from_default(caller, window)
    return _answer(caller, window, msg, wparam, lparam, ansi=ansi)


def _answer(
    caller: Thread, window: Window, msg: int, wparam: int, lparam: int, *, ansi: bool
) -> int:
    if msg == WM_NCCREATE:
        title = caller.memory.u32(lparam + 0x24) if lparam else 0
        window.text = _text_at(caller, title, ansi=ansi) if title >> 16 else ""
        return TRUE
    if msg == WM_SETTEXT:
        window.text = _text_at(caller, lparam, ansi=ansi) if lparam else ""
        return TRUE
    if msg == WM_GETTEXTLENGTH:
        return len(window.text)
    if msg == WM_GETTEXT:
        if not wparam:
            return 0
        shown = window.text[: wparam - 1]
        code = "cp1252" if ansi else "utf-16-le"
        caller.memory.write(lparam, f"{shown}\0".encode(code, "replace"))
        return len(shown)
    if msg == WM_PAINT:
        window.update, window.erase = None, False
        return 0
    if msg == WM_CLOSE and window.closing is not None:
        window.closing()
        return 0
    return int(msg in (WM_QUERYENDSESSION, WM_QUERYOPEN, WM_ERASEBKGND))


@service()
def NtUserSetTimer(
    caller: Thread, hwnd: HANDLE, id: ULONG, timeout: MILLISECONDS, proc: PVOID, tolerance: ULONG
) -> Outcome:
    """Have WM_TIMER come again and again; the timer's number."""
    windows = caller.executive.windows
    queue = windows.queue(caller)
    if hwnd:
        window = windows.get(hwnd)
        if window is None or window.thread.process is not caller.process:
            return fail(caller, ERROR_INVALID_WINDOW_HANDLE)
        queue = windows.queue(window.thread)
    elif (0, id) not in queue.timers:
        id = 0x7FFF - sum(1 for window_of, _ in queue.timers if not window_of)
    period = min(max(timeout, USER_TIMER_MINIMUM), USER_TIMER_MAXIMUM) * MILLISECOND
    due = caller.executive.clock.system_time + period
    queue.timers[hwnd, id] = MessageTimer(hwnd, id, period, proc, due)
    queue.wake()
    return id or TRUE


@service()
def NtUserKillTimer(caller: Thread, hwnd: HANDLE, id: ULONG) -> Outcome:
    """Whether there was such a timer."""
    windows = caller.executive.windows
    window = windows.get(hwnd)
    queue = windows.queue(window.thread if window else caller)
    return int(queue.timers.pop((hwnd, id), None) is not None)
