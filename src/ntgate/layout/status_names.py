"""The name of an NTSTATUS."""

from __future__ import annotations

from functools import cache

from ntgate.layout import ntstatus


@cache
def _names() -> dict[int, str]:
    names: dict[int, str] = {}
    for name, value in vars(ntstatus).items():
        if name.startswith(("STATUS_", "DBG_")):
            names.setdefault(value, name)
    return names


def name_of(status: int) -> str:
    """STATUS_ACCESS_VIOLATION for c0000005; the eight hex digits where there is no name."""
    status &= 0xFFFFFFFF
    return _names().get(status) or f"{status:08x}"
