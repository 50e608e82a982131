"""User APCs: queued as KAPC objects in guest memory, delivered on the way back to ring 3."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ntgate.entry.context import ALL, SIZE, TrapContext
from ntgate.executive.ke.scheduler import WAITING
from ntgate.executive.ps.exceptions import raise_status
from ntgate.executive.ps.suspend import is_frozen
from ntgate.layout import lists, ntstatus
from ntgate.layout.ke import KAPC, KAPC_STATE, KTHREAD, KTRAP_FRAME
from ntgate.memory.user import AccessViolation

if TYPE_CHECKING:
    from ntgate.executive.ps.thread import Thread

APC_OBJECT = 0x12
USER_MODE = 1
TAG = b"Psap"


def _state(thread: Thread) -> KAPC_STATE:
    tcb: KTHREAD = thread.ethread.Tcb
    return tcb.ApcState


def _user_list(thread: Thread) -> int:
    return _state(thread).address + 8


def queue(thread: Thread, routine: int, context: int, first: int, second: int) -> None:
    """Add a user APC; a thread in an alertable wait wakes up for it."""
    executive = thread.executive
    body = executive.pool.allocate(KAPC.SIZE, TAG)
    apc = KAPC(executive.kernel, body)
    apc.Type, apc.Size = APC_OBJECT, KAPC.SIZE
    apc.Thread = thread.ethread.address
    apc.NormalRoutine, apc.NormalContext = routine, context
    apc.SystemArgument1, apc.SystemArgument2 = first, second
    apc.ApcMode, apc.Inserted = USER_MODE, 1
    lists.insert_tail(
        executive.kernel, _user_list(thread), body + KAPC.ApcListEntry.offset
    )
    tcb: KTHREAD = thread.ethread.Tcb
    if tcb.State == WAITING and tcb.Alertable and not is_frozen(tcb):
        _state(thread).UserApcPending = 1
        executive.processes.unwait(thread, ntstatus.STATUS_USER_APC)


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
    executive.pool.free(apc.address)
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
        executive.pool.free(entry - KAPC.ApcListEntry.offset)
