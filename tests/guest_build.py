"""Builds the guest test programs: tests/guests/NAME.c becomes a 32-bit Windows NAME.exe.

A program is freestanding and links to ntdll.dll alone (see guests/nt.h), or to kernel32.dll too
(guests/win32.h): then it needs the userland.  The compiler is PyPI's ziglang: no root, the same
bytes on every host.  Built programs are kept under build/guests/, by the hash of everything that
they are made from.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent / "guests"
BUILD = Path(__file__).parent.parent / "build"

# i686: no SSE, so that a program's own code never depends on the FPU state.  The code stays
# what the source says: null is an address like any other, overflow wraps, frames are kept.
COMPILE = [
    "cc", "-target", "x86-windows-gnu", "-mcpu=i686", "-std=gnu11", "-O1", "-ffreestanding",
    "-fno-sanitize=all", "-fno-stack-protector", "-mno-stack-arg-probe", "-fwrapv",
    "-fno-strict-aliasing", "-fno-delete-null-pointer-checks", "-fno-omit-frame-pointer",
    "-fno-asynchronous-unwind-tables", "-Wall", "-Wextra", "-Werror",
]  # fmt: skip
# Subsystem 5.1: XP loads nothing newer.  Without /safeseh:no the image says that it has no
# exception handlers, and NT then calls none of them.
LINK = [
    "lld-link", "/nologo", "/machine:x86", "/subsystem:console,5.01", "/entry:start",
    "/nodefaultlib", "/dynamicbase:no", "/fixed:no", "/safeseh:no", "/Brepro",
]  # fmt: skip
IMPORTS = ["dlltool", "-m", "i386", "-k"]


class GuestBuildError(Exception):
    """A guest program can't be built; the message says what to do."""


def names() -> list[str]:
    """The programs that there are."""
    return sorted(path.stem for path in SOURCES.glob("*.c"))


def build(source: Path) -> Path:
    """The path of the program made from `source`, built unless it is there already."""
    if not source.is_file():
        raise GuestBuildError(f"no guest program {source.stem}; there are: {', '.join(names())}")
    program = BUILD / "guests" / _hash(source) / f"{source.stem}.exe"
    if not program.is_file():
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=program.parent) as scratch:
            built = _compile(source, Path(scratch))
            # Test processes may build one program at the same time: the last one wins whole.
            os.replace(built, program)
    return program


def _hash(source: Path) -> str:
    digest = hashlib.sha256(repr((_zig_version(), COMPILE, LINK, IMPORTS)).encode())
    for part in [source, *sorted(SOURCES.glob("*.h")), *sorted(SOURCES.glob("*.def"))]:
        digest.update(part.name.encode() + b"\0" + part.read_bytes())
    return digest.hexdigest()[:16]


def _compile(source: Path, scratch: Path) -> Path:
    compiled, program = scratch / "program.o", scratch / f"{source.stem}.exe"
    _zig(*COMPILE, "-I", str(SOURCES), "-c", "-o", str(compiled), str(source))
    imports = []
    for definitions in sorted(SOURCES.glob("*.def")):
        library = scratch / f"{definitions.stem}.lib"
        _zig(*IMPORTS, "-d", str(definitions), "-l", str(library))
        imports.append(str(library))
    _zig(*LINK, f"/out:{program}", str(compiled), *imports)
    return program


def _zig_version() -> str:
    try:
        return importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        raise GuestBuildError(
            "the guest programs need the compiler of the package ziglang: run "
            f"'{sys.executable} -m pip install -e .[test]', or 'make test', which does"
        ) from None


def _zig(*arguments: str) -> None:
    cache = str(BUILD / "zig-cache")
    done = subprocess.run(
        [sys.executable, "-m", "ziglang", *arguments],
        env=os.environ | {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise GuestBuildError(f"zig {arguments[0]} failed:\n{done.stdout}{done.stderr}".rstrip())


@pytest.fixture(scope="session")
def guest() -> Callable[[str], Path]:
    """`guest("hello_native")` is the path of the program built from guests/hello_native.c."""

    def find(name: str) -> Path:
        try:
            return build(SOURCES / f"{name}.c")
        except GuestBuildError as error:
            pytest.fail(str(error), pytrace=False)

    return find
