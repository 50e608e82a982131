"""Windows that nobody sees, as Wine 8.0's user32 makes and asks for them."""

from __future__ import annotations

import struct
from typing import Any

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, PVOID, ULONG
from ntgate.executive.atoms import LONGEST_NAME
from ntgate.executive.ps.thread import Thread
from ntgate.executive.win32k.windows import DESKTOP_WINDOW, Window
from ntgate.layout.user import (
    WM_CREATE,
    WM_DESTROY,
    WM_MOVE,
    WM_NCCALCSIZE,
    WM_NCCREATE,
    WM_NCDESTROY,
    WM_SIZE,
    WS_CHILD,
    WS_DISABLED,
    WS_VISIBLE,
)
from ntgate.layout.win32_errors import (
    ERROR_ACCESS_DENIED,
    ERROR_CANNOT_FIND_WND_CLASS,
    ERROR_INVALID_INDEX,
    ERROR_INVALID_WINDOW_HANDLE,
    ERROR_NO_MORE_USER_HANDLES,
    ERROR_TLW_WITH_WSCHILD,
)
from ntgate.services.win32k import hook, window_relations
from ntgate.services.win32k.user import FALSE, INT, TRUE
from ntgate.services.win32k.user_call import call_procedure, fail, read_name, with_builtin_classes

HWND_MESSAGE = 0xFFFFFFFD
MOST_DOTS, MOST_WINDOWS = 0x7FFF, 10000
CW_USEDEFAULT = -0x80000000
FAILED = 0xFFFFFFFF

GWL_USERDATA, GWL_EXSTYLE, GWL_STYLE = -21, -20, -16
GWL_ID, GWL_HWNDPARENT, GWL_HINSTANCE, GWL_WNDPROC = -12, -8, -6, -4
# NtUserCallHwnd and NtUserCallHwndParam.
(GetParent, GetWindowTextLength, IsWindow, IsWindowEnabled, IsWindowUnicode, IsWindowVisible) = (
    7, 12, 13, 14, 15, 16,
)  # fmt: skip
GetFullHandle, IsCurrentProcessWindow, IsCurrentThreadWindow = 20, 21, 22
EnableWindow, GetClassLongs, GetClientRect, GetWindowLongs = 1, range(3, 7), 8, range(11, 15)
GetWindowRect, GetWindowThread, IsChild = 15, 17, 19
# GetClassLong's negative indexes, by the dword of WNDCLASSEXW; bytes of the class go first.
CLASS_FIELDS = {-8: 9, -10: 8, -12: 7, -14: 6, -16: 5, -18: 4, -20: 3, -24: 2, -26: 1, -34: 11}
GCW_ATOM = -32


@service(partial="no frames and no menus")
def NtUserCreateWindowEx(
    caller: Thread, ex_style: ULONG, class_name: PVOID, version: PVOID, window_name: PVOID,
    style: ULONG, x: INT, y: INT, cx: INT, cy: INT, parent: HANDLE, menu: HANDLE,
    instance: HANDLE, params: PVOID, flags: ULONG, client_instance: HANDLE, unk: ULONG,
    ansi: ULONG,
) -> Outcome:  # fmt: skip
    """Make a window: WM_NCCREATE, WM_NCCALCSIZE, WM_CREATE, then WM_SIZE and WM_MOVE."""
    arguments = (
        ex_style, class_name, window_name, style, x, y, cx, cy, parent, menu, client_instance
        or instance, params,
    )  # fmt: skip
    return with_builtin_classes(caller, _create, arguments)


def _create(caller: Thread, _result: int, arguments: Any) -> Outcome:
    ex_style, class_name, window_name, style, x, y, cx, cy, parent, menu, instance, params = (
        arguments
    )
    windows = caller.executive.windows
    name = read_name(caller, class_name)
    row = windows.find_class(caller.process, name, instance)
    if row is None:
        return fail(caller, ERROR_CANNOT_FIND_WND_CLASS)
    if parent not in (0, HWND_MESSAGE) and windows.get(parent) is None:
        return fail(caller, ERROR_INVALID_WINDOW_HANDLE)
    if not parent and style & WS_CHILD:
        return fail(caller, ERROR_TLW_WITH_WSCHILD)
    if parent == DESKTOP_WINDOW:
        parent = 0
    x, y = (0 if value == CW_USEDEFAULT else value for value in (x, y))
    x, y = (max(-MOST_DOTS, min(value, MOST_DOTS)) for value in (x, y))
    cx, cy = (max(0, min(value, MOST_DOTS)) for value in (cx, cy))
    if len(windows) >= MOST_WINDOWS:
        return fail(caller, ERROR_NO_MORE_USER_HANDLES)
    window = windows.add(
        lambda handle: Window(
            handle, row, caller, row.fields[2], row.unicode, style & ~WS_VISIBLE, ex_style,
            parent, menu, instance, (x, y, x + cx, y + cy), bytearray(row.fields[4]),
        )
    )
    title, class_text = 0, class_name
    if window_name:
        title = int.from_bytes(caller.memory.read(window_name + 4, 4), "little")
    class_text = int.from_bytes(caller.memory.read(class_name + 4, 4), "little")
    parent_x, parent_y = windows.origin(window)
    window.rectangle = (x + parent_x, y + parent_y, x + parent_x + cx, y + parent_y + cy)
    create = struct.pack(
        "<4I4i4I", params, instance, menu, parent, cy, cx, y, x, style, title, class_text,
        ex_style,
    )  # fmt: skip
    state = (window.handle, create, style)
    told = create + _texts(caller, window_name, class_name)
    return hook.ask(
        caller, hook.WH_CBT, hook.HCBT_CREATEWND, window.handle, told, _allowed, state
    )


