"""Threads of ring 3: their stacks, TEBs and first CONTEXTs, and what goes with their end."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.entry.context import FLOATING_POINT, FULL, SIZE
from ntgate.errors import NtError
from ntgate.executive.mm import allocate as mm
from ntgate.executive.mm.free import delete_private
from ntgate.executive.ps.environment import TEB_SIZE, teb
from ntgate.layout import machine as m
from ntgate.layout.machine import EFLAGS_START
from ntgate.layout.mm import (
    ALLOCATION_GRANULARITY,
    MEM_COMMIT,
    MEM_RESERVE,
    PAGE_GUARD,
    PAGE_READWRITE,
)
from ntgate.layout.ps import TEB
from ntgate.memory.user import AccessViolation, UserMemory
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.executive.mm.space import ProcessSpace
    from ntgate.executive.ps.thread import Process, Thread

LEAST_COMMIT = 0x2000
DEFAULT_STACK_RESERVE, DEFAULT_STACK_COMMIT = 0x100000, 0x1000


@dataclass(frozen=True)
class Stack:
    """A user stack: the top, the lowest committed byte, and where its allocation begins."""

    base: int
    limit: int
    allocation: int


def create_stack(space: ProcessSpace, reserve: int, commit: int, zero_bits: int = 0) -> Stack:
    """Reserve a stack, commit its top and put the guard page below; raises NtError.

    Both sizes are bytes; the reserve grows to hold what is committed.
    """
    commit = max(commit, LEAST_COMMIT) + PAGE_SIZE - 1 & -PAGE_SIZE
    reserve = max(reserve, commit + 3 * PAGE_SIZE) + ALLOCATION_GRANULARITY - 1
    reserve &= -ALLOCATION_GRANULARITY
    allocation, _ = mm.allocate(
        space, 0, reserve, MEM_RESERVE, PAGE_READWRITE, zero_bits=zero_bits
    )
    top = allocation + reserve
    try:
        mm.allocate(space, top - commit, commit, MEM_COMMIT, PAGE_READWRITE)
        mm.allocate(
            space, top - commit - PAGE_SIZE, PAGE_SIZE, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD
        )
    except NtError:
        _delete(space, allocation)
        raise
    return Stack(top, top - commit, allocation)


def initial_context(start: int, entry: int, argument: int, stack_base: int) -> bytes:
    """A CONTEXT that calls ntdll's start routine with the entry in Eax, the argument in Ebx."""
    context = bytearray(SIZE)
    struct.pack_into("<I", context, 0, FULL | FLOATING_POINT)
    struct.pack_into("<7I", context, 0x1C, 0xFFFF027F, 0xFFFF0000, 0xFFFFFFFF, 0, 0, 0, 0xFFFF0000)
    for offset, value in (
        (0x8C, 0), (0x90, m.KGDT_R3_TEB), (0x94, m.KGDT_R3_DATA), (0x98, m.KGDT_R3_DATA),
        (0xA4, argument), (0xB0, entry), (0xB8, start), (0xBC, m.KGDT_R3_CODE),
        (0xC0, EFLAGS_START), (0xC4, stack_base - 16), (0xC8, m.KGDT_R3_DATA),
    ):  # fmt: skip
        struct.pack_into("<I", context, offset, value)
    return bytes(context)


def create_user_thread(
    process: Process,
    entry: int,
    argument: int,
    reserve: int = 0,
    commit: int = 0,
    *,
    zero_bits: int = 0,
    suspended: bool = False,
) -> Thread:
    """A thread with a stack of its own, which goes when the thread ends.

    Sizes of 0 are the program's.  Raises NtError.
    """
    image = process.image
    if not reserve:
        reserve = (image.stack_reserve if image else 0) or DEFAULT_STACK_RESERVE
    if not commit:
        commit = (image.stack_commit if image else 0) or DEFAULT_STACK_COMMIT
    stack = create_stack(process.space, reserve, commit, zero_bits)
    context = initial_context(process.thread_entry, entry, argument, stack.base)
    try:
        thread = create_thread_on(process, context, stack, suspended=suspended)
    except NtError:
        _delete(process.space, stack.allocation)
        raise
    thread.owns_stack = True
    return thread


def create_thread_on(
    process: Process, context: bytes, stack: Stack, *, suspended: bool = False
) -> Thread:
    """A thread with a TEB, on a stack that is there already; raises NtError."""
    space, processes = process.space, process.executive.processes
    teb_at = mm.create_peb_or_teb(space, TEB_SIZE)
    try:
        thread = processes.create_thread(process, context, teb_at, suspended=suspended)
    except NtError:
        _delete(space, teb_at)
        raise
    block = teb(
        teb_at, process.eprocess.Peb, stack.base, stack.limit, stack.allocation, thread.pid,
        thread.tid,
    )  # fmt: skip
    process.memory.write(teb_at, block)
    return thread


def delete_user_part(thread: Thread) -> None:
    """The thread has ended and its process goes on: free its TEB and, if it is its own, its
    stack.

    Wine's ntdll links the TEBs of its threads; one that was ended from outside has not left that
    list, and its TEB stays.
    """
    space, memory = thread.process.space, thread.process.memory
    teb_at, thread.teb = thread.teb, 0
    if not teb_at:
        return
    try:
        allocation = memory.u32(teb_at + TEB.DeallocationStack.offset)
        wanted = memory.read(teb_at + TEB.FreeStackOnTermination.offset, 1) != b"\0"
        linked = _is_linked(memory, teb_at + TEB.TlsLinks.offset)
    except AccessViolation:
        return
    if thread.owns_stack or wanted:
        _delete(space, allocation)
    if not linked:
        _delete(space, teb_at)


def _is_linked(memory: UserMemory, entry: int) -> bool:
    """Whether a LIST_ENTRY of ring 3 is in a list: its neighbour points back at it."""
    following = memory.u32(entry)
    try:
        return following != 0 and memory.u32(following + 4) == entry
    except AccessViolation:
        return False


def _delete(space: ProcessSpace, address: int) -> None:
    """Release the private allocation that begins at `address`, if one does."""
    vad = space.vad_at(address >> 12)
    if vad is not None and vad.is_private and vad.first == address >> 12:
        delete_private(space, vad)
