"""Loops of a ring-3 program in a whole ntgate machine, against bare Unicorn: what is left of
the engine's speed between two system calls, with the clock ticking.
"""

from __future__ import annotations

from bare import BareMachine
from full import FullMachine
from rounds import Contender, is_quick, print_costs, take_turns

import programs
from ntgate.machine import SLICE

ROUNDS = 10
LOOPS = (("8 stores", programs.stores), ("2 calls and returns", programs.branches))


def main() -> None:
    iterations = 500_000 if is_quick(__doc__) else 5_000_000
    for name, make in LOOPS:
        program = make(iterations)
        rows = []
        for counted, slices in ((True, "counted slices"), (False, "slices by the clock")):
            bare = Contender(f"bare, {slices}", BareMachine(program, SLICE if counted else 0))
            full = Contender(f"ntgate, {slices}", FullMachine(program, counted=counted), bare)
            rows += [bare, full]
        take_turns(rows, ROUNDS)
        print(f"An iteration of {name}, {ROUNDS} rounds of {iterations}")
        print_costs(rows, iterations, "ns")


if __name__ == "__main__":
    main()
