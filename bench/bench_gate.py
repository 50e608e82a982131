"""A call of nine arguments that does nothing, through both gates, against bare Unicorn.

The guest calls the service through its ntdll stub.  ntgate runs it as it runs any program:
trap frame, argument probe, service table, clock interrupts, APC check and all.  The machine
for `int 2Eh` is one whose processor has no sysenter, so that the same stub goes through
KiIntSystemCall and returns by `iretd`.  The bare call is that of bare.py, by sysenter.
"""

from __future__ import annotations

from bare import TUNED, BareMachine
from full import FullMachine
from rounds import Contender, is_quick, print_costs, take_turns

import programs
from ntgate.machine import SLICE

ROUNDS = 20


def main() -> None:
    calls = (100_000 if is_quick(__doc__) else 1_000_000) // ROUNDS
    program = programs.calls(calls)
    rows = []
    for counted, slices in ((True, "counted slices"), (False, "slices by the clock")):
        length = SLICE if counted else 0
        bare = Contender(f"bare, {slices}", BareMachine(program, length))
        tuned = Contender(f"bare, tuned, {slices}", BareMachine(program, length, TUNED), bare)
        rows += [bare, tuned]
        for has_sep, gate in ((True, "sysenter"), (False, "int 2Eh")):
            machine = FullMachine(program, has_sep=has_sep, counted=counted)
            rows.append(Contender(f"{gate}, {slices}", machine, bare))
    take_turns(rows, ROUNDS)
    print(f"A null call of nine arguments, {calls * ROUNDS} calls of each kind")
    print_costs(rows, calls, "us")


if __name__ == "__main__":
    main()