def _texts(caller: Thread, *names: int) -> bytes:
    """Behind the CREATESTRUCTW of a hook: the title and the class, those that are no atoms."""
    found = [read_name(caller, name) for name in names if name]
    texts = (text for text in found if isinstance(text, str))
    return b"".join(f"{text}\0".encode("utf-16-le", "surrogatepass") for text in texts)


def _allowed(caller: Thread, refused: int, state: Any) -> Outcome:
    """What the hooks say to a new window."""
    window = caller.executive.windows.get(state[0])
    if window is None:
        return 0
    if refused:
        caller.executive.windows.remove(window)
        return 0
    return call_procedure(window, WM_NCCREATE, 0, state[1], _nc_created, state)


def _nc_created(caller: Thread, result: int, state: Any) -> Outcome:
    window = caller.executive.windows.get(state[0])
    if window is None:
        return 0
    if not result:
        caller.executive.windows.remove(window)
        return 0
    rectangle = struct.pack("<4i", *window.rectangle)
    return call_procedure(window, WM_NCCALCSIZE, 0, rectangle, _calculated, state)


def _calculated(caller: Thread, _result: int, state: Any) -> Outcome:
    window = caller.executive.windows.get(state[0])
    if window is None:
        return 0
    return call_procedure(window, WM_CREATE, 0, state[1], _created, state)


def _created(caller: Thread, result: int, state: Any) -> Outcome:
    window = caller.executive.windows.get(state[0])
    if window is None:
        return 0
    if result == FAILED:
        return _destroy(caller, window, 0)
    if state[2] & WS_VISIBLE:
        caller.executive.windows.show(window)
    if window.parent == HWND_MESSAGE:
        return window.handle
    left, top, right, bottom = window.rectangle
    size = (bottom - top & 0xFFFF) << 16 | right - left & 0xFFFF
    return call_procedure(window, WM_SIZE, 0, size, _sized, state)


def _sized(caller: Thread, _result: int, state: Any) -> Outcome:
    window = caller.executive.windows.get(state[0])
    if window is None:
        return 0
    place = (window.rectangle[1] & 0xFFFF) << 16 | window.rectangle[0] & 0xFFFF
    return call_procedure(window, WM_MOVE, 0, place, _moved, state)


def _moved(caller: Thread, _result: int, state: Any) -> Outcome:
    return state[0] if caller.executive.windows.get(state[0]) else 0


@service()
def NtUserDestroyWindow(caller: Thread, hwnd: HANDLE) -> Outcome:
    """Destroy a window of the thread, and those below it."""
    window = caller.executive.windows.get(hwnd)
    if window is None:
        return fail(caller, ERROR_INVALID_WINDOW_HANDLE)
    if window.thread is not caller:
        return fail(caller, ERROR_ACCESS_DENIED)
    asked = (hook.WH_CBT, hook.HCBT_DESTROYWND)
    return hook.ask(caller, *asked, window.handle, 0, _may_go, window.handle)


def _may_go(caller: Thread, refused: int, handle: Any) -> Outcome:
    window = caller.executive.windows.get(handle)
    return FALSE if refused or window is None else _destroy(caller, window, TRUE)


def _destroy(caller: Thread, window: Window, answer: int) -> Outcome:
    """WM_DESTROY from the window down, WM_NCDESTROY from the last one up."""
    rows = [row.handle for row in caller.executive.windows.tree(window) if row.thread is caller]
    steps = [(row, WM_DESTROY) for row in rows] + [(row, WM_NCDESTROY) for row in rows[::-1]]
    return _next_step(caller, 0, (steps, answer, None))


