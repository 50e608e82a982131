"""Addresses of a process as `module+offset` and as `module!export+offset`."""

from __future__ import annotations

import json
from bisect import bisect_right, insort
from collections.abc import Callable

from ntgate.dispatch.tables import WIN32K_BIT
from ntgate.trace.modules import STUB, STUB_LENGTH, Module
from ntgate.trace.peek import Peek, Unreadable
from ntgate.trace.values import MOST_KEPT, printable

# Where a stub's gate instruction is, from ntdll's base: KiFastSystemCall, KiIntSystemCall.
STUB_GATES = (0xE4F2, 0xE504)
SYSTEM_DLL = "ntdll.dll"
WIN32K_DLLS = ("win32u.dll", "user32.dll", "gdi32.dll", "imm32.dll")
LONGEST_CALL, CALL_REL32, GROUP_5, CALL_IN_GROUP_5 = 7, 0xE8, 0xFF, 2


def follows_call(code: bytes) -> bool:
    """Whether the LONGEST_CALL bytes end with `call rel32` or `call r/m32` (SDM volume 2)."""
    return code[-5] == CALL_REL32 or any(
        code[-length] == GROUP_5 and code[1 - length] >> 3 & 7 == CALL_IN_GROUP_5
        for length in (2, 3, 4, 6, 7)
    )


class Site:
    """Where a call was made, as all of its calls tell it.

    gate: "sysenter", "int2e", or "" for a call from ring 0.  gate_at: module+offset of the gate
    instruction.  direct: that is no stub's of ntdll.  place: module+offset that the gate, or the
    stub, returns to; `symbol` the same by the nearest export.  through: for a call that comes by
    ntdll's gate, but not from the stub of its own service, what it comes through.  uncalled: no
    call instruction is before `place`.  returns_to: the address of `place`, 0 for none.
    """

    __slots__ = (
        "direct", "gate", "gate_at", "json", "place", "returns_to", "symbol", "through", "uncalled",
    )  # fmt: skip

    def __init__(
        self, gate: str = "", gate_at: str = "", direct: bool = False, place: str = "",
        symbol: str = "", through: str = "", uncalled: bool = False, returns_to: int = 0,
    ) -> None:  # fmt: skip
        self.gate = gate
        self.gate_at = gate_at
        self.direct = direct
        self.place = place
        self.symbol = symbol
        self.through = through
        self.uncalled = uncalled
        self.returns_to = returns_to
        members = {"gate": gate, "gate_at": gate_at, "direct": direct, "caller": place}
        self.json = json.dumps(members)[1:-1]

    @property
    def indirect(self) -> bool:
        return bool(self.through)

    @property
    def usual(self) -> bool:
        return not (self.direct or self.through or self.uncalled)


IN_KERNEL = Site()


