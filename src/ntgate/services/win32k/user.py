"""What the window manager tells of itself, in the form of Wine 8.0's win32u.

There is a window station with a desktop, and a screen of a fixed size that nobody sees.
"""

from __future__ import annotations

import struct
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, PVOID, ULONG, OutOpt, Scalar, SizedBy
from ntgate.executive.ps.thread import Thread
from ntgate.executive.win32k import builtin_classes
from ntgate.executive.win32k.desktop import DESKTOP_NAME, STATION_NAME
from ntgate.executive.win32k.windows import DESKTOP_WINDOW, HEIGHT, WIDTH
from ntgate.layout import ntstatus
from ntgate.layout.ps import TEB
from ntgate.layout.win32_errors import (
    ERROR_INSUFFICIENT_BUFFER,
    ERROR_INVALID_HANDLE,
    ERROR_INVALID_PARAMETER,
)
from ntgate.services.win32k.user_call import DPI_UNAWARE

DPI = 96

FALSE, TRUE = 0, 1

UOI_FLAGS, UOI_NAME, UOI_TYPE, UOI_USER_SID = 1, 2, 3, 4
WSF_VISIBLE = 1

# Codes of NtUserCallNoParam, NtUserCallOneParam and NtUserCallTwoParam.
GetDesktopWindow, GetDialogBaseUnits = 1, 2
GetPrimaryMonitorRect, GetSysColor, GetSystemMetrics, GetVirtualScreenRect = 10, 11, 14, 15
GetSystemMetricsForDpi = 3

# GetSystemMetrics on XP's classic look at 96 dots per inch; others are 0.
METRICS = {
    0: WIDTH, 1: HEIGHT, 2: 16, 3: 16, 4: 19, 5: 1, 6: 1, 7: 3, 8: 3, 9: 16, 10: 16, 11: 32,
    12: 32, 13: 32, 14: 32, 15: 19, 16: WIDTH, 17: HEIGHT - 26, 19: 1, 20: 16, 21: 16, 28: 112,
    29: 27, 30: 18, 31: 18, 32: 4, 33: 4, 34: 112, 35: 27, 36: 4, 37: 4, 38: 75, 39: 75, 43: 3,
    45: 2, 46: 2, 47: 160, 48: 27, 49: 16, 50: 16, 51: 16, 52: 12, 53: 15, 54: 18, 55: 18, 56: 8,
    57: 160, 58: 27, 59: WIDTH + 12, 60: HEIGHT + 12, 61: WIDTH + 8, 62: HEIGHT - 22, 63: 3,
    68: 4, 69: 4, 71: 13, 72: 13, 75: 1, 78: WIDTH, 79: HEIGHT, 80: 1, 81: 1, 83: 1, 84: 1,
}  # fmt: skip
# GetSysColor on XP's classic look, 00bbggrr, COLOR_SCROLLBAR first.
COLORS = (
    0xC8D0D4, 0xA56E3A, 0x6A240A, 0x808080, 0xC8D0D4, 0xFFFFFF, 0x000000, 0x000000, 0x000000,
    0xFFFFFF, 0xC8D0D4, 0xC8D0D4, 0x808080, 0x6A240A, 0xFFFFFF, 0xC8D0D4, 0x808080, 0x808080,
    0x000000, 0xC8D0D4, 0xFFFFFF, 0x404040, 0xC8D0D4, 0x000000, 0xE1FFFF, 0xB5B5B5, 0x800000,
    0xF0CAA6, 0xC0C0C0, 0x6A240A, 0xC8D0D4,
)  # fmt: skip

Answer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("nLength", "out")]
INT = Annotated[int, Scalar("INT", signed=True)]


def _fail(caller: Thread, error: int) -> int:
    """FALSE, with GetLastError."""
    caller.memory.set_u32(caller.teb + TEB.LastErrorValue.offset, error)
    return FALSE


