"""Names for addresses: the modules in memory and their symbols.

The kernel's module is called `nt` whatever its file is called; every other module takes the
name of its image file.  A user module belongs to one process, a kernel module to all of them.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import translate
from functools import cached_property
from itertools import chain
from ntpath import basename

from ntgate.records import dataclass

KERNEL_IMAGES = frozenset({"ntoskrnl.exe", "ntkrnlpa.exe", "ntkrnlmp.exe", "ntkrpamp.exe"})


def module_name(image_path: str) -> str:
    """The debugger's name of an image: `kernel32` for C:\\WINDOWS\\system32\\KERNEL32.dll.

    The kernel's images are all `nt`.  A character that an expression can't hold becomes `_`.
    """
    file_name = basename(image_path).lower()
    if file_name in KERNEL_IMAGES:
        return "nt"
    stem = file_name.rpartition(".")[0] or file_name
    return re.sub(r"[^A-Za-z0-9_]", "_", stem)


class Module:
    """An image in memory.

    `symbols` are (address, name) pairs in any order; of several names for one address the
    first given is the one shown.  `sizes` gives the bytes of the routine or variable at an
    address, where known.  `process` is the key (a CR3) of the one process that has it, or None
    where every process has.  `timestamp` is the PE header's, in seconds since 1970.
    """

    def __init__(
        self,
        image_path: str,
        base: int,
        size: int,
        symbols: Iterable[tuple[int, str]] = (),
        *,
        name: str | None = None,
        sizes: Mapping[int, int] | None = None,
        process: int | None = None,
        timestamp: int = 0,
        version: str = "",
    ) -> None:
        self.name = name or module_name(image_path)
        self.image_path = image_path
        self.base = base
        self.size = size
        self.process = process
        self.timestamp = timestamp
        self.version = version
        self.sizes: Mapping[int, int] = sizes or {}
        ordered = sorted(symbols, key=lambda symbol: symbol[0])
        self.addresses = [address for address, _ in ordered]
        self.names = [name for _, name in ordered]

    def __repr__(self) -> str:
        return f"Module({self.name!r}, {self.base:08x}-{self.end:08x})"

    @property
    def end(self) -> int:
        """The first address behind the image."""
        return self.base + self.size

    @property
    def image_name(self) -> str:
        """The image's file name: `ntoskrnl.exe`."""
        return basename(self.image_path)

    def __contains__(self, address: object) -> bool:
        return isinstance(address, int) and self.base <= address < self.end

    def __iter__(self) -> Iterator[Symbol]:
        for index in range(len(self.names)):
            yield self._symbol(index)

    def is_called(self, name: str) -> bool:
        """Whether `name` is the module's, or that of its image file without the extension."""
        folded = name.casefold()
        stem = self.image_name.casefold().rpartition(".")[0]
        return folded in (self.name.casefold(), stem)

    def find(self, name: str) -> Symbol | None:
        """The symbol of exactly that name."""
        index = self._by_name.get(name)
        return None if index is None else self._symbol(index)

    def find_folded(self, name: str) -> Symbol | None:
        """The symbol of that name in any case."""
        index = self._by_folded_name.get(name.casefold())
        return None if index is None else self._symbol(index)

    def at_or_below(self, address: int) -> Symbol | None:
        """The last symbol at or below an address, the first given of those that share it."""
        index = bisect_right(self.addresses, address)
        if not index:
            return None
        return self._symbol(bisect_left(self.addresses, self.addresses[index - 1]))

    def above(self, address: int) -> Symbol | None:
        """The first symbol above an address."""
        index = bisect_right(self.addresses, address)
        return self._symbol(index) if index < len(self.addresses) else None

    def at(self, address: int) -> tuple[Symbol, ...]:
        """Every symbol of exactly that address."""
        first = bisect_left(self.addresses, address)
        last = bisect_right(self.addresses, address)
        return tuple(self._symbol(index) for index in range(first, last))

    def _symbol(self, index: int) -> Symbol:
        address = self.addresses[index]
        return Symbol(self, self.names[index], address, self.sizes.get(address, 0))

    @cached_property
    def _by_name(self) -> dict[str, int]:
        return {name: index for index, name in reversed([*enumerate(self.names)])}

    @cached_property
    def _by_folded_name(self) -> dict[str, int]:
        return {name.casefold(): index for index, name in reversed([*enumerate(self.names)])}


@dataclass(frozen=True, slots=True)
class Symbol:
    """A named address of a module.  `size` is in bytes, 0 where it isn't known."""

    module: Module
    name: str
    address: int
    size: int = 0

    def __str__(self) -> str:
        return f"{self.module.name}!{self.name}"


