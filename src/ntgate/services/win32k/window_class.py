"""Window classes, as Wine 8.0's user32 registers them."""

from __future__ import annotations

import struct
from typing import Any

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, PVOID, ULONG
from ntgate.executive.ps.thread import Thread
from ntgate.layout.win32_errors import (
    ERROR_CLASS_ALREADY_EXISTS,
    ERROR_CLASS_DOES_NOT_EXIST,
    ERROR_CLASS_HAS_WINDOWS,
    ERROR_INVALID_PARAMETER,
)
from ntgate.services.win32k.user import FALSE, TRUE
from ntgate.services.win32k.user_call import fail, read_name, with_builtin_classes

WNDCLASSEXW = struct.Struct("<12I")
MENU_NAME_SIZE = 12  # client_menu_name
MOST_EXTRA = 4096


@service()
def NtUserRegisterClassExWOW(
    caller: Thread, wc: PVOID, name: PVOID, version: PVOID, client_menu_name: PVOID, fnid: ULONG,
    flags: ULONG, wow: PVOID,
) -> Outcome:  # fmt: skip
    """The class's atom; 0 when the process has such a class. flags: 1 from the ANSI function."""
    windows, process = caller.executive.windows, caller.process
    fields = list(WNDCLASSEXW.unpack(caller.memory.read(wc, WNDCLASSEXW.size)))
    text = read_name(caller, name)
    menu_name = caller.memory.read(client_menu_name, MENU_NAME_SIZE)
    if max(fields[3], fields[4]) > MOST_EXTRA:
        return fail(caller, ERROR_INVALID_PARAMETER)
    fields[5] = fields[5] or process.eprocess.SectionBaseAddress
    old = windows.find_class(process, text, fields[5])
    if old is not None and old.fields[5] == fields[5]:
        return fail(caller, ERROR_CLASS_ALREADY_EXISTS)
    new = windows.add_class(process, text, fields, menu_name, unicode=not flags)
    return new.atom


@service()
def NtUserUnregisterClass(
    caller: Thread, name: PVOID, instance: HANDLE, client_menu_name: PVOID
) -> Outcome:
    """Forget a class without windows; its menu name goes back to be freed."""
    windows = caller.executive.windows
    row = windows.find_class(caller.process, read_name(caller, name), instance)
    if row is None:
        return fail(caller, ERROR_CLASS_DOES_NOT_EXIST)
    if row.windows:
        return fail(caller, ERROR_CLASS_HAS_WINDOWS)
    caller.memory.write(client_menu_name, row.menu_name)
    windows.remove_class(row)
    return TRUE


@service()
def NtUserGetClassInfoEx(
    caller: Thread, instance: HANDLE, name: PVOID, wc: PVOID, menu_name: PVOID, ansi: ULONG
) -> Outcome:
    """The class's atom, with its WNDCLASSEXW but for the names."""
    return with_builtin_classes(caller, _class_info, (instance, name, wc, menu_name))


def _class_info(caller: Thread, _result: int, state: Any) -> Outcome:
    instance, name, wc, menu_name = state
    row = caller.executive.windows.find_class(caller.process, read_name(caller, name), instance)
    if row is None:
        return fail(caller, ERROR_CLASS_DOES_NOT_EXIST)
    if wc:
        fields = [*row.fields[:9], 0, 0, row.fields[11]]
        fields[5] = 0 if fields[5] == instance == 0 else instance or fields[5]
        caller.memory.write(wc + 4, WNDCLASSEXW.pack(*fields)[4:])
        caller.memory.write(menu_name, row.menu_name[:8] if menu_name else b"")
    return row.atom


@service()
def NtUserGetClassName(caller: Thread, hwnd: HANDLE, real: ULONG, name: PVOID) -> Outcome:
    """Into a UNICODE_STRING with room; the number of characters."""
    window = caller.executive.windows.get(hwnd)
    if window is None:
        return FALSE
    _, room, buffer = struct.unpack("<HHI", caller.memory.read(name, 8))
    if room < 2:
        return FALSE
    data = window.window_class.given_name.encode("utf-16-le")[: max(room - 2, 0)]
    caller.memory.write(buffer, data + b"\0\0")
    caller.memory.write(name, struct.pack("<H", len(data)))
    return len(data) // 2
