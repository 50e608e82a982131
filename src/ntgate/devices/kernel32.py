"""What the devices ask of a Windows host itself: calls of kernel32 that Python has no name for."""

from __future__ import annotations

import os
import sys

if sys.platform == "win32":
    import ctypes as C
    import msvcrt
    from typing import Any

    ENABLE_PROCESSED_INPUT, ENABLE_LINE_INPUT, ENABLE_ECHO_INPUT = 1, 2, 4
    ENABLE_VIRTUAL_TERMINAL_INPUT = 0x200
    ENABLE_VIRTUAL_TERMINAL_PROCESSING, DISABLE_NEWLINE_AUTO_RETURN = 4, 8

    _GENERIC_READ, _GENERIC_WRITE = 0x8000_0000, 0x4000_0000
    _SHARE_READ_WRITE_DELETE = 7
    _CREATE_NEW, _OPEN_EXISTING = 1, 3
    _FILE_ATTRIBUTE_NORMAL = 0x80
    _INVALID_HANDLE = C.c_void_p(-1).value
    _KEY_EVENT = 1
    _MOST_EVENTS = 0x100

    _kernel32 = C.WinDLL("kernel32", use_last_error=True)

    def _bind(name: str, *argtypes: Any, restype: Any = C.c_int) -> Any:
        function = getattr(_kernel32, name)
        function.argtypes = argtypes
        function.restype = restype
        return function

    class _InputRecord(C.Structure):
        """INPUT_RECORD, with a KEY_EVENT_RECORD's fields."""

        _fields_ = (
            ("EventType", C.c_uint16), ("bKeyDown", C.c_int32), ("wRepeatCount", C.c_uint16),
            ("wVirtualKeyCode", C.c_uint16), ("wVirtualScanCode", C.c_uint16),
            ("UnicodeChar", C.c_uint16), ("dwControlKeyState", C.c_uint32),
        )  # fmt: skip

    _GetConsoleMode = _bind("GetConsoleMode", C.c_void_p, C.c_void_p)
    _SetConsoleMode = _bind("SetConsoleMode", C.c_void_p, C.c_uint32)
    _PeekConsoleInput = _bind(
        "PeekConsoleInputW", C.c_void_p, C.c_void_p, C.c_uint32, C.c_void_p
    )
    _ReadConsole = _bind(
        "ReadConsoleW", C.c_void_p, C.c_void_p, C.c_uint32, C.c_void_p, C.c_void_p
    )
    _PeekNamedPipe = _bind(
        "PeekNamedPipe", C.c_void_p, C.c_void_p, C.c_uint32, C.c_void_p, C.c_void_p, C.c_void_p
    )
    _CreateFile = _bind(
        "CreateFileW", C.c_wchar_p, C.c_uint32, C.c_uint32, C.c_void_p, C.c_uint32, C.c_uint32,
        C.c_void_p, restype=C.c_void_p,
    )  # fmt: skip

    def console_mode(descriptor: int) -> int | None:
        """None where that is no console: NUL calls itself a terminal, too."""
        mode = C.c_uint32()
        handle = msvcrt.get_osfhandle(descriptor)
        return mode.value if _GetConsoleMode(handle, C.byref(mode)) else None

    def set_console_mode(descriptor: int, mode: int) -> bool:
        """False where the console doesn't know such a mode."""
        return bool(_SetConsoleMode(msvcrt.get_osfhandle(descriptor), mode))

    def has_input(descriptor: int) -> bool:
        """Whether a read would not wait; of a console, whether something has been typed."""
        handle, there = msvcrt.get_osfhandle(descriptor), C.c_uint32()
        if console_mode(descriptor) is not None:
            records = (_InputRecord * _MOST_EVENTS)()
            _PeekConsoleInput(handle, C.byref(records), _MOST_EVENTS, C.byref(there))
            return any(
                record.EventType == _KEY_EVENT and record.bKeyDown and record.UnicodeChar
                for record in records[: there.value]
            )
        # It fails for what is no pipe, and at a pipe's end, where a read does not wait either.
        found = _PeekNamedPipe(handle, None, 0, None, C.byref(there), None)
        return not found or there.value > 0

    def read_console(descriptor: int, units: int) -> bytes:
        """What has been typed, in UTF-8: Ctrl-Z is a key, and not the end as in Python's read."""
        buffer, count = (C.c_uint16 * units)(), C.c_uint32()
        handle = msvcrt.get_osfhandle(descriptor)
        _ReadConsole(handle, C.byref(buffer), units, C.byref(count), None)
        text = bytes(buffer)[: 2 * count.value].decode("utf-16-le", "replace")
        return text.encode("utf-8")

    def open_shared(path: str, flags: int) -> int:
        """os.open of a file that may be deleted and renamed meanwhile, as NT's own files may."""
        access = _GENERIC_READ | (_GENERIC_WRITE if flags & os.O_RDWR else 0)
        disposition = _CREATE_NEW if flags & os.O_CREAT else _OPEN_EXISTING
        handle = _CreateFile(
            path, access, _SHARE_READ_WRITE_DELETE, None, disposition, _FILE_ATTRIBUTE_NORMAL, None
        )
        if handle == _INVALID_HANDLE:
            raise C.WinError(C.get_last_error())
        return msvcrt.open_osfhandle(handle, flags | os.O_BINARY | os.O_NOINHERIT)