@service()
def NtUserInitializeClientPfnArrays(
    caller: Thread, ClientProcsA: PVOID, ClientProcsW: PVOID, ClientWorkers: PVOID,
    UserModule: PVOID,
) -> Outcome:  # fmt: skip
    """user32 tells where its window procedures are: its classes are registered."""
    procedures = caller.memory.read(ClientProcsW, builtin_classes.PROCEDURES_SIZE)
    if caller.process.has_windows:
        return ntstatus.STATUS_SUCCESS
    caller.process.has_windows = True
    builtin_classes.register(caller.executive.windows, caller.process, procedures, UserModule)
    return ntstatus.STATUS_SUCCESS


@service()
def NtUserGetSystemDpiForProcess(caller: Thread, Process: HANDLE) -> Outcome:
    """Dots per inch of the screen."""
    return DPI


@service()
def NtUserGetProcessDpiAwarenessContext(caller: Thread, Process: HANDLE) -> Outcome:
    """A process knows nothing of other resolutions."""
    return DPI_UNAWARE


@service()
def NtUserSetProcessDpiAwarenessContext(
    caller: Thread, Awareness: ULONG, Unknown: ULONG
) -> Outcome:
    """With one resolution it makes no difference."""
    return TRUE


@service(partial="the input queue is none")
def NtUserCallNoParam(caller: Thread, Code: ULONG) -> Outcome:
    """Wine's codes: dialog units, the desktop, end of a thread; 0 for what does not exist."""
    return {GetDesktopWindow: DESKTOP_WINDOW, GetDialogBaseUnits: 16 << 16 | 8}.get(Code, 0)


@service(partial="metrics, colours and the screen's rectangle only")
def NtUserCallOneParam(caller: Thread, Argument: PVOID, Code: ULONG) -> Outcome:
    """Wine's codes: system metrics, colours, rectangles of the screen."""
    if Code == GetSystemMetrics:
        return METRICS.get(Argument, 0)
    if Code == GetSysColor:
        return COLORS[Argument] if Argument < len(COLORS) else 0
    if Code in (GetPrimaryMonitorRect, GetVirtualScreenRect):
        caller.memory.write(Argument, struct.pack("<4I", 0, 0, WIDTH, HEIGHT))
        return TRUE
    return 0


@service()
def NtUserGetProcessWindowStation(caller: Thread) -> Outcome:
    """The handle of WinSta0."""
    return caller.executive.desktops.station(caller.process)


@service()
def NtUserGetThreadDesktop(caller: Thread, ThreadId: ULONG) -> Outcome:
    """The handle of the desktop of a thread."""
    return caller.executive.desktops.desktop(caller.process)


@service()
def NtUserGetObjectInformation(
    caller: Thread,
    hObject: HANDLE,
    nIndex: INT,
    pvInfo: Answer,
    nLength: ULONG,
    lpnLengthNeeded: OutOpt[ULONG],
) -> Outcome:
    """Flags, name and type of a window station or of a desktop."""
    body = caller.object(hObject, None, 0)
    kind = caller.executive.objects.type_of(body).name
    if kind not in ("WindowStation", "Desktop"):
        return _fail(caller, ERROR_INVALID_HANDLE)
    if nIndex == UOI_FLAGS:
        data = struct.pack("<3I", 0, 0, WSF_VISIBLE if kind == "WindowStation" else 0)
    elif nIndex == UOI_NAME:
        name = STATION_NAME if kind == "WindowStation" else DESKTOP_NAME
        data = f"{name}\0".encode("utf-16-le")
    elif nIndex == UOI_TYPE:
        data = f"{kind}\0".encode("utf-16-le")
    elif nIndex == UOI_USER_SID:
        data = b""
    else:
        return _fail(caller, ERROR_INVALID_PARAMETER)
    lpnLengthNeeded.write(len(data))
    if nLength < len(data):
        return _fail(caller, ERROR_INSUFFICIENT_BUFFER)
    caller.memory.write(pvInfo, data)
    return TRUE


@service()
def NtUserGetForegroundWindow(caller: Thread) -> Outcome:
    """None: with nobody at the screen, no window is in front."""
    return 0
