"""Doubly linked lists of LIST_ENTRY, as the executive keeps them in guest memory."""

from __future__ import annotations

from collections.abc import Iterator

from ntgate.errors import GuestBugCheck
from ntgate.memory.companions import CRITICAL_STRUCTURE_CORRUPTION
from ntgate.memory.kernel import KernelMemory

MOST_ENTRIES = 1 << 20


def initialize(memory: KernelMemory, head: int) -> None:
    memory.set_u32(head, head)
    memory.set_u32(head + 4, head)


def is_empty(memory: KernelMemory, head: int) -> bool:
    return memory.u32(head) == head


def insert_tail(memory: KernelMemory, head: int, entry: int) -> None:
    last = memory.u32(head + 4)
    memory.set_u32(entry, head)
    memory.set_u32(entry + 4, last)
    memory.set_u32(last, entry)
    memory.set_u32(head + 4, entry)


def insert_head(memory: KernelMemory, head: int, entry: int) -> None:
    insert_tail(memory, memory.u32(head), entry)


def remove(memory: KernelMemory, entry: int) -> None:
    following, before = memory.u32(entry), memory.u32(entry + 4)
    memory.set_u32(before, following)
    memory.set_u32(following + 4, before)


def entries(memory: KernelMemory, head: int) -> Iterator[int]:
    """Addresses of the entries; raises GuestBugCheck for a list that does not end at its head."""
    entry, left = memory.u32(head), MOST_ENTRIES
    while entry != head:
        if not left:
            raise GuestBugCheck(CRITICAL_STRUCTURE_CORRUPTION, (head, 0, 0, 0))
        following = memory.u32(entry)
        yield entry
        entry = following
        left -= 1
