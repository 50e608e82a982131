"""Where windows are and who has the keyboard: positions, focus, activation."""

from __future__ import annotations

import struct
from typing import Any

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, PVOID, ULONG
from ntgate.executive.ps.thread import Thread
from ntgate.executive.win32k.windows import DESKTOP_WINDOW, Window
from ntgate.layout.user import WM_ACTIVATE, WM_KILLFOCUS, WM_MOVE, WM_SETFOCUS, WM_SIZE, WS_VISIBLE
from ntgate.layout.win32_errors import ERROR_INVALID_PARAMETER, ERROR_INVALID_WINDOW_HANDLE
from ntgate.services.win32k.user import FALSE, INT, TRUE
from ntgate.services.win32k.user_call import call_procedure, fail
from ntgate.services.win32k.window import MOST_DOTS

SWP_NOSIZE, SWP_NOMOVE, SWP_SHOWWINDOW, SWP_HIDEWINDOW = 1, 2, 0x40, 0x80
GUITHREADINFO_SIZE = 48
VIRTUAL_KEYS = 256
GA_PARENT, GA_ROOT, GA_ROOTOWNER = 1, 2, 3
WA_ACTIVE = 1


@service(partial="the order of windows stays as they were made; WM_WINDOWPOSCHANGING isn't sent")
def NtUserSetWindowPos(
    caller: Thread, hwnd: HANDLE, after: HANDLE, x: INT, y: INT, cx: INT, cy: INT, flags: ULONG
) -> Outcome:
    """Move, resize, show or hide a window: WM_SIZE and WM_MOVE when it did."""
    window = caller.executive.windows.get(hwnd)
    if window is None:
        return fail(caller, ERROR_INVALID_WINDOW_HANDLE)
    place = None if flags & SWP_NOMOVE else (x, y)
    size = None if flags & SWP_NOSIZE else (cx, cy)
    if flags & SWP_SHOWWINDOW and not window.style & WS_VISIBLE:
        caller.executive.windows.show(window)
    if flags & SWP_HIDEWINDOW:
        window.style &= ~WS_VISIBLE
    return _place(caller, window, place, size)


@service(partial="nothing is painted")
def NtUserMoveWindow(
    caller: Thread, hwnd: HANDLE, x: INT, y: INT, cx: INT, cy: INT, repaint: ULONG
) -> Outcome:
    """Move and resize a window."""
    window = caller.executive.windows.get(hwnd)
    if window is None:
        return fail(caller, ERROR_INVALID_WINDOW_HANDLE)
    return _place(caller, window, (x, y), (cx, cy))


def _place(
    caller: Thread, window: Window, place: tuple[int, int] | None, size: tuple[int, int] | None
) -> Outcome:
    windows = caller.executive.windows
    before = window.rectangle
    left, top, right, bottom = before
    width, height = right - left, bottom - top
    if size is not None:
        width, height = (max(0, min(value, MOST_DOTS)) for value in size)
    if place is not None:
        x, y = windows.origin(window)
        moved = (place[0] + x, place[1] + y)
        left, top = (max(-MOST_DOTS, min(value, MOST_DOTS)) for value in moved)
    windows.move(window, (left, top, left + width, top + height))
    steps: list[tuple[int, int, int]] = []
    if (width, height) != (before[2] - before[0], before[3] - before[1]):
        steps.append((WM_SIZE, 0, (height & 0xFFFF) << 16 | width & 0xFFFF))
    if (left, top) != before[:2]:
        steps.append((WM_MOVE, 0, (top & 0xFFFF) << 16 | left & 0xFFFF))
    return _tell(caller, TRUE, (window.handle, steps, TRUE))


def _tell(caller: Thread, _result: int, state: Any) -> Outcome:
    """Send a window messages one after the other; then the answer."""
    handle, steps, answer = state
    window = caller.executive.windows.get(handle)
    if window is None or not steps or window.thread is not caller:
        return int(answer)
    number, wparam, lparam = steps[0]
    return call_procedure(window, number, wparam, lparam, _tell, (handle, steps[1:], answer))


@service(partial="the windows of other threads keep theirs")
def NtUserSetFocus(caller: Thread, hwnd: HANDLE) -> Outcome:
    """Give a window of the thread the keyboard; the one that had it."""
    windows = caller.executive.windows
    queue = windows.queue(caller)
    window = windows.get(hwnd)
    if hwnd and window is None:
        return fail(caller, ERROR_INVALID_WINDOW_HANDLE)
    before, queue.focus = queue.focus, window.handle if window is not None else 0
    if window is None or before == window.handle:
        return before
    loses = windows.get(before)
    if loses is not None and loses.thread is caller:
        return call_procedure(loses, WM_KILLFOCUS, hwnd, 0, _focus_lost, (hwnd, before))
    return _focus_lost(caller, 0, (hwnd, before))


def _focus_lost(caller: Thread, _result: int, state: Any) -> Outcome:
    hwnd, before = state
    return _tell(caller, 0, (hwnd, [(WM_SETFOCUS, before, 0)], before))


@service(partial="only the thread's own windows")
def NtUserSetActiveWindow(caller: Thread, hwnd: HANDLE) -> Outcome:
    """Make a window of the thread the active one; the one that was."""
    windows = caller.executive.windows
    queue = windows.queue(caller)
    window = windows.get(hwnd)
    if hwnd and window is None:
        return fail(caller, ERROR_INVALID_WINDOW_HANDLE)
    before, queue.active = queue.active, window.handle if window is not None else 0
    if window is None or before == window.handle:
        return before
    return _tell(caller, 0, (window.handle, [(WM_ACTIVATE, WA_ACTIVE, before)], before))


@service(partial="no caret, no capture, no menus")
def NtUserGetGUIThreadInfo(caller: Thread, id: ULONG, info: PVOID) -> Outcome:
    """GUITHREADINFO: the active window and the one with the keyboard, of the calling thread."""
    if caller.memory.u32(info) != GUITHREADINFO_SIZE:
        return fail(caller, ERROR_INVALID_PARAMETER)
    queue = caller.executive.windows.queue(caller)
    own = id in (0, caller.tid)
    active, focus = (queue.active, queue.focus) if own else (0, 0)
    caller.memory.write(info + 4, struct.pack("<7I4i", 0, active, focus, 0, 0, 0, 0, 0, 0, 0, 0))
    return TRUE


@service()
def NtUserGetAncestor(caller: Thread, hwnd: HANDLE, type: ULONG) -> Outcome:
    """The parent, the topmost window, or the topmost owner."""
    windows = caller.executive.windows
    window = windows.get(hwnd)
    if window is None or window is windows.desktop:
        return 0
    while (above := windows.parent_of(window, owners=type == GA_ROOTOWNER)) is not None:
        if type == GA_PARENT:
            return above.handle
        window = above
    if type == GA_PARENT:
        return DESKTOP_WINDOW
    return window.handle


@service()
def NtUserGetKeyState(caller: Thread, vkey: INT) -> Outcome:
    """No key is down."""
    return FALSE


@service()
def NtUserGetAsyncKeyState(caller: Thread, key: INT) -> Outcome:
    """No key is down."""
    return FALSE


@service()
def NtUserGetKeyboardState(caller: Thread, state: PVOID) -> Outcome:
    """A byte for each of 256 virtual keys, of which none is down."""
    caller.memory.write(state, bytes(VIRTUAL_KEYS))
    return TRUE
