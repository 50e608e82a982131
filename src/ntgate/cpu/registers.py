"""Registers by name, through the engine's API: about 1 us each, for everything but hot paths."""

from __future__ import annotations

import ctypes as C
import struct
from collections.abc import Callable

from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.unicorn_abi import x86

PLAIN = {
    name: getattr(x86, f"UC_X86_REG_{name.upper()}")
    for name in (
        "eax ebx ecx edx esi edi ebp esp eip cs ds es fs gs ss "
        "cr0 cr2 cr3 cr4 dr0 dr1 dr2 dr3 dr6 dr7"
    ).split()
}
DEBUG = frozenset("dr0 dr1 dr2 dr3 dr6 dr7".split())
PLAIN["efl"] = x86.UC_X86_REG_EFLAGS
TABLES = {
    "gdtr": (x86.UC_X86_REG_GDTR, False),
    "gdtl": (x86.UC_X86_REG_GDTR, True),
    "idtr": (x86.UC_X86_REG_IDTR, False),
    "idtl": (x86.UC_X86_REG_IDTR, True),
}
SYSTEM_SEGMENTS = {"tr": x86.UC_X86_REG_TR, "ldtr": x86.UC_X86_REG_LDTR}
NAMES = (*PLAIN, *TABLES, *SYSTEM_SEGMENTS)

_SYSTEM_SEGMENT = struct.Struct("<HxxxxxxQII")  # selector, base, limit, flags: uc_x86_mmr
_MSR = struct.Struct("<IxxxxQ")


class Registers:
    """`load_debug_register(n, value)` sets DRn so that its breakpoints work, if given."""

    def __init__(
        self,
        engine: C.c_void_p,
        load_debug_register: Callable[[int, int], None] | None = None,
    ) -> None:
        self.engine = engine
        self.load_debug_register = load_debug_register
        self._cell = C.c_uint32()
        self._pointer = C.byref(self._cell)
        self._buffer = C.create_string_buffer(_SYSTEM_SEGMENT.size)

    def _read(self, register: int) -> int:
        self._cell.value = 0  # a segment register fills 16 bits only
        abi.uc_reg_read(self.engine, register, self._pointer)
        return self._cell.value

    def _write(self, register: int, value: int) -> None:
        self._cell.value = value & 0xFFFFFFFF
        abi.check(abi.uc_reg_write(self.engine, register, self._pointer))

    @property
    def eip(self) -> int:
        return self._read(x86.UC_X86_REG_EIP)

    @property
    def eflags(self) -> int:
        return self._read(x86.UC_X86_REG_EFLAGS)

    @property
    def cs(self) -> int:
        return self._read(x86.UC_X86_REG_CS)

    def read(self, name: str) -> int:
        """A register of NAMES; raises KeyError."""
        if name in PLAIN:
            return self._read(PLAIN[name])
        if name in TABLES:
            register, is_limit = TABLES[name]
            return self._structured(register)[2 if is_limit else 1]
        return self._structured(SYSTEM_SEGMENTS[name])[0]

    def write(self, name: str, value: int) -> None:
        """Raises KeyError.  Segment registers only for selectors of the current ring."""
        if name in DEBUG and self.load_debug_register is not None:
            self.load_debug_register(int(name[2]), value & 0xFFFFFFFF)
            return
        if name in PLAIN:
            self._write(PLAIN[name], value)
            return
        if name in TABLES:
            register, is_limit = TABLES[name]
            _, base, limit, _ = self._structured(register)
            base, limit = (base, value) if is_limit else (value, limit)
            self.write_structured(register, 0, base, limit)
            return
        register = SYSTEM_SEGMENTS[name]
        _, base, limit, flags = self._structured(register)
        self.write_structured(register, value, base, limit, flags)

    def _structured(self, register: int) -> tuple[int, int, int, int]:
        abi.check(abi.uc_reg_read(self.engine, register, self._buffer))
        selector, base, limit, flags = _SYSTEM_SEGMENT.unpack(self._buffer.raw)
        return selector, base & 0xFFFFFFFF, limit, flags

    def write_structured(
        self, register: int, selector: int, base: int, limit: int, flags: int = 0
    ) -> None:
        packed = _SYSTEM_SEGMENT.pack(selector, base, limit, flags)
        abi.check(abi.uc_reg_write(self.engine, register, C.create_string_buffer(packed)))

    def read_msr(self, index: int) -> int:
        buffer = C.create_string_buffer(_MSR.pack(index, 0))
        abi.check(abi.uc_reg_read(self.engine, x86.UC_X86_REG_MSR, buffer))
        return int(_MSR.unpack(buffer.raw[: _MSR.size])[1])

    def write_msr(self, index: int, value: int) -> None:
        buffer = C.create_string_buffer(_MSR.pack(index, value))
        abi.check(abi.uc_reg_write(self.engine, x86.UC_X86_REG_MSR, buffer))
