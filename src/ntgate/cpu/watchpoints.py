"""Data breakpoints: the processor's DR0-DR3 and the debugger's own.

The engine's memory hooks see physical addresses and only the start of an access; they slow
every store, so they exist only while something is watched.  A hook that sees a watched access
stops the run; the engine then stands at the instruction, which is run once more alone (the
engine commits registers after the memory access, so that nothing happens twice), and the
breakpoint is reported after it, as a trap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.mmu import walk
from ntgate.cpu.unicorn_abi import const

if TYPE_CHECKING:
    from ntgate.cpu.processor import Processor

WRITE, READ_WRITE = 1, 3  # DR7's R/W field
LARGEST_ACCESS = 16


@dataclass(frozen=True)
class Watch:
    """`size` bytes at linear `address`; `slot` is 0-3 for a debug register, else None."""

    address: int
    size: int
    access: int
    slot: int | None = None


def watches_of(dr7: int, addresses: tuple[int, ...]) -> list[Watch]:
    """The data breakpoints that DR0-DR3 and DR7 define (SDM volume 3, 17.2.4)."""
    found = []
    for slot in range(4):
        if dr7 >> 2 * slot & 3:
            access = dr7 >> 16 + 4 * slot & 3
            size = (1, 2, 8, 4)[dr7 >> 18 + 4 * slot & 3]
            if access in (WRITE, READ_WRITE):
                found.append(Watch(addresses[slot] & ~(size - 1), size, access, slot))
    return found


class Watchpoints:
    def __init__(self, cpu: Processor) -> None:
        self.cpu = cpu
        self.debugger: list[Watch] = []
        self.hits: list[Watch] = []  # the debugger's, of the last run
        self.stopped = False
        self._armed: tuple[tuple[Watch, int | None], ...] = ()  # with where it is in RAM
        self._hooks: list[tuple[int, Any]] = []
        self._touched: set[Watch] = set()
        self._collecting = False

    def begin(self, context: memoryview) -> None:
        """Before each run: arm what DR7 and the debugger watch, in the current address space."""
        self.hits.clear()
        self.stopped = False
        layout = self.cpu.layout
        watches = self.debugger + self._registers(context)
        if not watches and not self._armed:
            return
        cr3 = context[layout.cr3]
        armed = tuple((watch, self._physical(watch, cr3)) for watch in watches)
        if armed != self._armed:
            self.disarm()
            self._armed = armed
            for watch, physical in armed:
                if physical is not None:
                    self._arm(watch, physical)

    def _registers(self, context: memoryview) -> list[Watch]:
        """The data breakpoints in DR0 to DR3."""
        dr7 = context[self.cpu.layout.dr7]
        if not dr7 & 0xFF:
            return []
        first = self.cpu.layout.dr7 - 14
        return watches_of(dr7, tuple(context[first + 2 * slot] for slot in range(4)))

    def _physical(self, watch: Watch, cr3: int) -> int | None:
        mapping = walk(self.cpu.ram.qwords, cr3, watch.address)
        return None if mapping is None else mapping.physical

    def mapping_changes(self) -> None:
        """The kernel is about to map a page: what is watched may lie elsewhere afterwards."""
        if self._armed:
            self.cpu.stop()

    def disarm(self) -> None:
        for handle, _callback in self._hooks:
            abi.check(abi.uc_hook_del(self.cpu.engine, handle))
        if self._hooks:
            self.cpu.flush_code()
        self._hooks.clear()
        self._armed = ()

    def _arm(self, watch: Watch, first: int) -> None:
        def accessed(
            _engine: object, kind: int, physical: int, size: int, _value: int, _data: object
        ) -> None:
            if physical + size <= first or physical >= first + watch.size:
                return
            if self._collecting:
                if kind == const.UC_MEM_WRITE or watch.access == READ_WRITE:
                    self._touched.add(watch)
            else:
                self.stopped = True
                abi.uc_emu_stop(self.cpu.engine)

        callback = abi.HOOK_MEM(accessed)
        handle = abi.hook_add(
            self.cpu.engine,
            const.UC_HOOK_MEM_READ | const.UC_HOOK_MEM_WRITE,
            callback,
            max(first - LARGEST_ACCESS, 0),
            first + watch.size - 1,
        )
        self._hooks.append((handle, callback))
        self.cpu.flush_code()

    def finish(self) -> bool:
        """Run the watched instruction alone; then #DB, or a stop for the debugger."""
        cpu = self.cpu
        self._collecting = True
        self._touched.clear()
        try:
            before = cpu.registers.eip
            cpu.start_engine(before, 0, 1)
        finally:
            self._collecting = False
        self.stopped = False
        touched = self._touched
        self.hits = [watch for watch in touched if watch.slot is None]
        context = cpu.context.save(cpu.engine)
        # Ring 0 runs with its own DR7, and the hooks of ring 3's are still there.
        slots = [watch.slot for watch in self._registers(context) if watch in touched]
        if slots:
            for slot in slots:
                assert slot is not None
                context[cpu.layout.dr6] |= 1 << slot
            cpu.delivery.deliver(context, 1, eflags=cpu.registers.eflags)
            cpu.restore()
        return False
