"""Who may use an I/O port (Intel SDM volume 1, 18.5): IOPL, and the map in the TSS."""

from __future__ import annotations

from ntgate.cpu.delivery import HFLAG_CPL, Delivery

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
