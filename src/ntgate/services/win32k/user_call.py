"""How win32k's services read names, answer errors and call window procedures."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from ntgate.dispatch.outcome import Outcome, UserCall
from ntgate.executive.ps.thread import Thread
from ntgate.executive.win32k.windows import Window
from ntgate.layout.ps import TEB

# Indexes of the KernelCallbackTable of Wine 8.0's user32.
ENUM_DISPLAY_MONITOR, CALL_WINDOW_PROCEDURE, INIT_BUILTIN_CLASSES = 0, 3, 12
WMCHAR_MAP_SENDMESSAGE, WMCHAR_MAP_DISPATCHMESSAGE, WMCHAR_MAP_CALLWINDOWPROC = 1, 4, 5
DPI_UNAWARE = 0x6010  # awareness 0, at 96 dots per inch
PARAMS = struct.Struct("<13I")  # win_proc_params

Went = Callable[[Thread, int, Any], Outcome]  # of the procedure's result and the state


def fail(caller: Thread, error: int) -> int:
    """0, with GetLastError."""
    caller.memory.set_u32(caller.teb + TEB.LastErrorValue.offset, error)
    return 0


def read_name(caller: Thread, address: int) -> str | int:
    """The UNICODE_STRING there; the atom when it is one."""
    length, _, buffer = struct.unpack("<HHI", caller.memory.read(address, 8))
    if buffer >> 16 == 0:
        return int(buffer)
    return caller.memory.read(buffer, length & ~1).decode("utf-16-le", "surrogatepass")


def parameters(
    window: Window, message: int, wparam: int, lparam: int, *, ansi: bool, mapping: int
) -> bytes:
    """win_proc_params: user32 turns strings between the sender's kind and the procedure's."""
    return PARAMS.pack(
        window.procedure, window.handle, message, wparam, lparam, 0, ansi, not window.unicode, 0,
        mapping, DPI_UNAWARE, window.procedure, window.procedure,
    )  # fmt: skip


def call_procedure(
    window: Window,
    message: int,
    wparam: int,
    lparam: int | bytes,
    went: Went,
    state: Any = None,
    *,
    ansi: bool = False,
) -> UserCall:
    """Call a window's procedure; for bytes, the parameter points to them."""
    extra = lparam if isinstance(lparam, bytes) else b""

    def build(address: int) -> bytes:
        value = address + PARAMS.size if isinstance(lparam, bytes) else lparam
        head = parameters(
            window, message, wparam, value, ansi=ansi, mapping=WMCHAR_MAP_CALLWINDOWPROC
        )
        return head + extra

    return UserCall(
        CALL_WINDOW_PROCEDURE, PARAMS.size + len(extra), build, _went, (went, state)
    )


def _went(caller: Thread, _status: int, answer: bytes, state: Any) -> Outcome:
    went, inner = state
    result = int.from_bytes(answer[:4], "little")
    outcome: Outcome = went(caller, result, inner)
    return outcome


def with_builtin_classes(caller: Thread, then: Went, state: Any) -> Outcome:
    """Go on once user32 has registered its own classes, which it does at the first need."""
    if not caller.process.has_windows:
        return 0
    if caller.process.builtin_classes:
        return then(caller, 0, state)
    caller.process.builtin_classes = True
    return UserCall(INIT_BUILTIN_CLASSES, 0, lambda _address: b"", _went, (then, state))
