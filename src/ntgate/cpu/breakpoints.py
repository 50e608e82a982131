"""Execution breakpoints of the debugger: hooks on single addresses, invisible to the guest."""

from __future__ import annotations

import ctypes as C
from typing import Any

from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.unicorn_abi import const


class CodeBreakpoints:
    """A set of linear addresses at which a run stops before the instruction."""

    def __init__(self, engine: C.c_void_p) -> None:
        self.engine = engine
        self.hits: list[int] = []
        self.ignored = False  # while one instruction is stepped over
        self._hooks: dict[int, tuple[int, Any]] = {}

    def add(self, address: int) -> None:
        if address in self._hooks:
            return

        def reached(_engine: object, _address: int, _size: int, _data: object) -> None:
            if not self.ignored:
                self.hits.append(address)
                abi.uc_emu_stop(self.engine)

        callback = abi.HOOK_CODE(reached)
        handle = abi.hook_add(self.engine, const.UC_HOOK_CODE, callback, address, address)
        self._hooks[address] = (handle, callback)
        self._retranslate()

    def remove(self, address: int) -> None:
        handle, _callback = self._hooks.pop(address)
        abi.check(abi.uc_hook_del(self.engine, handle))
        self._retranslate()

    def _retranslate(self) -> None:
        abi.control(self.engine, const.UC_CTL_TB_FLUSH, const.UC_CTL_IO_WRITE)
