"""Notices ring-0 code that loads CR3 or a debug register in the middle of a run.

The hooks of watched memory depend on both.  Each such instruction ends a translation block; a
hook on the block behind it costs nothing anywhere else.  A page is searched when it first
runs; code that is changed afterwards, and what starts at an instruction inside of another, is
covered by the look at the start of each run only.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.mmu import walk
from ntgate.cpu.ram import PAGE_SIZE
from ntgate.cpu.unicorn_abi import const

if TYPE_CHECKING:
    from ntgate.cpu.processor import Processor

# mov cr3,r / mov drN,r for N = 0-3, 5 (DR7's other name), 7; overlapping ones included.
_LOAD = re.compile(
    rb"(?=\x0f(?:\x22[\x18-\x1f\x58-\x5f\x98-\x9f\xd8-\xdf]"
    rb"|\x23[\x00-\x1f\x28-\x2f\x38-\x5f\x68-\x6f\x78-\x9f\xa8-\xaf\xb8-\xdf\xe8-\xef\xf8-\xff]))",
    re.DOTALL,
)
_LENGTH = 3


class ControlLoads:
    def __init__(self, cpu: Processor) -> None:
        self.cpu = cpu
        self._hooks: dict[int, tuple[int, Any]] = {}  # by the address behind the load

    def scan(self, linear: int, size: int = 1) -> None:
        """Search the pages of ring-0 code that now may run, in the current address space."""
        cpu = self.cpu
        cr3 = cpu.registers.read("cr3")
        for page in range(linear & ~(PAGE_SIZE - 1), linear + size, PAGE_SIZE):
            code = self._read(cr3, page, PAGE_SIZE) + self._read(
                cr3, page + PAGE_SIZE, _LENGTH - 1
            )
            for found in _LOAD.finditer(code):
                self._add((page + found.start() + _LENGTH) & 0xFFFFFFFF)

    def _read(self, cr3: int, linear: int, size: int) -> bytes:
        mapping = walk(self.cpu.ram.qwords, cr3, linear & 0xFFFFFFFF)
        if mapping is None:
            return b""
        return bytes(self.cpu.ram.bytes[mapping.physical : mapping.physical + size])

    def _add(self, address: int) -> None:
        if address in self._hooks:
            return

        def passed(_engine: object, _address: int, _size: int, _data: object) -> None:
            self.cpu.watchpoints.renew()

        callback = abi.HOOK_CODE(self.cpu.guard(passed))
        handle = abi.hook_add(self.cpu.engine, const.UC_HOOK_BLOCK, callback, address, address)
        self._hooks[address] = (handle, callback)
