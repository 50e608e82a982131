"""Wine's codes of NtUserCallHwnd and NtUserCallHwndParam that put windows in relation: who is next
to whom, where they are to each other, what user32 keeps with a dialog box."""

from __future__ import annotations

import struct
from typing import Any

from ntgate.dispatch.outcome import Outcome, UserCall
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, PVOID, ULONG
from ntgate.executive.ps.thread import Thread
from ntgate.executive.win32k.windows import HEIGHT, WIDTH, Window
from ntgate.layout.user import WS_CHILD
from ntgate.services.win32k.hook import UnhookWindowsHook, unhook
from ntgate.services.win32k.user import DPI, METRICS, TRUE, GetSystemMetricsForDpi
from ntgate.services.win32k.user_call import ENUM_DISPLAY_MONITOR

# NtUserCallHwnd.
GetDialogInfo, GetDpiForWindow, SetForegroundWindow = 4, 5, 17
# NtUserCallHwndParam.
ClientToScreen, GetChildRect, GetWindowInfo, GetWindowRelative, MapWindowPoints = 0, 2, 10, 16, 21
MonitorFromWindow, ScreenToClient, SetDialogInfo, SetWindowStyle = 23, 24, 25, 30
PARAMETER_CODES = frozenset((
    ClientToScreen, GetChildRect, GetWindowInfo, GetWindowRelative, MapWindowPoints,
    MonitorFromWindow, ScreenToClient, SetDialogInfo, SetWindowStyle,
))  # fmt: skip
GW_HWNDFIRST, GW_HWNDLAST, GW_HWNDNEXT, GW_HWNDPREV, GW_OWNER, GW_CHILD = range(6)
# NtUserCallTwoParam.
GetDialogProc, GetMonitorInfo, MonitorFromRect, AllocWinProc = 0, 2, 4, 8
# WINDOWINFO behind its size, which nobody looks at: both rectangles, styles, status, borders, the
# class and the version of Windows that the window is for.
WINDOWINFO = struct.Struct("<8i5I2H")
WS_ACTIVECAPTION, VERSION = 0x1, 0x400
MONITOR = 0x10001
MONITORINFO_SIZE, MONITORINFOEX_SIZE, MONITORINFOF_PRIMARY = 40, 104, 1
MONITOR_NAME = r"\\.\DISPLAY1"
MOST_POINTS = 0x10000


def call_hwnd(window: Window, code: int) -> int | None:
    """The answer to a code of NtUserCallHwnd; None for one of others."""
    if code == GetDialogInfo:
        return window.dialog_info
    if code == GetDpiForWindow:
        return DPI
    return TRUE if code == SetForegroundWindow else None


def call_hwnd_param(caller: Thread, window: Window, code: int, param: int) -> int:
    """The answer to one of PARAMETER_CODES."""
    if code == SetDialogInfo:
        before, window.dialog_info = window.dialog_info, param
        return before
    if code == SetWindowStyle:
        cleared, added = struct.unpack("<2I", caller.memory.read(param, 8))
        style, window.style = window.style, window.style & ~cleared | added
        return style
    if code == GetWindowRelative:
        return _relative(caller, window, param)
    if code == MonitorFromWindow:
        return MONITOR
    if code == GetWindowInfo:
        caller.memory.write(param + 4, _information(caller, window))
        return TRUE
    left, top, right, bottom = window.rectangle
    if code == GetChildRect:
        parent = caller.executive.windows.get(window.parent)
        x, y = parent.rectangle[:2] if parent is not None and window.style & WS_CHILD else (0, 0)
        data = struct.pack("<4i", left - x, top - y, right - x, bottom - y)
        caller.memory.write(param, data)
    elif code == MapWindowPoints:
        return _map_points(caller, window, param)
    else:
        sign = 1 if code == ClientToScreen else -1
        x, y = struct.unpack("<2i", caller.memory.read(param, 8))
        caller.memory.write(param, struct.pack("<2i", x + sign * left, y + sign * top))
    return TRUE


def _information(caller: Thread, window: Window) -> bytes:
    """There are no borders: the client's part is the whole."""
    queue = caller.executive.windows.queue(caller)
    status = WS_ACTIVECAPTION if queue.active == window.handle else 0
    return WINDOWINFO.pack(
        *window.rectangle, *window.rectangle, window.style, window.ex_style, status, 0, 0,
        window.window_class.atom, VERSION,
    )  # fmt: skip