@dataclass(frozen=True, slots=True)
class Location:
    """Where an address is: `displacement` bytes behind `symbol`, or behind the module's base."""

    module: Module
    symbol: Symbol | None
    displacement: int
    next: Symbol | None  # the first symbol above the address, for `ln`

    def __str__(self) -> str:
        place = str(self.symbol) if self.symbol else self.module.name
        return f"{place}+{self.displacement:#x}" if self.displacement else place


class SymbolTable:
    """The modules of a machine, seen from one process.

    `current_process` is that process's key; a module of another process has no names here.
    None sees only the modules that every process has.
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self.current_process: int | None = None
        self._by_process: dict[int | None, list[Module]] = {None: []}
        for module in modules:
            self.add(module)

    def add(self, module: Module) -> None:
        modules = self._by_process.setdefault(module.process, [])
        bases = [other.base for other in modules]
        modules.insert(bisect_right(bases, module.base), module)

    def remove(self, module: Module) -> None:
        """Raises ValueError for a module that isn't there."""
        self._by_process.get(module.process, []).remove(module)

    def remove_process(self, process: int) -> None:
        """Forget the modules of a process that has ended."""
        self._by_process.pop(process, None)

    @property
    def modules(self) -> list[Module]:
        """The modules that the current process sees, by base."""
        return sorted(chain(*self._visible()), key=lambda module: module.base)

    def module(self, name: str) -> Module | None:
        """The module of that name (`nt`, `ntoskrnl`, `KERNEL32`), in any case."""
        return next((module for module in self.modules if module.is_called(name)), None)

    def module_at(self, address: int) -> Module | None:
        """The module whose image holds an address."""
        for modules in self._visible():
            index = bisect_right(modules, address, key=lambda module: module.base)
            if index and address in modules[index - 1]:
                return modules[index - 1]
        return None

    def lookup(self, name: str) -> int | None:
        """The address of `nt!KiFastCallEntry`, `KiFastCallEntry` or a module, or None.

        A bare name is looked for in nt, then ntdll, then the others by base; the exact name in
        all of them before other cases, and those before a leading underscore more or less.
        """
        symbol = self.symbol(name)
        if symbol:
            return symbol.address
        module = self.module(name)
        return module.base if module else None

    def symbol(self, name: str) -> Symbol | None:
        """As `lookup`, but a symbol only."""
        qualifier, mark, bare = name.rpartition("!")
        modules = [
            module
            for module in sorted(self.modules, key=_search_rank)
            if not mark or module.is_called(qualifier)
        ]
        alternate = bare[1:] if bare.startswith("_") else f"_{bare}"
        attempts = (
            (Module.find, bare),
            (Module.find_folded, bare),
            (Module.find_folded, alternate),
        )
        for find, wanted in attempts:
            for module in modules:
                symbol = find(module, wanted)
                if symbol:
                    return symbol
        return None

    def nearest(self, address: int) -> Location | None:
        """Where an address is, or None outside every module."""
        module = self.module_at(address)
        if module is None:
            return None
        symbol = module.at_or_below(address)
        start = symbol.address if symbol else module.base
        return Location(module, symbol, address - start, module.above(address))

    def at(self, address: int) -> tuple[Symbol, ...]:
        """Every symbol of exactly that address."""
        module = self.module_at(address)
        return module.at(address) if module else ()

    def format(self, address: int) -> str:
        """`nt!KiFastCallEntry+0xfc`, `module+0x12c0`, or `7c92e4f0` where nothing is known."""
        location = self.nearest(address)
        return str(location) if location else f"{address:08x}"

    def match(self, pattern: str) -> list[Symbol]:
        """The symbols of `nt!Ki*`, by address; `*` and `?` on both sides of the `!`.

        A pattern with no `!` looks in every module.
        """
        qualifier, mark, bare = pattern.rpartition("!")
        wanted = _wildcard(bare or "*")
        wanted_module = _wildcard(qualifier)
        return [
            symbol
            for module in self.modules
            if not mark or wanted_module.match(module.name) or module.is_called(qualifier)
            for symbol in module
            if wanted.match(symbol.name)
        ]

    def _visible(self) -> tuple[list[Module], ...]:
        everywhere = self._by_process[None]
        if self.current_process is None:
            return (everywhere,)
        return self._by_process.get(self.current_process, []), everywhere


def _search_rank(module: Module) -> int:
    return {"nt": 0, "ntdll": 1}.get(module.name, 2)


def _wildcard(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern), re.IGNORECASE)
