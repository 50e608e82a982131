"""Builds the programs that the userland provides, from their C sources beside them.

    python -m ntgate.tools.build_programs

The compiler is PyPI's ziglang, of the version that the tests pin: equal sources give equal bytes,
and a test compares what is kept with what is built.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from ntgate.loader.userland.provided import PROGRAMS

COMPILE = (
    "cc", "-target", "x86-windows-gnu", "-mcpu=i686", "-std=gnu11", "-Os", "-fno-sanitize=all",
    "-fno-stack-protector", "-mno-stack-arg-probe", "-fno-builtin",
    "-fno-asynchronous-unwind-tables", "-Wall", "-Wextra", "-Werror", "-c",
)  # fmt: skip
LINK = (
    "lld-link", "/nologo", "/machine:x86", "/subsystem:console,5.01", "/entry:start",
    "/nodefaultlib", "/safeseh:no", "/Brepro",
)  # fmt: skip


def _zig(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "ziglang", *words], check=True, cwd=PROGRAMS)


def build(name: str, folder: Path) -> bytes:
    """The PE file of NAME.c; what comes on the way goes into the folder."""
    compiled, program = folder / f"{name}.o", folder / f"{name}.exe"
    _zig(*COMPILE, "-o", str(compiled), f"{name}.c")
    libraries = []
    for definitions in sorted(PROGRAMS.glob("*.def")):
        library = str(folder / f"{definitions.stem}.lib")
        _zig("dlltool", "-m", "i386", "-k", "-d", definitions.name, "-l", library)
        libraries.append(library)
    _zig(*LINK, f"/out:{program}", str(compiled), *libraries)
    return program.read_bytes()


def main() -> None:
    """Write each program beside its source."""
    with tempfile.TemporaryDirectory() as folder:
        for source in sorted(PROGRAMS.glob("*.c")):
            (PROGRAMS / f"{source.stem}.exe").write_bytes(build(source.stem, Path(folder)))


if __name__ == "__main__":
    main()
