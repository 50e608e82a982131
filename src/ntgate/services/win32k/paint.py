"""Painting: which part of a window has to be painted anew, and the messages that say so.

A part is the rectangle around all that was invalidated. Nobody sees what is painted.
"""

from __future__ import annotations

import struct
from typing import Any

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, PVOID, ULONG
from ntgate.executive.ps.thread import Thread
from ntgate.executive.win32k import gdi
from ntgate.executive.win32k.windows import Rectangle, Window, client_area, union
from ntgate.layout.user import WM_ERASEBKGND, WM_PAINT
from ntgate.layout.win32_errors import ERROR_INVALID_WINDOW_HANDLE
from ntgate.services.win32k.gdi import gdi_objects
from ntgate.services.win32k.user import FALSE, TRUE
from ntgate.services.win32k.user_call import call_procedure, fail

PAINTSTRUCT = struct.Struct("<2I4i2I32s")
RECT = struct.Struct("<4i")
RDW_INVALIDATE, RDW_ERASE, RDW_VALIDATE, RDW_ALLCHILDREN, RDW_UPDATENOW = 1, 4, 8, 0x80, 0x100


def _rectangle(caller: Thread, window: Window, address: int) -> Rectangle:
    """What a program names, within the window; all of it for none."""
    width, height = client_area(window)
    if not address:
        return 0, 0, width, height
    left, top, right, bottom = RECT.unpack(caller.memory.read(address, RECT.size))
    return max(left, 0), max(top, 0), min(right, width), min(bottom, height)


def _invalidate(caller: Thread, window: Window, address: int, *, erase: bool) -> None:
    left, top, right, bottom = _rectangle(caller, window, address)
    if left < right and top < bottom:
        window.update = union(window.update, (left, top, right, bottom))
        window.erase = window.erase or erase
        caller.executive.windows.queue(window.thread).wake()


@service()
def NtUserInvalidateRect(
    caller: Thread, hwnd: HANDLE, rect: PVOID, erase: ULONG
) -> Outcome:
    """Have a part of a window, or of all, painted anew."""
    windows = caller.executive.windows
    window = windows.get(hwnd)
    if hwnd and window is None:
        return fail(caller, ERROR_INVALID_WINDOW_HANDLE)
    for row in [window] if window is not None else list(windows.top_level()):
        _invalidate(caller, row, rect if hwnd else 0, erase=bool(erase) or not hwnd)
    return TRUE


@service(partial="what is left is the rectangle, unless all of it is covered")
def NtUserValidateRect(caller: Thread, hwnd: HANDLE, rect: PVOID) -> Outcome:
    """A part of a window needs no painting."""
    window = caller.executive.windows.get(hwnd)
    if window is None:
        return fail(caller, ERROR_INVALID_WINDOW_HANDLE)
    _validate(caller, window, rect)
    return TRUE


def _validate(caller: Thread, window: Window, address: int) -> None:
    part = _rectangle(caller, window, address)
    if window.update is not None and union(part, window.update) == part:
        window.update, window.erase = None, False


@service(partial="regions count as all of the window")
def NtUserRedrawWindow(
    caller: Thread, hwnd: HANDLE, rect: PVOID, hrgn: HANDLE, flags: ULONG
) -> Outcome:
    """Invalidate or validate a part of a window, and paint it at once if that is asked for."""
    windows = caller.executive.windows
    window = windows.get(hwnd)
    if hwnd and window is None:
        return fail(caller, ERROR_INVALID_WINDOW_HANDLE)
    if window is None:
        return TRUE
    rows = [window]
    if flags & RDW_ALLCHILDREN:
        rows = [row for row in windows.tree(window) if row is window or windows.is_child(row)]
    for row in rows:
        if flags & RDW_INVALIDATE:
            part = rect if row is window and not hrgn else 0
            _invalidate(caller, row, part, erase=bool(flags & RDW_ERASE))
        elif flags & RDW_VALIDATE:
            _validate(caller, row, rect if row is window else 0)
    if flags & RDW_UPDATENOW:
        return _paint_now(caller, 0, [row.handle for row in rows])
    return TRUE


def _paint_now(caller: Thread, _result: int, handles: Any) -> Outcome:
    windows = caller.executive.windows
    for at, handle in enumerate(handles):
        window = windows.get(handle)
        if window is not None and window.thread is caller and windows.needs_paint(window):
            return call_procedure(window, WM_PAINT, 0, 0, _paint_now, handles[at + 1 :])
    return TRUE


@service()
def NtUserGetUpdateRect(caller: Thread, hwnd: HANDLE, rect: PVOID, erase: ULONG) -> Outcome:
    """The part of a window that has to be painted."""
    window = caller.executive.windows.get(hwnd)
    if window is None:
        return fail(caller, ERROR_INVALID_WINDOW_HANDLE)
    if rect:
        caller.memory.write(rect, RECT.pack(*(window.update or (0, 0, 0, 0))))
    return int(window.update is not None)


@service(partial="no caret is hidden, frames are not painted")
def NtUserBeginPaint(caller: Thread, hwnd: HANDLE, ps: PVOID) -> Outcome:
    """A device context for what has to be painted, which needs it no longer; WM_ERASEBKGND."""
    window = caller.executive.windows.get(hwnd)
    if window is None:
        return fail(caller, ERROR_INVALID_WINDOW_HANDLE)
    caller.memory.probe(ps, PAINTSTRUCT.size, write=True)
    part, erase = window.update or (0, 0, 0, 0), window.erase
    window.update, window.erase = None, False
    device = gdi_objects(caller).create_dc(gdi.DC, *client_area(window))
    if not device:
        return 0
    if erase:
        return call_procedure(window, WM_ERASEBKGND, device, 0, _erased, (ps, device, part))
    return _begun(caller, ps, device, part, erase=False)


def _erased(caller: Thread, result: int, state: Any) -> Outcome:
    ps, device, part = state
    return _begun(caller, ps, device, part, erase=not result)


def _begun(caller: Thread, ps: int, device: int, part: Rectangle, *, erase: bool) -> int:
    caller.memory.write(ps, PAINTSTRUCT.pack(device, erase, *part, 0, 0, b""))
    return device


@service()
def NtUserEndPaint(caller: Thread, hwnd: HANDLE, ps: PVOID) -> Outcome:
    """Give the device context back."""
    device = caller.memory.u32(ps)
    objects = gdi_objects(caller)
    if objects.get(device, gdi.DC) is None:
        return FALSE
    return int(objects.delete(device))