def _next_step(caller: Thread, _result: int, state: Any) -> Outcome:
    steps, answer, gone = state
    windows = caller.executive.windows
    if gone is not None and (window := windows.get(gone)) is not None:
        windows.remove(window)
    for at, (handle, message) in enumerate(steps):
        window = windows.get(handle)
        if window is not None:
            removed = handle if message == WM_NCDESTROY else None
            left = (steps[at + 1 :], answer, removed)
            return call_procedure(window, message, 0, 0, _next_step, left)
    return int(answer)


def destroy_from_default(caller: Thread, window: Window) -> Outcome:
    """What WM_CLOSE does when nobody answers it."""
    return _destroy(caller, window, 0)


@service(partial="of the codes, those of windows without menus, dialogs and painting")
def NtUserCallHwnd(caller: Thread, hwnd: HANDLE, code: ULONG) -> Outcome:
    """Wine's codes: questions about a window."""
    window = caller.executive.windows.get(hwnd)
    if window is None:
        return hwnd if code == GetFullHandle else fail(caller, ERROR_INVALID_WINDOW_HANDLE)
    answer = window_relations.call_hwnd(window, code)
    if answer is not None:
        return answer
    if code == GetParent:
        return 0 if window.parent == HWND_MESSAGE else window.parent
    if code == GetWindowTextLength:
        return len(window.text)
    if code == IsWindowEnabled:
        return int(not window.style & WS_DISABLED)
    if code == IsWindowUnicode:
        return int(window.unicode)
    if code == IsWindowVisible:
        return int(bool(window.style & WS_VISIBLE))
    if code == GetFullHandle:
        return window.handle
    if code == IsCurrentProcessWindow:
        return window.handle if window.thread.process is caller.process else 0
    if code == IsCurrentThreadWindow:
        return window.handle if window.thread is caller else 0
    return int(code == IsWindow)


@service(partial="of the codes, those of windows without menus, dialogs and painting")
def NtUserCallHwndParam(
    caller: Thread, hwnd: HANDLE, param: PVOID, code: ULONG
) -> Outcome:
    """Wine's codes: questions about a window with a parameter."""
    window = caller.executive.windows.get(hwnd)
    if window is None:
        return fail(caller, ERROR_INVALID_WINDOW_HANDLE)
    if code in window_relations.PARAMETER_CODES:
        return window_relations.call_hwnd_param(caller, window, code, param)
    index = param - (param >> 31 << 32)
    if code in GetWindowLongs:
        return _window_long(caller, window, index)
    if code in GetClassLongs:
        return _class_long(caller, window, index)
    if code in (GetClientRect, GetWindowRect):
        left, top, right, bottom = window.rectangle
        if code == GetClientRect:
            left, top, right, bottom = 0, 0, right - left, bottom - top
        caller.memory.write(param, struct.pack("<4i", left, top, right, bottom))
        return TRUE
    if code == GetWindowThread:
        pid, tid = window.owner
        if param:
            caller.memory.set_u32(param, pid)
        return tid
    if code == EnableWindow:
        before = bool(window.style & WS_DISABLED)
        window.style = window.style & ~WS_DISABLED | (0 if param else WS_DISABLED)
        return int(before)
    if code == IsChild:
        child = caller.executive.windows.get(param)
        above = DESKTOP_WINDOW if hwnd == DESKTOP_WINDOW else child.parent if child else 0
        return int(child is not None and window is not child and above == hwnd)
    return 0


def _window_long(caller: Thread, window: Window, index: int) -> int:
    fixed = {
        GWL_USERDATA: window.user_data, GWL_EXSTYLE: window.ex_style, GWL_STYLE: window.style,
        GWL_ID: window.menu, GWL_HWNDPARENT: window.parent, GWL_HINSTANCE: window.instance,
        GWL_WNDPROC: window.procedure,
    }  # fmt: skip
    if index in fixed:
        return fixed[index]
    if 0 <= index <= len(window.extra) - 4:
        return int.from_bytes(window.extra[index : index + 4], "little")
    return fail(caller, ERROR_INVALID_INDEX)


def _class_long(caller: Thread, window: Window, index: int) -> int:
    row = window.window_class
    if index == GCW_ATOM:
        return row.atom
    if index in CLASS_FIELDS:
        return row.fields[CLASS_FIELDS[index]]
    if 0 <= index <= len(row.extra) - 4:
        return int.from_bytes(row.extra[index : index + 4], "little")
    return fail(caller, ERROR_INVALID_INDEX)


