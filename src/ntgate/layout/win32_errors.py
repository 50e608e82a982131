"""Win32 error codes: those that the kernel answers with itself, and the names of all."""

from __future__ import annotations

from functools import cache
from pathlib import Path

ERROR_ACCESS_DENIED         = 5
ERROR_INVALID_HANDLE        = 6
ERROR_INVALID_PARAMETER     = 87
ERROR_CALL_NOT_IMPLEMENTED  = 120
ERROR_INSUFFICIENT_BUFFER   = 122
ERROR_MORE_DATA             = 234
ERROR_NO_MORE_USER_HANDLES  = 1158
ERROR_INVALID_WINDOW_HANDLE = 1400
ERROR_INVALID_HOOK_HANDLE   = 1404
ERROR_TLW_WITH_WSCHILD      = 1406
ERROR_CANNOT_FIND_WND_CLASS = 1407
ERROR_CLASS_ALREADY_EXISTS  = 1410
ERROR_CLASS_DOES_NOT_EXIST  = 1411
ERROR_CLASS_HAS_WINDOWS     = 1412
ERROR_INVALID_INDEX         = 1413
ERROR_INVALID_HOOK_FILTER   = 1426
ERROR_INVALID_FILTER_PROC   = 1427
ERROR_INVALID_SPI_VALUE     = 1439
ERROR_INVALID_THREAD_ID     = 1444
ERROR_TIMEOUT               = 1460
ERROR_NOT_GUI_PROCESS       = 1471
ERROR_NOT_ENOUGH_QUOTA      = 1816

_DATA = Path(__file__).parent / "data" / "win32_errors.txt"


@cache
def _names() -> dict[int, str]:
    rows = (line.split() for line in _DATA.read_text(encoding="ascii").splitlines())
    return {int(code): name for code, name in rows}


def win32_error_name(code: int) -> str | None:
    """ERROR_ACCESS_DENIED for 5; None where winerror.h has none."""
    return _names().get(code)
