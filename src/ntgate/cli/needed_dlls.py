"""Which DLL a program could not start without, and who needs it.

A loader tries every DLL that is imported; so what is imported and was never loaded is what it has
not found.
"""

from __future__ import annotations

from ntgate.trace.modules import imported_dlls

CONTRACTS = ("api-ms-", "ext-ms-")  # names of API sets: other DLLs stand for them


class NeededDlls:
    """The modules that each process has ever loaded."""

    def __init__(self) -> None:
        self._loaded: dict[int, dict[str, bytes]] = {}  # by process, by name: the PE files

    def load(self, pid: int, name: str, file: bytes) -> None:
        self._loaded.setdefault(pid, {}).setdefault(name, file)

    def missing(self, pid: int) -> str:
        """`x.dll, which y.exe needs`, of several the first; empty where none is known."""
        loaded = self._loaded.get(pid, {})
        names = {name.lower() for name in loaded}
        for owner, file in loaded.items():
            for name in imported_dlls(file):
                full = name if "." in name else f"{name}.dll"
                if full.lower() not in names and not full.lower().startswith(CONTRACTS):
                    return f"{full}, which {owner} needs"
        return ""
