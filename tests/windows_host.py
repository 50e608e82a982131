"""Runs the `ntgate` command as on a Windows host, as far as another host can stand in for one.

    python windows_host.py --imports        every module, without Unix's own modules
    python windows_host.py WORDS...         the command

`sys.platform` is win32; Unix's modules and functions are not there, nor paths by descriptors;
msvcrt and kernel32 are stand-ins with the few functions that ntgate calls.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.abc
import os
import pkgutil
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import types
from typing import Any

# These look at the platform when they are imported, and belong to the host that there is.
import click
import iced_x86
import keystone
import pefile
import prompt_toolkit
import prompt_toolkit.history
import prompt_toolkit.shortcuts
import rich.console
import rich.progress
import unicorn

IMPORTED_BEFORE = (
    click, iced_x86, keystone, pefile, prompt_toolkit, rich, shutil, subprocess, tempfile, unicorn
)  # fmt: skip
UNIX_MODULES = {"fcntl", "termios", "tty", "pty", "resource", "pwd", "grp", "syslog"}
UNIX_FUNCTIONS = ("pread", "pwrite", "fork", "fchmod", "geteuid", "getuid", "mkfifo", "fpathconf")
UNIX_SIGNALS = ("SIGHUP", "pthread_kill", "SIGALRM", "SIGUSR1")


class Refused(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in UNIX_MODULES:
            raise ModuleNotFoundError(f"Windows has no {name}", name=name)


class Kernel32:
    """GetCurrentProcess, ReadProcessMemory and PeekNamedPipe of this process."""

    class GetCurrentProcess:
        restype: Any = None

        def __new__(cls) -> int:  # type: ignore[misc]
            return -1

    def ReadProcessMemory(
        self, _process: Any, address: Any, buffer: Any, size: Any, count: Any
    ) -> int:
        try:
            with open("/proc/self/mem", "rb", buffering=0) as memory:
                memory.seek(address.value)
                data = memory.read(size.value)
        except (OSError, OverflowError, ValueError):
            return 0
        ctypes.memmove(buffer, data, len(data))
        count._obj.value = len(data)
        return 1

    def PeekNamedPipe(
        self, handle: Any, _buffer: Any, _size: Any, _read: Any, there: Any, _left: Any
    ) -> int:
        there._obj.value = len(select.select([handle.value], [], [], 0)[0])
        return 1


def become_windows() -> None:
    for name in UNIX_MODULES:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, Refused())
    for name in UNIX_FUNCTIONS:
        delattr(os, name)
    for name in UNIX_SIGNALS:
        delattr(signal, name)
    os.supports_dir_fd = set()
    msvcrt: Any = types.ModuleType("msvcrt")
    msvcrt.LK_NBLCK = 2
    msvcrt.locking = lambda *_words: None
    msvcrt.get_osfhandle = lambda descriptor: descriptor
    sys.modules["msvcrt"] = msvcrt
    ctypes.WinDLL = lambda _name: Kernel32()  # type: ignore[attr-defined]
    sys.platform = "win32"


def import_all() -> None:
    import ntgate

    for module in pkgutil.walk_packages(ntgate.__path__, "ntgate."):
        importlib.import_module(module.name)


if __name__ == "__main__":
    become_windows()
    if sys.argv[1:] == ["--imports"]:
        import_all()
    else:
        from ntgate.cli import main

        main()
