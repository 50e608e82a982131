"""What real programs cost: start and memory of the least one, and a CPU-bound one's speed.

    hello       printf through the DLLs: the whole command, what passes before the guest's first
                instruction, and the host's memory.
    7za         LZMA2 of 10 MB, against the engine alone: the time of an uncounted run that is
                spent in the engine and not in what it calls back.

Needs the userland (`ntgate userland install`), ziglang and npm.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rounds import is_quick

from ntgate.loader.userland import Userland

BENCH = Path(__file__).parent
sys.path.insert(0, str(BENCH.parent / "tests" / "programs"))

from packages import SEVEN_ZIP  # noqa: E402

COMPILE = [sys.executable, "-m", "ziglang", "cc", "-target", "x86-windows-gnu", "-O1", "-s"]
PROBE = [sys.executable, str(BENCH / "program_probe.py")]
HELLO = """
#include <stdio.h>
int main(void) { return printf("hello\\n") != 6; }
"""
WORDS = ["a", "-t7z", "-m0=LZMA2", "-mx=1", "-mmt=1", "made.7z", "data.bin"]


def main() -> None:
    quick = is_quick(__doc__)
    if Userland.find() is None:
        print("No userland: run `ntgate userland install`")
        return
    with tempfile.TemporaryDirectory() as folder:
        hello(Path(folder), 3 if quick else 10)
        compress(Path(folder), 3 if quick else 10, 1 if quick else 3)


def hello(folder: Path, rounds: int) -> None:
    source, program = folder / "hello.c", folder / "hello.exe"
    source.write_text(HELLO)
    subprocess.run([*COMPILE, "-o", str(program), str(source)], check=True)
    whole, busy, before, memory = [], [], [], []
    for number in range(rounds + 1):  # the first fills the caches
        began = time.time()
        process = subprocess.Popen(
            [*PROBE, "start", repr(began), "run", str(program)],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        told = process.stderr.read()
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(told)
        if number:
            whole.append(time.time() - began)
            busy.append(usage.ru_utime + usage.ru_stime)
            before.append(float(told))
            memory.append(usage.ru_maxrss / 1024)
    print(f"hello, {rounds} times{'minimum':>22}{'median':>10}")
    for name, values, unit in (
        ("in all", whole, "s"), ("before the first instruction", before, "s"),
        ("processor time in all", busy, "s"), ("memory of the host", memory, "MB"),
    ):  # fmt: skip
        print(f"{name:30}{min(values):8.2f} {unit:2}{statistics.median(values):8.2f} {unit}")


def compress(folder: Path, megabytes: int, rounds: int) -> None:
    """A library's code and data, without start and end."""
    (folder / "data.bin").write_bytes(_sample(megabytes << 20))
    program = SEVEN_ZIP.folder() / "package/win/ia32/7za.exe"
    taken: dict[str, list[float]] = {"bare engine": [], "uncounted": [], "counted": []}
    for _round in range(rounds):
        for name, options in (("uncounted", ["--fast"]), ("counted", [])):
            (folder / "made.7z").unlink(missing_ok=True)
            words = [*PROBE, "engine", "0", "run", "--rw", *options, str(program), *WORDS]
            done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
            whole, engine = map(float, done.stderr.split()[-2:])
            taken[name].append(whole)
            if name == "uncounted":
                taken["bare engine"].append(engine)
    print(f"7za, LZMA2 of {megabytes} MB, {rounds} times{'minimum':>14}{'speed of bare':>15}")
    for name, values in taken.items():
        ratio = min(taken["bare engine"]) / min(values)
        print(f"{name:30}{min(values):8.2f} s {ratio:14.2f}")


def _sample(size: int) -> bytes:
    userland = Userland.find()
    assert userland is not None
    parts = b"".join(
        (userland.place / "system32" / name).read_bytes()
        for name in ("shell32.dll", "user32.dll", "msvcrt.dll", "oleaut32.dll", "mshtml.dll")
    )
    return (parts * (size // len(parts) + 1))[:size]


if __name__ == "__main__":
    main()
