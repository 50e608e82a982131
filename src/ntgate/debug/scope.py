"""The registers that commands see: the processor's, or those of a saved context (`.trap`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ntgate.debug.errors import KdError
from ntgate.debug.symbols import SymbolTable
from ntgate.debug.target import Target


class Scope:
    """A Target whose registers can be overlaid with those of a trap frame or a CONTEXT."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._saved: dict[str, int] | None = None
        self._store: Callable[[str, int], None] | None = None

    @property
    def is_saved_context(self) -> bool:
        return self._saved is not None

    def use(
        self, registers: Mapping[str, int], store: Callable[[str, int], None] | None = None
    ) -> None:
        """Show these registers instead of the processor's; `store` changes one of them."""
        self._saved = dict(registers)
        self._store = store

    def reset(self) -> None:
        self._saved = None

    @property
    def address_space(self) -> int | None:
        return self._target.address_space

    @address_space.setter
    def address_space(self, directory: int | None) -> None:
        self._target.address_space = directory

    @property
    def symbols(self) -> SymbolTable:
        return self._target.symbols

    def read(self, address: int, size: int) -> bytes:
        return self._target.read(address, size)

    def write(self, address: int, data: bytes) -> None:
        self._target.write(address, data)

    def read_physical(self, address: int, size: int) -> bytes:
        return self._target.read_physical(address, size)

    def write_physical(self, address: int, data: bytes) -> None:
        self._target.write_physical(address, data)

    def register(self, name: str) -> int:
        if self._saved is not None and name in self._saved:
            return self._saved[name]
        return self._target.register(name)

    def set_register(self, name: str, value: int) -> None:
        """Raises KdError for a register of a saved context that is only a view."""
        if self._saved is not None and name in self._saved:
            if self._store is not None:
                self._store(name, value)
                self._saved[name] = value
                return
            raise KdError(f"{name} is that of a saved context, see .trap; `.trap` goes back")
        self._target.set_register(name, value)

    def read_msr(self, index: int) -> int:
        return self._target.read_msr(index)

    def write_msr(self, index: int, value: int) -> None:
        self._target.write_msr(index, value)
