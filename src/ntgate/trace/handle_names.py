"""What the handles of a caller are of: the names of their objects, or the types."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from ntgate.errors import NtError

DRIVES = "\\GLOBAL??"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class HandleNames:
    """Gives `C:\\work\\a.txt`, `\\REGISTRY\\MACHINE`, `Event`; a drive's letter for its device.

    Every question looks into the caller's handle table: a guest may change that too.
    """

    def __init__(self, objects: Any) -> None:
        self._objects = objects

    def __call__(self, caller: Any, handle: int) -> str:
        """Empty for what is no handle of the caller's."""
        objects = self._objects
        try:
            body = objects.query_handle(caller.process.handles, handle).body
        except NtError:
            return ""
        kind = str(objects.type_of(body).name)
        try:
            name = str(objects.name_of(body))
        except NtError:
            return kind
        if not name:
            return kind
        for device, letter in self._drives:
            if name.startswith(device + "\\") or name == device:
                return letter + name[len(device) :]
        return name

    @cached_property
    def _drives(self) -> list[tuple[str, str]]:
        """Device and letter of the drives that there are at the first question."""
        objects, drives = self._objects, []
        for letter in LETTERS:
            try:
                body, _ = objects.lookup(f"{DRIVES}\\{letter}:", kind=objects.types["SymbolicLink"])
            except NtError:
                continue
            drives.append((objects.link_target(body), f"{letter}:"))
        return drives
