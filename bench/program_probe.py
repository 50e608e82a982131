"""`ntgate` with figures on standard error: program_probe.py KIND TIME WORDS...

    start   seconds from TIME to the guest's first instruction
    engine  processor seconds of the thread that runs the machine, from the first instruction on:
            in all, and in the engine without what it calls back
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

KIND, BEGAN = sys.argv[1], float(sys.argv[2])


def at_first_instruction(do: Callable[[], None]) -> None:
    from ntgate.machine import Cause, Machine

    resume = Machine.resume

    def timed(machine: Machine, instructions: int = 0) -> Cause:
        Machine.resume = resume  # type: ignore[method-assign]
        do()
        return resume(machine, instructions)

    Machine.resume = timed  # type: ignore[method-assign]


class EngineTime:
    """Wraps the engine's start, and every callback that is installed."""

    def __init__(self) -> None:
        from ntgate.cpu import unicorn_abi as abi

        self.seconds = 0.0
        self._hook_add = abi.hook_add
        abi.uc_emu_start = self.timed(abi.uc_emu_start)
        abi.emu_start_counted = self.timed(abi.emu_start_counted)
        abi.hook_add = self.hook_add  # type: ignore[assignment]

    def timed(self, start: Any) -> Any:
        def timed(*arguments: Any) -> int:
            began = time.thread_time()
            result: int = start(*arguments)
            self.seconds += time.thread_time() - began
            return result

        return timed

    def hook_add(self, engine: Any, kind: int, callback: Any, *rest: Any, **named: Any) -> int:
        if not callable(callback):
            return self._hook_add(engine, kind, callback, *rest, **named)

        def timed(*arguments: Any) -> Any:
            began = time.thread_time()
            result = callback(*arguments)
            self.seconds -= time.thread_time() - began
            return result

        outer = type(callback)(timed)
        self._kept = [*getattr(self, "_kept", []), callback, outer]
        return self._hook_add(engine, kind, outer, *rest, **named)


def main() -> None:
    from ntgate.cli import main as ntgate

    sys.argv[1:] = sys.argv[3:]
    if KIND == "start":
        at_first_instruction(lambda: print(time.time() - BEGAN, file=sys.stderr))
        ntgate()
        return
    engine, began = EngineTime(), [0.0]
    at_first_instruction(lambda: began.append(time.thread_time()))
    try:
        ntgate()
    finally:
        print(time.thread_time() - began[-1], engine.seconds, file=sys.stderr)


if __name__ == "__main__":
    main()
