"""Finds the functions of Wine's win32u that go to the host's side through a table of pointers.

On XP they are system calls as the others. Wine's load the table's address from a variable, which
stays zero here, and call through it; all end with a `ret` that tells the bytes of arguments.
"""

from __future__ import annotations

from collections import Counter

import pefile
from iced_x86 import Decoder, Mnemonic, Register

from ntgate.loader.userland.stubs import SLOT
from ntgate.records import dataclass

_LONGEST = 0x200
_PREFIX = b"Nt"


@dataclass(frozen=True, slots=True)
class Wrapper:
    """An exported function that becomes a stub in its place."""

    name: str
    rva: int
    popped_bytes: int


def find_wrappers(pe: pefile.PE, stubs: frozenset[int]) -> list[Wrapper]:
    """The wrappers of a win32u (its export directory is parsed), by address.

    `stubs` are the RVAs of its system-call stubs. The variable is the one that most of the other
    exports load.
    """
    loads: list[tuple[Wrapper, frozenset[int]]] = []
    for symbol in pe.DIRECTORY_ENTRY_EXPORT.symbols:
        name = symbol.name or b""
        if symbol.forwarder is None and name.startswith(_PREFIX) and symbol.address not in stubs:
            loaded, size, popped = _scan(pe.get_data(symbol.address, _LONGEST))
            if loaded and size >= SLOT:
                loads.append((Wrapper(name.decode(), symbol.address, popped), loaded))
    variables = Counter(address for _, loaded in loads for address in loaded)
    if not variables:
        return []
    ((variable, _),) = variables.most_common(1)
    return sorted((w for w, loaded in loads if variable in loaded), key=lambda w: w.rva)


def _scan(code: bytes) -> tuple[frozenset[int], int, int]:
    """The variables that a function loads, its size and what its `ret` pops; none without one."""
    loaded: set[int] = set()
    for instruction in Decoder(32, code):
        if instruction.mnemonic == Mnemonic.INT3 or instruction.is_invalid:
            break
        if instruction.mnemonic == Mnemonic.RET:
            size = instruction.ip + instruction.len
            popped = instruction.immediate16 if instruction.op_count else 0
            return frozenset(loaded), size, popped
        if instruction.mnemonic == Mnemonic.MOV and instruction.op_count == 2:
            absolute = instruction.memory_base == instruction.memory_index == Register.NONE
            if absolute and instruction.memory_displacement and instruction.op0_register:
                loaded.add(instruction.memory_displacement)
    return frozenset(), 0, 0
