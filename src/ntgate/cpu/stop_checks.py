"""Where a request to stop takes effect that comes in the middle of a run.

The engine looks for one at the start of each translation block and, as it comes, behind every
load and store.  There the instruction starts again when the run goes on: an `inc [mem]` or a
locked instruction whose store is done would be done twice.  A flag in the engine's structure,
made for ARM's IT blocks, leaves the second kind of look out of what is translated while it is
set; it is found by its place behind the engine's page sizes, which are known.

Counted runs, and code with breakpoints, need those looks: their stops come from callbacks at
instructions.  So the flag goes with what the engine translates for.
"""

from __future__ import annotations

import ctypes as C
import mmap
import struct

from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.calibration import ENGINE_QWORDS
from ntgate.errors import CalibrationError

# target_page_size and _align; host page size twice; cache line, context content and size; next_pc
_PAGES = struct.Struct("<IIQQiIi4xQ")
# hook_insert, first_tb, no_exit_request, init_done
_FLAGS = struct.Struct("<4B")
_TARGET_PAGE = 0x1000


class StopChecks:
    """The flag of one engine; `counter` is the byte offset of its count of instructions."""

    def __init__(self, engine: C.c_void_p, counter: int) -> None:
        assert engine.value is not None
        self._flag = C.c_uint8.from_address(engine.value + _find(engine, counter))

    def set_at_accesses(self, wanted: bool) -> None:
        """Whether what is translated from now on looks behind each access too."""
        self._flag.value = not wanted


def _find(engine: C.c_void_p, counter: int) -> int:
    structure = C.string_at(engine, 8 * ENGINE_QWORDS)
    largest = abi.uc_context_size(engine)
    found = []
    for offset in range(counter, len(structure) - _PAGES.size - _FLAGS.size, 8):
        page, align, host, real, _line, content, size, _next = _PAGES.unpack_from(
            structure, offset
        )
        if (page, align, host, real) == (
            _TARGET_PAGE, _TARGET_PAGE - 1, mmap.PAGESIZE, mmap.PAGESIZE
        ) and content and largest - 0x100 < size <= largest:  # fmt: skip
            found.append(offset + _PAGES.size)
    if len(found) == 1:
        insert, first, wanted, done = _FLAGS.unpack_from(structure, found[0])
        if (insert, wanted, done) == (0, 0, 1) and first <= 1:
            return found[0] + 2
    raise CalibrationError(
        "the engine's flag against stops in the middle of an instruction was not found; "
        "install unicorn 2.1.4"
    )
