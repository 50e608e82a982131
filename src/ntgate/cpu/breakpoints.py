"""Execution breakpoints of the debugger: hooks on single addresses, invisible to the guest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.unicorn_abi import const

if TYPE_CHECKING:
    from ntgate.cpu.processor import Processor


class CodeBreakpoints:
    """A set of linear addresses at which a run stops before the instruction."""

    def __init__(self, cpu: Processor) -> None:
        self.cpu = cpu
        self.hits: list[int] = []
        self._ignored = False
        self._hooks: dict[int, tuple[int, Any]] = {}
        self._retired: list[tuple[int, Any]] = []  # translations may still call these

    def __contains__(self, address: int) -> bool:
        return address in self._hooks

    def __len__(self) -> int:
        return len(self._hooks)

    def add(self, address: int) -> None:
        if address in self._hooks:
            return

        def reached(_engine: object, _address: int, _size: int, _data: object) -> None:
            if not self._ignored and address in self._hooks:
                self.hits.append(address)
                self.cpu.break_off(before=True)

        callback = abi.HOOK_CODE(reached)
        handle = abi.hook_add(self.cpu.engine, const.UC_HOOK_CODE, callback, address, address)
        self._hooks[address] = (handle, callback)
        self.cpu.flush_code()

    def remove(self, address: int) -> None:
        """Raises KeyError."""
        self._retired.append(self._hooks.pop(address))

    def begin(self) -> None:
        """Before each run."""
        self.hits.clear()
        if self._retired:
            for handle, _callback in self._retired:
                self.cpu.remove_hook(handle)
            self._retired.clear()
            self.cpu.flush_code()

    @contextmanager
    def ignored(self) -> Iterator[None]:
        """While one instruction is stepped over."""
        before, self._ignored = self._ignored, True
        try:
            yield
        finally:
            self._ignored = before