def _relative(caller: Thread, window: Window, relation: int) -> int:
    windows = caller.executive.windows
    if relation == GW_OWNER:
        owner = windows.get(window.parent)
        return owner.handle if owner is not None and not window.style & WS_CHILD else 0
    if relation == GW_CHILD and window is windows.desktop:
        return next((row.handle for row in windows.top_level()), 0)
    if relation == GW_CHILD:
        rows = [row.handle for row in windows.children(window.handle) if row.style & WS_CHILD]
        return rows[0] if rows else 0
    child = window.style & WS_CHILD
    beside = windows.children(window.parent) if child else windows.top_level()
    rows = [row.handle for row in beside if row.style & WS_CHILD == child]
    at = rows.index(window.handle) if window.handle in rows else 0
    place = {GW_HWNDFIRST: 0, GW_HWNDLAST: len(rows) - 1, GW_HWNDNEXT: at + 1,
             GW_HWNDPREV: at - 1}.get(relation, -1)  # fmt: skip
    return rows[place] if 0 <= place < len(rows) else 0


def _map_points(caller: Thread, window: Window, address: int) -> int:
    """map_window_points_params: {HWND to; POINT *points; UINT count; UINT dpi}."""
    to, points, count, _dpi = struct.unpack("<4I", caller.memory.read(address, 16))
    if not 0 < count <= MOST_POINTS:
        return 0
    other = caller.executive.windows.get(to)
    x, y = window.rectangle[:2]
    if other is not None:
        x, y = x - other.rectangle[0], y - other.rectangle[1]
    numbers = struct.unpack(f"<{2 * count}i", caller.memory.read(points, 8 * count))
    moved = [value + (y if at & 1 else x) for at, value in enumerate(numbers)]
    caller.memory.write(points, struct.pack(f"<{2 * count}i", *moved))
    return (y & 0xFFFF) << 16 | x & 0xFFFF


@service(partial="metrics, dialog procedures and the one monitor")
def NtUserCallTwoParam(
    caller: Thread, Argument1: PVOID, Argument2: PVOID, Code: ULONG
) -> Outcome:
    """Wine's codes: system metrics for a resolution, a dialog box's procedure, the monitor.

    The procedure stays as it is: of which kind its strings are is the window's matter.
    """
    if Code == GetSystemMetricsForDpi:
        return METRICS.get(Argument1, 0)
    if Code in (GetDialogProc, AllocWinProc):
        return Argument1
    if Code == MonitorFromRect:
        return MONITOR
    if Code == UnhookWindowsHook:
        return unhook(caller, Argument1 - (Argument1 >> 31 << 32), Argument2)
    return _monitor(caller, Argument1, Argument2) if Code == GetMonitorInfo else 0


def _monitor(caller: Thread, monitor: int, address: int) -> int:
    """MONITORINFO or MONITORINFOEXW."""
    size = caller.memory.u32(address)
    if monitor != MONITOR or size not in (MONITORINFO_SIZE, MONITORINFOEX_SIZE):
        return 0
    screen = struct.pack("<4i", 0, 0, WIDTH, HEIGHT)
    data = screen + screen + MONITORINFOF_PRIMARY.to_bytes(4, "little")
    if size == MONITORINFOEX_SIZE:
        name = MONITOR_NAME.encode("utf-16-le")
        data += name.ljust(MONITORINFOEX_SIZE - MONITORINFO_SIZE, b"\0")
    caller.memory.write(address + 4, data)
    return TRUE


@service(partial="a device context's clipping leaves nothing out")
def NtUserEnumDisplayMonitors(
    caller: Thread, hdc: HANDLE, rect: PVOID, proc: PVOID, lp: PVOID
) -> Outcome:
    """Call a MONITORENUMPROC for the one monitor, with what of it is in a rectangle."""
    left, top, right, bottom = 0, 0, WIDTH, HEIGHT
    if rect:
        wanted = struct.unpack("<4i", caller.memory.read(rect, 16))
        left, top = max(left, wanted[0]), max(top, wanted[1])
        right, bottom = min(right, wanted[2]), min(bottom, wanted[3])
    if left >= right or top >= bottom:
        return TRUE
    parameters = struct.pack("<3I4iI", proc, MONITOR, hdc, left, top, right, bottom, lp)
    return UserCall(ENUM_DISPLAY_MONITOR, len(parameters), lambda _address: parameters, _seen, None)


def _seen(_caller: Thread, goes_on: int, _answer: bytes, _state: Any) -> Outcome:
    return int(bool(goes_on))
