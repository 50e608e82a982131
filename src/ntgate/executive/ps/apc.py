"""User APCs: queued as KAPC objects in guest memory, delivered on the way back to ring 3."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ntgate.entry.context import ALL, SIZE, TrapContext
from ntgate.executive.ps.exceptions import raise_status
from ntgate.executive.ps.suspend import is_frozen
from ntgate.layout import lists, ntstatus
from ntgate.layout.ke import KAPC, KAPC_STATE, KTHREAD, KTRAP_FRAME, USER_MODE, WAITING
from ntgate.memory.user import AccessViolation

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive
    from ntgate.executive.ps.thread import Thread

APC_OBJECT = 0x12
TAG = b"Psap"


def _state(thread: Thread) -> KAPC_STATE:
    tcb: KTHREAD = thread.ethread.Tcb
    return tcb.ApcState


def _user_list(thread: Thread) -> int:
    return _state(thread).address + 8


def queue(thread: Thread, routine: int, context: int, first: int, second: int) -> None:
    """Add a user APC; a thread in an alertable wait wakes up for it."""
    executive = thread.executive
    apc = KAPC(executive.kernel, executive.pool.allocate(KAPC.SIZE, TAG))
    fill(apc, thread, routine, context)
    apc.SystemArgument1, apc.SystemArgument2 = first, second
    insert(executive, apc)


def fill(apc: KAPC, thread: Thread, routine: int, context: int) -> None:
    """Make a KAPC that is part of its owner's object a user APC of a thread."""
    apc.Type, apc.Size = APC_OBJECT, KAPC.SIZE
    apc.Thread = thread.ethread.address
    apc.NormalRoutine, apc.NormalContext = routine, context
    apc.ApcMode = USER_MODE


def insert(executive: Executive, apc: KAPC) -> None:
    """Queue an APC that isn't queued yet to its thread, which may have ended."""
    thread = executive.processes.threads.get(apc.Thread)
    if apc.Inserted or thread is None or thread.ethread.Terminated:
        return
    apc.Inserted = 1
    lists.insert_tail(executive.kernel, _user_list(thread), apc.ApcListEntry.address)
    tcb: KTHREAD = thread.ethread.Tcb
    if tcb.State == WAITING and tcb.Alertable and not is_frozen(tcb):
        _state(thread).UserApcPending = 1
        executive.processes.unwait(thread, ntstatus.STATUS_USER_APC)


def withdraw(executive: Executive, apc: KAPC) -> None:
    """Take back an APC that has not been delivered."""
    if apc.Inserted:
        apc.Inserted = 0
        lists.remove(executive.kernel, apc.ApcListEntry.address)


def _release(executive: Executive, apc: KAPC) -> None:
    """It has left its queue: a block of its own goes, one in an object can be queued again."""
    apc.Inserted = 0
    if apc.address not in executive.timers.apcs:
        executive.pool.free(apc.address)


def is_queued(thread: Thread) -> bool:
    return not lists.is_empty(thread.executive.kernel, _user_list(thread))


def test_alert(thread: Thread) -> bool:
    """NtTestAlert: whether an APC is queued, which is then delivered on the way out."""
    queued = is_queued(thread)
    if queued:
        _state(thread).UserApcPending = 1
    return queued


def deliver(thread: Thread, frame_address: int) -> None:
    """KiDeliverApc: make the frame run KiUserApcDispatcher for the first queued APC.

    On the user's stack from low to high: routine, context, two arguments, the CONTEXT to
    continue with.  A stack that can't take them gets the fault as an exception.
    """
    executive = thread.executive
    kernel = executive.kernel
    state = _state(thread)
    state.UserApcPending = 0
    entry = next(lists.entries(kernel, _user_list(thread)), None)
    if entry is None:
        return
    lists.remove(kernel, entry)
    apc = KAPC(kernel, entry - KAPC.ApcListEntry.offset)
    values = (apc.NormalRoutine, apc.NormalContext, apc.SystemArgument1, apc.SystemArgument2)
    _release(executive, apc)
    frame = KTRAP_FRAME(kernel, frame_address)
    context = TrapContext(kernel, thread.ethread.Tcb, frame_address).capture(ALL)
    place = ((frame.HardwareEsp & ~3) - (SIZE + 3 & ~3) - 16) & 0xFFFFFFFF
    try:
        thread.memory.write(place, struct.pack("<4I", *values) + context)
    except AccessViolation as violation:
        raise_status(thread, violation.status, frame_address)
        return
    frame.HardwareEsp = place
    frame.Eip = thread.process.apc_entry


def discard(thread: Thread) -> None:
    """The thread ends: free what is queued."""
    executive = thread.executive
    for entry in list(lists.entries(executive.kernel, _user_list(thread))):
        lists.remove(executive.kernel, entry)
        _release(executive, KAPC(executive.kernel, entry - KAPC.ApcListEntry.offset))
