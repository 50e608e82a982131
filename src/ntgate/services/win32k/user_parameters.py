"""System parameters of XP's classic look, which nothing changes."""

from __future__ import annotations

import struct

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import PVOID, ULONG
from ntgate.executive.ps.thread import Thread
from ntgate.executive.win32k.gdi import logfont
from ntgate.executive.win32k.windows import HEIGHT, WIDTH
from ntgate.layout.win32_errors import ERROR_INVALID_SPI_VALUE
from ntgate.services.win32k.user import FALSE, TRUE
from ntgate.services.win32k.user_call import fail

NONCLIENTMETRICS_SIZE = 500

SPI_GETICONTITLELOGFONT, SPI_GETNONCLIENTMETRICS, SPI_GETICONMETRICS = 31, 41, 45
SPI_GETWORKAREA = 48
TASKBAR = 28  # dots at the screen's lower edge

FONT = logfont(-11, 400, 0, 0x20, "Tahoma")
CAPTION_FONT = logfont(-11, 700, 0, 0x20, "Tahoma")
NONCLIENT = b"".join((
    struct.pack("<6i", NONCLIENTMETRICS_SIZE, 1, 16, 16, 18, 18), CAPTION_FONT,
    struct.pack("<2i", 12, 15), CAPTION_FONT, struct.pack("<2i", 18, 18), FONT, FONT, FONT,
))  # fmt: skip
ICON_METRICS = struct.pack("<4i", 108, 75, 75, 1) + FONT
# Those that are one dword: keyboard, mouse, and what moves on the screen.
VALUES = {
    1: 1, 5: 1, 10: 31, 14: 600, 16: 0, 18: 0, 22: 1, 25: 1, 27: 0, 38: 1, 68: 0, 70: 0, 72: 1,
    74: 0, 83: 0, 84: 0, 92: 4, 94: 4, 98: 4, 100: 4, 102: 400, 104: 3, 106: 400, 110: 0, 114: 0,
    0x1000: 0, 0x1002: 0, 0x1004: 0, 0x1006: 0, 0x1008: 0, 0x100A: 0, 0x100C: 0, 0x100E: 0,
    0x1012: 0, 0x1014: 0, 0x1016: 0, 0x1018: 0, 0x101A: 0, 0x101C: 0, 0x1022: 1, 0x1024: 0,
    0x103E: 0, 0x2000: 200000, 0x2002: 0, 0x2004: 3, 0x2006: 1, 0x200A: 1, 0x200C: 1400,
}  # fmt: skip


def _answer(action: int) -> bytes | None:
    if action in VALUES:
        return struct.pack("<I", VALUES[action])
    if action == SPI_GETNONCLIENTMETRICS:
        return NONCLIENT
    if action == SPI_GETICONTITLELOGFONT:
        return FONT
    if action == SPI_GETICONMETRICS:
        return ICON_METRICS
    if action == SPI_GETWORKAREA:
        return struct.pack("<4i", 0, 0, WIDTH, HEIGHT - TASKBAR)
    return None


@service(partial="nothing can be set")
def NtUserSystemParametersInfo(
    caller: Thread, action: ULONG, val: ULONG, ptr: PVOID, winini: ULONG
) -> Outcome:
    """The parameter at `ptr`."""
    answer = _answer(action)
    if answer is None:
        return fail(caller, ERROR_INVALID_SPI_VALUE)
    if not ptr:
        return FALSE
    caller.memory.write(ptr, answer)
    return TRUE