@service(partial="a style changes without WM_STYLECHANGED")
def NtUserSetWindowLong(
    caller: Thread, hwnd: HANDLE, offset: INT, newval: ULONG, ansi: ULONG
) -> Outcome:
    """The value before."""
    window = caller.executive.windows.get(hwnd)
    if window is None:
        return fail(caller, ERROR_INVALID_WINDOW_HANDLE)
    foreign = window.thread.process is not caller.process
    if foreign and (offset == GWL_WNDPROC or window is caller.executive.windows.desktop):
        return fail(caller, ERROR_ACCESS_DENIED)
    before = _window_long(caller, window, offset)
    if offset == GWL_USERDATA:
        window.user_data = newval
    elif offset == GWL_WNDPROC:
        window.procedure, window.unicode = newval, not ansi
    elif offset == GWL_STYLE:
        window.style = newval
    elif offset == GWL_EXSTYLE:
        window.ex_style = newval
    elif offset == GWL_ID:
        window.menu = newval
    elif offset == GWL_HINSTANCE:
        window.instance = newval
    elif 0 <= offset <= len(window.extra) - 4:
        window.extra[offset : offset + 4] = newval.to_bytes(4, "little")
    return before


@service(partial="a style changes without WM_STYLECHANGED")
def NtUserSetWindowLongPtr(
    caller: Thread, hwnd: HANDLE, offset: INT, newval: ULONG, ansi: ULONG
) -> Outcome:
    """As NtUserSetWindowLong."""
    return NtUserSetWindowLong(caller, hwnd, offset, newval, ansi)


@service(partial="the window's own thread is not told")
def NtUserShowWindow(caller: Thread, hwnd: HANDLE, cmd: INT) -> Outcome:
    """Whether it was visible, which nobody could see."""
    window = caller.executive.windows.get(hwnd)
    if window is None:
        return fail(caller, ERROR_INVALID_WINDOW_HANDLE)
    before = bool(window.style & WS_VISIBLE)
    if not cmd:
        window.style &= ~WS_VISIBLE
    elif not before:
        caller.executive.windows.show(window)
    return int(before)


def _property(caller: Thread, hwnd: int, name: int) -> tuple[Window, str] | None:
    """The window and the key; a name is an atom or a text."""
    window = caller.executive.windows.get(hwnd)
    if window is None:
        return None
    if name >> 16 == 0:
        return window, f"#{name}"
    text = ""
    while len(text) < LONGEST_NAME and (unit := caller.memory.read(name, 2)) != b"\0\0":
        text, name = text + unit.decode("utf-16-le", "surrogatepass"), name + 2
    return window, text.lower()


@service()
def NtUserGetProp(caller: Thread, hwnd: HANDLE, str: PVOID) -> Outcome:
    """A window's property; 0 without it."""
    found = _property(caller, hwnd, str)
    return found[0].properties.get(found[1], 0) if found else 0


@service()
def NtUserSetProp(caller: Thread, hwnd: HANDLE, str: PVOID, handle: HANDLE) -> Outcome:
    """Give a window a property."""
    found = _property(caller, hwnd, str)
    if found is None:
        return fail(caller, ERROR_INVALID_WINDOW_HANDLE)
    found[0].properties[found[1]] = handle
    return TRUE


@service()
def NtUserRemoveProp(caller: Thread, hwnd: HANDLE, str: PVOID) -> Outcome:
    """Take a property away; its value."""
    found = _property(caller, hwnd, str)
    return found[0].properties.pop(found[1], 0) if found else 0


@service()
def NtUserFindWindowEx(
    caller: Thread, parent: HANDLE, child: HANDLE, class_: PVOID, title: PVOID, unk: ULONG
) -> Outcome:
    """The first window below a parent with this class and title, after another."""
    windows = caller.executive.windows
    name = read_name(caller, class_) if class_ else 0
    text = read_name(caller, title) if title else 0
    rows = list(windows.children(parent))
    handles = [row.handle for row in rows]
    for row in rows[handles.index(child) + 1 if child in handles else 0 :]:
        right_class = name in (0, row.window_class.atom) or (
            isinstance(name, str) and row.window_class.name == name.lower()
        )
        if right_class and text in (0, row.text):
            return row.handle
    return 0


@service()
def NtUserInternalGetWindowText(
    caller: Thread, hwnd: HANDLE, text: PVOID, count: INT
) -> Outcome:
    """The title without asking the window; the number of characters."""
    window = caller.executive.windows.get(hwnd)
    if window is None or count <= 0:
        return FALSE
    shown = window.text[: count - 1]
    caller.memory.write(text, shown.encode("utf-16-le", "surrogatepass") + b"\0\0")
    return len(shown)
