"""What a name in an expression stands for: a register, a pseudo-register, a symbol.

The pseudo-registers that need the kernel's own records read them from guest memory, through the
KPCR at its fixed address, so that they are right for a dump as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ntgate.debug.scanner import ExpressionError
from ntgate.debug.segments import descriptor
from ntgate.debug.symbols import SymbolTable
from ntgate.debug.target import NoSuchRegister, Target, Unreadable
from ntgate.layout.machine import KPCR_ADDRESS
from ntgate.layout.pe import E_LFANEW
from ntgate.layout.type_table import TypeTable

USER_PSEUDO_REGISTERS = 20
_ENTRY_POINT_OFFSET = 0x28  # of IMAGE_NT_HEADERS32
_PUSH_EBP = b"\x55"

SEGMENT_REGISTERS = frozenset("cs ds es fs gs ss".split())
WHOLE_REGISTERS = frozenset(
    "eax ebx ecx edx esi edi esp ebp eip efl cs ds es fs gs ss cr0 cr2 cr3 cr4 "
    "dr0 dr1 dr2 dr3 dr6 dr7 gdtr gdtl idtr idtl tr ldtr".split()
)

# name: (whole register, lowest bit, bits)
PARTIAL_REGISTERS = {
    "ax": ("eax", 0, 16), "al": ("eax", 0, 8), "ah": ("eax", 8, 8),
    "bx": ("ebx", 0, 16), "bl": ("ebx", 0, 8), "bh": ("ebx", 8, 8),
    "cx": ("ecx", 0, 16), "cl": ("ecx", 0, 8), "ch": ("ecx", 8, 8),
    "dx": ("edx", 0, 16), "dl": ("edx", 0, 8), "dh": ("edx", 8, 8),
    "si": ("esi", 0, 16), "di": ("edi", 0, 16),
    "bp": ("ebp", 0, 16), "sp": ("esp", 0, 16),
    "ip": ("eip", 0, 16), "fl": ("efl", 0, 16),
}  # fmt: skip
FLAGS = {
    "cf": ("efl", 0, 1), "pf": ("efl", 2, 1), "af": ("efl", 4, 1), "zf": ("efl", 6, 1),
    "sf": ("efl", 7, 1), "tf": ("efl", 8, 1), "if": ("efl", 9, 1), "df": ("efl", 10, 1),
    "of": ("efl", 11, 1), "iopl": ("efl", 12, 2),
}  # fmt: skip


class Names:
    """Looks names up in a target.  Every method may raise Unreadable."""

    def __init__(self, target: Target, types: TypeTable) -> None:
        self.target = target
        self.types = types
        self.user = [0] * USER_PSEUDO_REGISTERS
        self.extra: dict[str, Callable[[], int]] = {}
        # What `.process` and `.thread` have chosen to look at: EPROCESS and ETHREAD.
        self.process: int | None = None
        self.thread: int | None = None
        self._pseudo: dict[str, Callable[[], int]] = {
            "$ip": lambda: self.instruction_pointer,
            "$csp": lambda: self._register("esp"),
            "$ra": self._return_address,
            "$retreg": lambda: self._register("eax"),
            "$exentry": lambda: self.image_entry(self._image_base()),
            "$proc": self._process,
            "$thread": self._thread,
            "$peb": lambda: self._member(self._process(), "_EPROCESS", "Peb"),
            "$teb": lambda: self._member(self._thread(), "_KTHREAD", "Teb"),
            "$tpid": lambda: self._member(self._thread(), "_ETHREAD", "Cid.UniqueProcess"),
            "$tid": lambda: self._member(self._thread(), "_ETHREAD", "Cid.UniqueThread"),
            "$pcr": lambda: KPCR_ADDRESS,
            "$ptrsize": lambda: 4,
            "$pagesize": lambda: 0x1000,
        }

    @property
    def symbols(self) -> SymbolTable:
        return self.target.symbols

    @property
    def instruction_pointer(self) -> int:
        return self._register("eip")

    def bare_register(self, name: str) -> int | None:
        """A register that needs no `@`: `eax`, `al`, `cs`."""
        name = name.lower()
        if name in WHOLE_REGISTERS:
            return self._register(name)
        return self._part(PARTIAL_REGISTERS.get(name))

    def register(self, name: str) -> int | None:
        """What may follow `@`: any register, a flag (`zf`), a pseudo-register (`$ip`)."""
        name = name.lower()
        if name.startswith("$"):
            return self.pseudo_register(name)
        value = self.bare_register(name)
        return self._part(FLAGS.get(name)) if value is None else value

    def pseudo_register(self, name: str) -> int | None:
        """A name that starts with `$`."""
        name = name.lower()
        user = _user_index(name)
        if user is not None:
            return self.user[user]
        compute = self.extra.get(name) or self._pseudo.get(name)
        return compute() & 0xFFFFFFFF_FFFFFFFF if compute else None

    def set_pseudo_register(self, name: str, value: int) -> None:
        """Set `$t0` to `$t19`; raises ExpressionError for any other name."""
        user = _user_index(name.lower().removeprefix("@"))
        if user is None:
            raise ExpressionError(f"Bad register error at '{name}'")
        self.user[user] = value & 0xFFFFFFFF_FFFFFFFF

    def segment_base(self, name: str) -> int:
        """The base of the GDT's descriptor that a segment register selects.

        Raises ExpressionError where the GDT has none.
        """
        selector = self._register(name)
        found = descriptor(self.target, selector)
        if found is None:
            raise ExpressionError(f"No descriptor for {name}={selector:04x}")
        return found.base

    def image_entry(self, base: int) -> int:
        """The entry point of the PE image at an address."""
        header = base + self._dword(base + E_LFANEW)
        return base + self._dword(header + _ENTRY_POINT_OFFSET)

    def number_at(self, address: int, size: int) -> int:
        """The unsigned number of `size` bytes at an address; only 32 bits of that count."""
        return self._dword(address, size)

    def _dword(self, address: int, size: int = 4) -> int:
        address &= 0xFFFFFFFF
        if address + size > 1 << 32:
            raise Unreadable(address)
        return int.from_bytes(self.target.read(address, size), "little")

    def _register(self, name: str) -> int:
        try:
            return self.target.register(name)
        except NoSuchRegister:
            raise ExpressionError(f"Bad register error at '{name}'") from None

    def _part(self, part: tuple[str, int, int] | None) -> int | None:
        if part is None:
            return None
        whole, low, bits = part
        return self._register(whole) >> low & ((1 << bits) - 1)

    def _member(self, base: int, type_name: str, path: str) -> int:
        return self._dword(base + self.types.offset(type_name, path))

    def _thread(self) -> int:
        return self._current_thread() if self.thread is None else self.thread

    def _current_thread(self) -> int:
        return self._member(KPCR_ADDRESS, "_KPCR", "PrcbData.CurrentThread")

    def _process(self) -> int:
        if self.process is not None:
            return self.process
        return self._member(self._current_thread(), "_KTHREAD", "ApcState.Process")

    def _image_base(self) -> int:
        peb = self._member(self._process(), "_EPROCESS", "Peb")
        return self._member(peb, "_PEB", "ImageBaseAddress")

    def _return_address(self) -> int:
        """On the stack while a routine has not made its frame, else above the saved ebp."""
        eip = self.instruction_pointer
        location = self.symbols.nearest(eip)
        if location and location.symbol:
            if not location.displacement:
                return self._dword(self._register("esp"))
            prologue = self.target.read(location.symbol.address, 1)
            if location.displacement == len(_PUSH_EBP) and prologue == _PUSH_EBP:
                return self._dword(self._register("esp") + 4)
        return self._dword(self._register("ebp") + 4)


def _user_index(name: str) -> int | None:
    digits = re.fullmatch(r"\$t(\d|1\d)", name, re.ASCII)
    return int(digits[1]) if digits else None
