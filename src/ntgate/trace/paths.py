"""Whether a call names a path: for `-P`."""

from __future__ import annotations

from typing import Any

from ntgate.trace.record import CallRecord


def names_any(record: CallRecord, paths: tuple[str, ...]) -> bool:
    """In a text, in the name of a handle's object; paths: in lower case, parts of them will do."""
    return any(_names(value, paths) for value in [*record.values, *record.out.values()])


def _names(value: Any, paths: tuple[str, ...]) -> bool:
    if isinstance(value, str):
        lower = value.lower()
        return any(path in lower for path in paths)
    if isinstance(value, dict):
        return any(_names(member, paths) for member in value.values())
    return isinstance(value, list) and any(_names(member, paths) for member in value)
