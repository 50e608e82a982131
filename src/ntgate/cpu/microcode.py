"""Two pages outside RAM that only the processor uses: its own address spaces and instructions.

The engine sets up execution breakpoints where an instruction loads DR0-DR7, and nowhere else;
so a debugger's write of one runs that instruction here, with the guest's state put aside.
"""

from __future__ import annotations

import ctypes as C
import mmap
from typing import TYPE_CHECKING

from ntgate.cpu import mmu
from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.calibration import Context
from ntgate.cpu.descriptors import FLAT_CODE, FLAT_DATA
from ntgate.cpu.ram import PAGE_SIZE
from ntgate.cpu.unicorn_abi import const

if TYPE_CHECKING:
    from ntgate.cpu.processor import Processor

ROM = 0xFFFF_E000  # physical, and linear in the second address space
EMPTY_PDPT = ROM  # CR3 of an address space where nothing is mapped
_PDPT, _DIRECTORY, _CODE = ROM + 0x20, ROM + 0x1000, ROM + 0x100

_HALT = 0x20  # from _CODE; below are the loads, 4 bytes each: mov drN,eax / hlt
_IO_BREAKPOINTS = 1 << 24  # in hflags: what DR7 leaves there


class Microcode:
    def __init__(self, engine: C.c_void_p) -> None:
        self._engine = engine
        self._map = mmap.mmap(-1, 2 * PAGE_SIZE)
        self._anchor = C.c_char.from_buffer(self._map)
        self._kept = Context(engine)
        page = memoryview(self._map)
        qwords = page.cast("Q")
        qwords[(_PDPT - ROM >> 3) + 3] = _DIRECTORY | mmu.PRESENT
        rights = mmu.PRESENT | mmu.WRITABLE | mmu.ACCESSED | mmu.DIRTY | mmu.LARGE
        qwords[(_DIRECTORY - ROM >> 3) + 511] = ROM & mmu.LARGE_FRAME_MASK | rights
        loads = b"".join(bytes((0x0F, 0x23, 0xC0 | n << 3, 0xF4)) for n in range(8))
        page[_CODE - ROM : _CODE - ROM + len(loads) + 1] = loads + b"\xf4"
        abi.check(
            abi.uc_mem_map_ptr(
                engine, ROM, 2 * PAGE_SIZE, const.UC_PROT_ALL, C.addressof(self._anchor)
            )
        )

    def load_debug_register(self, cpu: Processor, number: int, value: int) -> None:
        """DRn := value."""
        self._run(cpu, 4 * number, value, 2 if cpu.has_limit else 0)

    def leave_counting(self, cpu: Processor) -> None:
        """Run without a limit once: the engine drops its counter, at the price of CR2."""
        self._run(cpu, _HALT, 0, 0)

    def _run(self, cpu: Processor, entry: int, eax: int, count: int) -> None:
        engine, layout, delivery = self._engine, cpu.layout, cpu.delivery
        kept = self._kept.save(engine)
        context = cpu.context.save(engine)
        delivery.load(context, 1, 0x08, FLAT_CODE)
        delivery.load(context, 2, 0x10, FLAT_DATA)
        delivery.set_control_flags(context, 0)
        delivery.update_hflags(context, 0)
        context[layout.general[0]] = eax
        context[layout.cr3] = _PDPT
        abi.check(abi.uc_context_restore(engine, cpu.context.pointer))
        cpu.flush_tlb()
        code = abi.emu_start_counted(engine, _CODE + entry, 0, 0, count)
        context = cpu.context.save(engine)
        # DR0-DR7, and behind them the engine's own record of its execution breakpoints.
        first, end = layout.dr0, layout.old_exception
        kept[first:end] = context[first:end]
        hflags = layout.hflags
        kept[hflags] = kept[hflags] & ~_IO_BREAKPOINTS | context[hflags] & _IO_BREAKPOINTS
        abi.check(abi.uc_context_restore(engine, self._kept.pointer))
        cpu.flush_tlb()
        abi.check(code)
