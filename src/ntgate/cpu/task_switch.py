"""The hardware task switch of a task gate: how NT survives a double fault on a bad stack.

Intel SDM volume 3, 7.3.  Only the form that an interrupt uses: the old task stays busy and
the new one gets a back link and NT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.cpu.descriptors import NOT_SYSTEM, Segment

if TYPE_CHECKING:
    from ntgate.cpu.delivery import Delivery

TSS_AVAILABLE = 0x9
BUSY = 1 << 9  # in a TSS descriptor's high dword

# Dword places in a 32-bit TSS.
LINK, CR3, EIP, EFLAGS, EAX = 0, 7, 8, 9, 10
ES = 18  # then CS, SS, DS, FS, GS
DWORDS = 26


class TaskSwitch:
    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery

    def enter(
        self,
        context: memoryview,
        selector: int,
        eflags: int,
        error: tuple[int, ...],
        ext: int,
    ) -> None:
        """Leave the current task for the one of `selector`, pushing its error code there."""
        from ntgate.cpu.delivery import (
            GENERAL_PROTECTION,
            INVALID_TSS,
            NOT_PRESENT,
            NT,
            GuestFault,
        )

        delivery, layout = self.delivery, self.delivery.layout
        segment = delivery.segment(context, selector, ext)
        if segment.flags & NOT_SYSTEM or segment.flags >> 8 & 0xF != TSS_AVAILABLE:
            raise GuestFault(GENERAL_PROTECTION, selector & 0xFFFC | ext)
        if not segment.present:
            raise GuestFault(NOT_PRESENT, selector & 0xFFFC | ext)
        if segment.limit < 4 * DWORDS - 1:
            raise GuestFault(INVALID_TSS, selector & 0xFFFC | ext)
        new = delivery.read_dwords(context, segment.base, DWORDS)
        old_base = context[layout.tr + 2]
        old = list(delivery.read_dwords(context, old_base, DWORDS))

        old[EIP], old[EFLAGS] = context[layout.eip], eflags
        for place, index in enumerate(layout.general):
            old[EAX + place] = context[index]
        for place, index in enumerate(layout.segments):
            old[ES + place] = context[index] & 0xFFFF
        delivery.write_dwords(context, old_base, tuple(old))
        delivery.write_dwords(context, segment.base, (context[layout.tr] & 0xFFFF,))

        context[layout.cr3] = new[CR3]
        delivery.tlb_is_stale = True
        context[layout.eip] = new[EIP]
        for place, index in enumerate(layout.general):
            context[index] = new[EAX + place]
        delivery.set_eflags(context, new[EFLAGS] | NT)
        for place in range(6):
            wanted = new[ES + place] & 0xFFFF
            if wanted & 0xFFFC:
                delivery.load(
                    context, place, wanted, delivery.segment(context, wanted, ext, INVALID_TSS)
                )
            else:
                delivery.load(context, place, 0, Segment(0, 0, 0))
        context[layout.tr] = selector & 0xFFFC
        context[layout.tr + 2] = segment.base
        context[layout.tr + 4] = segment.limit
        context[layout.tr + 5] = segment.flags | BUSY
        delivery.update_hflags(context, context[layout.segments[1]] & 3)
        if error:
            esp = (new[EAX + 4] - 4) & 0xFFFFFFFF
            delivery.write_dwords(context, esp, error)
            context[layout.general[4]] = esp
