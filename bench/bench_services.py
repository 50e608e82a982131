"""What programs ask of the system most: processor time of each, through the DLLs and the gate.

services.c says what each row is.  The time is the host's, of the thread that runs the machine;
a row is the least of some rounds, each a run of the whole program in a machine of its own.

Needs the userland (`ntgate userland install`) and ziglang.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import programs
from ntgate.devices.console import MemoryDevice
from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import SERVICES, service
from ntgate.dispatch.types import ULONG
from ntgate.executive.ps.thread import Thread
from ntgate.loader.userland import Userland
from ntgate.machine import Machine

SOURCE = Path(__file__).parent / "services.c"
COMPILE = [
    sys.executable, "-m", "ziglang", "cc", "-target", "x86-windows-gnu", "-mcpu=i686", "-O1", "-s",
    "-Wno-deprecated-declarations", "-luser32", "-ladvapi32", "-lntdll",
]  # fmt: skip


class Marks:
    """The times between the program's marks; a profile of them, when one is wanted."""

    def __init__(self) -> None:
        self.began = 0.0
        self.taken: dict[str, float] = {}
        self.profile: cProfile.Profile | None = None


MARKS = Marks()

SERVICES.pop(programs.MARK, None)  # the machine's own stands back


@service()
def NtReadFileScatter(
    caller: Thread, name: ULONG, count: ULONG, a: ULONG, b: ULONG, c: ULONG, d: ULONG, e: ULONG,
    f: ULONG, g: ULONG,
) -> Outcome:  # fmt: skip
    """A mark: the begin of a row, or the end of `count` times the one of that name."""
    now = time.thread_time()
    if not name:
        if MARKS.profile:
            MARKS.profile.enable()
        MARKS.began = time.thread_time()
        return 0
    if MARKS.profile:
        MARKS.profile.disable()
    words = bytearray()
    while byte := caller.memory.read(name + len(words), 1):
        if byte == b"\0":
            break
        words += byte
    MARKS.taken[words.decode()] = (now - MARKS.began) / count
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--profile", action="store_true", help="where the time of the rows goes")
    parser.add_argument("--program", type=Path, help="services.exe, when it is compiled already")
    parser.add_argument("rows", nargs="*", help="begins of names; all, without one")
    options = parser.parse_args()
    if Userland.find() is None:
        print("No userland: run `ntgate userland install`")
        return
    if options.profile:
        MARKS.profile = cProfile.Profile(time.thread_time)
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "services.exe"
        if options.program:
            program.write_bytes(options.program.read_bytes())
        else:
            subprocess.run([*COMPILE, "-o", str(program), str(SOURCE)], check=True)
        os.chdir(folder)
        for _round in range(1 if options.quick or options.profile else 3):
            rounds.append(_run(program, options.rows))
    for name in rounds[0]:
        print(f"{name:28}{min(taken[name] for taken in rounds) * 1e6:12.1f} us")
    if MARKS.profile:
        pstats.Stats(MARKS.profile).sort_stats("tottime").print_stats(40)


def _run(program: Path, rows: list[str]) -> dict[str, float]:
    MARKS.taken = {}
    machine, output = Machine(), MemoryDevice()
    process = machine.start(program, rows, stdout=output)
    machine.run()
    if process.eprocess.ExitStatus:
        raise RuntimeError(f"services.exe says: {output.output[-80:].decode('latin-1')}")
    machine.cpu.close()
    return MARKS.taken


if __name__ == "__main__":
    main()
