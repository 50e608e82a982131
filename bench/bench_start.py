"""How long a command takes from its start to its end, as the shell sees it.

The package's own caches (the assembled nt image, the built-in programs) are made in a folder
that is empty before the row that says so.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

from rounds import is_quick

NTGATE = [sys.executable, "-m", "ntgate"]
COMMANDS = (
    ("python -c pass", [sys.executable, "-c", "pass"]),
    ("ntgate --help", [*NTGATE, "--help"]),
    ("ntgate kd -c r", [*NTGATE, "kd", "-c", "r"]),
    ("ntgate run @sysenter", [*NTGATE, "run", "@sysenter"]),
)


def main() -> None:
    rounds = 3 if is_quick(__doc__) else 10
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"XDG_CACHE_HOME": folder, "LOCALAPPDATA": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled
        print(f"Seconds of a command, {rounds} times each")
        print(f"{'':34}{'minimum':>10}{'median':>10}")
        first = _seconds([*NTGATE, "run", "@sysenter"], environment)
        print(f"{'the first run, with no cache':34}{first:10.2f}")
        times: dict[str, list[float]] = {name: [] for name, _command in COMMANDS}
        for _round in range(rounds):
            for name, command in COMMANDS:
                times[name].append(_seconds(command, environment))
        for name, taken in times.items():
            print(f"{name:34}{min(taken):10.2f}{statistics.median(taken):10.2f}")


def _seconds(command: list[str], environment: dict[str, str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
