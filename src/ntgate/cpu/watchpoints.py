"""Data breakpoints: the processor's DR0-DR3 and the debugger's own.

The engine's memory hooks see physical addresses; they slow every access, so they exist only
while something is watched.  A hook that sees a watched access breaks the run off.  The engine
then stands at the instruction, mostly: what it has done of it is done again when it is run
once more alone (the engine commits registers after the memory access, and the hook of a
read-modify-write comes before the read).  The breakpoint is reported after it, as a trap.

Which of the instruction's accesses are watched is decided by its linear addresses, so another
mapping of the same frame does not trigger.  Known gap: what the processor itself and the
host's services read and write is not watched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.delivery import DEBUG
from ntgate.cpu.mmu import walk
from ntgate.cpu.ram import PAGE_SIZE
from ntgate.cpu.unicorn_abi import const
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.cpu.processor import Processor

WRITE, READ_WRITE = 1, 3  # DR7's R/W field
LARGEST_ACCESS = 16
PATIENCE = 64  # runs that the hooks of nothing stay: to remove them costs all translations


@dataclass(frozen=True)
class Watch:
    """`size` bytes at linear `address`; `slot` is 0-3 for a debug register, else None."""

    address: int
    size: int
    access: int
    slot: int | None = None

    def overlaps(self, address: int, size: int) -> bool:
        return address < self.address + self.size and self.address < address + size


@dataclass(frozen=True)
class Span:
    """Physical addresses at which a watched access may start; linear ones are + delta."""

    first: int
    last: int
    delta: int


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
        self.armed = False  # the engine calls at accesses
        self.stopped = False
        self._hooks: dict[Span, tuple[int, Any]] = {}
        self._unused_for = 0
        self._touched: set[Watch] = set()
        self._at = 0  # eip of the instruction that touched
        self._finishing = False

    def begin(self) -> None:
        """Before each run: hook what is watched, as the current address space maps it."""
        if not self._hooks and not self._may_watch():
            return
        wanted = self._wanted()
        if not wanted and self._unused_for < PATIENCE:
            self._unused_for += 1
            return
        self._unused_for = 0
        for span in self._hooks.keys() - wanted:
            self.cpu.remove_hook(self._hooks.pop(span)[0])
        for span in wanted - self._hooks.keys():
            self._hook(span)
        if self.armed != bool(self._hooks):
            self.armed = bool(self._hooks)
            self.cpu.flush_code()

    def renew(self) -> None:
        """From a callback that may have changed DR0-DR7, CR3 or a mapping."""
        if self._may_watch() and not self._wanted() <= self._hooks.keys():
            self.cpu.break_off()  # and `run` begins again

    def _may_watch(self) -> bool:
        return bool(self.debugger or self.cpu.registers.read("dr7") & 0xFF)

    def _current(self, context: memoryview) -> list[Watch]:
        layout = self.cpu.layout
        addresses = tuple(context[layout.dr0 + 2 * slot] for slot in range(4))
        return self.debugger + watches_of(context[layout.dr7], addresses)

    def _wanted(self) -> set[Span]:
        cpu = self.cpu
        context = cpu.context.save(cpu.engine)
        cr3 = context[cpu.layout.cr3]
        spans = set()
        for watch in self._current(context):
            linear, end = max(watch.address - LARGEST_ACCESS + 1, 0), watch.address + watch.size
            while linear < end:
                page_end = (linear | PAGE_SIZE - 1) + 1
                mapping = walk(cpu.ram.qwords, cr3, linear & 0xFFFFFFFF)
                if mapping is not None:
                    last = mapping.physical + min(end, page_end) - linear - 1
                    spans.add(Span(mapping.physical, last, linear - mapping.physical))
                linear = page_end
        return spans

    def _hook(self, span: Span) -> None:
        def accessed(
            _engine: object, kind: int, physical: int, size: int, _value: int, _data: object
        ) -> None:
            self._accessed(physical + span.delta, size, kind)

        callback = abi.HOOK_MEM(self.cpu.guard(accessed))
        kinds = const.UC_HOOK_MEM_READ | const.UC_HOOK_MEM_WRITE
        handle = abi.hook_add(self.cpu.engine, kinds, callback, span.first, span.last)
        self._hooks[span] = (handle, callback)

    def _accessed(self, linear: int, size: int, kind: int) -> None:
        cpu = self.cpu
        context = cpu.context.save(cpu.engine)
        cpu.flags(context, in_instruction=True)
        cpu.restore()
        if self.stopped or self._finishing:
            return
        watches = [watch for watch in self._current(context) if watch.overlaps(linear, size)]
        if watches:
            self._touched = self._touched_by(context, watches, kind)
            if self._touched:
                self.stopped = True
                self._at = context[cpu.layout.eip]
                cpu.delivery.last = None
                cpu.break_off(before=True)

    def _touched_by(self, context: memoryview, watches: list[Watch], kind: int) -> set[Watch]:
        """Which of all watches the instruction at eip touches as they watch.

        `watches` were seen to be touched in a way that may be another mapping's.
        """
        from ntgate.cpu.operands import LONGEST, memory_accesses

        cpu = self.cpu
        accesses = memory_accesses(cpu.layout, context, cpu.peek(context, LONGEST))
        offset_mask = PAGE_SIZE - 1
        if not any(
            watch.overlaps(watch.address & ~offset_mask | access.linear & offset_mask, access.size)
            for watch in watches
            for access in accesses
        ):
            # The decoder does not know of this access: go by what was seen.
            is_write = kind == const.UC_MEM_WRITE
            return {watch for watch in watches if is_write or watch.access == READ_WRITE}
        return {
            watch
            for watch in self._current(context)
            for access in accesses
            if watch.overlaps(access.linear, access.size)
            and (access.writes or (access.reads and watch.access == READ_WRITE))
        }

    def finish(self) -> None:
        """After a run that a watched access broke off: complete the instruction, and report."""
        cpu = self.cpu
        if cpu.registers.eip == self._at and cpu.delivery.last is None:
            context = cpu.context.save(cpu.engine)
            cpu.flags(context, in_instruction=True)
            cpu.restore()
            self._finishing = True
            try:
                with cpu.breakpoints.ignored():
                    cpu.run_engine(1)
            finally:
                self._finishing = False
        else:
            cpu.executed += 1
        self.stopped = False
        event = cpu.delivery.last
        if event is not None and event != DEBUG:
            return  # it has faulted, and will run and touch again
        self.hits += [watch for watch in self._touched if watch.slot is None]
        slots = [watch.slot for watch in self._touched if watch.slot is not None]
        if slots:
            context = cpu.context.save(cpu.engine)
            for slot in slots:
                context[cpu.layout.dr6] |= 1 << slot
            if event is None:
                cpu.delivery.deliver(context, DEBUG, eflags=cpu.registers.eflags)
            cpu.restore()
