"""Addresses of a process as `module+offset` and as `module!export+offset`."""

from __future__ import annotations

import json
from bisect import bisect_right, insort
from collections.abc import Callable

from ntgate.trace.modules import Module

# Where a stub's gate instruction is, from ntdll's base: KiFastSystemCall, KiIntSystemCall.
STUB_GATES = (0xE4F2, 0xE504)
SYSTEM_DLL = "ntdll.dll"


class Site:
    """Where a call was made, as all of its calls tell it.

    gate: "sysenter", "int2e", or "" for a call from ring 0.  gate_at: module+offset of the gate
    instruction.  direct: made outside of ntdll's stubs.  place: module+offset that the stub
    returns to, `symbol` the same by the nearest export.  json: all but the last as members of
    an object.
    """

    __slots__ = ("direct", "gate", "gate_at", "json", "place", "symbol")

    def __init__(
        self, gate: str = "", gate_at: str = "", direct: bool = False, place: str = "",
        symbol: str = "",
    ) -> None:  # fmt: skip
        self.gate = gate
        self.gate_at = gate_at
        self.direct = direct
        self.place = place
        self.symbol = symbol
        members = {"gate": gate, "gate_at": gate_at, "direct": direct, "caller": place}
        self.json = json.dumps(members)[1:-1]


IN_KERNEL = Site()


class ProcessPlaces:
    """The images of one process.

    stub_gates: the addresses of ntdll's own sysenter and int 2Eh.
    """

    def __init__(self) -> None:
        self.stub_gates: tuple[int, ...] = ()
        self._modules: list[Module] = []
        self._offsets: dict[int, str] = {}
        self._symbols: dict[int, str] = {}
        self._returns: dict[int, str] = {}
        self._sites: dict[tuple[str, int, int], Site] = {}

    def load(self, base: int, size: int, name: str, file: bytes) -> None:
        self.unload(base)
        insort(self._modules, Module(base, base + size, name.rpartition(".")[0] or name, file))
        if not self.stub_gates and name.lower() == SYSTEM_DLL:
            # The first ntdll is the kernel's own choice.
            self.stub_gates = tuple(base + offset for offset in STUB_GATES)

    def unload(self, base: int) -> None:
        self._modules = [module for module in self._modules if module.base != base]
        for names in (self._offsets, self._symbols, self._returns, self._sites):
            names.clear()

    def site(self, gate: str, at: int, returns_to: int) -> Site:
        """Of a gate instruction at `at`; returns_to: an address, 0 for one that is not known."""
        found = self._sites.get((gate, at, returns_to))
        if found is None:
            place = self.place(returns_to) if returns_to else ""
            symbol = self.returns_to(returns_to) if returns_to else ""
            found = Site(gate, self.place(at), at not in self.stub_gates, place, symbol)
            self._sites[gate, at, returns_to] = found
        return found

    def place(self, address: int) -> str:
        """`ntdll+0xdf6c`; the bare address outside of every image."""
        return self._offsets.get(address) or self._name(self._offsets, address, Module.offset)

    def symbol(self, address: int) -> str:
        """`kernelbase!WriteFile+0x124`, or as `place` where no export is near."""
        return self._symbols.get(address) or self._name(self._symbols, address, Module.symbol)

    def returns_to(self, address: int) -> str:
        """As `symbol`, for the address that a call returns to."""
        return self._returns.get(address) or self._name(self._returns, address, Module.returns_to)

    def _name(
        self, names: dict[int, str], address: int, of: Callable[[Module, int], str]
    ) -> str:
        index = bisect_right(self._modules, address, key=lambda module: module.base) - 1
        if index < 0 or address >= self._modules[index].end:
            text = f"{address:#x}"
        else:
            text = of(self._modules[index], address)
        names[address] = text
        return text


class Places:
    """The processes by their numbers."""

    def __init__(self) -> None:
        self._processes: dict[int, ProcessPlaces] = {}

    def process(self, pid: int) -> ProcessPlaces:
        found = self._processes.get(pid)
        if found is None:
            found = self._processes[pid] = ProcessPlaces()
        return found

    def forget(self, pid: int) -> None:
        """The process has ended; its number may come again."""
        self._processes.pop(pid, None)
