"""Ctrl-C of whoever uses the machine from Python."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from gate.consistency import check_machine
from gate.guest_run import GuestRun


class Presser:
    """An observer of calls that presses Ctrl-C on the way into some and out of others."""

    def __init__(self) -> None:
        self.seen = self.pressed = 0

    def _count(self) -> None:
        self.seen += 1
        if self.seen % 1999 == 0:
            self.pressed += 1
            signal.raise_signal(signal.SIGINT)

    def enter(self, caller: object, number: object, raw: Sequence[int]) -> int | None:
        self._count()
        return None

    def leave(self, caller: object, number: object, status: int | None) -> None:
        self._count()


def test_ctrl_c_never_breaks_into_a_service(guest: Callable[[str], Path]) -> None:
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    run = GuestRun(guest("many_calls"))
    presser = Presser()
    run.machine.observe(presser, lambda thread, eip: None)
    interrupted = 0
    while not run.process.exited:
        try:
            run.machine.run()
        except KeyboardInterrupt:
            interrupted += 1
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert interrupted == presser.pressed == 2 * 40_003 // 1999
    assert run.output == "passed\n"
    check_machine(run.machine)