class ProcessPlaces:
    """The images of one process.

    stub_gates: the addresses of ntdll's own sysenter and int 2Eh.
    """

    def __init__(self) -> None:
        self.stub_gates: tuple[int, ...] = ()
        self.sites: dict[tuple[str, int, int, int, int], Site] = {}
        self._modules: list[Module] = []
        self._file_names: dict[int, str] = {}  # by base
        self._stub_modules: dict[str, Module] = {}  # the first of each DLL that has stubs
        self._offsets: dict[int, str] = {}
        self._symbols: dict[int, str] = {}
        self._returns: dict[int, str] = {}

    def load(self, base: int, size: int, name: str, file: bytes) -> None:
        self.unload(base)
        label, lower = name.rpartition(".")[0] or name, name.lower()
        if any(module.name == label for module in self._modules):
            label = f"{label}@{base:x}"
        module = Module(base, base + size, printable(label), file)
        insort(self._modules, module)
        self._file_names[base] = name
        if lower in (SYSTEM_DLL, *WIN32K_DLLS):
            self._stub_modules.setdefault(lower, module)
        if not self.stub_gates and lower == SYSTEM_DLL:
            # The first ntdll is the kernel's own choice.
            self.stub_gates = tuple(base + offset for offset in STUB_GATES)

    def unload(self, base: int) -> None:
        self._modules = [module for module in self._modules if module.base != base]
        self._file_names.pop(base, None)
        for key, module in list(self._stub_modules.items()):
            if module.base == base:
                del self._stub_modules[key]
        for names in (self._offsets, self._symbols, self._returns, self.sites):
            names.clear()

    def find_site(
        self, gate: str, at: int, returns_to: int, caller: int, number: int, peek: Peek
    ) -> Site:
        """Of a gate instruction at `at`, in a call of service `number`.

        returns_to: where the gate goes back to: into a stub, that is.  caller: where a stub at
        that address goes back to.  Both are 0 where they are not known.
        """
        key = (gate, at, returns_to, caller, number)
        if at not in self.stub_gates:
            place = returns_to
            through = ""
        else:
            place, through = self._through(at, returns_to, caller, number, peek)
        direct, symbol, uncalled = at not in self.stub_gates, "", False
        if place:
            uncalled = not direct and not self.is_return_address(place, peek)
            symbol = self.symbol(place) if uncalled else self.returns_to(place)
        site = Site(
            gate, self.place(at), direct, self.place(place) if place else "", symbol, through,
            uncalled, place,
        )  # fmt: skip
        # No bytes were looked at, or no others may come there.
        if direct or all(self.module_at(address) for address in (at, returns_to, place)):
            if len(self.sites) > MOST_KEPT:
                self.sites.clear()
            self.sites[key] = site
        return site

    def _through(
        self, at: int, returns_to: int, caller: int, number: int, peek: Peek
    ) -> tuple[int, str]:
        """Who called ntdll's gate, and what was in between that is no stub of the service."""
        module = self.module_at(returns_to)
        allowed = [SYSTEM_DLL, *(WIN32K_DLLS if number & WIN32K_BIT else ())]
        if module is None or module not in [self._stub_modules.get(name) for name in allowed]:
            if module is not None:
                is_stub = module.stub_before(returns_to) is not None
            else:
                code = peek.available((returns_to - STUB_LENGTH) & 0xFFFFFFFF, STUB_LENGTH)
                is_stub = STUB.fullmatch(code) is not None
            if not is_stub:
                return returns_to, self.symbol(at)
            return caller, self.symbol(returns_to)  # of a copy of ntdll, or of a stub
        if module.stub_before(returns_to) in (None, number):
            return caller, ""
        return caller, self.symbol(returns_to)

    def is_return_address(self, address: int, peek: Peek) -> bool:
        """Whether a call instruction is before it; True also where that can't be seen."""
        try:
            before = peek.read((address - LONGEST_CALL) & 0xFFFFFFFF, LONGEST_CALL)
        except Unreadable:
            return True
        return follows_call(before)

    def module_at(self, address: int) -> Module | None:
        index = bisect_right(self._modules, address, key=lambda module: module.base) - 1
        if index < 0 or address >= self._modules[index].end:
            return None
        return self._modules[index]

    def file_name(self, base: int) -> str:
        """`kernel32.dll`, of the image that begins there; "" without one."""
        return self._file_names.get(base, "")

    def has_copies(self, name: str) -> bool:
        """Whether images of several places have that file name, in any case of letters."""
        lower = name.lower()
        return sum(each.lower() == lower for each in self._file_names.values()) > 1

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
        module = self.module_at(address)
        text = f"{address:#x}" if module is None else of(module, address)
        if len(names) > MOST_KEPT:
            names.clear()
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

    def symbol_in(self, pid: int, address: int) -> str:
        """Of an address in an image of a process; "" elsewhere."""
        found = self._processes.get(pid)
        if found is None or found.module_at(address) is None:
            return ""
        return found.symbol(address).removesuffix("+0x0")

    def forget(self, pid: int) -> None:
        """The process has ended; its number may come again."""
        self._processes.pop(pid, None)
