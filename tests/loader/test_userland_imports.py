"""The installed DLLs fit together: what one imports, another exports."""

from __future__ import annotations

import functools

import pefile
import pytest

from ntgate.loader.userland import Userland

DLLS = [
    "kernel32.dll", "kernelbase.dll", "advapi32.dll", "sechost.dll", "msvcrt.dll", "ucrtbase.dll",
    "rpcrt4.dll", "win32u.dll", "gdi32.dll", "user32.dll", "imm32.dll", "version.dll", "ws2_32.dll",
    "iphlpapi.dll", "bcrypt.dll", "bcryptprimitives.dll", "zlib1.dll", "ole32.dll", "combase.dll",
    "oleaut32.dll", "shlwapi.dll", "shcore.dll", "cmd.exe", "conhost.exe",
]  # fmt: skip


@functools.cache
def exports(userland: Userland, name: str) -> frozenset[str | int]:
    """What a DLL exports: names and ordinals."""
    path = userland.file(name)
    assert path is not None, f"{name} is missing"
    pe = pefile.PE(str(path), fast_load=True)
    pe.parse_data_directories([0])
    found: set[str | int] = set()
    for symbol in pe.DIRECTORY_ENTRY_EXPORT.symbols:
        found.add(symbol.ordinal)
        if symbol.name:
            found.add(symbol.name.decode())
    return frozenset(found)


@pytest.mark.parametrize("name", DLLS)
def test_every_import_is_exported(name: str, userland: Userland) -> None:
    path = userland.file(name)
    assert path is not None
    pe = pefile.PE(str(path), fast_load=True)
    pe.parse_data_directories([1])
    missing = [
        (entry.dll.decode(), symbol.name or symbol.ordinal)
        for entry in getattr(pe, "DIRECTORY_ENTRY_IMPORT", [])
        for symbol in entry.imports
        if (symbol.name.decode() if symbol.name else symbol.ordinal)
        not in exports(userland, entry.dll.decode())
    ]
    assert missing == []
