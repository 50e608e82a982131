"""Counts translation blocks instead of instructions.

The engine counts instructions with a hook on each, which makes it about six times slower.  The
function behind that hook does the same on blocks: a block always starts and ends at the same
instructions, so that runs counted in blocks repeat as exactly as those counted in instructions.
A run with a limit that finds a hook in the counter's place installs none of its own.
"""

from __future__ import annotations

import ctypes as C
import struct

from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.unicorn_abi import const
from ntgate.errors import CalibrationError

# type, insn, refs, op, op_flags, to_delete, begin, end, callback
_HOOK = struct.Struct("<5i?3x2QQ")
_EVERYWHERE = (1, 0)


class BlockCounter:
    """For an engine that counts instructions now; `counter` as in ContextLayout."""

    def __init__(self, engine: C.c_void_p, counter: int) -> None:
        assert engine.value is not None
        self._engine = engine
        self._installed = C.c_size_t.from_address(engine.value + counter - C.sizeof(C.c_size_t))
        handle = self._installed.value
        if not handle:
            raise CalibrationError("the engine's counting hook was not found")
        kind, _, _, _, _, deleted, *bounds, callback = _HOOK.unpack(C.string_at(handle, _HOOK.size))
        if kind != const.UC_HOOK_CODE or deleted or tuple(bounds) != _EVERYWHERE or not callback:
            raise CalibrationError("the engine's counting hook is not as it should be")
        self._callback = callback

    def install(self) -> None:
        """From the next run with a limit on, blocks are counted."""
        self._installed.value = abi.hook_add(
            self._engine, const.UC_HOOK_BLOCK, C.c_void_p(self._callback), *_EVERYWHERE
        )

    def take(self) -> int:
        """Leave nothing in the counter's place; the handle of what was there, 0 for nothing."""
        handle, self._installed.value = self._installed.value, 0
        return int(handle)
