"""The names of Win32 error codes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_DATA = Path(__file__).parent / "data" / "win32_errors.txt"


@cache
def _names() -> dict[int, str]:
    rows = (line.split() for line in _DATA.read_text(encoding="ascii").splitlines())
    return {int(code): name for code, name in rows}


def win32_error_name(code: int) -> str | None:
    """ERROR_ACCESS_DENIED for 5; None where winerror.h has none."""
    return _names().get(code)
