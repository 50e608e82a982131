"""Runs by the clock end, even where the engine's own timer misses them.

The engine starts a thread that asks once for a stop when the time is up.  On a busy host that
can be before the run has cleared the requests of the last one, and this one is cleared with
them: a guest that loops would have the processor for ever.  So a thread of the process asks
again, until the run is over.
"""

from __future__ import annotations

import ctypes as C
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from time import monotonic, sleep

from ntgate.cpu import unicorn_abi as abi

GRACE = 0.2  # seconds; how late a run may be before it is asked again, and between two looks

_lock = threading.Lock()
_deadlines: dict[int, float] = {}  # of the engines that run now, by their addresses


@contextmanager
def asked_again(engine: C.c_void_p, timeout_us: int) -> Iterator[None]:
    """Around a run of `engine` that its timer is to end after timeout_us microseconds."""
    assert engine.value is not None
    _start_to_look()
    with _lock:
        _deadlines[engine.value] = monotonic() + timeout_us / 1e6 + GRACE
    try:
        yield
    finally:
        with _lock:
            del _deadlines[engine.value]


@cache
def _start_to_look() -> None:
    threading.Thread(target=_look, name="ntgate-overdue", daemon=True).start()


def _look() -> None:
    while True:
        sleep(GRACE)
        with _lock:
            now = monotonic()
            for address, deadline in _deadlines.items():
                if now >= deadline:
                    abi.uc_emu_stop(C.c_void_p(address))
