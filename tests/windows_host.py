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
import io
import os
import pkgutil
import select
import shutil
import signal
import stat
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


class Function:
    """One of kernel32's, as ctypes makes it."""

    restype: Any = None
    argtypes: Any = None

    def __init__(self, does: Any) -> None:
        self._does = does

    def __call__(self, *words: Any) -> Any:
        return self._does(*words)


def read_process_memory(_process: Any, address: Any, buffer: Any, size: Any, count: Any) -> int:
    try:
        with open("/proc/self/mem", "rb", buffering=0) as memory:
            memory.seek(address.value)
            data = memory.read(size.value)
    except (OSError, OverflowError, ValueError):
        return 0
    ctypes.memmove(buffer, data, len(data))
    count._obj.value = len(data)
    return 1


def peek_named_pipe(
    handle: int, _buffer: Any, _size: Any, _read: Any, there: Any, _left: Any
) -> int:
    there._obj.value = len(select.select([handle], [], [], 0)[0])
    return 1


def create_file(
    path: str, access: int, share: int, _security: Any, disposition: int, _flags: int, _file: Any
) -> int:
    assert share == 7, "a file of NT's can be deleted while it is open"
    flags = os.O_RDWR if access & 0x4000_0000 else os.O_RDONLY
    return os.open(path, flags | (os.O_CREAT | os.O_EXCL if disposition == 1 else 0), 0o666)


class Kernel32:
    """What ntgate calls of it, for this process."""

    def __init__(self) -> None:
        self.GetCurrentProcess = Function(lambda: -1)
        self.ReadProcessMemory = Function(read_process_memory)
        self.PeekNamedPipe = Function(peek_named_pipe)
        self.GetConsoleMode = Function(lambda *_words: 0)
        self.SetConsoleMode = self.PeekConsoleInputW = self.ReadConsoleW = self.GetConsoleMode
        self.CreateFileW = Function(create_file)


class DescriptorOfWindows(io.FileIO):
    """NUL calls itself a terminal, as every character device does there."""

    def isatty(self) -> bool:
        return stat.S_ISCHR(os.fstat(self.fileno()).st_mode)


def become_windows() -> None:
    sys.stdin = io.TextIOWrapper(io.BufferedReader(DescriptorOfWindows(0, closefd=False)))
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
    msvcrt.open_osfhandle = lambda handle, _flags: handle
    os.O_BINARY, os.O_NOINHERIT = 0, os.O_CLOEXEC  # type: ignore[attr-defined]
    sys.modules["msvcrt"] = msvcrt
    ctypes.WinDLL = lambda _name, **_words: Kernel32()  # type: ignore[attr-defined]
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
