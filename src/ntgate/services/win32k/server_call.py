"""What Wine 8.0's user32 asks of the server that Wine has: the few of its requests that are left.

{request, bytes of data, room for data} and the request's own fields; at 40h the count of data, then
the pointer to the room.  The answer begins with {error, bytes of data}.
"""

from __future__ import annotations

import struct

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import PVOID
from ntgate.executive.events import Unimplemented
from ntgate.executive.ps.thread import Thread
from ntgate.executive.win32k.windows import DESKTOP_WINDOW, Window
from ntgate.layout import ntstatus
from ntgate.services.win32k.user import DPI

# Places in Wine 8.0's server protocol.
REQ_post_quit_message, REQ_is_window_hung, REQ_get_window_info = 112, 120, 138
REQ_get_window_children, REQ_get_last_input_time = 142, 179
FIELDS = 12
MOST_NAME = 0x200


@service(partial="of the server's requests, those of user32 that no service answers")
def wine_server_call(caller: Thread, req_ptr: PVOID) -> Outcome:
    """Children of a window, facts of one, PostQuitMessage."""
    request = caller.memory.u32(req_ptr)
    if request == REQ_post_quit_message:
        code = caller.memory.u32(req_ptr + FIELDS)
        caller.executive.windows.queue(caller).post_quit(code)
        return ntstatus.STATUS_SUCCESS
    if request == REQ_get_window_children:
        return _children(caller, req_ptr)
    if request == REQ_get_window_info:
        return _information(caller, req_ptr)
    if request in (REQ_is_window_hung, REQ_get_last_input_time):
        caller.memory.write(req_ptr, bytes(12))
        return ntstatus.STATUS_SUCCESS
    missing = Unimplemented(caller.pid, caller.tid, "wine_server_call", 0x2021)
    caller.executive.events.emit(missing)
    return ntstatus.STATUS_NOT_IMPLEMENTED


def _children(caller: Thread, address: int) -> int:
    """{desktop, parent, atom, thread} and a class's name: the handles of the windows there."""
    size, room = struct.unpack("<2I", caller.memory.read(address + 4, 8))
    _desktop, parent, atom, tid = struct.unpack("<4I", caller.memory.read(address + FIELDS, 16))
    count, reply, data = struct.unpack("<3I", caller.memory.read(address + 0x40, 12))
    name = ""
    if count and 0 < size <= MOST_NAME:
        name = caller.memory.read(data, size).decode("utf-16-le", "replace").lower()
    windows = caller.executive.windows
    if parent in (0, DESKTOP_WINDOW):
        rows = list(windows.top_level())
    else:
        rows = [row for row in windows.children(parent) if windows.is_child(row)]
    rows = [row for row in rows if _fits(row, name, atom, tid)]
    handles = struct.pack(f"<{len(rows)}I", *(row.handle for row in rows))[:room]
    if handles:
        caller.memory.write(reply, handles)
    caller.memory.write(address, struct.pack("<3I", 0, len(handles), len(rows)))
    return ntstatus.STATUS_SUCCESS


def _fits(row: Window, name: str, atom: int, tid: int) -> bool:
    return (
        (not atom or row.window_class.atom == atom)
        and (not name or row.window_class.name == name)
        and (not tid or row.owner[1] == tid)
    )


def _information(caller: Thread, address: int) -> int:
    """Handle, last popup, process, thread, class, kind of strings, resolution, awareness."""
    window = caller.executive.windows.get(caller.memory.u32(address + FIELDS))
    if window is None:
        return ntstatus.STATUS_INVALID_HANDLE
    data = struct.pack(
        "<10I", 0, 0, window.handle, window.handle, *window.owner,
        window.window_class.atom, window.unicode, DPI, 0,
    )  # fmt: skip
    caller.memory.write(address, data)
    return ntstatus.STATUS_SUCCESS
