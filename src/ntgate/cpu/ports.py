"""Port I/O: who may use a port (Intel SDM volume 1, 18.5), and who answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.delivery import GENERAL_PROTECTION, HFLAG_CPL, NO_EXCEPTION, Delivery
from ntgate.cpu.microcode import EMPTY_PDPT
from ntgate.cpu.unicorn_abi import const, x86

if TYPE_CHECKING:
    from ntgate.cpu.processor import Processor

IO_MAP_BASE = 0x66  # in the TSS: offset of the map, 16 bits


def io_allowed(delivery: Delivery, context: memoryview, port: int, size: int) -> bool:
    """Whether the current privilege level may touch `size` ports from `port`."""
    layout = delivery.layout
    cpl = context[layout.hflags] & HFLAG_CPL
    if cpl <= context[layout.eflags] >> 12 & 3:
        return True
    tss, limit = context[layout.tr + 2], context[layout.tr + 4]
    if limit < IO_MAP_BASE + 1:
        return False
    offset = delivery.read_dwords(context, tss + IO_MAP_BASE - 2, 1)[0] >> 16
    first = offset + (port >> 3)
    if first + 1 > limit:
        return False
    bits = delivery.read_dwords(context, tss + (first & ~3), 2)
    joined = (bits[0] | bits[1] << 32) >> 8 * (first & 3)
    return not joined >> (port & 7) & (1 << size) - 1


class PortIO:
    """The hooks of `in` and `out`, which the engine executes in any ring.

    refused: the context of an `in` or `out` that is not allowed, while the engine is being
    brought to a halt behind it.  The rest of its translation block runs on in an empty
    address space, so that no instruction after it can read or write memory; then everything
    is put back as it was at the instruction, and #GP(0) is delivered.
    """

    def __init__(self, cpu: Processor) -> None:
        self.cpu = cpu
        self.refused: list[int] | None = None

    def install(self) -> None:
        cpu, insn = self.cpu, const.UC_HOOK_INSN
        cpu.hook(abi.HOOK_OUT, insn, self._make_out(), x86.UC_X86_INS_OUT)
        cpu.hook(abi.HOOK_IN, insn, cpu.guard(self._in, 0), x86.UC_X86_INS_IN)

    def _make_out(self) -> Callable[..., None]:
        cpu, watchpoints, may_do = self.cpu, self.cpu.watchpoints, self._may_do
        live, hflags = cpu.live, cpu.layout.hflags

        def out(_engine: object, port: int, size: int, value: int) -> None:
            try:
                if port == cpu.host_port and not live[hflags] & 3 and cpu.host_call(value):
                    if watchpoints.armed:
                        watchpoints.renew()
                elif may_do(port, size):
                    cpu.port_write(port, size, value)
            except BaseException as error:
                cpu.fail(error)

        return out

    def _in(self, _engine: object, port: int, size: int, _data: object) -> int:
        return self.cpu.port_read(port, size) if self._may_do(port, size) else 0

    def _may_do(self, port: int, size: int) -> bool:
        if self.refused is not None:
            return False
        cpu = self.cpu
        context = cpu.context.save(cpu.engine)
        cpu.flags(context, in_instruction=True)
        if io_allowed(cpu.delivery, context, port, size):
            cpu.restore()
            return True
        self.refused = context.tolist()
        context[cpu.layout.cr3] = EMPTY_PDPT
        cpu.restore()
        cpu.flush_tlb()
        cpu.break_off()
        return False

    def finish(self) -> None:
        """After the run that was broken off."""
        assert self.refused is not None
        cpu, context = self.cpu, self.cpu.context.dwords
        for index, value in enumerate(self.refused):
            context[index] = value
        self.refused = None
        context[cpu.layout.old_exception] = NO_EXCEPTION
        cpu.restore()
        cpu.flush_tlb()
        cpu.raise_exception(GENERAL_PROTECTION)
