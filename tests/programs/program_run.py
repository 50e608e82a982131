"""A program on the command line, as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ntgate
from ntgate.loader.userland import Userland

SOURCE = Path(ntgate.__file__).parent.parent
ENTRY = "from ntgate.cli import main; main()"


def environment() -> dict[str, str]:
    """With the package, whether it is installed or not."""
    search = os.pathsep.join(filter(None, (str(SOURCE), os.environ.get("PYTHONPATH", ""))))
    return os.environ | {"PYTHONPATH": search}


@dataclass(frozen=True)
class Ran:
    """What a program left behind; the texts with \\n alone at each line's end."""

    code: int
    output: str
    errors: str

    def lines(self) -> list[str]:
        """The lines of the output, once the program has ended well."""
        assert self.code == 0, f"exit code {self.code}\n{self.output}{self.errors}"
        return self.output.splitlines()


class Runner:
    """`ntgate run` as a user types it, in a folder of the test's own."""

    def __init__(self, folder: Path, userland: Userland) -> None:
        self.folder = folder
        self.userland = userland

    def __call__(
        self,
        program: Path | str,
        *arguments: str,
        options: Sequence[str] = (),
        typed: str = "",
        seconds: int = 110,
    ) -> Ran:
        """A program with no path is one of the userland's."""
        if isinstance(program, str):
            found = self.userland.file(program)
            assert found is not None, program
            program = found
        done = subprocess.run(
            [sys.executable, "-c", ENTRY, "run", *options, str(program), *arguments],
            input=typed.replace("\n", "\r\n").encode("cp1252"),
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            timeout=seconds,
            check=False,
        )
        output, errors = (
            text.decode("cp1252").replace("\r\n", "\n") for text in (done.stdout, done.stderr)
        )
        return Ran(done.returncode, output, errors)
