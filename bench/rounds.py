"""Rounds that take turns, and the table of what they cost.

The contenders of one table run their rounds in turn, so that what else the host does falls on
all of them; a ratio is only ever between times of one run.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


class Machine(Protocol):
    """bare.BareMachine or full.FullMachine."""

    def run_round(self) -> None: ...

    def close(self) -> None: ...


@dataclass
class Contender:
    """One row of a table; `reference` is the row that it is compared with."""

    name: str
    machine: Machine
    reference: Contender | None = None
    times: list[float] = field(default_factory=list)  # seconds a round


def is_quick(description: str | None) -> bool:
    """Whether the command line asks for a look instead of a measurement."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    return bool(parser.parse_args().quick)


def take_turns(contenders: Sequence[Contender], rounds: int) -> None:
    """One round each that is not counted, then `rounds` of each in turn."""
    for contender in contenders:
        contender.machine.run_round()
    for number in range(rounds):
        for position in range(len(contenders)):
            contender = contenders[(number + position) % len(contenders)]
            begin = time.perf_counter()
            contender.machine.run_round()
            contender.times.append(time.perf_counter() - begin)
    for contender in contenders:
        contender.machine.close()


def print_costs(contenders: Sequence[Contender], operations: int, unit: str) -> None:
    """Time of one of a round's `operations`, and how many times the reference's that is."""
    print(f"{'':34}{'minimum':>10}{'median':>10}{'ratio of min':>15}{'median ratio':>15}")
    scale = {"us": 1e6, "ns": 1e9}[unit] / operations
    for row in contenders:
        line = f"{row.name:34}"
        for value in (min(row.times), statistics.median(row.times)):
            line += f"{value * scale:7.2f} {unit}"
        if row.reference is not None:
            first = min(row.times) / min(row.reference.times)
            pairs = zip(row.times, row.reference.times, strict=True)
            line += f"{first:15.2f}{statistics.median(a / b for a, b in pairs):15.2f}"
        print(line)
