"""What a kernel32 WriteFile call of 16 bytes costs, through the DLLs and the gate, and traced.

Each figure is the difference of two runs of one program, with and without the calls: start and
end fall out.  Needs the userland (`ntgate userland install`).
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rounds import is_quick

from ntgate.loader.userland import Userland

SOURCE = Path(__file__).parent / "write_file.c"
COMPILE = [
    sys.executable, "-m", "ziglang", "cc", "-target", "x86-windows-gnu", "-mcpu=i686", "-O1",
    "-ffreestanding", "-nostdlib", "-mno-stack-arg-probe", "-Wl,-e,start",
    "-Wl,--subsystem,console", "-lkernel32",
]  # fmt: skip
NTGATE = [sys.executable, "-m", "ntgate"]
KINDS = {
    "run": ["run"],
    "trace --format jsonl": ["trace", "--format", "jsonl", "-o", "trace"],
    "trace (text)": ["trace", "-o", "trace"],
    "trace -c": ["trace", "-c", "-o", "trace"],
    "trace -e %registry": ["trace", "-e", "%registry", "-o", "trace"],
}


def main() -> None:
    thousands, rounds = (10, 2) if is_quick(__doc__) else (20, 5)
    if Userland.find() is None:
        print("No userland: run `ntgate userland install`")
        return
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "write_file.exe"
        subprocess.run([*COMPILE, "-o", str(program), str(SOURCE)], check=True)
        without: dict[str, list[float]] = {name: [] for name in KINDS}
        taken: dict[str, list[float]] = {name: [] for name in KINDS}
        for _round in range(rounds):
            for name, words in KINDS.items():
                command = [*NTGATE, *words, str(program)]
                without[name].append(_seconds(command, folder))
                taken[name].append(_seconds([*command, "x" * thousands], folder))
    print(f"Microseconds of a WriteFile call of 16 bytes, {1000 * thousands} calls, {rounds} times")
    print(f"{'':26}{'minimum':>10}{'median':>10}{'ratio':>8}")
    base = _each(min, taken["run"], without["run"], thousands)
    for name in KINDS:
        least = _each(min, taken[name], without[name], thousands)
        median = _each(statistics.median, taken[name], without[name], thousands)
        print(f"{name:26}{least:10.1f}{median:10.1f}{least / base:8.2f}")


def _each(
    of: Callable[[list[float]], float], taken: list[float], without: list[float], thousands: int
) -> float:
    return (of(taken) - of(without)) / thousands * 1000


def _seconds(command: list[str], folder: str) -> float:
    """Processor time of a command: other work on the host counts less than in elapsed time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
